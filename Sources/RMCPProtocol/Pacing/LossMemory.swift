/// What of the loss depends on the rate, and what is the path's own.
struct LossMemory: Sendable {
    /// Loss that does not depend on the rate, as cuts have shown.
    var floor = 0.0
    /// The median of the last seconds, in buckets.
    private var median = 0.0
    /// The least since the last event, in buckets.
    private var least = LossBucket.count
    private var notedAt: Instant
    private var begun: Instant

    /// Loss is told in buckets about 1.6 times apart and wavers between neighbours: overload is what lies two buckets
    /// above the floor, and a decrease has helped when loss is two buckets lower than before.
    private static let tolerance = 0.02
    private static let noise = 2.0
    /// No path that is worth sending on loses this much by itself: beyond, it is always the rate.
    static let congestion = 0.5
    /// Seconds that the floor is forgotten over: paths change, and what was taken for the path's own was somebody else's.
    private static let floorLifetime = 4.0
    /// Buckets a second by which the median follows, at first and later.
    private static let firstPace = 10.0
    private static let pace = 2.0
    /// Buckets: a twentieth of a percent at least, twice the least since the last event, four times the median.
    private static let leastEvent = 2
    private static let riseAboveLeast = 2
    private static let riseAboveMedian = 3.0

    init(at now: Instant) {
        notedAt = now
        begun = now
    }

    mutating func note(_ loss: Double, at now: Instant) {
        let elapsed = max(0, (now - notedAt).inSeconds)
        notedAt = now
        if loss < floor { floor = max(loss, floor * (1 - min(1, elapsed / Self.floorLifetime))) }
        let bucket = LossBucket.index(ofBound: loss)
        let stride = min(0.2, elapsed) * (now - begun < .seconds(1) ? Self.firstPace : Self.pace)
        median += min(max(Double(bucket) - median, -stride), stride)
        least = min(least, bucket)
    }

    /// Clearly more than the path loses by itself.
    func isLossy(_ loss: Double) -> Bool { loss > max(floor + Self.tolerance, floor * Self.noise) }

    /// What was lost at a rate that was then cut.
    struct Test: Sendable {
        var loss: Double
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
    /// Rates of arrival are told in buckets 9 % apart.
    private static let coarseness = 1.1

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
