/// The 24 bytes in front of a DATA packet's payload.
public struct DataHeader: Hashable, Sendable {
    public static let length = PacketHeader.length + 8
    /// Set when the packet was asked for by a NAK. First transmissions go out in order of chunk and packet; these don't.
    public static let repairFlag: UInt16 = 1

    public var chunk: UInt32
    public var packet: UInt16
    public var isRepair: Bool

    public init(chunk: UInt32, packet: UInt16, isRepair: Bool) {
        self.chunk = chunk
        self.packet = packet
        self.isRepair = isRepair
    }

    /// Throws when there is no payload behind it.
    init(reading reader: inout ByteReader) throws(WireError) {
        let word = try reader.readUInt64()
        chunk = UInt32(truncatingIfNeeded: word >> 32)
        packet = UInt16(truncatingIfNeeded: word >> 16)
        isRepair = UInt16(truncatingIfNeeded: word) & Self.repairFlag != 0
        guard reader.remaining > 0 else { throw .truncated }
    }

    /// Writes both headers in place, for the send path.
    public func write(after header: PacketHeader, into bytes: inout MutableRawSpan) {
        func store<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at offset: Int, _ bytes: inout MutableRawSpan) {
            bytes.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Value.self)
        }
        store(PacketHeader.magic, at: 0, &bytes)
        store(PacketHeader.version, at: 2, &bytes)
        store(header.kind.rawValue | (header.isUnicast ? PacketHeader.unicastFlag : 0), at: 3, &bytes)
        store(header.sessionTag, at: 4, &bytes)
        store(header.transmitter, at: 8, &bytes)
        store(header.sequence, at: 12, &bytes)
        store(chunk, at: 16, &bytes)
        store(packet, at: 20, &bytes)
        store(isRepair ? Self.repairFlag : UInt16(0), at: 22, &bytes)
    }
}
