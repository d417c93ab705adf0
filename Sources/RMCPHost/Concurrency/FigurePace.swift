import RMCPProtocol

/// Time at which figures are told that nobody waits for: once a second at most, within a second of whatever may have changed
/// them, and not at all while nothing happens.
struct FigurePace {
    static let interval = Interval.seconds(1)
    private var next: Instant
    private var isBehind = false

    init(at now: Instant) { next = now }

    /// Whether to tell them now: asked in each turn of a loop.
    mutating func isDue(at now: Instant) -> Bool {
        isBehind = now < next
        if isBehind { return false }
        next = now + Self.interval
        return true
    }

    /// Nil while nothing has happened since they were told.
    var deadline: Instant? { isBehind ? next : nil }
}
