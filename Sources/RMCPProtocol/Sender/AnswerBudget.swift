import DequeModule

/// Answers that strangers get in a second, all together: whoever asks, and however often, takes next to nothing from the children.
struct AnswerBudget: Sendable {
    /// When the answers of the last second were given.
    private var times: Deque<Instant> = []
    private let limit: Int

    init(perSecond limit: Int) { self.limit = limit }

    var count: Int { times.count }

    /// Whether one more may be answered now; it is counted then.
    mutating func take(at now: Instant) -> Bool {
        while let oldest = times.first, now - oldest >= .seconds(1) { times.removeFirst() }
        guard times.count < limit else { return false }
        times.append(now)
        return true
    }
}
