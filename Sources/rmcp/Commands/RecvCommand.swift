import ArgumentParser
import RMCPHost
import RMCPProtocol
import RMCPReport

struct RecvCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "recv", abstract: "Receive bundles: a daemon, or once.",
        discussion: """
            Takes any number of sessions, one after another and at once. A bundle appears under its name only when all of \
            it has been verified and is on stable storage. Exit codes: 0 complete, 1 failed to run, 2 usage, \
            3 the bundle failed, 4 no progress in time, 5 refused, 130 interrupted.
            """)

    @OptionGroup(title: "Network") var group: GroupOptions
    @OptionGroup(title: "Receiving") var options: ReceiveOptions
    @OptionGroup(title: "Trees") var trees: ReceivedTreeOptions
    @OptionGroup(title: "Trust") var trust: TrustOptions
    @OptionGroup(title: "Trust") var groupKey: GroupKeyOptions
    @OptionGroup(title: "Trust") var nodes: NodeTrustOptions
    @OptionGroup(title: "Configuration") var configuration: ConfigurationOptions
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "Output") var metrics: MetricsOptions

    /// A former version of it is signed by a trusted key. Where no key is trusted, a file that cannot be read
    /// keeps nobody from receiving.
    private func versions(_ policy: TrustPolicy, takesOlder: Bool) throws(HostError) -> VersionRecords? {
        if VersionRecords.defaultPath == nil {
            Console.error("there is no home to remember in what was received (HOME, XDG_STATE_HOME); after a restart it may be taken again")
        }
        do throws(HostError) { return try VersionRecords(takesOlder: takesOlder) } catch {
            guard policy.trustedKeys.isEmpty || takesOlder else { throw error }
            return nil
        }
    }

    mutating func execute() throws -> ExitStatus {
        let settings = try Settings(command: "recv", configurationPath: configuration.config)
        let style = try output.style(settings)
        let policy = try trust.policy(settings, trustedNodes: try nodes.keys(settings))
        var engine = Configuration()
        engine.tree.trustedNodes = policy.trustedNodes
        let timeout = try options.timeLimit(settings)
        let target = try options.target(settings, isJSON: style.isJSON)
        let takesOlder = try settings.flag(ReceiveOptions.allowRollback, options.allowRollback)
        let daemon = try ReceiveLoop(
            ReceiveRequest(
                group: try group.address(settings), interfaceName: try group.interfaceName(settings),
                directory: try settings.value(ReceiveOptions.directory, options.directory) ?? ".", output: target, once: try options.isOnce(settings),
                trust: policy, names: try options.names(settings), versions: try versions(policy, takesOlder: takesOlder),
                takesAgain: try settings.flag(ReceiveOptions.again, options.again),
                replacesFirst: try settings.flag(ReceiveOptions.replaceFirst, options.replaceFirst),
                tree: try trees.options(settings), hook: try settings.value(ReceiveOptions.exec, options.exec),
                hookTimeout: try settings.value(ReceiveOptions.execTimeout, options.execTimeout) ?? .seconds(600), timeout: timeout,
                groupKey: try groupKey.key(settings), configuration: engine))
        TrustOptions.warn(policy)
        if options.directory != nil, target != .directory { Console.error("--directory has no effect beside --output") }
        let reporter = RecvReporter(style: style, metricsPath: try metrics.path(settings))
        defer { reporter.finish() }
        switch try daemon.run(observer: { reporter.handle($0) }) {
        case .complete: return .done
        case .failed: return .partial
        case .timedOut:
            Console.error("gave up: no progress in \(Units.time(timeout ?? .zero))")
            return .nobody
        case .refused: return .refused
        case .interrupted: return .interrupted
        }
    }
}
