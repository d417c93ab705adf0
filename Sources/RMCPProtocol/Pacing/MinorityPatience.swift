/// A few are overrun while most are calm: they get some time, at no less than two fifths of the rate. It ends by itself, since they fall
/// behind if that does not help them.
///
/// It ends for those, too, who only say so. All minorities together have a budget: half a second of patience, and then none for ten
/// seconds. Each time that the budget is spent to the end the pause is twice as long.
struct MinorityPatience: Sendable {
    /// Bits per second, the least that the rate comes down to while they try.
    private var floor = 0.0
    /// Bits per second before they were waited for.
    private(set) var previousRate = 0.0
    private var until = Instant.zero
    /// When the present patience began; nil while there is none.
    private var began: Instant?
    /// None is left before this.
    private var spentUntil = Instant.zero
    private var pause = MinorityPatience.shortestPause

    /// Share of the rate at the beginning that the floor is.
    private static let leastShare = 0.4
    /// Share of the rate that is left each round: it takes four of them to the floor, so that a receiver that recovers at once costs the
    /// others little.
    private static let share = 0.8
    /// Within this it counts as the same time of need, with the same floor.
    private static let memory = Interval.seconds(1)
    /// Patience from the first need on. A receiver that is still overrun at two fifths of the rate after so long does not keep up.
    private static let budget = Interval.milliseconds(500)
    private static let shortestPause = Interval.seconds(10)
    private static let longestPause = Interval.seconds(160)

    /// The rate was cut for all: what it was before is none that the path carries.
    mutating func noteCut() { previousRate = 0 }

    /// Spends some of the patience.
    /// - Returns: bits per second to go down to; nil while there is none left.
    mutating func spend(from rate: Double, at now: Instant) -> Double? {
        guard now >= spentUntil else { return nil }
        if now >= until {
            floor = rate * Self.leastShare
            previousRate = rate
            // Minorities that had enough of it before are no liars, and a long time without any is a new beginning.
            if now - spentUntil >= pause { pause = Self.shortestPause }
            began = now
        }
        previousRate = max(previousRate, rate)
        until = now + Self.memory
        if let began, now - began >= Self.budget {
            spentUntil = now + pause
            pause = min(pause * 2, Self.longestPause)
            until = .zero
            return nil
        }
        return max(floor, rate * Self.share)
    }
}
