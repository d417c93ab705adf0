/// Counters of a receiver.
public struct ReceiverCounters: Sendable, Hashable {
    public var datagrams: UInt64 = 0
    public var payloadBytes: UInt64 = 0
    public var duplicates: UInt64 = 0
    public var malformed: UInt64 = 0
    public var foreign: UInt64 = 0
    public var forged: UInt64 = 0
    /// Signed packets that were not looked at amid forgeries.
    public var unverified: UInt64 = 0
    /// Packets that came when no slot was free, and pages that there was no room for.
    public var windowDrops: UInt64 = 0
    public var overflowed: UInt64 = 0
    public var naksSent: UInt64 = 0
    public var naksSuppressed: UInt64 = 0
    public var statusesSent: UInt64 = 0
    public var chunksKept: UInt64 = 0
    public var chunksRejected: UInt64 = 0
    /// Results of slots and chunks that the host does not have.
    public var strayResults: UInt64 = 0
    public var parentChanges: UInt64 = 0
    public init() {}

    /// A datagram that was not understood.
    mutating func note(_ error: WireError) { if error.isForeign { foreign += 1 } else { malformed += 1 } }

    /// Each count with the other's of the same name.
    public static func += (sum: inout ReceiverCounters, other: ReceiverCounters) {
        sum.datagrams &+= other.datagrams
        sum.payloadBytes &+= other.payloadBytes
        sum.duplicates &+= other.duplicates
        sum.malformed &+= other.malformed
        sum.foreign &+= other.foreign
        sum.forged &+= other.forged
        sum.unverified &+= other.unverified
        sum.windowDrops &+= other.windowDrops
        sum.overflowed &+= other.overflowed
        sum.naksSent &+= other.naksSent
        sum.naksSuppressed &+= other.naksSuppressed
        sum.statusesSent &+= other.statusesSent
        sum.chunksKept &+= other.chunksKept
        sum.chunksRejected &+= other.chunksRejected
        sum.strayResults &+= other.strayResults
        sum.parentChanges &+= other.parentChanges
    }
}
