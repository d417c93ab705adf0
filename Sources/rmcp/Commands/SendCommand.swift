import ArgumentParser
import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol
import RMCPReport

struct SendCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Push a file or a directory to every receiver of a group.",
        discussion: """
            Waits for receivers, sends once to all of them, repairs what each of them lost, and reports how many are complete. \
            Exit codes: 0 every known receiver is complete, 1 failed, 2 usage, 3 some receivers failed, were lost or refused, \
            4 nobody came or nobody made progress, 5 nobody came and receivers refused, 130 interrupted.
            """)

    @Argument(
        help: ArgumentHelp(
            "The file, block device or directory to send; several, which are sent as one directory; or '-' for standard input.", valueName: "path"),
        completion: .file())
    var paths: [String]

    @OptionGroup(title: "Network") var group: GroupOptions
    @OptionGroup(title: "Sending") var options: SendOptions
    @OptionGroup(title: "Directories") var tree: SentTreeOptions
    @OptionGroup(title: "Trust") var groupKey: GroupKeyOptions
    @OptionGroup(title: "Network") var unicast: UnicastOptions
    @OptionGroup(title: "Trust") var nodes: NodeTrustOptions
    @OptionGroup(title: "Configuration") var configuration: ConfigurationOptions
    @OptionGroup(title: "Configuration") var check: CheckOptions
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "Output") var metrics: MetricsOptions
    @OptionGroup(title: "Output") var color: ColorOptions

    private func look(_ settings: Settings) throws(HostError) -> [String] {
        var engine = Configuration()
        try options.apply(settings, to: &engine)
        try unicast.apply(settings, to: &engine)
        let nodes = try nodes.keys(settings)
        _ = try (
            output.style(settings), metrics.path(settings), metrics.address(settings), group.address(settings), group.interfaceName(settings),
            groupKey.key(settings)
        )
        _ = try (options.timeToLive(settings), options.compressionLevel(settings), settings.value(SendOptions.name, options.name))
        _ = try (settings.value(SendOptions.report, options.report), settings.flag(SendOptions.view, options.view), color.style(settings))
        _ = try (settings.flag(SendOptions.supersede, options.supersede), tree.selection(of: paths, settings))
        var lines = nodes.map { ["trusted repair nodes: \($0.count)"] } ?? []
        if try settings.flag(SendOptions.unsigned, options.unsigned) { return lines + ["nothing is signed"] }
        lines.append(try KeyFiles.check(path: try settings.value(SendOptions.key, options.key), standard: KeyFiles.signingKeyName))
        return lines
    }

    mutating func execute() throws -> ExitStatus {
        if check.check == true { return try check.report(command: "send", configurationPath: configuration.config, output: output, look) }
        let settings = try Settings(command: "send", configurationPath: configuration.config)
        let style = try output.style(settings)
        var engine = Configuration()
        try options.apply(settings, to: &engine)
        try unicast.apply(settings, to: &engine)
        engine.tree.trustedNodes = try nodes.keys(settings)
        // A page that cannot be written is found out before anybody waits for it.
        let report = try options.reportFile(settings)
        let metrics = try metrics.output(settings, role: "send", style) { PrometheusText.of(SendTotals(), version: Version.text) }
        var request = SendRequest(
            source: try source(settings), group: try group.address(settings), interfaceName: try group.interfaceName(settings),
            timeToLive: try options.timeToLive(settings), name: try settings.value(SendOptions.name, options.name),
            compressionLevel: try options.compressionLevel(settings), supersedes: try settings.flag(SendOptions.supersede, options.supersede),
            groupKey: try groupKey.key(settings), configuration: engine)
        request.asksNodes = style.isJSON || report != nil
        let session = try SendLoop(request) { () throws(HostError) in try signer(settings, isJSON: style.isJSON) }
        let view = try settings.flag(SendOptions.view, options.view) ? try color.style(settings) : nil
        let reporter = SendReporter(style: style, metrics: metrics, view: view, report: report, options: settings.record.texts)
        defer { reporter.finish() }
        let outcome: SenderOutcome
        do throws(HostError) { outcome = try session.run { reporter.handle($0) } } catch {
            reporter.note(error)
            throw error
        }
        guard outcome.kind.exitStatus != .done else { return .done }
        throw reporter.ending(outcome)
    }

    private func source(_ settings: Settings) throws(HostError) -> SendRequest.Source {
        let selection = try tree.selection(of: paths, settings)
        guard paths == ["-"] else {
            if selection.list == "-" { try ProcessStart.requireOpen(STDIN_FILENO, "standard input", for: "--files-from0 - reads paths from there") }
            return .paths(selection)
        }
        guard selection.list == nil else { throw HostError("--files-from0 takes a directory, which its paths are below, and not standard input", kind: .usage) }
        try ProcessStart.requireOpen(STDIN_FILENO, "standard input", for: "'-' sends what comes from there")
        return .standardInput
    }

    private func signer(_ settings: Settings, isJSON: Bool) throws(HostError) -> any MessageSigner {
        if try settings.flag(SendOptions.unsigned, options.unsigned) { return UnsignedSigner() }
        let (signingKey, isNew) = try KeyFiles.signingKey(path: try settings.value(SendOptions.key, options.key))
        if isNew {
            Console.line("made a signing key, \(try KeyFiles.defaultKey(option: "--key")); receivers trust it with --trust and this line:")
            let line = signingKey.publicKey.text
            // The key is made and will be used: its line must be seen.
            if isJSON { Console.event(.keyMade(line, path: try KeyFiles.defaultKey(option: "--key"))) }
            if isJSON || (try? Console.result(line)) == nil { Console.line(line) }
        }
        return Ed25519Signer(signingKey)
    }
}
