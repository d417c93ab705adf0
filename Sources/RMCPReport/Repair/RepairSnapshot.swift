public import RMCPProtocol

/// How one session stands at a repair node.
public struct RepairSnapshot: Sendable {
    public var announce: Announce
    /// Encoded chunks that are here, and in all (nil while that is not known).
    public var chunksHeld: UInt32
    public var chunkCount: UInt32?
    public var isComplete: Bool
    /// Repair nodes between the sender and this one, plus one; nil while nobody above is heard.
    public var depth: Int?
    public var children: Int
    /// Everybody below.
    public var receivers: StatusHistogram
    /// Bits per second at which datagrams may go into the region.
    public var rate: Double
    /// Loss on the way here (0...1).
    public var loss: Double
    /// Longest round trip to children.
    public var groupRoundTrip: Interval
    public var counters: SenderCounters
    /// Counters of the upper half; nil while nobody above is heard.
    public var upstreamCounters: ReceiverCounters?

    public init(
        announce: Announce, chunksHeld: UInt32, chunkCount: UInt32?, isComplete: Bool, depth: Int?, children: Int, receivers: StatusHistogram, rate: Double,
        loss: Double, groupRoundTrip: Interval = .zero, counters: SenderCounters, upstreamCounters: ReceiverCounters?
    ) {
        self.announce = announce
        self.chunksHeld = chunksHeld
        self.chunkCount = chunkCount
        self.isComplete = isComplete
        self.depth = depth
        self.children = children
        self.receivers = receivers
        self.rate = rate
        self.loss = loss
        self.groupRoundTrip = groupRoundTrip
        self.counters = counters
        self.upstreamCounters = upstreamCounters
    }
}

/// News for the observer of a repair node, given on the network thread: be quick.
public enum RepairUpdate: Sendable {
    case listening(interface: String, group: SocketAddress, upstream: SocketAddress?, region: SocketAddress, regionInterface: String)
    case warning(String)
    /// Something that was asked for is done.
    case notice(String)
    case refused(Announce, SessionRefusal)
    /// `kept` chunks were in the cache.
    case began(RepairSnapshot, kept: Int)
    case progress([RepairSnapshot])
    /// Question of how it goes (SIGUSR1).
    case asked
    /// All that was counted since the start: once a second at most.
    case figures(RepairFigures)
    /// Everything is here: the sender is not needed any more.
    case complete(RepairSnapshot)
    /// A parent was found or left; depth 1 is right below the sender.
    case parentChanged(Announce, depth: Int)
    /// Nobody above any more.
    case upstreamOver(RepairSnapshot, ReceiverState)
    /// The session gave way to a newer bundle, or cannot be served.
    case retired(Announce, reason: RetireReason)
    /// The node stops; its exit code.
    case stopped(ExitStatus)
}

/// Reason why a repair node does not serve a session any more.
public enum RetireReason: Sendable, Hashable, CaseIterable {
    case superseded
    case noPlace
    case noRoom
    case untrusted
    case damaged
    case incomplete

    /// Text for people to read: "not served any more: …".
    public var text: String {
        switch self {
        case .superseded: "a newer session of the same bundle has begun"
        case .noPlace: "others need its place"
        case .noRoom: "others need its room in the cache"
        case .untrusted: "its key is not trusted any more"
        case .damaged: "part of it was damaged on disk, and nobody above has it"
        case .incomplete: "its sender is gone and not everything is here"
        }
    }
}

extension RetireReason {
    /// Name for programs.
    public var identifier: String {
        switch self {
        case .superseded: "superseded"
        case .noPlace: "no_place"
        case .noRoom: "no_room"
        case .untrusted: "untrusted"
        case .damaged: "damaged"
        case .incomplete: "incomplete"
        }
    }
}
