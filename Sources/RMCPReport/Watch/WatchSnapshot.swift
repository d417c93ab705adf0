public import RMCPProtocol

/// What a watcher knows at one time.
public struct WatchSnapshot: Sendable {
    public var sessions: [WatchedSession] = []
    /// Sessions and nodes that there was no room for.
    public var omitted = 0
    /// Since the watcher began.
    public var elapsed = Interval.zero

    public init() {}
}

/// Who vouches for a session.
public enum WatchedSignature: Sendable, Hashable {
    case trusted
    /// Signed well, by a key that is not among those that are trusted.
    case untrusted
    /// Signed well, and nobody said which keys to trust.
    case signed
    case unsigned
    /// Whoever says this is not who has the key.
    case wrong
}

extension WatchedSignature {
    /// Name for programs.
    public var identifier: String {
        switch self {
        case .trusted: "trusted"
        case .untrusted: "untrusted"
        case .signed: "signed"
        case .unsigned: "unsigned"
        case .wrong: "wrong"
        }
    }
}

public struct WatchedSession: Sendable {
    public var announce: Announce
    public var signature: WatchedSignature
    /// Each below its parent, which comes first.
    public var nodes: [WatchedNode] = []

    public init(announce: Announce, signature: WatchedSignature, nodes: [WatchedNode] = []) {
        self.announce = announce
        self.signature = signature
        self.nodes = nodes
    }
}

/// A parent of the tree: the sender, a repair node or a relay.
public struct WatchedNode: Sendable {
    public var transmitter: UInt32
    public var address: SocketAddress
    /// Steps below the topmost parent that is known here.
    public var level: Int
    public var path: [UInt32]
    public var role: ParentRole
    public var phase: SessionPhase
    /// Bits per second that it may send, as it says.
    public var rate: UInt64
    /// Bits per second that it did send, of DATA, by its last reports; nil before there were two.
    public var sending: Double?
    /// Nothing has come of it for long; it is not shown for much longer.
    public var isGone: Bool
    /// Nil while it has not answered; older ones never do.
    public var report: WatchReport?
    /// Every chunk before this is held: what is known without a report.
    public var watermark: UInt32

    public init(
        transmitter: UInt32, address: SocketAddress, level: Int, path: [UInt32], role: ParentRole, phase: SessionPhase, rate: UInt64, sending: Double?,
        isGone: Bool, report: WatchReport?, watermark: UInt32
    ) {
        self.transmitter = transmitter
        self.address = address
        self.level = level
        self.path = path
        self.role = role
        self.phase = phase
        self.rate = rate
        self.sending = sending
        self.isGone = isGone
        self.report = report
        self.watermark = watermark
    }

    public var parent: UInt32? { path.last }
    /// How many bytes of repairs have gone out, of whatever kind.
    public var repairedBytes: UInt64? { report.map { $0.counts.repairBytes &+ $0.counts.catchUpBytes } }
    /// Of the whole bundle, 0...1; nil while that is not known.
    public var share: Double? {
        guard let report, let count = report.chunkCount else { return nil }
        return count == 0 ? 1 : min(1, Double(report.chunksHeld) / Double(count))
    }
    /// The loss that nine in ten of those below do not exceed; nil while nobody says.
    public var loss: Double? {
        guard let loss = report?.histogram.loss, loss.contains(where: { $0 > 0 }) else { return nil }
        return LossBucket.fraction(of: StatusHistogram.quantile(0.9, of: loss))
    }
}

/// News for the observer of a watcher.
public enum WatchUpdate: Sendable {
    case listening(interface: String, group: SocketAddress)
    /// Something the user should know, in one line.
    case warning(String)
    case picture(WatchSnapshot)
    /// The watcher ends; its exit code.
    case stopped(ExitStatus)
}
