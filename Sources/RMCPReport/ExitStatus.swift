public import RMCPProtocol

/// The exit codes that scripts may rely on.
public enum ExitStatus: Int32, Sendable, Hashable, CaseIterable {
    case done = 0
    case failure = 1
    case usage = 2
    case partial = 3
    case nobody = 4
    case refused = 5
    case interrupted = 130
}

extension SenderOutcome.Kind {
    /// Exit code of a send that ends so.
    public var exitStatus: ExitStatus {
        switch self {
        case .complete: .done
        case .partial: .partial
        case .nobodyCame, .noProgress: .nobody
        case .refused: .refused
        case .stopped: .interrupted
        }
    }
}
