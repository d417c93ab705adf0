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
    public var trust: TrustPolicy
    public var configuration: Configuration

    public init(
        group: SocketAddress, interfaceName: String?, region: SocketAddress?, regionInterfaceName: String?,
        regionTimeToLive: Int, upstream: SocketAddress?, cachePath: String, cacheSize: UInt64, trust: TrustPolicy,
        configuration: Configuration
    ) {
        self.group = group
        self.interfaceName = interfaceName
        self.region = region
        self.regionInterfaceName = regionInterfaceName
        self.regionTimeToLive = regionTimeToLive
        self.upstream = upstream
        self.cachePath = cachePath
        self.cacheSize = cacheSize
        self.trust = trust
        self.configuration = configuration
    }

    /// The region that is used: the one that is named; for a relay the group itself, which nothing else reaches at its
    /// site, so that its receivers need not be told; else the group with the next address.
    public var effectiveRegion: SocketAddress { region ?? (upstream != nil ? group : Self.derivedRegion(of: group)) }

    static func derivedRegion(of group: SocketAddress) -> SocketAddress {
        var region = group
        region.low &+= 1
        if !region.isMulticast || region.low == 0 { region.low = group.low &- 1 }
        return region
    }
}

/// How one session stands at a repair node.
public struct RepairSnapshot: Sendable {
    public var announce: Announce
    /// Encoded chunks that are here, and in all (nil while that is not known).
    public var chunksHeld: UInt32
    public var chunkCount: UInt32?
    public var isComplete: Bool
    /// Repair nodes between the sender and this one, plus one; nil while nobody above is heard.
    public var depth: Int?
    public var children: Int
    /// Everybody below.
    public var receivers: StatusHistogram
    /// Bits per second at which datagrams may go into the region.
    public var rate: Double
    /// Loss on the way here (0...1).
    public var loss: Double
    public var counters: SenderCounters
    /// Of the upper half; nil while nobody above is heard.
    public var upstreamCounters: ReceiverCounters?
}

/// What a repair node tells its observer. Called on the network thread: be quick.
public enum RepairUpdate: Sendable {
    case listening(interface: String, group: SocketAddress, upstream: SocketAddress?, region: SocketAddress, regionInterface: String)
    case warning(String)
    case refused(Announce, SessionRefusal)
    /// `kept` chunks were in the cache.
    case began(RepairSnapshot, kept: Int)
    case progress([RepairSnapshot])
    /// Everything is here: the sender is not needed any more.
    case complete(RepairSnapshot)
    /// A parent was found or left; depth 1 is right below the sender.
    case parentChanged(Announce, depth: Int)
    /// Nobody above any more.
    case upstreamOver(RepairSnapshot, ReceiverState)
    /// It gave way to a newer bundle, or cannot be served.
    case retired(Announce, reason: String)
    case stopped
}
