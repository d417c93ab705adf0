import DequeModule

/// Whether joined receivers get datagrams as long as DATA will be. Each ANNOUNCE is followed by one of full length; who gets only the
/// short one sits behind a hole in the path MTU, and the datagram's length goes down the ladder before the first chunk is cut.
///
/// A few who lack it, or say so, bring it down to a length that costs the others next to nothing, and no further.
///
/// ```
///   settled ──a receiver lacks full datagrams──▶ probing(since) ──patience over──▶ next length, probing anew
///      ▲───────────all receivers get them────────────┘
/// ```
struct LengthProbe: Sendable {
    enum Verdict: Sendable, Hashable {
        /// The start need not wait.
        case settled
        case probing
        /// Bytes of a datagram, to be tried next.
        case lower(to: Int)
    }

    private enum State: Sendable {
        case settled
        /// Since the present length was first tried while somebody lacked it.
        case probing(since: Instant)
    }

    private var state = State.settled
    /// Destinations that an ANNOUNCE of full length is still to be sent to.
    private var destinations: Deque<Destination> = []
    private let ladder: [Int]
    private let leastForFew: Int
    private let quantile: Double
    private let announceInterval: Interval

    /// Padded ANNOUNCEs, and the statuses that may tell of them, that a length is judged by: one of each may be lost, and the first
    /// may have been under way.
    private static let announces = 3.0
    private static let statuses = 2.0

    init(configuration: Configuration) {
        ladder = configuration.packets.datagramLengthLadder
        leastForFew = configuration.packets.leastLengthForFew
        quantile = configuration.rate.rateQuantile
        announceInterval = configuration.joining.announceIntervalWaiting
    }

    var isEmpty: Bool { destinations.isEmpty }

    mutating func schedule(_ destinations: Deque<Destination>) { self.destinations = destinations }
    mutating func next() -> Destination? { destinations.popFirst() }

    /// - Parameters:
    ///   - receivers: all that have joined, and those of them that have got no datagram of that length.
    ///   - length: bytes of the datagrams that are sent.
    mutating func judge(_ receivers: (all: Int, lacking: Int), length: Int, statusInterval: Interval, at now: Instant) -> Verdict {
        guard receivers.lacking > 0 else {
            state = .settled
            return .settled
        }
        guard case .probing(let since) = state else {
            state = .probing(since: now)
            return .probing
        }
        guard now - since >= announceInterval * Self.announces + statusInterval * Self.statuses else { return .probing }
        guard let next = ladder.first(where: { $0 < length }), next >= leastForFew || areMany(receivers) else { return .settled }
        state = .probing(since: now)
        return .lower(to: next)
    }

    /// Whether the receiver at the quantile that the rate follows lacks it, by the lower nearest rank.
    private func areMany(_ receivers: (all: Int, lacking: Int)) -> Bool {
        receivers.all - receivers.lacking <= Int(quantile * Double(receivers.all - 1))
    }
}
