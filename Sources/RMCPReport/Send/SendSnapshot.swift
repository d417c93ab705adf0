public import RMCPProtocol

/// How a send stands: taken a few times a second for the progress line, and at each milestone.
public struct SendSnapshot: Sendable {
    public var phase: SessionPhase
    /// Seconds since the session was made, and since its start condition was met (nil before).
    public var elapsed: Interval
    public var streaming: Interval?
    /// Content bytes that have been sent once, and in all (nil for a stream that has not ended).
    public var contentSent: UInt64
    public var contentLength: UInt64?
    /// Encoded bytes of all chunks so far.
    public var encodedLength: UInt64
    /// Bits per second at which datagrams may go now.
    public var rate: Double
    public var receivers: StatusHistogram
    /// Receivers that were waited for; nil where no number was given.
    public var wanted: Int?
    /// Receivers that have to be complete; nil where no number was given.
    public var required: Int?
    /// Median of the receivers' loss (0...1).
    public var medianLoss: Double
    public var groupRoundTrip: Interval
    public var counters: SenderCounters
    /// Datagrams to peers that could not be sent, and datagrams from where nobody can be answered.
    public var unsent: UInt64
    public var unanswerable: UInt64
    public var network: NetworkFigures
    /// Causes that kept it from being further than it is.
    public var limits = SendLimits()
    /// The zstd level of what is encoded next; 0 stores.
    public var level = 0
    /// Entries of a tree; nil for what is none.
    public var tree: EntryCounts?
    /// Repair nodes right below, some of them where there are very many; only at milestones.
    public var nodes: [RepairNodeStatus] = []

    public init(
        phase: SessionPhase, elapsed: Interval, streaming: Interval?, contentSent: UInt64, contentLength: UInt64?, encodedLength: UInt64, rate: Double,
        receivers: StatusHistogram, wanted: Int? = nil, required: Int? = nil, medianLoss: Double, groupRoundTrip: Interval, counters: SenderCounters,
        unsent: UInt64,
        unanswerable: UInt64, network: NetworkFigures = NetworkFigures()
    ) {
        self.phase = phase
        self.elapsed = elapsed
        self.streaming = streaming
        self.contentSent = contentSent
        self.contentLength = contentLength
        self.encodedLength = encodedLength
        self.rate = rate
        self.receivers = receivers
        self.wanted = wanted
        self.required = required
        self.medianLoss = medianLoss
        self.groupRoundTrip = groupRoundTrip
        self.counters = counters
        self.unsent = unsent
        self.unanswerable = unanswerable
        self.network = network
    }
}

/// Counts of a tree's entries.
public struct EntryCounts: Sendable, Equatable {
    public var files: Int
    /// The root included.
    public var directories: Int
    /// Symbolic links, and further names of files.
    public var links: Int
    /// Bytes of all files.
    public var bytes: UInt64

    public init(files: Int = 0, directories: Int = 0, links: Int = 0, bytes: UInt64 = 0) {
        self.files = files
        self.directories = directories
        self.links = links
        self.bytes = bytes
    }
}

/// Something in a tree that no tree can carry.
public struct SkippedEntry: Sendable, Hashable {
    public enum Reason: Sendable, Hashable {
        case socket
        case device
    }

    /// Path from the tree's root on, as `NameText` writes it.
    public var path: String
    public var reason: Reason

    public init(path: String, reason: Reason) {
        self.path = path
        self.reason = reason
    }

    /// Name of the reason, for programs and for people.
    public var identifier: String {
        switch reason {
        case .socket: "socket"
        case .device: "device"
        }
    }
}

/// News for the observer of a send, given on the network thread: be quick.
public enum SendUpdate: Sendable {
    /// Everything is open: where it goes out, under what name and session.
    /// - Parameter tree: what a tree consists of; nil for what is none.
    case ready(interface: String, group: SocketAddress, announce: Announce, tree: EntryCounts? = nil)
    /// Something in a tree is left out.
    case skipped(SkippedEntry)
    /// Something the user should know, in one line, that does not stop the session.
    case warning(String)
    /// - Parameter wanted: receivers that were waited for; nil where no number was given.
    case started(receivers: Int, wanted: Int? = nil)
    /// The rate was changed, and why: many times a second.
    case rateChanged(RateController.Decision)
    case progress(SendSnapshot)
    /// Question of how it goes (SIGUSR1).
    case asked
    /// Everything has been sent once; repairs and latecomers follow.
    case sentOnce(SendSnapshot)
    /// - Parameter hasFailed: whether the source or the network failed, which is said next.
    case finished(SenderOutcome, SendSnapshot, hasFailed: Bool = false)
}
