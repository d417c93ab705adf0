public import RMCPProtocol

// Identifiers that programs read, in lines of JSON and in labels of metrics: part of the contract, and so written down here rather
// than taken from the names that the code has. All of them are snake_case.

extension ReceiverState {
    /// Name for programs.
    public var identifier: String {
        switch self {
        case .joined: "joined"
        case .receiving: "receiving"
        case .behind: "behind"
        case .finishing: "finishing"
        case .complete: "complete"
        case .failedDiskFull: "failed_disk_full"
        case .failedVerification: "failed_verification"
        case .failedStorage: "failed_storage"
        case .failedHook: "failed_hook"
        case .failedSender: "failed_sender"
        case .failedName: "failed_name"
        case .outdated: "outdated"
        case .interrupted: "interrupted"
        case .lost: "lost"
        case .failedPath: "failed_path"
        }
    }
}

extension SessionPhase {
    /// Name for programs.
    public var identifier: String {
        switch self {
        case .waiting: "waiting"
        case .streaming: "streaming"
        case .draining: "draining"
        case .lingering: "lingering"
        case .leaving: "leaving"
        case .aborted: "aborted"
        }
    }
}

extension SenderOutcome.Kind {
    /// Name for programs.
    public var identifier: String {
        switch self {
        case .complete: "complete"
        case .partial: "partial"
        case .nobodyCame: "nobody_came"
        case .refused: "refused"
        case .noProgress: "no_progress"
        case .stopped: "stopped"
        }
    }
}

extension RefusalReason {
    /// Name for programs.
    public var identifier: String {
        switch self {
        case .untrusted: "untrusted"
        case .outdated: "outdated"
        case .busy: "busy"
        case .unsupported: "unsupported"
        }
    }
}

extension SessionRefusal {
    /// Name for programs.
    public var identifier: String {
        switch self {
        case .unsigned: "unsigned"
        case .untrusted: "untrusted"
        case .rollback: "rollback"
        case .badSignature: "bad_signature"
        case .tagInUse: "tag_in_use"
        case .tooManySessions: "too_many_sessions"
        case .outputInUse: "output_in_use"
        case .completedBefore: "completed_before"
        case .sealed: "sealed"
        case .sealedForOthers: "sealed_for_others"
        case .notSealed: "not_sealed"
        case .unsupported: "unsupported"
        }
    }
}

extension ParentRole {
    /// Name for programs.
    public var identifier: String {
        switch self {
        case .sender: "sender"
        case .repair: "repair"
        case .relay: "relay"
        }
    }
}
