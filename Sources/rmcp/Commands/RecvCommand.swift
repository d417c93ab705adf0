import ArgumentParser
import RMCPHost
import RMCPProtocol
import RMCPReport

struct RecvCommand: CodedCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "recv", abstract: "Receive bundles: a daemon, or once.",
        discussion: """
            Takes any number of sessions, one after another and at once. A bundle appears under its name only when all of \
            it has been verified and is on stable storage. Exit codes: 0 complete, 1 failed to run, 2 usage, \
            3 the bundle failed, 4 no progress in time, 5 refused, 130 interrupted. \
            SIGTERM ends a daemon with 0; SIGHUP has it read its keys and settings anew.
            """)

    @OptionGroup(title: "Network") var group: GroupOptions
    @OptionGroup(title: "Receiving") var options: ReceiveOptions
    @OptionGroup(title: "Trees") var trees: ReceivedTreeOptions
    @OptionGroup(title: "Trust") var trust: TrustOptions
    @OptionGroup(title: "Trust") var groupKey: GroupKeyOptions
    @OptionGroup(title: "Trust") var nodes: NodeTrustOptions
    @OptionGroup(title: "Configuration") var configuration: ConfigurationOptions
    @OptionGroup(title: "Configuration") var check: CheckOptions
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "Output") var metrics: MetricsOptions

    /// A former version of it is signed by a trusted key. Where no key is trusted, a file that cannot be read
    /// keeps nobody from receiving.
    private func versions(_ policy: TrustPolicy, takesOlder: Bool, _ style: OutputStyle) throws(HostError) -> VersionRecords? {
        if VersionRecords.defaultPath == nil {
            style.warn("there is no home to remember in what was received (HOME, XDG_STATE_HOME); after a restart it may be taken again")
        }
        do throws(HostError) { return try VersionRecords(takesOlder: takesOlder) } catch {
            guard policy.trustedKeys.isEmpty || takesOlder else { throw error }
            return nil
        }
    }

    /// Everything but the versions, which are this host's own.
    private func request(_ settings: Settings) throws(HostError) -> ReceiveRequest {
        let style = try output.style(settings)
        let policy = try trust.policy(settings, trustedNodes: try nodes.keys(settings))
        var engine = Configuration()
        engine.tree.trustedNodes = policy.trustedNodes
        engine.feedback.label = try settings.value(ReceiveOptions.label, options.label)
        var request = ReceiveRequest(
            group: try group.address(settings), interfaceName: try group.interfaceName(settings),
            directory: try settings.inForce(ReceiveOptions.directory, options.directory), output: try options.target(settings, isJSON: style.isJSON),
            once: try options.isOnce(settings), trust: policy, names: try options.names(settings),
            takesAgain: try settings.flag(ReceiveOptions.again, options.again),
            replacesFirst: try settings.flag(ReceiveOptions.replaceFirst, options.replaceFirst), tree: try trees.options(settings),
            hook: try settings.value(ReceiveOptions.exec, options.exec),
            hookTimeout: try settings.inForce(ReceiveOptions.execTimeout, options.execTimeout), timeout: try options.timeLimit(settings),
            groupKey: try groupKey.key(settings), configuration: engine)
        request.spool = try options.spool(settings, request.output)
        request.reserve = try settings.inForce(ReceiveOptions.reserve, options.reserve)
        return request
    }

    private func takesOlder(_ settings: Settings) throws(HostError) -> Bool { try settings.flag(ReceiveOptions.allowRollback, options.allowRollback) }

    private func look(_ settings: Settings) throws(HostError) -> [String] {
        let request = try request(settings)
        try metrics.check(settings)
        _ = try takesOlder(settings)
        return try TrustOptions.describe(request.trust) + ReceiveLoop.check(request)
    }

    /// Options whose new values are in force once they are read anew.
    private static let live: Set<String> = ["trust", "allow-unsigned", "trust-repair", "accept", "exec", "exec-timeout", "reserve", "label"]

    /// Nil where SIGHUP ends the process: at a terminal that is closed, and where a certain bundle is waited for.
    private func reread(_ request: ReceiveRequest, _ settings: Settings) -> (@Sendable () -> Result<ReceiveChanges, HostError>)? {
        guard !request.once, !ProcessStart.hasTerminal else { return nil }
        let (command, inForce) = (self, SettingsInForce(settings, command: "recv", live: Self.live, trust: request.trust))
        return {
            do throws(HostError) {
                let settings = try Settings(command: "recv", configurationPath: command.configuration.config)
                let request = try command.request(settings)
                _ = try (command.metrics.path(settings), command.metrics.address(settings), command.takesOlder(settings))
                return .success(ReceiveChanges(request: request, notes: inForce.update(settings, trust: request.trust)))
            } catch { return .failure(error) }
        }
    }

    mutating func execute() throws -> ExitStatus {
        if check.check == true { return try check.report(command: "recv", configurationPath: configuration.config, output: output, look) }
        let service = ServiceNotifier.takenFromEnvironment()
        let settings = try Settings(command: "recv", configurationPath: configuration.config)
        let style = try output.begin(settings)
        var request = try request(settings)
        let metrics = try metrics.output(settings, role: "recv", style) { PrometheusText.of(ReceiveTotals(), version: Version.text) }
        request.versions = try versions(request.trust, takesOlder: try takesOlder(settings), style)
        let daemon = try ReceiveLoop(request, service: service, reread: reread(request, settings))
        TrustOptions.warn(request.trust, style)
        if options.directory != nil, request.output != .directory { style.warn("--directory has no effect beside --output") }
        let reporter = RecvReporter(style: style, metrics: metrics, service: service)
        defer { reporter.finish(isJob: request.once || request.output == .standardOutput) }
        let outcome = try daemon.run { reporter.handle($0) }
        guard let message = message(outcome, request) else { return outcome.exitStatus }
        if outcome == .timedOut { Console.error(message) }
        throw Ending(outcome.exitStatus, message, hint: hint(outcome))
    }

    /// Nil where all is well.
    private func message(_ outcome: ReceiveOutcome, _ request: ReceiveRequest) -> String? {
        switch outcome {
        case .complete, .terminated: nil
        case .untold: "the bundle is complete, and no file could be left that says so"
        case .failed(let state): "the bundle failed: \(state.reason)"
        case .timedOut: "gave up: no progress in \(Units.time(request.timeout ?? .zero))"
        case .refused: "what came was refused"
        case .interrupted: "stopped by a signal"
        }
    }

    private func hint(_ outcome: ReceiveOutcome) -> String {
        switch outcome {
        case .complete, .terminated: ""
        case .untold: "see the warning before, and --spool-events"
        case .failed: "the line before says what happened to it; what came is kept for the next session"
        case .timedOut: "is something being sent to this group, and does multicast reach this host?"
        case .refused: "the line before says why, and which option would take it"
        case .interrupted: "what came is kept for the next session"
        }
    }
}
