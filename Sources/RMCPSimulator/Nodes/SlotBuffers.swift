import RMCPProtocol

/// What lies in each assembly slot's buffer: a fingerprint a packet. A slot has room from its first packet until its
/// chunk is stored, so that a hundred thousand receivers cost what they are assembling, and not what they might.
struct SlotBuffers {
    private var buffers: [[UInt64]] = []
    /// Packets of a chunk at the shortest datagrams that the sender may fall back to.
    private let capacity: Int

    init(chunkLength: UInt32) {
        capacity = ChunkGeometry.packetCount(encodedLength: chunkLength, payloadLength: UInt16(Limits.minimumPayloadLength))
    }

    mutating func place(_ fingerprint: UInt64, slot: Int, packet: Int) {
        while buffers.count <= slot { buffers.append([]) }
        if buffers[slot].isEmpty { buffers[slot] = Array(repeating: 0, count: capacity) }
        buffers[slot][packet] = fingerprint
    }

    /// Whether a slot holds what the chunk's record says, all of it.
    func holds(_ record: ChunkRecord, slot: Int, payloadLength: UInt16) -> Bool {
        let total = ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: payloadLength)
        guard slot < buffers.count, total <= buffers[slot].count else { return total == 0 }
        return (0..<total).allSatisfy { buffers[slot][$0] == SimulatedContent.fingerprint(of: record, packet: $0) }
    }

    mutating func release(_ slot: Int) { if slot < buffers.count { buffers[slot] = [] } }
}
