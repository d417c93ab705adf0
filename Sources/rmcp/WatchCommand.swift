import ArgumentParser
import RMCPHost
import RMCPProtocol

struct WatchCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Show the sessions of a group, their trees and how far everybody is.",
        discussion: """
            Listens to the group and asks the sender, the repair nodes and the relays of every session there how they and \
            those below them fare: how many receivers are joined, receiving, behind, complete, failed and lost, what is \
            held, what has been repaired. Receivers are counted, never named. Watching changes nothing, and needs no key. \
            Exit codes: 0 shown, 1 failed, 2 usage, 4 with --once: nothing heard, 130 interrupted.
            """)

    @OptionGroup var common: CommonOptions

    @Flag(help: "Listen for two seconds, show what there is, and exit: 4 when nothing was heard.")
    var once = false
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Tell sessions signed by this public key from others (repeatable); a file has one key a line (default: ~/.config/rmcp/trusted_keys).",
            valueName: "key|file"))
    var trust: [String] = []

    /// An ANNOUNCE and a HEARTBEAT come within half of this, and some rounds of questions within the rest.
    private static let onceDuration = Interval.seconds(2)

    mutating func execute() throws -> ExitStatus {
        let settings = try Settings(command: "watch", configurationPath: common.config)
        let shared = try CommonSettings(common, settings)
        if common.metrics != nil { throw HostError("--metrics: a watcher has none; send, recv and repair write theirs", kind: .usage) }
        let once = try settings.flag("once", once)
        let isLive = !once && !shared.output.isJSON && !shared.output.isQuiet && Console.isTerminal
        let session = try WatchSession(
            WatchRequest(
                group: shared.group, interfaceName: shared.interfaceName, trustedKeys: try KeyFiles.trustedKeys(settings.list("trust", trust)),
                once: once ? Self.onceDuration : nil, refresh: isLive ? .milliseconds(500) : .seconds(1)))
        let reporter = WatchReporter(style: shared.output, isLive: isLive)
        let outcome = session.run { reporter.handle($0) }
        reporter.close()
        switch outcome {
        case .shown: return .done
        case .nothing:
            Console.error("nothing heard on \(shared.group.text) in \(Units.time(Self.onceDuration))")
            return .nobody
        case .interrupted: return .interrupted
        }
    }
}
