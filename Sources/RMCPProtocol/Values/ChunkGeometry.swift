/// How a chunk is cut into packets.
public enum ChunkGeometry {
    /// Packets of `payloadLength` bytes, the last one shorter; 0 for a zero chunk.
    public static func packetCount(encodedLength: UInt32, payloadLength: UInt16) -> Int {
        (Int(encodedLength) + Int(payloadLength) - 1) / Int(payloadLength)
    }

    /// Payload bytes of packet `packet`, which exists.
    public static func payloadLength(ofPacket packet: Int, encodedLength: UInt32, payloadLength: UInt16) -> Int {
        min(Int(payloadLength), Int(encodedLength) - packet * Int(payloadLength))
    }
}
