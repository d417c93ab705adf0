/// Measures loss by the gaps in one transmitter's sequence numbers. Reordered and duplicated datagrams count as
/// received, which errs on the calm side.
struct ArrivalTracker: Sendable {
    private var highest: UInt32?
    private var expected = 0
    private var received = 0
    /// Smoothed fraction lost (0...1).
    private(set) var loss = 0.0
    private(set) var totalExpected: UInt64 = 0
    private(set) var totalReceived: UInt64 = 0

    private var bytes = 0
    private var intervalStart: Instant?
    /// Bits per second of datagrams, IP and UDP headers included, over the last interval.
    private(set) var arrivalRate = 0.0

    /// A jump of more than this many datagrams is a new start, not a loss.
    private static let maximumJump = 1 << 22
    /// Fewer datagrams than this say nothing about loss.
    private static let minimumSample = 20

    /// How many datagrams were skipped right before this one: 0 in order, nil for one from the past.
    @discardableResult
    mutating func record(_ sequence: UInt32, bytes length: Int) -> Int? {
        bytes += length + SenderEngine.perDatagramOverhead
        guard let last = highest else {
            highest = sequence
            expected += 1
            received += 1
            return 0
        }
        let distance = SerialNumber.distance(from: last, to: sequence)
        received += 1
        guard distance > 0 else { return nil }
        highest = sequence
        expected += distance < Self.maximumJump ? distance : 1
        return distance - 1
    }

    /// Closes a measuring interval and folds it into the smoothed loss.
    mutating func closeInterval(at now: Instant) {
        if let start = intervalStart, now > start { arrivalRate = Double(bytes) * 8 / (now - start).inSeconds }
        intervalStart = now
        bytes = 0
        guard expected >= Self.minimumSample else { return }
        let fraction = max(0, 1 - Double(received) / Double(expected))
        // A long interval says more than what was before it.
        let weight = totalExpected == 0 ? 1 : Double(expected) / Double(expected + 100)
        loss += (fraction - loss) * weight
        totalExpected += UInt64(expected)
        totalReceived += UInt64(min(received, expected))
        expected = 0
        received = 0
    }
}

/// How long datagrams queue between the parent and here: the time since a heartbeat's timestamp, over the shortest such
/// time seen lately (as LEDBAT does, RFC 6817, 3.4.1). The two clocks' offset cancels out; their drift is slower than
/// the window.
struct QueueingDelayEstimator: Sendable {
    private var baseline = Int64.max
    private var previousBaseline = Int64.max
    private var windowStart: Instant?
    private var worst: Int64 = 0
    private static let window = Interval.seconds(15)
    /// Microseconds: a minute. Longer is another clock, not a queue.
    private static let longestDelay: Int64 = 60_000_000
    /// Microseconds: 35,000 years.
    private static let largestTimestamp: UInt64 = 1 << 60

    mutating func record(timestamp: UInt64, at now: Instant) {
        // Heartbeats are not signed: whatever they claim, the numbers must stay where arithmetic holds.
        guard timestamp < Self.largestTimestamp else { return }
        let offset = now.nanoseconds / 1_000 - Int64(timestamp)
        let start = windowStart ?? now
        windowStart = start
        if now - start >= Self.window {
            previousBaseline = baseline
            baseline = offset
            windowStart = now
        }
        baseline = min(baseline, offset)
        let delay = offset - min(baseline, previousBaseline)
        worst = max(worst, min(delay, Self.longestDelay))
    }

    /// The longest delay since this was last asked.
    mutating func takeWorst() -> Interval {
        defer { worst = 0 }
        return .microseconds(worst)
    }
}
