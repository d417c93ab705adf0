/// Counters of a sender.
public struct SenderCounters: Sendable, Hashable {
    /// Bytes of all datagrams handed to the network, headers of this protocol included.
    public var bytesSent: UInt64 = 0
    /// Datagrams of all kinds handed to the network, each packet of a batch counted.
    public var datagramsSent: UInt64 = 0
    /// Bytes of DATA to the group for the first time, its headers included. Pages, statements and END are not among them.
    public var firstBytes: UInt64 = 0
    /// First transmissions once more, to children across links without multicast.
    public var relayedBytes: UInt64 = 0
    /// Bytes of DATA for packets that NAKs named, and of outlines, to the group and to single children, headers included.
    public var repairBytes: UInt64 = 0
    /// Bytes of DATA of whole chunks that NAKs named, to the group and to single children, headers included.
    public var catchUpBytes: UInt64 = 0
    /// NAKs of this session, those of strangers that were not read any further among them.
    public var naksReceived: UInt64 = 0
    /// STATUSes that showed the cookie of their address, counted also where there was no room for the child.
    public var statusesReceived: UInt64 = 0
    /// Datagrams that end early, or have an unknown kind or a field outside its range (docs/protocol.md, "Every packet").
    public var malformed: UInt64 = 0
    /// Datagrams of other protocols, versions or sessions, with the sender's own id, and of kinds that children do not send.
    public var foreign: UInt64 = 0
    /// Datagrams from senders that have not proven their address; they do not count.
    public var unproven: UInt64 = 0
    /// Times that the datagram's length was lowered for a hole in the path MTU.
    public var datagramLengthReductions: UInt64 = 0
    public init() {}

    /// A datagram that was not understood.
    mutating func note(_ error: WireError) { if error.isForeign { foreign += 1 } else { malformed += 1 } }

    /// Each count with the other's of the same name.
    public static func += (sum: inout SenderCounters, other: SenderCounters) {
        sum.bytesSent &+= other.bytesSent
        sum.datagramsSent &+= other.datagramsSent
        sum.firstBytes &+= other.firstBytes
        sum.relayedBytes &+= other.relayedBytes
        sum.repairBytes &+= other.repairBytes
        sum.catchUpBytes &+= other.catchUpBytes
        sum.naksReceived &+= other.naksReceived
        sum.statusesReceived &+= other.statusesReceived
        sum.malformed &+= other.malformed
        sum.foreign &+= other.foreign
        sum.unproven &+= other.unproven
        sum.datagramLengthReductions &+= other.datagramLengthReductions
    }
}
