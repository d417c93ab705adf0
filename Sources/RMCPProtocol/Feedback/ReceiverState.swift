/// How a receiver fares, as it says itself.
public enum ReceiverState: UInt8, Sendable, Hashable, CaseIterable {
    case joined = 0
    case receiving = 1
    /// Catching up: it does not ask for live repairs.
    case behind = 2
    /// Everything is here: it is being flushed, or the command after it runs.
    case finishing = 3
    case complete = 4
    case failedDiskFull = 5
    case failedVerification = 6
    case failedStorage = 7
    case failedHook = 8
    case failedSender = 9
    case failedName = 10
    /// A newer version of the bundle is here.
    case outdated = 11
    case interrupted = 12
    /// Never sent: a parent counts a child here that went silent before it was done.
    case lost = 13
    /// Nothing that the sender sends in full length comes here: the path's MTU is too small for it.
    case failedPath = 14

    public var isFailure: Bool { rawValue >= ReceiverState.failedDiskFull.rawValue }
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
