import RMCPProtocol

/// How closely the kernel tells when datagrams arrived, and what was left of their time to live.
///
/// To be told of each datagram takes a tenth of a receiver's processor time where they come one by one. So once many come in each read, the
/// time of the last stands for all of them: they are no more than 16, and came within a millisecond. The time to live is looked at now and
/// then: the length of a path seldom changes.
///
/// ```
///   datagram ──many in each read, for 0.1 s at the least──▶ read
///       ▲                                                    │
///       └──0.9 s, a train, or few in each read───────────────┘
/// ```
struct ArrivalDetail {
    enum Scope {
        /// Told of each datagram, or of each train.
        case datagram
        /// Told of the last one of a read, and nothing of the time to live.
        case read
    }

    private(set) var scope = Scope.datagram
    /// Time since which it is so.
    private var since = Instant.longAgo
    /// Reads in a row that speak for a change.
    private var reads = 0

    /// Reads in a row that are no accident.
    private static let sufficientReads = 16
    /// HEARTBEATs come within each of these while there is a stream.
    private static let shortestLook = Interval.milliseconds(100)
    private static let longestRest = Interval.milliseconds(900)

    /// - Parameters:
    ///   - count: datagrams or trains that a read brought, 1 or more.
    ///   - areSingle: whether none of them is a train, of which the kernel tells once anyway.
    /// - Returns: whether the scope has changed.
    mutating func note(_ count: Int, areSingle: Bool, at now: Instant) -> Bool {
        let isMany = areSingle && count > 1
        switch scope {
        case .datagram:
            reads = isMany ? reads + 1 : 0
            guard reads >= Self.sufficientReads, now - since >= Self.shortestLook else { return false }
            change(to: .read, at: now)
        case .read:
            reads = isMany ? 0 : reads + 1
            guard !areSingle || reads >= Self.sufficientReads || now - since >= Self.longestRest else { return false }
            change(to: .datagram, at: now)
        }
        return true
    }

    private mutating func change(to scope: Scope, at now: Instant) {
        self.scope = scope
        since = now
        reads = 0
    }
}
