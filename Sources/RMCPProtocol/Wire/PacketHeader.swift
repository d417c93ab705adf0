/// What a datagram is.
public enum PacketKind: UInt8, Sendable, CaseIterable {
    case announce = 1
    case page = 2
    case data = 3
    case end = 4
    case heartbeat = 5
    case nak = 6
    case ncf = 7
    case status = 8
    case acknowledgement = 9
    case solicitation = 10
    case attach = 11
    case attached = 12
    case detach = 13
    case advertisement = 14
    case query = 15
    case report = 16
    case statement = 17
    case place = 18
    case outline = 19
    case refusal = 20
}

/// The 16 bytes that every packet starts with (docs/protocol.md, "Every packet").
public struct PacketHeader: Hashable, Sendable {
    public static let magic: UInt16 = 0x524D
    public static let version: UInt8 = 2
    public static let length = 16
    /// Set in the kind byte of a datagram sent to one address: its `sequence` is not part of the multicast sequence.
    public static let unicastFlag: UInt8 = 0x80

    public var kind: PacketKind
    public var isUnicast: Bool
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

    public static func kind(of datagram: RawSpan) -> PacketKind? { (try? PacketHeader(of: datagram))?.kind }

    public func write(to writer: inout ByteWriter) {
        writer.writeUInt16(Self.magic)
        writer.writeUInt8(Self.version)
        writer.writeUInt8(kind.rawValue | (isUnicast ? Self.unicastFlag : 0))
        writer.writeUInt32(sessionTag)
        writer.writeUInt32(transmitter)
        writer.writeUInt32(sequence)
    }
}
