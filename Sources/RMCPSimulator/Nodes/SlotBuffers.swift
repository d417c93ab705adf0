import RMCPProtocol

/// What lies in each assembly slot's buffer: a fingerprint a packet. A slot has room from its first packet until its
/// chunk is stored, so that a hundred thousand receivers cost what they are assembling, and not what they might.
struct SlotBuffers {
    private var buffers: [[UInt64]] = []
    /// Payloads that came for places that were taken.
    private var alternates: [Int: [(packet: Int, fingerprint: UInt64)]] = [:]
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

    /// A payload for a place that is taken: kept where it is another one.
    mutating func keepAside(_ fingerprint: UInt64, slot: Int, packet: Int) {
        guard slot < buffers.count, packet < buffers[slot].count, buffers[slot][packet] != fingerprint else { return }
        guard (alternates[slot]?.count ?? 0) < Self.alternateLimit else { return }
        alternates[slot, default: []].append((packet, fingerprint))
    }

    private static let alternateLimit = 256

    /// Replaces what is wrong by what was kept aside.
    /// - Returns: subtrees that are wrong still.
    mutating func mend(_ record: ChunkRecord, slot: Int, _ shape: OutlineShape, payloadLength: UInt16) -> IndexRangeSet {
        var wrong = IndexRangeSet()
        let total = ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: payloadLength)
        guard slot < buffers.count, total <= buffers[slot].count else { return wrong }
        for packet in 0..<total {
            let truth = SimulatedContent.fingerprint(of: record, packet: packet)
            if buffers[slot][packet] == truth { continue }
            if alternates[slot]?.contains(where: { $0.packet == packet && $0.fingerprint == truth }) ?? false {
                buffers[slot][packet] = truth
                continue
            }
            let end = min((packet + 1) * Int(payloadLength), Int(record.encodedLength))
            wrong.insert(UInt32(packet * Int(payloadLength) / shape.subtreeLength)..<UInt32((end - 1) / shape.subtreeLength + 1))
        }
        alternates[slot] = nil
        return wrong
    }

    /// Whether a slot holds what the chunk's record says, all of it.
    func holds(_ record: ChunkRecord, slot: Int, payloadLength: UInt16) -> Bool {
        let total = ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: payloadLength)
        guard slot < buffers.count, total <= buffers[slot].count else { return total == 0 }
        return (0..<total).allSatisfy { buffers[slot][$0] == SimulatedContent.fingerprint(of: record, packet: $0) }
    }

    mutating func release(_ slot: Int) {
        if slot < buffers.count { buffers[slot] = [] }
        alternates[slot] = nil
    }
}
