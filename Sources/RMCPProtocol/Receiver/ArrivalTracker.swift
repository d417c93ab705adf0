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

    private var meter = ArrivalRateMeter()
    /// Bits per second of datagrams, IP and UDP headers included; nil while there is nothing to measure it by.
    /// - Parameter isRead: as they are read, which is what a host takes in that has more than enough to read; as they arrive,
    ///   otherwise, which does not depend on when it comes to read them.
    func rate(isRead: Bool) -> Double? { isRead ? meter.readBitsPerSecond : meter.bitsPerSecond }

    /// A jump of more than this many datagrams is a new start, not a loss.
    private static let maximumJump = 1 << 22
    /// Fewer datagrams than this say nothing about loss.
    private static let minimumSample = 20

    /// How many datagrams were skipped right before this one: 0 in order, nil for one from the past.
    /// - Parameter dataAt: when it arrived and when it was read, for DATA; nil for everything else.
    @discardableResult
    mutating func record(_ sequence: UInt32, bytes length: Int, dataAt times: (arrival: Instant, read: Instant)? = nil) -> Int? {
        meter.record(bytes: length + SenderEngine.perDatagramOverhead, dataAt: times)
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
        meter.closeInterval(at: now)
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

/// How fast datagrams arrive while there is a stream. Before it begins, and while its source has nothing to say, only
/// control comes, and that tells nothing of what the path carries: taken for it, it would cut the rate to a tenth.
struct ArrivalRateMeter: Sendable {
    /// Of the first DATA after a gap, or of the last of an interval that was long enough.
    private var start: (arrival: Instant, read: Instant)?
    private var last: (arrival: Instant, read: Instant) = (.zero, .zero)
    /// Of what came after `start`.
    private var bytes = 0
    private var dataCount = 0
    private(set) var bitsPerSecond: Double?
    private(set) var readBitsPerSecond: Double?

    /// Without DATA for so long, the sender had none: at 1 Mb/s they are 11 ms apart.
    private static let gap = Interval.milliseconds(100)
    /// A batch arrives at the speed of the link; over several of them it does not matter. As long as the shortest time
    /// between two STATUSes.
    static let shortestInterval = Interval.milliseconds(5)
    /// One DATA more or less is a twentieth.
    private static let minimumSample = 20

    /// - Parameter dataAt: when it arrived and when it was read, for DATA.
    mutating func record(bytes length: Int, dataAt times: (arrival: Instant, read: Instant)?) {
        bytes += length
        guard let times else { return }
        dataCount += 1
        if let start, times.arrival - last.arrival < Self.gap {
            // What arrived together with the first tells no time.
            if times.arrival == start.arrival { bytes = 0 }
        } else {
            start = times
            bytes = 0
            dataCount = 0
            bitsPerSecond = nil
            readBitsPerSecond = nil
        }
        last = times
    }

    /// An interval that is too short, or has too few DATA, goes on.
    mutating func closeInterval(at now: Instant) {
        guard let begun = start, now - begun.read >= Self.shortestInterval else { return }
        guard now - last.read < Self.gap else {
            start = nil
            bitsPerSecond = nil
            readBitsPerSecond = nil
            return
        }
        guard dataCount >= Self.minimumSample, last.arrival - begun.arrival >= Self.shortestInterval * 0.5 else { return }
        bitsPerSecond = Double(bytes) * 8 / (last.arrival - begun.arrival).inSeconds
        readBitsPerSecond = Double(bytes) * 8 / (now - begun.read).inSeconds
        start = (last.arrival, now)
        bytes = 0
        dataCount = 0
    }
}

/// How long datagrams queue between the parent and here: the time since a heartbeat's timestamp, over the shortest such
/// time seen lately (as LEDBAT does, RFC 6817, 3.4.1). The two clocks' offset cancels out; their drift is slower than
/// the window.
struct QueueingDelayEstimator: Sendable {
    private var baseline = Int64.max
    private var previousBaseline = Int64.max
    private var windowStart: Instant?
    /// Of the latest heartbeats, the newest last.
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
        latest[0] = latest[1]
        latest[1] = latest[2]
        latest[2] = min(delay, Self.longestDelay)
    }

    /// The least of the latest three: a queue delays all of them, and a sender that was busy between stamping and sending one
    /// of them (as LEDBAT filters, RFC 6817, 3.4.2).
    var delay: Interval { .microseconds(min(latest[0], latest[1], latest[2])) }
}
