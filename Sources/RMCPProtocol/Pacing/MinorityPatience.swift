/// A few are overrun while most are calm: they get some time, at no less than two fifths of the rate. It ends by itself, since they fall
/// behind if that does not help them.
struct MinorityPatience: Sendable {
    /// Bits per second, the least that the rate comes down to while they try.
    private var floor = 0.0
    private var until = Instant.zero

    /// Share of the rate at the beginning that the floor is.
    private static let leastShare = 0.4
    /// Share of the rate that is left each round: it takes four of them to the floor, so that a receiver that recovers at once costs the
    /// others little.
    private static let share = 0.8
    /// Within this it counts as the same time of need, with the same floor.
    private static let memory = Interval.seconds(1)

    /// Bits per second to go down to.
    mutating func rate(from rate: Double, at now: Instant) -> Double {
        if now >= until { floor = rate * Self.leastShare }
        until = now + Self.memory
        return max(floor, rate * Self.share)
    }
}
