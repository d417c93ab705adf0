import Glibc
import RMCPHost

/// The exit codes that scripts may rely on.
enum ExitStatus: Int32 {
    case done = 0
    case failure = 1
    case usage = 2
    case partial = 3
    case nobody = 4
    case refused = 5
    case interrupted = 130

    /// Says what there is to be said, within two seconds, and ends the process.
    static func exit(_ status: ExitStatus) -> Never {
        // Nobody listens for signals any more: from here on one ends the process at once. What came before has been heard, or
        // came too late: ignoring a signal drops it. Who was started with one ignored goes on ignoring it.
        for number in StopSignals.all {
            let before = signal(number, SIG_IGN)
            if unsafe unsafeBitCast(before, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) { _ = signal(number) { _ in _exit(130) } }
        }
        StopSignals.unblock()
        Console.finish()
        Glibc.exit(status.rawValue)
    }
}
