import ArgumentParser
import RMCPHost
import RMCPProtocol
import RMCPReport

struct WatchCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Show the sessions of a group, their trees and how far everybody is.",
        discussion: """
            Listens to the group, and asks the sender, the repair nodes and the relays of every session how they and \
            those below them fare: how many receivers are joined, receiving, behind, complete, failed and lost, what is \
            held, what has been repaired. Receivers are counted, never named. Watching changes nothing, and needs no key. \
            Exit codes: 0 shown, 1 failed, 2 usage, 4 with --once: nothing heard, 130 interrupted.
            """)

    @OptionGroup(title: "Network") var group: GroupOptions
    @OptionGroup(title: "Watching") var options: WatchOptions
    @OptionGroup(title: "Trust") var groupKey: GroupKeyOptions
    @OptionGroup(title: "Configuration") var configuration: ConfigurationOptions
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "Output") var color: ColorOptions

    /// An ANNOUNCE and a HEARTBEAT come within half of this, and some rounds of questions within the rest.
    private static let onceDuration = Interval.seconds(2)

    mutating func execute() throws -> ExitStatus {
        let settings = try Settings(command: "watch", configurationPath: configuration.config)
        let style = try output.begin(settings)
        let address = try group.address(settings)
        let once = try options.isOnce(settings)
        let isLive = !once && !style.isJSON && !style.isQuiet && Console.isTerminal
        let session = try WatchLoop(
            WatchRequest(
                group: address, interfaceName: try group.interfaceName(settings), trustedKeys: try options.trustedKeys(settings),
                once: once ? Self.onceDuration : nil, refresh: isLive ? .milliseconds(500) : .seconds(1),
                groupKey: try groupKey.file(settings)))
        let reporter = WatchReporter(style: style, isLive: isLive, terminal: try color.style(settings))
        let outcome = session.run(while: { !style.isJSON || !Console.hasNoReader }) { reporter.handle($0) }
        reporter.close()
        switch outcome {
        case .shown: return .done
        case .nothing:
            let message = "nothing heard on \(address.text) in \(Units.time(Self.onceDuration))"
            Console.error(message)
            throw Ending(.nobody, message, hint: "is something being sent to this group, and does it reach this host?")
        case .interrupted: throw Ending.interrupted()
        }
    }
}
