import Glibc
public import RMCPContent
public import RMCPProtocol

/// One `rmcp repair`, as the command line asks for it.
public struct RepairNodeRequest: Sendable {
    /// The upstream group.
    public var group: SocketAddress
    /// Nil takes the interface that routes to the group.
    public var interfaceName: String?
    /// Where it repairs, or relays; nil derives it from the upstream group.
    public var region: SocketAddress?
    /// Nil takes the upstream's.
    public var regionInterfaceName: String?
    /// Multicast time to live in the region, 0...255.
    public var regionTimeToLive: Int
    /// The parent, where multicast does not cross the link to it: the whole stream is then relayed into the region.
    public var upstream: SocketAddress?
    public var cachePath: String
    /// Bytes on disk.
    public var cacheSize: UInt64
    /// Bytes of the cache's file system that stay free.
    public var reserve: UInt64 = 0
    public var trust: TrustPolicy
    /// Takes part in what is sealed for this group, which stays so, and in nothing else; nil takes what is not sealed.
    public var controlKey: ControlKey?
    /// The node's own key; nil where it does not prove itself.
    public var signer: (any MessageSigner)?
    public var configuration: Configuration

    public init(
        group: SocketAddress, interfaceName: String?, region: SocketAddress?, regionInterfaceName: String?,
        regionTimeToLive: Int, upstream: SocketAddress?, cachePath: String, cacheSize: UInt64, trust: TrustPolicy,
        controlKey: ControlKey? = nil, signer: (any MessageSigner)? = nil, configuration: Configuration
    ) {
        self.controlKey = controlKey
        self.group = group
        self.interfaceName = interfaceName
        self.region = region
        self.regionInterfaceName = regionInterfaceName
        self.regionTimeToLive = regionTimeToLive
        self.upstream = upstream
        self.cachePath = cachePath
        self.cacheSize = cacheSize
        self.trust = trust
        self.signer = signer
        self.configuration = configuration
    }

    /// The region that is used: the one that is named; for a relay the group itself, which nothing else reaches at its
    /// site, so that its receivers need not be told; else the group with the next address.
    public var effectiveRegion: SocketAddress { region ?? (upstream != nil ? group : Self.derivedRegion(of: group)) }

    /// Faults of the request itself, and those that a look at the host's interfaces and at the cache's place shows; nothing is left there.
    /// - Returns: lines for the user.
    public func check() throws(HostError) -> [String] {
        try validate()
        if let interfaceName { _ = try NetworkInterface.forGroup(upstream ?? group, named: interfaceName, isHost: upstream != nil) }
        if let regionInterfaceName { _ = try NetworkInterface.forGroup(effectiveRegion, named: regionInterfaceName) }
        // A directory that is not there yet is made, in one that is there.
        var place = cachePath
        while FileSystem.status(of: place) == nil, errno == ENOENT, let cut = place.lastIndex(of: "/") {
            place = cut == place.startIndex ? "/" : String(place[..<cut])
        }
        if FileSystem.status(of: place) == nil, errno == ENOENT { place = "." }
        return try OutputCheck.checkDirectory(place, advice: "name another directory with --cache", .host).map { [$0] } ?? []
    }

    /// - Throws: what of it cannot be, whatever the host is like.
    func validate() throws(HostError) {
        for group in [group, region ?? group] { try group.requireMulticast() }
        guard effectiveRegion.family == group.family else {
            throw HostError("the region \(effectiveRegion.text) and the group \(group.text) are of different families", kind: .usage)
        }
        if upstream == nil, effectiveRegion == group {
            throw HostError("the region is the upstream group itself; give another with --region, or --upstream HOST to relay", kind: .usage)
        }
    }

    static func derivedRegion(of group: SocketAddress) -> SocketAddress {
        var region = group
        region.low &+= 1
        if !region.mayBeRegion(of: group) || region.low == 0 { region.low = group.low &- 1 }
        return region
    }
}
