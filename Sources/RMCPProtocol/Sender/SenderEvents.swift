/// Requests of the sender engine to its host, and news for the user.
public enum SenderEvent: Sendable, Hashable {
    /// The start condition is met: this many receivers have joined.
    case started(receivers: Int)
    /// Read and encode this chunk again, then say `SourceEvent.fetched`.
    case fetch(chunk: UInt32)
    /// Outline this chunk, whose bytes are at hand and stay so, and say `SourceEvent.outlined`.
    case outline(chunk: UInt32, OutlineShape)
    /// The chunk's bytes are not needed any more (they may be fetched later).
    case release(chunk: UInt32)
    /// Multicast does not reach so many children: they are served by unicast.
    case unicastFallback(children: Int)
    /// The rate was changed, and why. What leaves it as it is is not told.
    case rateChanged(RateController.Decision)
    /// Everything has been sent once.
    case sentOnce
    /// The session is over; nothing more will be sent.
    case finished(SenderOutcome)
}

/// News of the source, from the host to the sender engine.
public enum SourceEvent: Sendable {
    /// The next chunk in order; its encoded bytes are at hand unless it is a zero chunk.
    case encoded(ChunkRecord)
    /// A hole: this many zero chunks of the same length follow.
    case hole(chunks: Int, contentLength: UInt32)
    /// Bytes of a chunk that was released are at hand again.
    case fetched(chunk: UInt32)
    /// All parts of a chunk's outline, in order.
    case outlined(chunk: UInt32, [OutlinePart])
    /// The last chunk has been told of.
    case ended
}

/// How a session ended, at the sender.
public struct SenderOutcome: Sendable, Hashable {
    /// Ways in which a session ends.
    public enum Kind: Sendable, Hashable, CaseIterable {
        /// Every receiver that joined is complete.
        case complete
        /// Some receivers failed, were lost, came no further, went below a repair node that never reported them, or take no part though they
        /// believe the sender.
        case partial
        /// Nobody joined in time.
        case nobodyCame
        /// Nobody joined in time, and some said why not.
        case refused
        /// All who joined were lost before any was complete.
        case noProgress
        /// The host stopped the session.
        case stopped
    }
    public var kind: Kind
    /// Receivers of the whole tree, each counted once, as they were when the session began to leave.
    public var receivers: StatusHistogram
    /// Receivers that left for a repair node and are not among `receivers`: no repair node has reported them.
    public var unaccounted: Int
    /// Receivers that failed and want to be named.
    public var labels: [FailureLabel]

    public init(kind: Kind, receivers: StatusHistogram, unaccounted: Int = 0, labels: [FailureLabel] = []) {
        self.labels = labels
        self.kind = kind
        self.receivers = receivers
        self.unaccounted = unaccounted
    }
}
