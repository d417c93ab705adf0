import DequeModule

/// Whether joined receivers get datagrams as long as DATA will be. Each ANNOUNCE is followed by one of full length; who gets only the
/// short one sits behind a hole in the path MTU, and the datagram's length goes down the ladder before the first chunk is cut.
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
    private let announceInterval: Interval

    /// Padded ANNOUNCEs, and the statuses that may tell of them, that a length is judged by: one of each may be lost, and the first
    /// may have been under way.
    private static let announces = 3.0
    private static let statuses = 2.0

    init(configuration: Configuration) {
        ladder = configuration.packets.datagramLengthLadder
        announceInterval = configuration.joining.announceIntervalWaiting
    }

    var isEmpty: Bool { destinations.isEmpty }

    mutating func schedule(_ destinations: Deque<Destination>) { self.destinations = destinations }
    mutating func next() -> Destination? { destinations.popFirst() }

    /// - Parameters:
    ///   - longest: bytes of the longest datagram that every joined receiver has got; nil without receivers.
    ///   - length: bytes of the datagrams that are sent.
    mutating func judge(longest: Int?, length: Int, statusInterval: Interval, at now: Instant) -> Verdict {
        guard let longest, longest < length else {
            state = .settled
            return .settled
        }
        guard case .probing(let since) = state else {
            state = .probing(since: now)
            return .probing
        }
        guard now - since >= announceInterval * Self.announces + statusInterval * Self.statuses else { return .probing }
        guard let next = ladder.first(where: { $0 < length }) else { return .settled }
        state = .probing(since: now)
        return .lower(to: next)
    }
}
