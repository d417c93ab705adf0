/// The regions of repair nodes that a node listens to. It opens nothing itself: `noteAdvertised` says what is to be
/// joined, and whoever has the sockets answers with `noteJoined` or `noteFailed`.
///
/// ```
///   unknown ──noteAdvertised──▶ joining ──noteJoined──▶ joined ──another one takes its place──▶ unknown
///      ▲                           │            (not advertised for 30 s, and all places are taken)
///      └──────after 10 s─── failed ◀──noteFailed
/// ```
public struct RegionTable: Sendable {
    /// Regions at one time. Each is a socket with buffers of its own, and a host hears few repair nodes near it.
    public static let limit = 4
    /// How long a region that nobody advertises keeps its place while others want it: 60 advertisements.
    public static let memory = Interval.seconds(30)
    /// A repair node is there as long as one of four advertisements comes (`RepairEndpoint.advertisementInterval`).
    public static let validity = Interval.seconds(2)
    /// How long a region that could not be joined is left alone: the reason, such as a port that is taken, lasts.
    public static let retryInterval = Interval.seconds(10)
    /// Regions that could not be joined and are remembered; at the limit the oldest is tried again.
    public static let failedLimit = 32

    private struct Entry: Sendable {
        var region: SocketAddress
        var advertisedAt: Instant
        var isJoined = false
        /// Gives way once this one is joined.
        var predecessor: SocketAddress?
    }

    private let group: SocketAddress?
    /// In the order in which they were advertised first; at most `limit`, besides those that are to replace another.
    private var entries: [Entry] = []
    /// Oldest first, each with the time until which it is left alone.
    private var failed: [(region: SocketAddress, until: Instant)] = []

    /// - Parameter group: the one that is listened to anyway; nil where nothing is expected by multicast, and no region
    ///   is joined.
    public init(group: SocketAddress?) { self.group = group }

    /// Regions that are joined, in the order in which they were advertised first.
    public var joined: [SocketAddress] { entries.lazy.filter(\.isJoined).map(\.region) }

    /// Whether a repair node has advertised its region lately.
    public func hearsRepairNodes(at now: Instant) -> Bool { entries.contains { $0.isJoined && now - $0.advertisedAt < Self.validity } }

    /// A region was advertised.
    /// - Returns: whether it is to be joined now.
    public mutating func noteAdvertised(_ region: SocketAddress, at now: Instant) -> Bool {
        if let index = entries.firstIndex(where: { $0.region == region }) {
            entries[index].advertisedAt = now
            return false
        }
        guard let group, region != group, region.family == group.family else { return false }
        guard !failed.contains(where: { $0.region == region && now < $0.until }) else { return false }
        var entry = Entry(region: region, advertisedAt: now)
        if entries.count - entries.count(where: { $0.predecessor != nil }) >= Self.limit {
            guard let old = entries.first(where: { mayGiveWay($0, at: now) }) else { return false }
            entry.predecessor = old.region
        }
        entries.append(entry)
        return true
    }

    private func mayGiveWay(_ entry: Entry, at now: Instant) -> Bool {
        entry.isJoined && now - entry.advertisedAt > Self.memory && !entries.contains { $0.predecessor == entry.region }
    }

    /// The region is listened to.
    /// - Returns: the one that gave its place to it and is to be left.
    public mutating func noteJoined(_ region: SocketAddress) -> SocketAddress? {
        guard let index = entries.firstIndex(where: { $0.region == region && !$0.isJoined }) else { return nil }
        entries[index].isJoined = true
        guard let predecessor = entries[index].predecessor else { return nil }
        entries[index].predecessor = nil
        entries.removeAll { $0.region == predecessor }
        return predecessor
    }

    /// The region cannot be listened to: it takes nobody's place, and is left alone for a while.
    public mutating func noteFailed(_ region: SocketAddress, at now: Instant) {
        entries.removeAll { $0.region == region && !$0.isJoined }
        failed.removeAll { $0.region == region || now >= $0.until }
        if failed.count >= Self.failedLimit { failed.removeFirst() }
        failed.append((region, now + Self.retryInterval))
    }
}
