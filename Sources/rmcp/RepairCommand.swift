import ArgumentParser
import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol

struct RepairCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Answer losses near the receivers, from a cache.",
        discussion: """
            A repair node takes part in every session of the group that is signed by a trusted key, keeps it on disk, and \
            answers the receivers near it, so that the sender need not. It goes on when the sender has gone. With --upstream it \
            fetches everything by unicast across a link without multicast, and multicasts it at its site. Runs until it is \
            stopped. Exit codes: 1 failed, 2 usage, 130 stopped by a signal.
            """)

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Where it keeps chunks (default: /var/lib/rmcp as root, else ~/.cache/rmcp).", valueName: "dir"))
    var cache: String?
    @Option(help: ArgumentHelp("Room for them, such as 500M or 50G (default: 20G); the least recently used bundles give way.", valueName: "size"))
    var cacheSize: String?
    @Option(
        help: ArgumentHelp(
            "The group in which it repairs (default: the one with the next address; with --upstream the group itself).", valueName: "addr"))
    var region: String?
    @Option(help: ArgumentHelp("The interface towards its receivers (default: the upstream one).", valueName: "name"))
    var regionInterface: String?
    @Option(help: ArgumentHelp("Routers that its repairs may cross, plus one (default: 1).", valueName: "n"))
    var regionTtl: String?
    @Option(help: ArgumentHelp("Fetch everything by unicast from this sender or repair node and relay it into the region.", valueName: "host[:port]"))
    var upstream: String?
    @Option(help: ArgumentHelp("Relays and receivers without multicast that it serves by unicast (default: 8).", valueName: "n"))
    var maxUnicastChildren: String?
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Keep bundles signed by this public key (repeatable); a file has one key a line (default: ~/.config/rmcp/trusted_keys).",
            valueName: "key|file"))
    var trust: [String] = []
    @Flag(help: "Keep anything on the group: refused by default.")
    var allowUnsigned = false

    mutating func execute() throws -> ExitStatus {
        let settings = try Settings(command: "repair", configurationPath: common.config)
        let shared = try CommonSettings(common, settings)
        let trust = TrustPolicy(
            trustedKeys: try KeyFiles.trustedKeys(settings.list("trust", trust)),
            allowsUnsigned: try settings.flag("allow-unsigned", allowUnsigned))
        if trust.trustedKeys.isEmpty, !trust.allowsUnsigned {
            Console.error("no key is trusted, so everything will be refused; use --trust KEY, or --allow-unsigned")
        }
        let daemon = try RepairDaemon(try request(settings, shared, trust))
        let reporter = RepairReporter(style: shared.output, metricsPath: shared.metricsPath)
        defer { reporter.finish() }
        try daemon.run { reporter.handle($0) }
        return .interrupted
    }

    private func request(_ settings: Settings, _ shared: CommonSettings, _ trust: TrustPolicy) throws(HostError) -> RepairNodeRequest {
        let region = try settings.parsed("region", region, expecting: "a multicast address with or without a port, such as 239.255.76.28:17627") {
            SocketAddress(parsing: $0, defaultPort: shared.group.port)
        }
        let timeToLive = try settings.parsed("region-ttl", regionTtl, expecting: "a number from 0 to 255") {
            Int($0).flatMap { (0...255).contains($0) ? $0 : nil }
        }
        let size = try settings.parsed("cache-size", cacheSize, expecting: "a size such as 500M or 50G", Units.bytes)
        if let size, size < 64 << 20 { throw HostError("--cache-size \(Units.size(size)): the least that is of use is 64M", kind: .usage) }
        var upstreamAddress: SocketAddress?
        if let text = settings.string("upstream", upstream) {
            upstreamAddress = try HostName.resolve(text, defaultPort: shared.group.port, family: shared.group.family)
        }
        var configuration = Configuration()
        if let count = try settings.parsed("max-unicast-children", maxUnicastChildren, expecting: "a number, 0 or more", Units.count) {
            configuration.maximumUnicastChildren = count
        }
        return RepairNodeRequest(
            group: shared.group, interfaceName: shared.interfaceName, region: region,
            regionInterfaceName: settings.string("region-interface", regionInterface), regionTimeToLive: timeToLive ?? 1,
            upstream: upstreamAddress, cachePath: settings.string("cache", cache) ?? Self.defaultCache, cacheSize: size ?? 20 << 30,
            trust: trust, configuration: configuration)
    }

    private static var defaultCache: String {
        if geteuid() == 0 { return "/var/lib/rmcp" }
        if let base = Settings.systemEnvironment("XDG_CACHE_HOME"), !base.isEmpty { return base + "/rmcp" }
        return (Settings.systemEnvironment("HOME") ?? ".") + "/.cache/rmcp"
    }
}
