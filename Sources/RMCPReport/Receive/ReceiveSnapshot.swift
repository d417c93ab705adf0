public import RMCPProtocol

/// How one session stands at this receiver.
public struct ReceiveSnapshot: Sendable {
    public var announce: Announce
    public var state: ReceiverState
    public var elapsed: Interval
    /// Content bytes on disk (verified), and in all (nil while a stream has not ended).
    public var contentDone: UInt64
    public var contentLength: UInt64?
    /// Content bytes that were there from before.
    public var contentKept: UInt64
    /// Smoothed loss (0...1).
    public var loss: Double
    public var counters: ReceiverCounters
    /// Progress of a tree; nil until its catalog is here, and for what is no tree.
    public var tree: TreeProgress?

    public init(
        announce: Announce, state: ReceiverState, elapsed: Interval, contentDone: UInt64, contentLength: UInt64?, contentKept: UInt64, loss: Double,
        counters: ReceiverCounters, tree: TreeProgress? = nil
    ) {
        self.announce = announce
        self.state = state
        self.elapsed = elapsed
        self.contentDone = contentDone
        self.contentLength = contentLength
        self.contentKept = contentKept
        self.loss = loss
        self.counters = counters
        self.tree = tree
    }
}

/// Progress of the files of a tree at a receiver.
public struct TreeProgress: Sendable, Hashable {
    public var files: Int
    /// Bytes of all files.
    public var bytes: UInt64
    /// Files that have all their bytes.
    public var done: Int
    /// Files among these that are what the old tree has, and were not written.
    public var unchanged: Int

    public init(files: Int, bytes: UInt64, done: Int = 0, unchanged: Int = 0) {
        self.files = files
        self.bytes = bytes
        self.done = done
        self.unchanged = unchanged
    }
}

/// Datagrams that belong to no session: what else travels on the group, damaged or foreign.
public struct StrayCounters: Sendable, Hashable {
    /// Cut short, damaged, or with a signature that does not fit.
    public var malformed: UInt64
    /// Datagrams of another protocol, or another version of this one.
    public var foreign: UInt64

    public init(malformed: UInt64 = 0, foreign: UInt64 = 0) {
        self.malformed = malformed
        self.foreign = foreign
    }
}

/// News for the observer of a receiver, given on the network thread: be quick.
public enum ReceiveUpdate: Sendable {
    case listening(interface: String, group: SocketAddress)
    case warning(String)
    /// Something that was asked for is done.
    case notice(String)
    /// A repair node is near: what is lost may be repaired there.
    case region(SocketAddress)
    /// Losses are repaired by somebody else from now on; depth 0 is the sender.
    case parentChanged(Announce, depth: Int)
    /// A session that is not taken part in; said once for each.
    case refused(Announce, SessionRefusal)
    case began(ReceiveSnapshot)
    /// All sessions under way; a few times a second while there are any, and once when there are none any more.
    case progress([ReceiveSnapshot])
    /// Question of how it goes (SIGUSR1).
    case asked
    /// All that was counted since the start: once a second at most.
    case figures(ReceiveFigures)
    /// `path` is where the bundle is.
    case completed(ReceiveSnapshot, path: String)
    /// `reason` is one line: what happened, to what, and what to do next.
    case failed(ReceiveSnapshot, reason: String)
    /// The daemon stops; what it saw besides its sessions, and the exit code.
    /// - Parameter unspooled: bundles of which no file could be left; nil where none is to be.
    case stopped(StrayCounters, ExitStatus, unspooled: Int? = nil)
}
