import DequeModule

/// Trial of the path before the start: do joined receivers get datagrams as long as DATA will be?
/// An ANNOUNCE of full length follows the short one, seldom while nobody is known to lack it, and for a receiver that has joined and
/// does. Who gets only the short one sits behind a hole in the path MTU, and the datagram's length goes down the ladder before the first
/// chunk is cut.
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
    /// Somebody who has joined lacks it, and has said so since it was last sent.
    private var isWanted = false
    /// ANNOUNCEs until the next that is followed by one of full length though nobody asks for it.
    private var announcesLeft = 0
    /// Time at which it was last sent.
    private var lastTime = Instant.longAgo
    private let ladder: [Int]
    private let leastForFew: Int
    private let quantile: Double
    private let announceInterval: Interval

    /// Padded ANNOUNCEs, and the statuses that may tell of them, that a length is judged by: one of each may be lost, and the first
    /// may have been under way.
    private static let announces = 3.0
    private static let statuses = 2.0
    /// ANNOUNCEs from one that is followed by a padded one to the next, where nobody lacks it. Most of what a sender says while it waits would
    /// be padding, up to 700 kb/s of it; who joins gets one anyway, and in most sessions has got this one by then.
    private static let announcesApart = 10

    init(configuration: Configuration) {
        ladder = configuration.packets.datagramLengthLadder
        leastForFew = configuration.packets.leastLengthForFew
        quantile = configuration.rate.rateQuantile
        announceInterval = configuration.joining.announceIntervalWaiting
    }

    var isEmpty: Bool { destinations.isEmpty }

    /// An ANNOUNCE goes out.
    /// - Parameter destinations: where it goes.
    mutating func noteAnnounce(to destinations: Deque<Destination>, at now: Instant) {
        announcesLeft -= 1
        var isProbing = false
        if case .probing = state { isProbing = true }
        if isProbing || isWanted || announcesLeft <= 0 { schedule(destinations, at: now) }
    }

    /// Somebody has joined who has got none: it follows at once, or the next ANNOUNCE if there has just been one.
    mutating func noteLacking(_ destinations: Deque<Destination>, at now: Instant) {
        if now - lastTime >= announceInterval { schedule(destinations, at: now) } else { isWanted = true }
    }

    private mutating func schedule(_ destinations: Deque<Destination>, at now: Instant) {
        self.destinations = destinations
        isWanted = false
        announcesLeft = Self.announcesApart
        lastTime = now
    }

    /// Nothing is offered any more.
    mutating func cancel() { destinations.removeAll() }
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
