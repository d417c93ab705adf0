/// The group round-trip time at a parent (RFC 5401, 3.2.3; the estimator of RFC 5740, 5.1.2): each
/// period it rises to a longer peak by half the difference, and comes down by a quarter of it, so that timers fit the slower
/// part of the group.
public struct RoundTripEstimator: Sendable {
    public private(set) var estimate: Interval
    private let bounds: ClosedRange<Interval>
    private var peak = Interval.zero
    private var periodEnd: Instant?
    private let period = Interval.milliseconds(200)

    public init(configuration: Configuration) {
        bounds = configuration.feedback.minimumGroupRoundTrip...configuration.feedback.maximumGroupRoundTrip
        estimate = min(max(configuration.feedback.initialGroupRoundTrip, bounds.lowerBound), bounds.upperBound)
    }

    /// One child's round trip, from its echo.
    public mutating func record(_ sample: Interval, at now: Instant) {
        guard sample.nanoseconds >= 0 else { return }
        peak = max(peak, sample)
        let end = periodEnd ?? (now + period)
        periodEnd = end
        guard now >= end else { return }
        let difference = peak - estimate
        estimate = estimate + difference * (difference.nanoseconds > 0 ? 0.5 : 0.25)
        estimate = min(max(estimate, bounds.lowerBound), bounds.upperBound)
        peak = .zero
        periodEnd = now + period
    }
}
