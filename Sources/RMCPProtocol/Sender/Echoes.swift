/// Echoes of HEARTBEATs' timestamps, and what they tell: the group's round trip, and how new the receivers' news is.
struct Echoes: Sendable {
    private var estimator: RoundTripEstimator
    /// When the latest HEARTBEAT that somebody has answered was sent.
    private(set) var newest: Instant

    /// A timestamp that is older is a forgery, or of a host that was suspended.
    private static let oldest = Interval.seconds(60)

    init(configuration: Configuration, at now: Instant) {
        estimator = RoundTripEstimator(configuration: configuration)
        newest = now
    }

    var roundTrip: Interval { estimator.estimate }

    mutating func take(_ echo: TimestampEcho, at now: Instant) {
        // One that was not sent yet is a forgery.
        guard echo.timestamp > 0, echo.timestamp <= now.wireMicroseconds else { return }
        let age = Interval.microseconds(Int64(now.wireMicroseconds - echo.timestamp))
        guard age < Self.oldest else { return }
        let elapsed = age - .microseconds(Int64(echo.delay))
        guard elapsed >= .zero else { return }
        estimator.record(elapsed, at: now)
        newest = max(newest, .zero + .microseconds(Int64(echo.timestamp)))
    }
}
