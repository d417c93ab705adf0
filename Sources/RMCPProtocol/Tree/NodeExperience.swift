/// A child's experience with repair nodes in a session, which outlives their ids: anybody can make up new ones.
///
/// The host of a node that was of no use is left alone for a time that doubles with each of them. And a child goes below few nodes
/// that have given it nothing yet: addresses can be made up as well. With all of that used up it stays with the sender, as it would
/// without repair nodes.
struct NodeExperience: Sendable {
    private struct Host: Hashable, Sendable {
        let family: SocketAddress.Family
        let high: UInt64
        let low: UInt64

        init(_ address: SocketAddress) {
            family = address.family
            high = address.high
            low = address.low
        }
    }

    /// A host with nodes that were of no use, and the time until which it is left alone.
    private struct Shunned: Sendable {
        let host: Host
        var count: Int
        var until: Instant
    }

    /// The one that was of no use first comes first.
    private var shunned: [Shunned] = []
    /// Moves to nodes that have given nothing yet.
    private var trials = 0
    private static let shunnedLimit = 16
    /// A pause is doubled so often at most: half a minute becomes a quarter of an hour.
    private static let doublings = 5

    func isShunned(_ address: SocketAddress, at now: Instant) -> Bool {
        guard !shunned.isEmpty else { return false }
        let host = Host(address)
        return shunned.contains { $0.host == host && now < $0.until }
    }

    /// Whether another node may be tried that has given nothing yet.
    func mayTry(limit: Int) -> Bool { trials < limit }

    mutating func noteTrial() { trials += 1 }

    /// A node that was tried has given something.
    mutating func noteUseful(at address: SocketAddress) {
        trials = max(0, trials - 1)
        let host = Host(address)
        shunned.removeAll { $0.host == host }
    }

    /// A node there was of no use.
    /// - Parameter pause: for the first time.
    /// - Returns: how long its host is left alone.
    mutating func noteUseless(at address: SocketAddress, pause: Interval, now: Instant) -> Interval {
        let host = Host(address)
        let count = shunned.first { $0.host == host }?.count ?? 0
        shunned.removeAll { $0.host == host }
        if shunned.count >= Self.shunnedLimit { shunned.removeFirst() }
        let longer = pause * Double(1 << min(count, Self.doublings))
        shunned.append(Shunned(host: host, count: count + 1, until: now + longer))
        return longer
    }
}
