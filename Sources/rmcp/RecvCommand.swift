import ArgumentParser
import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol

struct RecvCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "recv", abstract: "Receive bundles: a daemon, or once.",
        discussion: """
            Takes any number of sessions, one after another and at once. A bundle appears under its name only when all of \
            it has been verified and is on stable storage. Exit codes: 0 complete, 1 failed to run, 2 usage, \
            3 the bundle failed, 4 no progress in time, 5 refused, 130 interrupted.
            """)

    @OptionGroup var common: CommonOptions

    @Option(name: .shortAndLong, help: ArgumentHelp("Where bundles land (default: .).", valueName: "dir"))
    var directory: String?
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write a single-file bundle exactly there: a file, a block device, or '-' (standard output).", valueName: "path"))
    var output: String?
    @Flag(help: "Exit after the first complete bundle (0), or the first that fails (3).")
    var once = false
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Accept bundles signed by this public key (repeatable); a file has one key a line (default: ~/.config/rmcp/trusted_keys).", valueName: "key|file"))
    var trust: [String] = []
    @Flag(help: "Accept anything on the group: refused by default.")
    var allowUnsigned = false
    @Flag(help: "Take bundles that are older than what has been received of the same name and key: refused by default (exit 5).")
    var allowRollback = false
    @Option(help: ArgumentHelp("Run after each bundle, with RMCP_NAME, RMCP_PATH, RMCP_SIZE, RMCP_SESSION and RMCP_KEY in its environment.", valueName: "cmd"))
    var exec: String?
    @Option(help: ArgumentHelp("End that command if it takes longer (default: 10m); the bundle then counts as failed.", valueName: "time"))
    var execTimeout: String?
    @Flag(help: "Take sessions that this receiver has completed before: else none is taken twice.")
    var again = false
    @Option(help: ArgumentHelp("With --once: give up after this long without progress.", valueName: "time"))
    var timeout: String?

    mutating func execute() throws -> ExitStatus {
        let settings = try Settings(command: "recv", configurationPath: common.config)
        let shared = try CommonSettings(common, settings)
        let trust = TrustPolicy(
            trustedKeys: try KeyFiles.trustedKeys(settings.list("trust", trust)),
            allowsUnsigned: try settings.flag("allow-unsigned", allowUnsigned))
        let once = try settings.flag("once", once)
        let timeout = try settings.parsed("timeout", timeout, expecting: "a time such as 500ms, 10s or 5m", Units.interval)
        if timeout != nil, !once { throw HostError("--timeout goes with --once: a daemon waits for as long as it runs", kind: .usage) }
        let execTimeout = try settings.parsed("exec-timeout", execTimeout, expecting: "a time such as 500ms, 10s or 5m", Units.interval)
        let target: ReceiveRequest.Output =
            switch settings.string("output", output) {
            case nil: .directory
            case "-": .standardOutput
            case let path?: .path(path)
            }
        if target == .standardOutput, shared.output.isJSON {
            throw HostError("--output - and --json both want standard output; choose one", kind: .usage)
        }
        if target == .standardOutput { try ProcessStart.requireOpen(STDOUT_FILENO, "standard output", for: "--output - writes the bundle there") }
        let daemon = try ReceiveDaemon(
            ReceiveRequest(
                group: shared.group, interfaceName: shared.interfaceName,
                directory: settings.string("directory", directory) ?? ".", output: target, once: once, trust: trust,
                versions: try settings.flag("allow-rollback", allowRollback) ? nil : try VersionRecords(),
                takesAgain: try settings.flag("again", again), hook: settings.string("exec", exec), hookTimeout: execTimeout ?? .seconds(600),
                timeout: timeout, configuration: Configuration()))
        if trust.trustedKeys.isEmpty, !trust.allowsUnsigned {
            Console.error("no key is trusted, so everything will be refused; use --trust KEY, or --allow-unsigned")
        }
        let reporter = RecvReporter(style: shared.output, metricsPath: shared.metricsPath)
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
