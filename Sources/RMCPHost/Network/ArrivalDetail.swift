import RMCPProtocol

/// How closely the kernel tells when datagrams arrived, and what was left of their time to live.
///
/// To be told of each datagram takes a tenth of a receiver's processor time where they come one by one. So once several come in each read, the
/// time of the last stands for all of them, 16 at the most. The time to live is looked at now and then: the length of a path seldom changes.
///
/// ```
///   datagram ──several in each of 16 reads, after 0.1 s──▶ read
///       ▲                                                  │
///       └──after 0.9 s, a train, or one in each of 16 reads┘
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
    /// HEARTBEATs are 10 to 200 ms apart: if none comes meanwhile, one does in the next second or the one after.
    private static let shortestLook = Interval.milliseconds(100)
    private static let longestRest = Interval.milliseconds(900)

    /// - Parameters:
    ///   - count: datagrams or trains that a read brought, 1 or more.
    ///   - areSingle: whether none of them is a train, of which the kernel tells once anyway.
    /// - Returns: whether the scope has changed.
    mutating func note(_ count: Int, areSingle: Bool, at now: Instant) -> Bool {
        let areSeveral = areSingle && count > 1
        switch scope {
        case .datagram:
            reads = areSeveral ? reads + 1 : 0
            guard reads >= Self.sufficientReads, now - since >= Self.shortestLook else { return false }
            change(to: .read, at: now)
        case .read:
            reads = areSeveral ? 0 : reads + 1
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
