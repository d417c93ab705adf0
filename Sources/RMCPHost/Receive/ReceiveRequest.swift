public import RMCPProtocol

/// One `rmcp recv`, as the command line asks for it.
public struct ReceiveRequest: Sendable {
    public enum Output: Sendable, Hashable {
        /// Under its announced name in `directory`.
        case directory
        /// Exactly there: a file, or a block device.
        case path(String)
        /// A block device that was there when the program started. If it goes away, no file takes its place.
        case device(String)
        case standardOutput
    }

    public var group: SocketAddress
    /// Nil takes the interface that routes to the group.
    public var interfaceName: String?
    public var directory: String
    public var output: Output
    /// Stop after the first bundle that is complete, or that fails.
    public var once: Bool
    public var trust: TrustPolicy
    /// Where versions are remembered; nil takes older ones, too.
    public var versions: VersionRecords?
    /// Sessions are taken that this receiver has completed before, too.
    public var takesAgain: Bool
    /// Run by /bin/sh after each bundle, with RMCP_* in its environment.
    public var hook: String?
    /// How long that may take before it is ended.
    public var hookTimeout: Interval
    /// With `once`: give up after this long without progress.
    public var timeout: Interval?
    public var configuration: Configuration

    public init(
        group: SocketAddress, interfaceName: String?, directory: String, output: Output, once: Bool,
        trust: TrustPolicy, versions: VersionRecords? = nil, takesAgain: Bool = false, hook: String?, hookTimeout: Interval = .seconds(600),
        timeout: Interval?, configuration: Configuration
    ) {
        self.group = group
        self.interfaceName = interfaceName
        self.directory = directory
        self.output = output
        self.once = once
        self.trust = trust
        self.versions = versions
        self.takesAgain = takesAgain
        self.hook = hook
        self.hookTimeout = hookTimeout
        self.timeout = timeout
        self.configuration = configuration
    }
}

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
}

/// Datagrams that belong to no session: what else travels on the group, damaged or foreign.
public struct StrayCounters: Sendable, Hashable {
    /// Cut short, damaged, or with a signature that does not fit.
    public var malformed: UInt64 = 0
    /// Of another protocol, or another version of this one.
    public var foreign: UInt64 = 0
}

/// What a receive daemon tells its observer. Called on the network thread: be quick.
public enum ReceiveUpdate: Sendable {
    case listening(interface: String, group: SocketAddress)
    case warning(String)
    /// A repair node is near: what is lost may be repaired there.
    case region(SocketAddress)
    /// Losses are repaired by somebody else from now on; depth 0 is the sender.
    case parentChanged(Announce, depth: Int)
    /// A session that is not taken part in; said once for each.
    case refused(Announce, SessionRefusal)
    case began(ReceiveSnapshot)
    /// All sessions under way; a few times a second while there are any.
    case progress([ReceiveSnapshot])
    /// `path` is where the bundle is.
    case completed(ReceiveSnapshot, path: String)
    /// `reason` is one line: what happened, to what, and what to do next.
    case failed(ReceiveSnapshot, reason: String)
    /// The daemon stops; what it saw besides its sessions.
    case stopped(StrayCounters)
}

/// Why `recv` stopped.
public enum ReceiveOutcome: Sendable, Hashable {
    /// `once`, and the bundle is complete.
    case complete
    /// `once`, and the bundle failed.
    case failed(ReceiverState)
    /// `once`, and nothing came in time.
    case timedOut
    /// `once`, and the only session was refused.
    case refused
    /// SIGINT or SIGTERM.
    case interrupted
}
