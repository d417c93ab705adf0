extension RateController {
    /// Effect of an update on the rate, and its reason.
    public struct Decision: Sendable, Hashable, CustomStringConvertible {
        /// Bits per second.
        public var before: Double
        public var after: Double
        public var reason: Reason

        public var isChange: Bool { before != after }

        /// As `rate 20.0 -> 40.0 Mb/s: ...`; a change that is too small for one decimal looks like none.
        public var description: String {
            let change = isChange ? "\(Self.megabits(before)) -> \(Self.megabits(after))" : Self.megabits(after)
            return "rate \(change) Mb/s: \(reason.rawValue)"
        }

        /// Rates are written in Mb/s with one digit after the point.
        private static let bitsPerTenth = 100_000.0
        private static let tenths = 10.0

        private static func megabits(_ rate: Double) -> String { "\((rate / bitsPerTenth).rounded() / tenths)" }
    }

    /// Why the rate was changed, or left as it is.
    public enum Reason: String, Sendable, Hashable {
        // It stays.
        case fixed = "it is fixed"
        case unanswered = "nothing that was sent at it has been answered yet"
        case tooSoon = "what was done last has not shown yet"
        case unproven = "it was not used, or less arrives than is sent"
        case queueMayBegin = "a queue may begin"
        case lossMayPass = "there is loss beside others, which has just been answered"
        case draining = "the queue is draining"
        // It rises.
        /// Growth by a factor of 2...4, whatever the text says (docs/protocol.md, "Rate", rule 6 of start-up).
        case doubled = "nothing queues: start-up doubles it"
        case grown = "nothing queues: growth adds a step"
        case explored = "nothing queues far above what was carried: it grows by a quarter"
        case cameBack = "nobody is waited for any more: it comes back by a quarter"
        case pathFound = "the beginning of a queue stays: growth goes on in steps"
        case ownLoss = "as much was lost after the cut: the loss is the path's own"
        case drained = "the queue or the loss is gone"
        case rivalsGrow = "beside others it grows as TCP does"
        case rivalsProbed = "beside others it looks for its share"
        case rivalsGone = "the others' queue is gone"
        // It falls.
        case queue = "datagrams queue"
        case overload = "receivers are being overrun"
        case storage = "storage does not keep up"
        case lossRises = "datagrams are lost"
        case minority = "a few receivers are being overrun"
        case rivalsLoss = "beside others there was a loss"
        case rivalsFound = "the queue is somebody else's"
    }
}
