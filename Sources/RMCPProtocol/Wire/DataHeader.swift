/// The 24 bytes in front of a DATA packet's payload.
public struct DataHeader: Hashable, Sendable {
    /// Bytes of both headers, the packet's and this one: 24. The payload begins there, and runs to the end of the datagram.
    public static let length = PacketHeader.length + 8
    /// Set when the packet was asked for by a NAK. First transmissions go out in order of chunk and packet; these don't.
    public static let repairFlag: UInt16 = 1

    /// Index of the chunk, below `Limits.maximumChunks`. Any number is read: the engine holds it against what there is.
    public var chunk: UInt32
    /// Index of the packet in its chunk: the payload lies at this many payload lengths from the beginning of the encoded chunk.
    public var packet: UInt16
    /// Somebody asked for the packet. One of these moves no front (docs/protocol.md, "DATA").
    public var isRepair: Bool

    public init(chunk: UInt32, packet: UInt16, isRepair: Bool) {
        self.chunk = chunk
        self.packet = packet
        self.isRepair = isRepair
    }

    /// Throws when there is no payload behind it.
    @inline(__always)
    init(reading reader: inout ByteReader) throws(WireError) {
        let word = try reader.readUInt64()
        chunk = UInt32(truncatingIfNeeded: word >> 32)
        packet = UInt16(truncatingIfNeeded: word >> 16)
        isRepair = UInt16(truncatingIfNeeded: word) & Self.repairFlag != 0
        guard reader.remaining > 0 else { throw .truncated }
    }

    /// Writes both headers in place, for the send path: three stores.
    @inline(__always)
    public func write(after header: PacketHeader, into bytes: inout MutableRawSpan) {
        let kind = header.kind.rawValue | (header.isUnicast ? PacketHeader.unicastFlag : 0)
        let first = UInt64(PacketHeader.magic) << 48 | UInt64(PacketHeader.version) << 40 | UInt64(kind) << 32 | UInt64(header.sessionTag)
        let second = UInt64(header.transmitter) << 32 | UInt64(header.sequence)
        let third = UInt64(chunk) << 32 | UInt64(packet) << 16 | UInt64(isRepair ? Self.repairFlag : 0)
        bytes.storeBytes(of: first.bigEndian, toByteOffset: 0, as: UInt64.self)
        bytes.storeBytes(of: second.bigEndian, toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: third.bigEndian, toByteOffset: 16, as: UInt64.self)
    }
}
