/// How far the stream has come: everything before the front has been sent once, as far as is known here (PGM's leading edge,
/// RFC 3208).
///
/// What lies just before it may only be reordered. What lies before the *settled* front, which is the front as it was a reordering delay
/// ago, is lost if it is not here.
struct StreamFront: Sendable {
    /// Nil until something of the stream is known.
    private(set) var position: StreamPosition?
    private(set) var settled = StreamPosition.start
    /// Becomes the settled front a reordering delay after `candidateTime`.
    private var candidate = StreamPosition.start
    private var candidateTime: Instant
    private let reorderDelay: Interval

    init(reorderDelay: Interval, at now: Instant) {
        self.reorderDelay = reorderDelay
        candidateTime = now
    }

    /// The first chunk that has not been sent whole; 0 while nothing is known.
    var chunk: UInt32 { position?.chunk ?? 0 }

    /// Begins here: what comes first is lost if it is not here, from `settled` on.
    mutating func begin(at position: StreamPosition, settled: StreamPosition, now: Instant) {
        self.position = position
        self.settled = settled
        candidate = position
        candidateTime = now
    }

    mutating func move(to position: StreamPosition) { self.position = position }

    /// Goes back: the stream had not come as far as somebody claimed.
    mutating func retreat(to position: StreamPosition) {
        self.position = position
        settled = min(settled, position)
        candidate = min(candidate, position)
    }

    /// Lets the settled front follow: what lies before it is not merely reordered any more.
    mutating func settle(at now: Instant) {
        guard let position, now - candidateTime >= reorderDelay else { return }
        settled = max(settled, candidate)
        candidate = position
        candidateTime = now
    }

    /// Packets are numbered anew: the sender has lowered their length.
    mutating func renumberPackets() {
        settled.packet = 0
        candidate.packet = 0
    }
}
