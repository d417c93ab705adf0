import ArgumentParser
import Glibc
import RMCPHost
import RMCPProtocol

/// Options of `repair` alone.
struct RepairOptions: OptionGroupDeclaration {
    /// A smaller cache holds no bundle that is worth the trouble.
    private static let leastCacheSize: UInt64 = 64 << 20

    static let cache = Setting(
        "cache", .directory, "dir", completion: .directory, "Where chunks are kept (default: /var/lib/rmcp as root, else ~/.cache/rmcp).")
    static let cacheSize = Setting(
        "cache-size", .size(atLeast: leastCacheSize, expected: "a size of 64M or more, such as 500M or 50G"), "size", default: "20G",
        "The room for chunks, such as 500M or 50G; the least recently used bundles give way (default: 20G).")
    static let reserve = Setting(
        "reserve", .size(atLeast: 0, expected: "a size such as 500M or 10G"), "size", default: "0",
        "Leave this much of the cache's disk free, whatever --cache-size says (default: 0).")
    static let region = Setting(
        "region", .region, "addr", "The group in which it repairs (default: the one with the next address; with --upstream the group itself).")
    static let regionInterface = Setting(
        "region-interface", .interface, "name", completion: .shellCommand("ls /sys/class/net"),
        "The network interface towards its receivers (default: the upstream one).")
    static let regionTTL = Setting(
        "region-ttl", .number(in: 0...255, expected: "a number from 0 to 255"), "n", default: "1",
        "The routers that its repairs may cross, plus one (default: 1).")
    static let upstream = Setting(
        "upstream", .text, "host[:port]", "A sender or repair node to fetch everything from by unicast, and to relay into the region.")

    static let key = Setting(
        "key", .file, "file", completion: .file(), namesFile: true,
        "This node's own key (default: ~/.config/rmcp/repair_ed25519; made at the first start).")

    static let declared = [cache.entry, cacheSize.entry, reserve.entry, region.entry, regionInterface.entry, regionTTL.entry, upstream.entry, key.entry]

    @Option(Self.cache) var cache: String?
    @Option(Self.cacheSize) var cacheSize: String?
    @Option(Self.reserve) var reserve: String?
    @Option(Self.region) var region: String?
    @Option(Self.regionInterface) var regionInterface: String?
    @Option(Self.regionTTL) var regionTTL: String?
    @Option(Self.upstream) var upstream: String?
    @Option(Self.key) var key: String?

    /// Finds the host of `--upstream`: its text, and the group, whose port and family it has.
    typealias Resolver = @Sendable (_ text: String, _ group: SocketAddress) throws(HostError) -> SocketAddress?

    /// Asks the host's resolver, which may not answer.
    static let resolver: Resolver = { text, group throws(HostError) in try HostName.resolve(text, defaultPort: group.port, family: group.family) }

    func request(
        _ settings: Settings, group: SocketAddress, interfaceName: String?, trust: TrustPolicy, signer: (any MessageSigner)?,
        configuration: Configuration, resolve: Resolver
    ) throws(HostError) -> RepairNodeRequest {
        var upstreamAddress: SocketAddress?
        if let text = try settings.value(Self.upstream, upstream) { upstreamAddress = try resolve(text, group) }
        var request = RepairNodeRequest(
            group: group, interfaceName: interfaceName,
            region: try settings.value(Self.region, region).flatMap { SocketAddress(parsing: $0, defaultPort: group.port) },
            regionInterfaceName: try settings.value(Self.regionInterface, regionInterface),
            regionTimeToLive: try settings.inForce(Self.regionTTL, regionTTL), upstream: upstreamAddress,
            cachePath: try cachePath(settings), cacheSize: try settings.inForce(Self.cacheSize, cacheSize),
            trust: trust, signer: signer, configuration: configuration)
        request.reserve = try settings.inForce(Self.reserve, reserve)
        return request
    }

    private func cachePath(_ settings: Settings) throws(HostError) -> String {
        if let given = try settings.value(Self.cache, cache) { return given }
        if geteuid() == 0 { return "/var/lib/rmcp" }
        guard let directory = Directories.ofUser(.cache) else {
            throw HostError("there is no home for the cache (HOME, XDG_CACHE_HOME); name a directory with --cache")
        }
        return directory
    }
}
