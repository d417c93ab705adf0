/// Verifications that forged signatures may take. Whoever makes good ones holds the key, and is not held back: only what was in vain
/// counts, and against whoever sent it.
///
/// Hosts that have brought nothing good share a few allowances by their addresses, which take more than a made-up port or id to
/// change. Who has brought something good has an allowance of its own, until others have done so later.
struct VerificationBudget: Sendable {
    /// The apparent origin of a datagram; either part may be a lie.
    struct Origin: Hashable, Sendable {
        var source: SocketAddress
        var transmitter: UInt32
    }

    /// Vain verifications, at a pace in the long run and with some to spare.
    private struct Allowance: Sendable {
        private var next = Instant.longAgo

        func isLeft(at now: Instant) -> Bool { now >= next }
        mutating func spend(at now: Instant) {
            next = max(next, now - VerificationBudget.interval * VerificationBudget.burst) + VerificationBudget.interval
        }
    }

    /// Eight and three of these are 550 verifications a second: a quarter of a small board's core, when all of them are used up.
    private static let interval = Interval.milliseconds(20)
    private static let burst = 10.0
    private static let strangerAllowances = 8
    /// The sender by the group and by a relay, and a repair node.
    private static let provenLimit = 3

    private var strangers = [Allowance](repeating: Allowance(), count: strangerAllowances)
    /// Origins of what was good, the last one first.
    private var proven: [(origin: Origin, allowance: Allowance)] = []

    /// Whether a signature from there may be looked at.
    func allows(_ origin: Origin, at now: Instant) -> Bool {
        if let entry = proven.first(where: { $0.origin == origin }) { return entry.allowance.isLeft(at: now) }
        return strangers[Self.index(of: origin.source)].isLeft(at: now)
    }

    /// A verification brought nothing.
    mutating func noteVain(_ origin: Origin, at now: Instant) {
        guard let index = proven.firstIndex(where: { $0.origin == origin }) else {
            return strangers[Self.index(of: origin.source)].spend(at: now)
        }
        proven[index].allowance.spend(at: now)
    }

    /// A verification brought something new.
    mutating func noteGood(_ origin: Origin) {
        guard let index = proven.firstIndex(where: { $0.origin == origin }) else {
            if proven.count >= Self.provenLimit { proven.removeLast() }
            return proven.insert((origin, Allowance()), at: 0)
        }
        guard index > 0 else { return }
        proven.swapAt(index, 0)
    }

    /// Neighbours in a network have different ones, and whoever has a network of IPv6 has one.
    private static func index(of source: SocketAddress) -> Int {
        Int((source.family == .ipv4 ? source.low : source.high) % UInt64(strangerAllowances))
    }
}
