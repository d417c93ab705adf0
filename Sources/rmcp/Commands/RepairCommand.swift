import ArgumentParser
import RMCPContent
import RMCPHost
import RMCPProtocol

struct RepairCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Answer losses near the receivers, from a cache.",
        discussion: """
            A repair node takes part in every session of the group that is signed by a trusted key. It keeps the bundles on disk \
            and answers the receivers near it, so that the sender need not, and goes on when the sender has left. With --upstream it \
            fetches everything by unicast across a link without multicast, and multicasts it at its site. It runs until it is \
            stopped. Exit codes: 1 failed, 2 usage, 130 stopped by a signal.
            """)

    @OptionGroup(title: "Network") var group: GroupOptions
    @OptionGroup(title: "Repairing") var options: RepairOptions
    @OptionGroup(title: "Network") var unicast: UnicastOptions
    @OptionGroup(title: "Trust") var trust: TrustOptions
    @OptionGroup(title: "Trust") var groupKey: GroupKeyOptions
    @OptionGroup(title: "Trust") var nodes: NodeTrustOptions
    @OptionGroup(title: "Configuration") var configuration: ConfigurationOptions
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "Output") var metrics: MetricsOptions

    mutating func execute() throws -> ExitStatus {
        let settings = try Settings(command: "repair", configurationPath: configuration.config)
        let style = try output.style(settings)
        let policy = try trust.policy(settings, trustedNodes: try nodes.keys(settings))
        TrustOptions.warn(policy)
        var engine = Configuration()
        engine.tree.trustedNodes = policy.trustedNodes
        try unicast.apply(settings, to: &engine)
        let key = try KeyFiles.nodeKey(path: try settings.value(RepairOptions.key, options.key))
        var request = try options.request(
            settings, group: try group.address(settings), interfaceName: try group.interfaceName(settings), trust: policy,
            signer: key.map { Ed25519Signer($0) }, configuration: engine)
        request.controlKey = try groupKey.file(settings)?.control
        let daemon = try RepairLoop(request)
        if let key, !style.isQuiet { Console.line("this node is \(key.publicKey.text); --trust-repair takes this line") }
        let reporter = RepairReporter(style: style, metricsPath: try metrics.path(settings))
        defer { reporter.finish() }
        try daemon.run { reporter.handle($0) }
        return .interrupted
    }
}
