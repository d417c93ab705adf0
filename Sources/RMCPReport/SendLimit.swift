public import RMCPProtocol

/// Cause that a send waited for at one time: without it, it would have been done sooner. Raw values are names for programs.
public enum SendLimit: String, Sendable, Hashable, CaseIterable {
    /// Receivers that were waited for before the start.
    case start = "start"
    /// Chunks that were not read and encoded yet.
    case source = "source"
    /// Host of the sender, which did not send what it might have: others have its processors.
    case host = "host"
    /// A rate that the user has set.
    case cap = "cap"
    /// A rate that was still being found.
    case growth = "growth"
    /// A path on which datagrams queue.
    case path = "path"
    /// Loss.
    case loss = "loss"
    /// Other traffic on the same path.
    case rivals = "rivals"
    /// Receivers that are overrun, or have fallen behind.
    case receivers = "receivers"
    /// Disks of receivers.
    case storage = "storage"
    /// Everything has been sent once, and some lack something.
    case repairs = "repairs"
    /// Latecomers that may come.
    case linger = "linger"

    /// Limit that a decision about the rate speaks of.
    public init(_ reason: RateController.Reason) {
        switch reason {
        case .fixed: self = .cap
        case .unanswered, .tooSoon, .unproven, .doubled, .grown, .explored, .cameBack: self = .growth
        case .queueMayBegin, .draining, .pathFound, .drained, .queue: self = .path
        case .lossMayPass, .ownLoss, .lossRises: self = .loss
        case .rivalsGrow, .rivalsProbed, .rivalsGone, .rivalsLoss, .rivalsFound: self = .rivals
        case .overload, .minority: self = .receivers
        case .storage: self = .storage
        }
    }
}

/// Time that a send spent under each limit.
public struct SendLimits: Sendable, Hashable {
    private var spent: [SendLimit: Interval] = [:]

    public init() {}

    /// Takes over what `other` has.
    public mutating func add(_ other: SendLimits) { for (limit, time) in other.spent { self[limit] = self[limit] + time } }

    /// All of it.
    public var total: Interval { spent.values.reduce(.zero) { $0 + $1 } }

    public subscript(limit: SendLimit) -> Interval {
        get { spent[limit] ?? .zero }
        set { spent[limit] = newValue }
    }
}
