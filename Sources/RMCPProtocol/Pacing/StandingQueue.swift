/// Whether there is a queue all the time, whatever the rate does: after a cut of one's own queue nothing is left of it until
/// the rate has grown again. Who comes when somebody else has filled a queue does not know how long the path is without
/// it, and sees no more than what is above the least that it ever was.
struct StandingQueue: Sendable {
    /// Statuses since growth began, and those that told of a beginning queue.
    private var noted = 0
    private var stood = 0
    /// Times of growth in a row in which it stood.
    private var times = 0
    /// Bits per second at the most when growth ended, in that many.
    private(set) var rate = 0.0

    /// Statuses that a time of growth is judged by: fewer end by chance.
    private static let leastStatuses = 8
    /// Share of them (0...1) that tell of a queue where it stands all the time. One's own queue begins only
    /// towards the end of growth.
    private static let share = 0.7
    /// Times of growth in a row in which it must have stood: after the first one's cut a queue of one's own is gone.
    private static let leastTimes = 2

    mutating func begin() {
        noted = 0
        stood = 0
    }

    mutating func note(_ isQueued: Bool) {
        noted += 1
        if isQueued { stood += 1 }
    }

    /// Growth has come to its end at `rate`, because of a queue: true when it is somebody else's.
    mutating func judge(_ rate: Double) -> Bool {
        guard noted >= Self.leastStatuses, Double(stood) >= Double(noted) * Self.share else {
            times = 0
            self.rate = 0
            return false
        }
        times += 1
        self.rate = max(self.rate, rate)
        return times >= Self.leastTimes
    }
}
