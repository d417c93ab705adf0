/// Counters of a receiver.
public struct ReceiverCounters: Sendable, Hashable {
    /// Datagrams of this session from parents that are known, of all kinds, those that brought nothing among them.
    public var datagrams: UInt64 = 0
    /// Bytes of payload that were placed, each packet of a chunk once, and once more when the chunk is fetched again.
    public var payloadBytes: UInt64 = 0
    /// Packets of DATA, pages and statements that came again, or when their chunk was whole.
    public var duplicates: UInt64 = 0
    /// Datagrams that end early, or have an unknown kind or a field outside its range (docs/protocol.md, "Every packet").
    public var malformed: UInt64 = 0
    /// Datagrams of other protocols, versions or sessions, of transmitters that are no parents, and of kinds that parents do not send.
    public var foreign: UInt64 = 0
    /// Packets with a bad signature or an outline that is not true, DATA of distrusted nodes, and chunks with packets that they cannot have or
    /// that lie behind the end.
    public var forged: UInt64 = 0
    /// Signed packets that were not looked at amid forgeries.
    public var unverified: UInt64 = 0
    /// Packets that came when no slot was free, and pages that there was no room for.
    public var windowDrops: UInt64 = 0
    /// Datagrams that the socket has dropped, which sessions may share, as the host has told (`StorageEvent.overflow`).
    public var overflowed: UInt64 = 0
    /// NAK datagrams. A request may take up to `FeedbackSettings.maximumNAKDatagrams`.
    public var naksSent: UInt64 = 0
    /// Times that nothing was asked for of a chunk while an NCF kept back what it named of it.
    public var naksSuppressed: UInt64 = 0
    /// STATUS datagrams, repeated final ones among them.
    public var statusesSent: UInt64 = 0
    /// Chunks that the host had from before (`StorageEvent.kept`).
    public var chunksKept: UInt64 = 0
    /// Times that a chunk with all packets was not what its record says (`StorageEvent.rejected`).
    public var chunksRejected: UInt64 = 0
    /// Results of slots and chunks that the host does not have.
    public var strayResults: UInt64 = 0
    /// Changes of parent; the first parent is none.
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
