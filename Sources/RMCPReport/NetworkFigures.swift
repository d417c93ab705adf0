/// Figures of a node's sockets since the node began. None of them goes back: those of sockets that were closed are in them.
public struct NetworkFigures: Sendable, Hashable {
    /// Datagrams that the sockets gave, and their bytes, whoever they are from.
    public var receivedDatagrams: UInt64 = 0
    public var receivedBytes: UInt64 = 0
    /// Datagrams that the sockets had no room for.
    public var overflowed: UInt64 = 0
    /// Datagrams that did not fit their buffer.
    public var truncated: UInt64 = 0
    /// Datagrams from where nobody can be answered.
    public var unanswerable: UInt64 = 0
    /// Bytes of answers to parents and of advertisements.
    public var answeredBytes: UInt64 = 0
    /// Datagrams that an engine counts as sent and that did not leave, and their bytes.
    public var unsentDatagrams: UInt64 = 0
    public var unsentBytes: UInt64 = 0
    public var rejoins = RejoinCounts()

    public init() {}

    public static func += (sum: inout NetworkFigures, other: NetworkFigures) {
        sum.receivedDatagrams &+= other.receivedDatagrams
        sum.receivedBytes &+= other.receivedBytes
        sum.overflowed &+= other.overflowed
        sum.truncated &+= other.truncated
        sum.unanswerable &+= other.unanswerable
        sum.answeredBytes &+= other.answeredBytes
        sum.unsentDatagrams &+= other.unsentDatagrams
        sum.unsentBytes &+= other.unsentBytes
        for cause in RejoinCause.allCases { sum.rejoins[cause] &+= other.rejoins[cause] }
    }
}

/// Why the groups are left and joined anew.
public enum RejoinCause: String, Sendable, Hashable, CaseIterable {
    /// No session is under way, and nobody would notice that nothing comes.
    case idle
    /// Silence of a session that is under way: nothing of it has come.
    case silence
    /// The interface or its address is another one.
    case moved
}

public struct RejoinCounts: Sendable, Hashable {
    private var counts = [UInt64](repeating: 0, count: RejoinCause.allCases.count)

    public init() {}

    public subscript(cause: RejoinCause) -> UInt64 {
        get { counts[Self.index(cause)] }
        set { counts[Self.index(cause)] = newValue }
    }

    private static func index(_ cause: RejoinCause) -> Int {
        switch cause {
        case .idle: 0
        case .silence: 1
        case .moved: 2
        }
    }
}
