/// Echoes of HEARTBEATs' timestamps, and what they tell: the group's round trip, and how new the receivers' news is.
struct Echoes: Sendable {
    private var estimator: RoundTripEstimator
    /// When the latest HEARTBEAT that somebody has answered was sent.
    private(set) var newest: Instant
    /// Timestamps of the last HEARTBEATs, microseconds: in a ring, the oldest at `next`. Any other that is echoed was made up.
    private var sent: [UInt64]
    private var next = 0

    /// HEARTBEATs of five seconds, which are 10 ms apart at the least, and of all of start-up, where they are down to 1 ms apart for half a second.
    private static let remembered = 512

    init(configuration: Configuration, at now: Instant) {
        estimator = RoundTripEstimator(configuration: configuration)
        newest = now
        sent = Array(repeating: 0, count: Self.remembered)
    }

    var roundTrip: Interval { estimator.estimate }
    /// The slowest child's of late, within the bounds of the group's.
    var longestRoundTrip: Interval { max(estimator.estimate, estimator.longest) }

    /// A HEARTBEAT with this timestamp goes out. They never fall.
    mutating func noteSent(_ timestamp: UInt64) {
        guard sent[(next + Self.remembered - 1) % Self.remembered] != timestamp else { return }
        sent[next] = timestamp
        next = (next + 1) % Self.remembered
    }

    private func wasSent(_ timestamp: UInt64) -> Bool {
        var (low, high) = (0, Self.remembered)
        while low < high {
            let middle = (low + high) / 2
            if sent[(next + middle) % Self.remembered] < timestamp { low = middle + 1 } else { high = middle }
        }
        return low < Self.remembered && sent[(next + low) % Self.remembered] == timestamp
    }

    /// - Parameter child: what the child whose echo it is told before.
    mutating func take(_ echo: TimestampEcho, of child: inout RoundTripEstimator.Sample, at now: Instant) {
        guard echo.timestamp > 0, echo.timestamp <= now.wireMicroseconds, wasSent(echo.timestamp) else { return }
        let elapsed = Interval.microseconds(Int64(now.wireMicroseconds - echo.timestamp)) - .microseconds(Int64(echo.delay))
        guard elapsed >= .zero else { return }
        estimator.record(elapsed, of: &child, at: now)
        newest = max(newest, .zero + .microseconds(Int64(echo.timestamp)))
    }
}
