/// Tells loss that depends on the rate from the path's own.
struct LossMemory: Sendable {
    /// Fraction lost (0...1) that does not depend on the rate, as cuts have shown.
    var floor = 0.0
    /// The median of the last seconds, in buckets.
    private var median = 0.0
    /// The least since the last event, in buckets.
    private var least = LossBucket.count
    /// Since when there has been more than there should be, while the rate grows.
    private var seenSince: Instant?
    private var notedAt: Instant
    private var begun: Instant

    /// Fraction above the floor from which loss is not the path's own: loss is told in buckets about 1.6 times apart and wavers between
    /// neighbours.
    private static let tolerance = 0.02
    /// The same as a factor, two buckets: overload is what lies so far above the floor, and a cut has helped when loss is lower by that.
    private static let noise = 2.0
    /// Fraction that no path loses by itself which is worth sending on: beyond, it is always the rate.
    static let congestion = 0.5
    /// Seconds that the floor is forgotten over: paths change, and what was taken for the path's own was somebody else's.
    private static let floorLifetime = 4.0
    /// Buckets a second by which the median follows, while it is new, and later: a rise can be told
    /// from it for more than a second.
    private static let firstPace = 10.0
    private static let pace = 2.0
    private static let newFor = Interval.seconds(1)
    /// Seconds that one report moves the median by at the most: it may be the first after a silence.
    private static let longestStride = 0.2
    /// An event is bucket 2 or above (0.05 %), 2 buckets above the least since the last event, and 3 above the median.
    private static let leastEvent = 2
    private static let riseAboveLeast = 2
    private static let riseAboveMedian = 3.0
    /// Rates of arrival are told in buckets 9 % apart.
    private static let coarseness = 1.1
    /// Fraction that is not waited for. With 1 % of random loss, 3 of the 80 datagrams of one interval can go by chance; a rate that is
    /// too high has much more to show by then.
    private static let slight = 0.06
    /// And what is waited for where it is less: status intervals, and a time for those that are very short.
    private static let statuses = 2.0
    private static let shortestLoss = Interval.milliseconds(30)

    init(at now: Instant) {
        notedAt = now
        begun = now
    }

    mutating func note(_ loss: Double, at now: Instant) {
        let elapsed = max(0, (now - notedAt).inSeconds)
        notedAt = now
        if loss < floor { floor = max(loss, floor * (1 - min(1, elapsed / Self.floorLifetime))) }
        let bucket = LossBucket.index(ofBound: loss)
        let stride = min(Self.longestStride, elapsed) * (now - begun < Self.newFor ? Self.firstPace : Self.pace)
        median += min(max(Double(bucket) - median, -stride), stride)
        least = min(least, bucket)
    }

    /// Clearly more than the path loses by itself.
    func isLossy(_ loss: Double) -> Bool { loss > max(floor + Self.tolerance, floor * Self.noise) }

    // MARK: Loss that lasts

    /// Whether the latest report told of loss that may be the rate's.
    var isSeen: Bool { seenSince != nil }

    /// Notes what the latest report tells of loss.
    /// - Returns: true when that is the rate's: without any queue, the next statuses are waited for.
    mutating func noteSeen(_ signal: RateSignal, _ moment: RateMoment, waitsNot: Bool) -> Bool {
        guard isLossy(signal.loss) else {
            seenSince = nil
            return false
        }
        let since = seenSince ?? moment.now
        seenSince = since
        return waitsNot || signal.pressure > 0 || signal.loss > max(Self.slight, floor * Self.noise)
            || moment.now - since >= max(moment.statusInterval * Self.statuses, Self.shortestLoss)
    }

    mutating func forgetSeen() { seenSince = nil }

    /// What was lost at a rate that was then cut.
    struct Test: Sendable {
        /// Fraction (0...1).
        var loss: Double
        /// Bits per second; nil where nobody said.
        var arrival: Double?
        var rate: Double

        /// Slower, and as lossy as before: the path loses that much at any rate. Unless as much arrives as before, too:
        /// then the rate is still above what the path carries.
        func isOwn(_ signal: RateSignal, at newRate: Double) -> Bool {
            guard signal.loss < LossMemory.congestion, signal.loss * LossMemory.noise > loss else { return false }
            // Without a word of what arrives the loss may be the rate's, or somebody else's.
            guard let arrival, let now = signal.arrival else { return false }
            return now / arrival < newRate / rate * LossMemory.coarseness
        }
    }

    // MARK: Beside others

    /// Loss has risen, from what it was since the last event and above what it mostly is: a queue has overflown. What a
    /// path loses by itself, it loses all the time.
    func isEvent(_ loss: Double) -> Bool {
        let bucket = LossBucket.index(ofBound: loss)
        return bucket >= max(Self.leastEvent, least + Self.riseAboveLeast) && Double(bucket) >= median + Self.riseAboveMedian
            && loss > floor * Self.noise
    }

    mutating func beginEpoch() { least = LossBucket.count }
}
