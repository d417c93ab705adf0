/// How long datagrams queue between the parent and here: the time since a heartbeat's timestamp, over the shortest such
/// time seen lately (as LEDBAT does, RFC 6817, 3.4.1). The two clocks' offset cancels out; their drift is slower than
/// the window.
struct QueueingDelayEstimator: Sendable {
    private var baseline = Int64.max
    private var previousBaseline = Int64.max
    private var windowStart: Instant?
    /// Delays of the latest heartbeats, microseconds, the newest last.
    private var latest: [3 of Int64] = [0, 0, 0]
    /// Longer than a shared queue stands without ever running dry; clocks drift apart by a millisecond or two by then.
    private static let window = Interval.seconds(30)
    /// Microseconds: a minute. Longer is another clock, not a queue.
    private static let longestDelay: Int64 = 60_000_000
    /// Microseconds: 35,000 years.
    private static let largestTimestamp: UInt64 = 1 << 60

    mutating func record(timestamp: UInt64, at now: Instant) {
        // Heartbeats are not signed: whatever they claim, the numbers must stay where arithmetic holds.
        guard timestamp < Self.largestTimestamp else { return }
        let offset = Int64(clamping: now.wireMicroseconds) - Int64(timestamp)
        let start = windowStart ?? now
        windowStart = start
        if now - start >= Self.window {
            previousBaseline = baseline
            baseline = offset
            windowStart = now
        }
        baseline = min(baseline, offset)
        let delay = offset - min(baseline, previousBaseline)
        latest[0] = latest[1]
        latest[1] = latest[2]
        latest[2] = min(delay, Self.longestDelay)
    }

    /// The least of the latest three: a queue delays all of them, and a sender that was busy between stamping and sending one
    /// of them (as LEDBAT filters, RFC 6817, 3.4.2).
    var delay: Interval { .microseconds(min(latest[0], latest[1], latest[2])) }
}
