/// What a datagram is.
public enum PacketKind: UInt8, Sendable, CaseIterable {
    /// Parent to group, to a unicast child, or to whoever asks; signed by the sender.
    case announce = 1
    /// Parent to group or unicast child; signed by the sender.
    case page = 2
    /// Parent to group or child; its payload is vouched for by the digests in the pages.
    case data = 3
    /// Parent to group or unicast child; signed by the sender.
    case end = 4
    /// Parent to group or unicast child; not signed.
    case heartbeat = 5
    /// Child to parent; not signed.
    case nak = 6
    /// Parent to group; not signed.
    case ncf = 7
    /// Child to parent; not signed.
    case status = 8
    /// Parent to child, of a STATUS or DETACH, or to a receiver, of its REFUSAL; not signed.
    case acknowledgement = 9
    /// Relay to parent, of no session; not signed.
    case solicitation = 10
    /// Child to parent; not signed.
    case attach = 11
    /// Parent to child; not signed.
    case attached = 12
    /// Child to its former parent; not signed.
    case detach = 13
    /// Repair node to the sender's group, of no session; signed by the node, or by nobody.
    case advertisement = 14
    /// Watcher to parent; not signed.
    case query = 15
    /// Parent to watcher; not signed.
    case report = 16
    /// Parent to group or unicast child; signed by the sender.
    case statement = 17
    /// Repair node to group, unicast child or parent; signed by the node.
    case place = 18
    /// Parent to group or child; it vouches for itself.
    case outline = 19
    /// Receiver that takes no part to a parent; not signed.
    case refusal = 20
}

/// The 16 bytes that every packet starts with (docs/protocol.md, "Every packet").
public struct PacketHeader: Hashable, Sendable {
    /// "RM": the first two bytes. A datagram with any others is foreign.
    public static let magic: UInt16 = 0x524D
    /// Version of the protocol. A datagram of any other is foreign, and nothing else of it is read.
    public static let version: UInt8 = 2
    /// Bytes of the header.
    public static let length = 16
    /// Set in the kind byte of a datagram sent to one address: its `sequence` is not part of the multicast sequence.
    public static let unicastFlag: UInt8 = 0x80

    /// Kind without the unicast flag. 0, and 21 and above, are malformed.
    public var kind: PacketKind
    /// The datagram was sent to one address. All that children send is.
    public var isUnicast: Bool
    /// First 4 bytes of the session's id; 0 in a datagram of no session (SOLICITATION and ADVERTISEMENT).
    public var sessionTag: UInt32
    /// The ephemeral id of who put this datagram on the wire; drawn at random for each session.
    public var transmitter: UInt32
    /// Fresh on every transmission, retransmissions too: what loss is measured by. Wraps (RFC 1982).
    public var sequence: UInt32

    public init(kind: PacketKind, isUnicast: Bool = false, sessionTag: UInt32, transmitter: UInt32, sequence: UInt32) {
        self.kind = kind
        self.isUnicast = isUnicast
        self.sessionTag = sessionTag
        self.transmitter = transmitter
        self.sequence = sequence
    }

    /// Reads 16 bytes. Throws `.truncated` for fewer, `.foreignMagic`, `.foreignVersion`, or `.unknownKind`, the first that holds.
    @inline(__always)
    public init(reading reader: inout ByteReader) throws(WireError) {
        // Two loads and two checks of bounds: every datagram passes here.
        let first = try reader.readUInt64()
        let second = try reader.readUInt64()
        guard first >> 48 == UInt64(Self.magic) else { throw .foreignMagic }
        guard UInt8(truncatingIfNeeded: first >> 40) == Self.version else { throw .foreignVersion }
        let kindByte = UInt8(truncatingIfNeeded: first >> 32)
        guard let kind = PacketKind(rawValue: kindByte & ~Self.unicastFlag) else { throw .unknownKind }
        self.kind = kind
        isUnicast = kindByte & Self.unicastFlag != 0
        sessionTag = UInt32(truncatingIfNeeded: first)
        transmitter = UInt32(truncatingIfNeeded: second >> 32)
        sequence = UInt32(truncatingIfNeeded: second)
    }

    /// Reads the header alone, to route a datagram before it is decoded.
    public init(of datagram: RawSpan) throws(WireError) {
        var reader = ByteReader(datagram)
        try self.init(reading: &reader)
    }

    /// Session tag of a datagram, before anything else of it is looked at; nil when it is too short for a header.
    @inlinable
    public static func sessionTag(of datagram: RawSpan) -> UInt32? {
        guard datagram.byteCount >= length else { return nil }
        return unsafe UInt32(bigEndian: datagram.unsafeLoadUnaligned(fromUncheckedByteOffset: 4, as: UInt32.self))
    }

    /// Kind of a datagram, before anything else of it is looked at; nil when its header is not one of this protocol and version.
    public static func kind(of datagram: RawSpan) -> PacketKind? { (try? PacketHeader(of: datagram))?.kind }

    /// Appends the 16 bytes.
    public func write(to writer: inout ByteWriter) {
        writer.writeUInt16(Self.magic)
        writer.writeUInt8(Self.version)
        writer.writeUInt8(kind.rawValue | (isUnicast ? Self.unicastFlag : 0))
        writer.writeUInt32(sessionTag)
        writer.writeUInt32(transmitter)
        writer.writeUInt32(sequence)
    }
}
