import RMCPProtocol

/// Time at which figures are told that nobody waits for: once a second at most, within a second of whatever may have changed
/// them, and not at all while nothing happens.
struct FigurePace {
    static let interval = Interval.seconds(1)
    private var next: Instant
    private var isBehind = false

    init(at now: Instant) { next = now }

    /// Goes on in each turn of a loop.
    /// - Returns: true when they are to be told now.
    mutating func advance(to now: Instant) -> Bool {
        isBehind = now < next
        if isBehind { return false }
        next = now + Self.interval
        return true
    }

    /// Nil while nothing has happened since they were told.
    var deadline: Instant? { isBehind ? next : nil }
}

/// Time at which progress of sessions is told: five times a second while there are any, and then once that there are none.
struct ProgressPace {
    private static let interval = Interval.milliseconds(200)
    private var next: Instant
    /// Sessions were told of last.
    private var isReported = false

    init(at now: Instant) { next = now }

    /// Goes on in each turn of a loop.
    /// - Returns: true when progress is to be told now.
    mutating func advance(to now: Instant, isEmpty: Bool) -> Bool {
        guard now >= next, !isEmpty || isReported else { return false }
        isReported = !isEmpty
        next = now + Self.interval
        return true
    }

    /// Nil where there is none to tell.
    func deadline(isEmpty: Bool) -> Instant? { isEmpty && !isReported ? nil : next }
}
