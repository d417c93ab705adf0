public import RMCPProtocol

/// One `rmcp send`, as the command line asks for it.
public struct SendRequest: Sendable {
    public enum Source: Sendable, Hashable {
        case path(String)
        case standardInput
    }

    public var source: Source
    public var group: SocketAddress
    /// Nil takes the interface that routes to the group.
    public var interfaceName: String?
    /// Multicast time to live, 0...255.
    public var timeToLive: Int
    /// The bundle's name at the receivers; nil takes the path's last component.
    public var name: String?
    /// zstd level, 0...19, where 0 stores; nil adapts it.
    public var compressionLevel: Int?
    /// Rates, waits and linger are in here.
    public var configuration: Configuration

    public init(
        source: Source, group: SocketAddress, interfaceName: String?, timeToLive: Int, name: String?,
        compressionLevel: Int?, configuration: Configuration
    ) {
        self.source = source
        self.group = group
        self.interfaceName = interfaceName
        self.timeToLive = timeToLive
        self.name = name
        self.compressionLevel = compressionLevel
        self.configuration = configuration
    }
}

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
    /// Median of the receivers' loss (0...1).
    public var medianLoss: Double
    public var groupRoundTrip: Interval
    public var counters: SenderCounters
    /// Datagrams to peers that could not be sent, and datagrams from where nobody can be answered.
    public var unsent: UInt64
    public var unanswerable: UInt64
}

/// What a send tells its observer. Called on the network thread: be quick.
public enum SendUpdate: Sendable {
    /// Everything is open: where it goes out, under what name and session.
    case ready(interface: String, group: SocketAddress, announce: Announce)
    /// Something the user should know, in one line, that does not stop the session.
    case warning(String)
    case started(receivers: Int)
    case progress(SendSnapshot)
    /// Everything has been sent once; repairs and latecomers follow.
    case sentOnce(SendSnapshot)
    case finished(SenderOutcome, SendSnapshot)
}
