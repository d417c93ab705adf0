import ArgumentParser
import RMCPContent
import RMCPHost
import RMCPProtocol
import RMCPReport

struct RepairCommand: CodedCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Answer losses near the receivers, from a cache.",
        discussion: """
            A repair node takes part in every session of the group that is signed by a trusted key. It keeps the bundles on disk \
            and answers the receivers near it, so that the sender need not, and goes on when the sender has left. With --upstream it \
            fetches everything by unicast across a link without multicast, and multicasts it at its site. It runs until it is \
            stopped. Exit codes: 0 stopped by SIGTERM, 1 failed, 2 usage, 130 stopped by another signal. SIGHUP has it read its keys and \
            settings anew.
            """)

    @OptionGroup(title: "Network") var group: GroupOptions
    @OptionGroup(title: "Repairing") var options: RepairOptions
    @OptionGroup(title: "Network") var unicast: UnicastOptions
    @OptionGroup(title: "Trust") var trust: TrustOptions
    @OptionGroup(title: "Trust") var groupKey: GroupKeyOptions
    @OptionGroup(title: "Trust") var nodes: NodeTrustOptions
    @OptionGroup(title: "Configuration") var configuration: ConfigurationOptions
    @OptionGroup(title: "Configuration") var check: CheckOptions
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "Output") var metrics: MetricsOptions

    /// Everything but the node's own key, which is made at its first start.
    func request(_ settings: Settings, resolve: RepairOptions.Resolver = RepairOptions.resolver) throws(HostError) -> RepairNodeRequest {
        let policy = try trust.policy(settings, trustedNodes: try nodes.keys(settings))
        var engine = Configuration()
        engine.tree.trustedNodes = policy.trustedNodes
        try unicast.apply(settings, to: &engine)
        var request = try options.request(
            settings, group: try group.address(settings), interfaceName: try group.interfaceName(settings), trust: policy, signer: nil, configuration: engine,
            resolve: resolve)
        request.controlKey = try groupKey.file(settings)?.control
        return request
    }

    private func keyPath(_ settings: Settings) throws(HostError) -> String? { try settings.value(RepairOptions.key, options.key) }

    private func look(_ settings: Settings) throws(HostError) -> [String] {
        let request = try request(settings)
        _ = try output.style(settings)
        try metrics.check(settings)
        return try request.check() + TrustOptions.describe(request.trust) + [try KeyFiles.check(path: try keyPath(settings), standard: KeyFiles.nodeKeyName)]
    }

    /// Options whose new values are in force once they are read anew.
    private static let live: Set<String> = ["trust", "allow-unsigned", "trust-repair"]

    /// Reads everything anew but the parent's address.
    /// - Parameters:
    ///   - request: what is in force.
    ///   - settings: what that was made of.
    func reread(_ request: RepairNodeRequest, _ settings: Settings) -> @Sendable () -> Result<RepairChanges, HostError> {
        let (command, inForce) = (self, SettingsInForce(settings, command: "repair", live: Self.live, trust: request.trust))
        return {
            do throws(HostError) {
                let settings = try Settings(command: "repair", configurationPath: command.configuration.config)
                // Trust waits for no resolver: the parent's address stays that of the start.
                let renewed = try command.request(settings) { text, group throws(HostError) in
                    try HostName.check(text, defaultPort: group.port, family: group.family)
                    return request.upstream
                }
                _ = try (command.output.style(settings), command.metrics.path(settings), command.metrics.address(settings), command.keyPath(settings))
                return .success(RepairChanges(trust: renewed.trust, notes: inForce.update(settings, trust: renewed.trust)))
            } catch { return .failure(error) }
        }
    }

    mutating func execute() throws -> ExitStatus {
        if check.check == true { return try check.report(command: "repair", configurationPath: configuration.config, output: output, look) }
        let service = ServiceNotifier.takenFromEnvironment()
        let settings = try Settings(command: "repair", configurationPath: configuration.config)
        let style = try output.begin(settings)
        var request = try request(settings)
        TrustOptions.warn(request.trust, style)
        let key = try KeyFiles.nodeKey(path: try keyPath(settings), warn: style.warn)
        request.signer = key.map { Ed25519Signer($0) }
        let metrics = try metrics.output(settings, role: "repair", style) { PrometheusText.of(RepairTotals(), version: Version.text) }
        // SIGHUP says of a terminal, where there is one, that it is closed, and ends the process.
        let daemon = try RepairLoop(request, service: service, reread: ProcessStart.hasTerminal ? nil : reread(request, settings))
        if let key, style.isJSON { Console.event(JSONLine(event: "node_key", ["key": .string(key.publicKey.text)])) }
        if let key, !style.isQuiet { Console.line("this node is \(key.publicKey.text); --trust-repair takes this line") }
        let reporter = RepairReporter(style: style, metrics: metrics, service: service)
        defer { reporter.finish() }
        let status = try daemon.run { reporter.handle($0) }
        guard status == .done else { throw Ending.interrupted() }
        return .done
    }
}
