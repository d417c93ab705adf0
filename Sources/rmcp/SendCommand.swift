import ArgumentParser
import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol

struct SendCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Push a file to every receiver of a group.",
        discussion: """
            Waits for receivers, sends once to all of them, repairs what each lost, and reports how many are complete. \
            Exit codes: 0 every known receiver complete, 1 failed, 2 usage, 3 some receivers failed or were lost, \
            4 nobody came or no progress, 130 interrupted.
            """)

    @OptionGroup var common: CommonOptions

    @Argument(help: ArgumentHelp("The file or block device to send, or '-' for standard input.", valueName: "path"))
    var paths: [String]

    @Option(help: ArgumentHelp("Routers that the packets may cross, plus one (default: 1).", valueName: "n"))
    var ttl: String?
    @Option(help: ArgumentHelp("Bits per second, such as 100M or 2.5G; or auto (default), which adapts.", valueName: "rate"))
    var rate: String?
    @Option(help: ArgumentHelp("The least that auto goes down to (default: 1M).", valueName: "rate"))
    var minRate: String?
    @Option(help: ArgumentHelp("The most that auto goes up to (default: 100G).", valueName: "rate"))
    var maxRate: String?
    @Option(help: ArgumentHelp("zstd level 1 to 19; 0 stores; auto (default) takes what the network and the cores leave time for.", valueName: "n"))
    var level: String?
    @Option(help: ArgumentHelp("Start as soon as this many receivers have joined.", valueName: "n"))
    var waitFor: String?
    @Option(help: ArgumentHelp("Do not start before this (default: 2s).", valueName: "time"))
    var minWait: String?
    @Option(help: ArgumentHelp("Start then with those who came, or exit 4 if none did (default: 30s).", valueName: "time"))
    var maxWait: String?
    @Option(help: ArgumentHelp("Stay for latecomers after the last known receiver is complete (default: 0s).", valueName: "time"))
    var linger: String?
    @Option(
        help: ArgumentHelp(
            "Whom to stay for: 'receivers' (default), all known ones; 'repair', until the repair nodes have everything and serve on.",
            valueName: "who"))
    var until: String?
    @Option(help: ArgumentHelp("Relays and receivers without multicast that are served by unicast (default: 8).", valueName: "n"))
    var maxUnicastChildren: String?
    @Option(help: ArgumentHelp("The signing key (default: ~/.config/rmcp/id_ed25519, made on first use).", valueName: "file"))
    var key: String?
    @Flag(help: "Do not sign: only receivers with --allow-unsigned take the bundle.")
    var unsigned = false
    @Option(help: ArgumentHelp("The bundle's name at the receivers (default: the path's last component).", valueName: "name"))
    var name: String?

    mutating func execute() throws -> ExitStatus {
        let settings = try Settings(command: "send", configurationPath: common.config)
        let shared = try CommonSettings(common, settings)
        let configuration = try engineConfiguration(settings)
        let source = try source()
        let timeToLive = try settings.parsed("ttl", ttl, expecting: "a number from 0 to 255") { Int($0).flatMap { (0...255).contains($0) ? $0 : nil } }
        let session = try SendSession(
            SendRequest(
                source: source, group: shared.group, interfaceName: shared.interfaceName, timeToLive: timeToLive ?? 1,
                name: settings.string("name", name), compressionLevel: try compressionLevel(settings), configuration: configuration)
        ) { () throws(HostError) in try signer(settings, isJSON: shared.output.isJSON) }
        let reporter = SendReporter(style: shared.output, metricsPath: shared.metricsPath)
        defer { reporter.finish() }
        let outcome = try session.run { reporter.handle($0) }
        switch outcome.kind {
        case .complete: return .done
        case .partial: return .partial
        case .nobodyCame, .noProgress: return .nobody
        case .stopped: return .interrupted
        }
    }

    private func source() throws(HostError) -> SendRequest.Source {
        guard let path = paths.first, paths.count == 1 else {
            throw HostError("this version sends one file at a time; for several use: tar -c PATH... | rmcp send --name NAME.tar -", kind: .usage)
        }
        guard path == "-" else { return .path(path) }
        try ProcessStart.requireOpen(STDIN_FILENO, "standard input", for: "'-' sends what comes from there")
        return .standardInput
    }

    /// Nil for auto.
    private func compressionLevel(_ settings: Settings) throws(HostError) -> Int? {
        guard let text = settings.string("level", level), text != "auto" else { return nil }
        return try settings.parsed("level", level, expecting: "auto, or a zstd level from 0 to 19") {
            Int($0).flatMap { (0...19).contains($0) ? $0 : nil }
        }
    }

    private func signer(_ settings: Settings, isJSON: Bool) throws(HostError) -> any MessageSigner {
        if try settings.flag("unsigned", unsigned) { return UnsignedSigner() }
        let (signingKey, isNew) = try KeyFiles.signingKey(path: settings.string("key", key))
        if isNew {
            Console.line("made a signing key, \(KeyFiles.defaultKey); receivers trust it with --trust and this line:")
            let line = PublicKeyText.line(for: signingKey.publicKey)
            // The key is made and will be used: its line must be seen.
            if isJSON || (try? Console.result(line)) == nil { Console.line(line) }
        }
        return Ed25519Signer(signingKey)
    }

    private func engineConfiguration(_ settings: Settings) throws(HostError) -> Configuration {
        let rateWords = "bits per second above 0, such as 800k, 100M or 2.5G"
        let timeWords = "a time such as 500ms, 10s or 5m"
        var configuration = Configuration()
        if let text = settings.string("rate", rate), text != "auto" {
            configuration.fixedRate = try settings.parsed("rate", rate, expecting: "auto, or \(rateWords)", Units.rate)
        }
        if let rate = try settings.parsed("min-rate", minRate, expecting: rateWords, Units.rate) { configuration.minimumRate = rate }
        if let rate = try settings.parsed("max-rate", maxRate, expecting: rateWords, Units.rate) { configuration.maximumRate = rate }
        guard configuration.minimumRate <= configuration.maximumRate else {
            throw HostError("--min-rate is above --max-rate", kind: .usage)
        }
        configuration.waitForReceivers = try settings.parsed("wait-for", waitFor, expecting: "a number of receivers, 1 or more") {
            Int($0).flatMap { $0 > 0 ? $0 : nil }
        }
        if let time = try settings.parsed("min-wait", minWait, expecting: timeWords, Units.interval) { configuration.minimumWait = time }
        if let time = try settings.parsed("max-wait", maxWait, expecting: timeWords, Units.interval) { configuration.maximumWait = time }
        if let time = try settings.parsed("linger", linger, expecting: timeWords, Units.interval) { configuration.linger = time }
        configuration.minimumWait = min(configuration.minimumWait, configuration.maximumWait)
        let until = try settings.parsed("until", until, expecting: "'receivers' or 'repair'") { text -> Configuration.Until? in
            switch text {
            case "receivers": .receivers
            case "repair": .repairNodes
            default: nil
            }
        }
        if let until { configuration.until = until }
        if let count = try settings.parsed("max-unicast-children", maxUnicastChildren, expecting: "a number, 0 or more", Units.count) {
            configuration.maximumUnicastChildren = count
        }
        return configuration
    }
}
