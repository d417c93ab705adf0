import RealModule

/// The group round-trip time at a parent (RFC 5401, 3.2.3; the estimator of RFC 5740, 5.1.2): each period it rises to what most
/// children take by half the difference, and comes down by a quarter of it.
///
/// RFC 5740 takes the longest sample of all. One slow uplink, or one liar, would then set everybody's timers. Here each child has one sample
/// in a period, its longest, and the timers fit all but the slowest tenth of the children: the rest is looked after child by child.
public struct RoundTripEstimator: Sendable {
    /// A child's sample of a period, and its last one.
    struct Sample: Sendable {
        fileprivate var period: UInt32 = 0
        fileprivate var bucket: UInt8 = 0
        /// Its round trip at last, microseconds.
        private(set) var latest: UInt32 = 0

        var roundTrip: Interval { .microseconds(Int64(latest)) }

        fileprivate mutating func note(_ sample: Interval) { latest = sample.wireMicroseconds }
    }

    /// Group round-trip time. It is `initialGroupRoundTrip` until a period with a sample is over, and always within the bounds of
    /// `FeedbackSettings`.
    public private(set) var estimate: Interval
    /// The longest sample of the last period, within bounds.
    private(set) var longest = Interval.zero
    private let bounds: ClosedRange<Interval>
    private var periodEnd: Instant?
    /// Number of the present period, from 1: no child has told anything in period 0.
    private var period: UInt32 = 1
    /// Children by the length of their sample of this period, and the longest sample in each bucket.
    private var counts = Array(repeating: UInt64(0), count: buckets)
    private var peaks = Array(repeating: Interval.zero, count: buckets)

    /// A few round trips of a wide-area path (RFC 5740 has a round of its own for this).
    private static let periodLength = Interval.milliseconds(200)
    /// Quantile of the children that the timers fit (0...1), as for the rate.
    private static let quantile = 0.9
    /// Steps of a fifth tell round trips apart well enough for timers of several of them.
    private static let stepsInAnOctave = 4
    /// All octaves of a number of 32 bits, in microseconds: up to an hour.
    private static let buckets = 32 * stepsInAnOctave

    public init(configuration: Configuration) {
        bounds = configuration.feedback.minimumGroupRoundTrip...configuration.feedback.maximumGroupRoundTrip
        estimate = min(max(configuration.feedback.initialGroupRoundTrip, bounds.lowerBound), bounds.upperBound)
    }

    /// One child's round trip, from its echo.
    /// - Parameter child: what it told before.
    mutating func record(_ sample: Interval, of child: inout Sample, at now: Instant) {
        guard sample.nanoseconds >= 0 else { return }
        count(sample, of: &child)
        let end = periodEnd ?? (now + Self.periodLength)
        periodEnd = end
        guard now >= end else { return }
        closePeriod()
        periodEnd = now + Self.periodLength
    }

    private mutating func count(_ sample: Interval, of child: inout Sample) {
        let bucket = Self.bucket(of: sample)
        child.note(sample)
        if child.period == period {
            guard bucket >= child.bucket else { return }
            counts[Int(child.bucket)] -= 1
        }
        child.period = period
        child.bucket = bucket
        counts[Int(bucket)] += 1
        peaks[Int(bucket)] = max(peaks[Int(bucket)], sample)
    }

    private mutating func closePeriod() {
        let difference = peaks[StatusHistogram.quantile(Self.quantile, of: counts)] - estimate
        estimate = estimate + difference * (difference.nanoseconds > 0 ? 0.5 : 0.25)
        estimate = min(max(estimate, bounds.lowerBound), bounds.upperBound)
        longest = min(counts.lastIndex { $0 > 0 }.map { peaks[$0] } ?? .zero, bounds.upperBound)
        for bucket in 0..<Self.buckets where counts[bucket] > 0 || peaks[bucket] > .zero {
            counts[bucket] = 0
            peaks[bucket] = .zero
        }
        period &+= 1
        if period == 0 { period = 1 }
    }

    private static func bucket(of sample: Interval) -> UInt8 {
        UInt8(min(buckets - 1, Int(Double.log2(Double(max(1, sample.wireMicroseconds))) * Double(stepsInAnOctave))))
    }
}
