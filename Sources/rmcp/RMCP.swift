import ArgumentParser
import Glibc
import RMCPHost
import RMCPReport

/// The command line. Exit codes are part of its contract, so they are decided here and not by the argument parser.
@main
struct RMCP: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rmcp",
        abstract: "Push one file or directory to a whole fleet by reliable multicast, for about the network cost of one copy.",
        discussion: """
            Receivers run 'rmcp recv'; 'rmcp send PATH' pushes to all of them at once; 'rmcp repair' answers losses \
            near the receivers; 'rmcp watch' shows who has how much. Bundles are signed: make a key with 'rmcp keygen' and give its public line to receivers with --trust.
            """,
        version: Version.text,
        subcommands: [SendCommand.self, RecvCommand.self, RepairCommand.self, WatchCommand.self, KeygenCommand.self, ReportCommand.self])

    private static var help: String { AskedLines.command == "rmcp" ? "see rmcp --help" : "see rmcp \(AskedLines.command) --help" }

    private static func end(_ ending: Ending) -> Never { ExitStatus.exit(ending, isTold: AskedLines.areWanted) }

    /// Arguments, but of a command that there is not its name alone: for its help the parser would print that of rmcp.
    private static func understood(_ arguments: [String]) -> [String] {
        let command = arguments.first == "help" ? arguments.dropFirst().first : arguments.first
        guard let name = command, !name.hasPrefix("-"), name != "help", !OptionTable.commands.contains(where: { $0.name == name }) else {
            return arguments
        }
        return [name]
    }

    static func main() {
        ProcessStart.prepare()
        Console.name(AskedLines.command)
        if AskedLines.areNamed { AskedLines.tellOfSignals() }
        do {
            let arguments = SentTreeOptions.spelledOut(SystemText.arguments)
            if arguments == ConfigurationHelp.arguments {
                try Console.result(ConfigurationHelp.lines.joined(separator: "\n"), isForPeople: true)
                ExitStatus.exit(.done)
            }
            if arguments == EventHelp.arguments {
                try Console.result(EventHelp.text, isForPeople: true)
                ExitStatus.exit(.done)
            }
            var command = try parseAsRoot(understood(arguments))
            try RepeatedOptions.check(arguments)
            if var runnable = command as? any CodedCommand {
                try AddressSpace.check()
                let status = try runnable.execute()
                if status == .done { ExitStatus.exit(status) }
                end(Ending(status, "ended with exit code \(status.rawValue)", hint: "the lines before say why"))
            }
            try command.run()
        } catch let error as HostError {
            Console.error(error.description)
            if AskedLines.areWanted { for file in error.files { Console.event(.fileFailed(file.path, message: file.message)) } }
            end(Ending(error, help: help))
        } catch let ending as Ending {
            end(ending)
        } catch {
            let code = Self.exitCode(for: error)
            if code.isSuccess { Self.exit(withError: error) }
            Console.line(Self.fullMessage(for: error))
            end(Ending(code == .validationFailure ? .usage : .failure, Self.message(for: error), hint: help))
        }
    }
}
