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

    /// The request, without the report and the signer.
    private func request(_ settings: Settings) throws(HostError) -> SendRequest {
        var engine = Configuration()
        try options.apply(settings, to: &engine)
        try unicast.apply(settings, to: &engine)
        engine.tree.trustedNodes = try nodes.keys(settings)
        return SendRequest(
            source: try source(settings), group: try group.address(settings), interfaceName: try group.interfaceName(settings),
            timeToLive: try options.timeToLive(settings), name: try settings.value(SendOptions.name, options.name),
            compressionLevel: try options.compressionLevel(settings), isSigned: !(try settings.flag(SendOptions.unsigned, options.unsigned)),
            supersedes: try settings.flag(SendOptions.supersede, options.supersede), groupKey: try groupKey.key(settings), configuration: engine)
    }

    private func keyPath(_ settings: Settings) throws(HostError) -> String? { try settings.value(SendOptions.key, options.key) }

    /// Style of what is drawn on all of a terminal; nil where nothing is.
    private func view(_ settings: Settings) throws(HostError) -> ScreenStyle? {
        // A colour that is none is refused, whether there is a view or not.
        let style = try color.style(settings)
        return try settings.flag(SendOptions.view, options.view) ? style : nil
    }

    private func look(_ settings: Settings) throws(HostError) -> [String] {
        let request = try request(settings)
        let keyPath = try keyPath(settings)
        _ = try (output.style(settings), view(settings))
        try metrics.check(settings, apartFrom: paths)
        _ = try options.reportFile(settings, apartFrom: paths)
        try request.check()
        let lines = request.configuration.tree.trustedNodes.map { ["trusted repair nodes: \($0.count)"] } ?? []
        guard request.isSigned else { return lines + ["nothing is signed"] }
        return lines + [try KeyFiles.check(path: keyPath, standard: KeyFiles.signingKeyName)]
    }

    mutating func execute() throws -> ExitStatus {
        if check.check == true { return try check.report(command: "send", configurationPath: configuration.config, output: output, look) }
        let settings = try Settings(command: "send", configurationPath: configuration.config)
        let style = try output.begin(settings)
        let view = try view(settings)
        var request = try request(settings)
        // A page that cannot be written is found out before anybody waits for it.
        let keyPath = try keyPath(settings)
        let report = try options.reportFile(settings, apartFrom: paths)
        let metrics = try metrics.output(settings, role: "send", apartFrom: paths, style) { PrometheusText.of(SendTotals(), version: Version.text) }
        request.asksNodes = style.isJSON || report != nil
        let session = try SendLoop(request) { () throws(HostError) in
            request.isSigned ? try signer(keyPath, isJSON: style.isJSON) : UnsignedSigner()
        }
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

    private func signer(_ keyPath: String?, isJSON: Bool) throws(HostError) -> any MessageSigner {
        let (signingKey, isNew) = try KeyFiles.signingKey(path: keyPath)
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
