/// The regions of repair nodes that a node listens to. It opens nothing itself: `noteAdvertised` says what is to be
/// joined, and whoever has the sockets answers with `noteJoined` or `noteFailed`; `takeSilent` says what is to be left.
///
/// ```
///   unknown ──noteAdvertised──▶ joining ──noteJoined──▶ joined ──10 s without an advertisement──▶ unknown
///      ▲                           │
///      └──────after 10 s─── failed ◀──noteFailed
/// ```
///
/// A region that nobody advertises is left even while a parent is heard there. That a parent is heard is known from packets
/// that anybody can send. A node of which twenty advertisements in a row are lost would be found by no newcomer either, and its
/// children go elsewhere as when it dies.
public struct RegionTable: Sendable {
    /// Regions at one time. Each is a socket with buffers of its own, and a host hears few repair nodes near it.
    public static let limit = 4
    /// Time for which a region that nobody advertises is listened to: 20 advertisements.
    public static let memory = Interval.seconds(10)
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
    }

    private let group: SocketAddress?
    /// In the order in which they were advertised first; at most `limit`.
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
        guard let group, region.mayBeRegion(of: group), entries.count < Self.limit else { return false }
        guard !failed.contains(where: { $0.region == region && now < $0.until }) else { return false }
        entries.append(Entry(region: region, advertisedAt: now))
        return true
    }

    /// The region is listened to.
    public mutating func noteJoined(_ region: SocketAddress) {
        guard let index = entries.firstIndex(where: { $0.region == region }) else { return }
        entries[index].isJoined = true
    }

    /// The region cannot be listened to: it has no place, and is left alone for a while.
    public mutating func noteFailed(_ region: SocketAddress, at now: Instant) {
        entries.removeAll { $0.region == region && !$0.isJoined }
        failed.removeAll { $0.region == region || now >= $0.until }
        if failed.count >= Self.failedLimit { failed.removeFirst() }
        failed.append((region, now + Self.retryInterval))
    }

    /// When `takeSilent` may have something to say; nil while no region is joined.
    public var nextSilence: Instant? { entries.lazy.filter(\.isJoined).map { $0.advertisedAt + Self.memory }.min() }

    /// Regions that nobody advertises any more. They are to be left, and their places are free.
    public mutating func takeSilent(at now: Instant) -> [SocketAddress] {
        guard let nextSilence, now >= nextSilence else { return [] }
        let silent = entries.filter { $0.isJoined && now - $0.advertisedAt >= Self.memory }.map(\.region)
        entries.removeAll { silent.contains($0.region) }
        return silent
    }
}
