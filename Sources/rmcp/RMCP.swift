import ArgumentParser
import Glibc
import RMCPHost

/// The command line. Exit codes are part of its contract, so they are decided here and not by the argument parser.
@main
struct RMCP: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rmcp",
        abstract: "Push one file to a whole fleet by reliable multicast, for about the network cost of one copy.",
        discussion: """
            Receivers run 'rmcp recv'; 'rmcp send FILE' pushes to all of them at once; 'rmcp repair' answers losses \
            near the receivers; 'rmcp watch' shows who has how much. Bundles are signed: make a key with 'rmcp keygen' and give its public line to receivers with --trust.
            """,
        version: Version.text,
        subcommands: [SendCommand.self, RecvCommand.self, RepairCommand.self, WatchCommand.self, KeygenCommand.self])

    static func main() {
        ProcessStart.prepare()
        do {
            var command = try parseAsRoot()
            if var runnable = command as? any CodedCommand {
                ExitStatus.exit(try runnable.execute())
            }
            try command.run()
        } catch let error as HostError {
            Console.error(error.description)
            ExitStatus.exit(error.kind == .usage ? .usage : .failure)
        } catch {
            let code = Self.exitCode(for: error)
            if code.isSuccess { Self.exit(withError: error) }
            Console.line(Self.fullMessage(for: error))
            ExitStatus.exit(code == .validationFailure ? .usage : .failure)
        }
    }
}

/// A command whose end is one of the contract's exit codes.
protocol CodedCommand: ParsableCommand {
    mutating func execute() throws -> ExitStatus
}

extension CodedCommand {
    mutating func run() throws { ExitStatus.exit(try execute()) }
}

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
        for number in [SIGINT, SIGTERM] {
            let before = signal(number, SIG_IGN)
            if unsafe unsafeBitCast(before, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) { _ = signal(number) { _ in _exit(130) } }
        }
        var stops = sigset_t()
        _ = unsafe sigemptyset(&stops)
        for number in [SIGINT, SIGTERM] { _ = unsafe sigaddset(&stops, number) }
        _ = unsafe pthread_sigmask(SIG_UNBLOCK, &stops, nil)
        Console.finish()
        Glibc.exit(status.rawValue)
    }
}

enum Version {
    static let text = "0.1.0"
}
