/// How a receiver fares, as it says itself.
public enum ReceiverState: UInt8, Sendable, Hashable, CaseIterable {
    /// No front of the stream is known, and no chunk is here.
    case joined = 0
    /// Chunks are coming in, and all that lacks is asked for.
    case receiving = 1
    /// Catching up: it does not ask for live repairs.
    case behind = 2
    /// Everything is here: it is being flushed, or the command after it runs.
    case finishing = 3
    /// Everything is durable under its name, and the command afterwards, if there is one, has succeeded.
    case complete = 4
    /// There is no room for the bundle.
    case failedDiskFull = 5
    /// Pages, END and ANNOUNCE contradict each other (docs/protocol.md, "PAGE" and "END").
    case failedVerification = 6
    /// The host's storage reported an error, or lost a chunk while the bundle was put in place.
    case failedStorage = 7
    /// The command afterwards failed, or took too long. The bundle is complete and stays.
    case failedHook = 8
    /// The sender was silent for `PresenceSettings.senderTimeout`, or left too early. The session may be joined again.
    case failedSender = 9
    /// The bundle's name cannot be a file there (`BundleName.objection`).
    case failedName = 10
    /// A newer version of the bundle is here.
    case outdated = 11
    /// The receiver was stopped, or its user does not trust the sender's key any more.
    case interrupted = 12
    /// Never sent: a parent counts a child here that went silent before it was done.
    case lost = 13
    /// Nothing that the sender sends in full length comes here: the path's MTU is too small for it.
    case failedPath = 14

    /// The end is no success. A receiver that is lost counts.
    public var isFailure: Bool { rawValue >= ReceiverState.failedDiskFull.rawValue }
    /// A receiver does not leave the state. `.lost` is its parent's word for it, and ends with its next STATUS.
    public var isFinal: Bool { self == .complete || isFailure }
    /// Not over yet, for better or worse.
    public var isActive: Bool { !isFinal }

    /// For the summary: "2 failed: disk full".
    public var reason: String {
        switch self {
        case .joined: "joined"
        case .receiving: "receiving"
        case .behind: "behind"
        case .finishing: "finishing"
        case .complete: "complete"
        case .failedDiskFull: "disk full"
        case .failedVerification: "verification failed"
        case .failedStorage: "storage error"
        case .failedHook: "hook failed"
        case .failedSender: "gave up waiting for the sender"
        case .failedName: "name refused"
        case .outdated: "a newer version is here"
        case .interrupted: "interrupted"
        case .lost: "lost"
        case .failedPath: "path MTU too small"
        }
    }
}
