/// NAKs and STATUSes: how soon, how many, how often again.
public struct FeedbackSettings: Sendable {
    /// Backoff window of a NAK in units of GRTT (RFC 5401, 3.2.3: K = 4 where NAKs are by unicast or scoped).
    public var backoffFactor = 4.0
    /// Bounds of the group round-trip time. The lower one covers scheduling at both ends: below it, NAKs and repairs
    /// would cross each other.
    public var minimumGroupRoundTrip = Interval.milliseconds(2)
    public var maximumGroupRoundTrip = Interval.seconds(2)
    /// Assumed until the first echo (RFC 5740 assumes 0.5 s; local networks are what this starts on).
    public var initialGroupRoundTrip = Interval.milliseconds(10)
    /// Packets that arrive this much after a later one were reordered, not lost. Paths reorder within a few packets;
    /// 1 ms is about the length of a batch.
    public var reorderDelay = Interval.milliseconds(1)
    /// NAKs of a receiver in one go, datagrams: bounds its share of the parent's inbound queue.
    public var maximumNAKDatagrams = 4
    /// Chunks a latecomer or far-behind receiver asks for again after this long when nothing of them came: the parent
    /// keeps the request, so that only a lost NAK needs this.
    public var catchUpHoldOff = Interval.milliseconds(300)
    /// Absent chunks that are asked for in one go: enough that a request is on the parent's books while the one before
    /// is being served.
    public var catchUpWindow = 256
    /// Hold-offs in a row that NCFs may begin while nothing of what they name comes; then a receiver asks for itself. So
    /// many repairs of one thing are hardly lost one after the other, so that large groups go on asking once, and forged
    /// NCFs delay no longer.
    public var maximumPostponements = 3
    /// Name that a receiver tells its parents, and the sender's user, if it fails; nil for one that is counted and not named. Set by its
    /// user alone (`FailureLabel`).
    public var label: String?
    /// STATUS datagrams a second that a parent wants from all of its children together.
    public var statusRateLimit = 1_000.0
    /// NAKs a second that a parent wants from all of its child repair nodes together: as many as STATUSes. With 10 nodes they are
    /// 10 ms apart, less than a round of repair takes; what a flat tree of a thousand saves its sender they wait for.
    public var nodeNAKRateLimit = 1_000.0
    /// And this far apart at most: children of a node wait for its repairs, and leave it when nothing comes for `uselessAfter`.
    public var maximumNAKInterval = Interval.seconds(1)
    /// Bounds of the time between two STATUSes of a child. The lower one is also the interval that a child assumes before the first HEARTBEAT;
    /// while the rate is being found `finding` has a lower one.
    public var minimumStatusInterval = Interval.milliseconds(10)
    public var maximumStatusInterval = Interval.seconds(10)
    /// Pace of STATUSes while the rate is being found.
    public var finding = FindingFeedback()
    /// Least time between a STATUS and one that is ahead of its turn because buffers fill: 5 ms at 10 Gb/s are 6 MB, a
    /// fraction of the assembly slots.
    public var urgentStatusInterval = Interval.milliseconds(5)
    /// Datagrams that are left in a socket count as pressure when they have been for so long, each time that it was read. Two batches
    /// come in it. A quarter of a small socket is one batch, and counted at once they kept 16 receivers with sockets of 256 KiB to half of what
    /// they take; after twice as long, sockets of 2 MiB lose more.
    public var standingBacklog = Interval.milliseconds(2)
    /// A final STATUS is repeated after this long until it is acknowledged, doubling each time up to 0.8 s.
    public var finalStatusTimeout = Interval.milliseconds(50)
    /// A repair node acknowledges a final STATUS when it has told its own parent of it, or after this long: who is done and goes must
    /// not be lost with the node. Shorter than a child waits for it.
    public var acknowledgementDelay = Interval.seconds(2)
    /// Unacknowledged final STATUS datagrams before a receiver takes its parent for gone.
    public var finalStatusAttempts = 10

    /// Watchers that a parent answers in a second, all together: ten of them twice a second, at 16 KB in all.
    public var maximumReportsPerSecond = 20

    public init() {}

    /// Time between two STATUSes of a child, so that all together stay within the limits.
    /// - Parameter isFindingRate: the rate is in start-up, or what went beyond the path is draining.
    public func statusInterval(children: Int, isFindingRate: Bool) -> Interval {
        let fair = isFindingRate ? finding.fairInterval(children: children) : .seconds(Double(children) / statusRateLimit)
        return min(max(fair, isFindingRate ? finding.statusInterval : minimumStatusInterval), maximumStatusInterval)
    }
}

/// STATUSes while nobody knows yet what the path carries: each round that is saved counts.
public struct FindingFeedback: Sendable {
    /// Least time between two STATUSes of a child, and between heartbeats: each step of start-up takes five of them or more.
    public var statusInterval = Interval.milliseconds(1)
    /// STATUS datagrams a second from all children together: 16 receivers would otherwise take twice as long for each step.
    public var statusRateLimit = 2_000.0
    /// Time between two STATUSes of a child from which on more of them are worth having: each step takes a few of these times. With 8 ms
    /// 64 receivers on two processors were kept busy by their reports now and then, and took up to six times as long.
    public var patience = Interval.milliseconds(32)
    /// STATUS datagrams a second from so many children that they would take longer: 10 Mb/s with their headers, for `duration` at the most.
    public var statusRateLimitOfMany = 10_000.0
    /// Time from the beginning of the stream after which their pace is the usual one, if the source never lets the rate be tried.
    public var duration = Interval.milliseconds(500)

    public init() {}

    fileprivate func fairInterval(children: Int) -> Interval {
        func interval(at limit: Double) -> Interval { .seconds(Double(children) / limit) }
        return max(min(interval(at: statusRateLimit), patience), interval(at: statusRateLimitOfMany))
    }
}
