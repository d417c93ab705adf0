import Glibc
import RMCPHost
import RMCPReport

/// The end of a command that does not end with 0, when people have been told of it already: programs are told in their last line.
struct Ending: Error {
    let status: ExitStatus
    /// Message: what happened, to what.
    let message: String
    /// Advice; empty where nothing is known to.
    let hint: String

    init(_ status: ExitStatus, _ message: String, hint: String = "") {
        self.status = status
        self.message = message
        self.hint = hint
    }

    /// - Parameter help: where to look up what can be asked for.
    init(_ error: HostError, help: String) {
        let isUsage = error.kind == .usage
        self.init(isUsage ? .usage : .failure, error.message, hint: error.hint.isEmpty && isUsage ? help : error.hint)
    }

    /// A signal other than the one that ends services.
    static func interrupted(hint: String = "") -> Ending { Ending(.interrupted, "stopped by a signal", hint: hint) }
}

extension ExitStatus {
    /// Says what there is to be said, within two seconds, and ends the process.
    static func exit(_ status: ExitStatus) -> Never { end(status, nil) }

    /// - Parameter isTold: whether programs are.
    static func exit(_ ending: Ending, isTold: Bool) -> Never {
        end(ending.status, isTold ? .error(ending.status, message: ending.message, hint: ending.hint) : nil)
    }

    /// - Parameter last: the last line for programs.
    private static func end(_ status: ExitStatus, _ last: JSONLine?) -> Never {
        // Signals are not listened for any more: from here on one ends the process at once. What came before has been heard, or
        // came too late: ignoring a signal drops it. Who was started with one ignored goes on ignoring it.
        for number in StopSignals.all {
            let before = signal(number, SIG_IGN)
            if unsafe unsafeBitCast(before, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) { _ = signal(number) { _ in _exit(130) } }
        }
        StopSignals.unblock()
        if let last { Console.event(last) }
        Console.finish()
        guard status == .done, let loss = Console.lostOutput else { Glibc.exit(status.rawValue) }
        // Room for a line may be there again.
        Console.event(.error(.failure, message: loss.message, hint: loss.hint))
        Console.finish()
        Glibc.exit(ExitStatus.failure.rawValue)
    }
}
