/// Whether there is a queue all the time, whatever the rate does: after a cut of one's own queue nothing is left of it until
/// the rate has grown again. Who comes when somebody else has filled a queue does not know how long the path is without
/// it, and sees no more than what is above the least that it ever was.
struct StandingQueue: Sendable {
    /// Statuses since growth began, and those that told of a beginning queue.
    private var noted = 0
    private var stood = 0
    /// Statuses in all times of growth in a row in which it stood.
    private var standing = 0
    /// Bits per second at the most when growth ended, in those.
    private(set) var rate = 0.0

    /// Share of statuses (0...1) above which they tell of a queue that stands all the time. One's own queue begins only towards the end of growth.
    private static let share = 0.5
    /// Statuses that must have told: growth that ends early tells little, and one that was long is enough. With any one time of growth of
    /// eight, a link with random loss took up to a tenth longer; with 32 of them, the share of 1 Gb/s after CUBIC is 0.56 and not 0.91.
    private static let leastStatuses = 24

    mutating func begin() {
        noted = 0
        stood = 0
    }

    mutating func note(_ isQueued: Bool) {
        noted += 1
        if isQueued { stood += 1 }
    }

    /// Growth has come to its end at a rate, because of a queue.
    /// - Returns: true when it is somebody else's.
    mutating func endGrowth(at rate: Double) -> Bool {
        guard Double(stood) > Double(noted) * Self.share else {
            standing = 0
            self.rate = 0
            return false
        }
        standing += noted
        self.rate = max(self.rate, rate)
        return standing >= Self.leastStatuses
    }
}
