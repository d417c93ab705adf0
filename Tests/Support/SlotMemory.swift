public import RMCPProtocol

/// Memory of an engine's assembly slots, as a host has it: payload is placed where the engine says, and while the host reads a
/// slot nothing may be placed there. Whatever does not fit traps.
public struct SlotMemory: Sendable {
    private var buffers: [[UInt8]]
    private var lent: Set<Int> = []

    public init(slots: Int, chunkLength: Int) { buffers = Array(repeating: Array(repeating: 0, count: chunkLength), count: slots) }

    public var slotCount: Int { buffers.count }
    public func isLent(_ slot: Int) -> Bool { lent.contains(slot) }

    /// The one copy from the datagram.
    public mutating func place(_ placement: Placement, of datagram: [UInt8]) {
        precondition(buffers.indices.contains(placement.slot) && !lent.contains(placement.slot), "\(placement) goes where the host is reading")
        precondition(placement.payloadOffset == DataHeader.length && placement.length > 0, "\(placement)")
        precondition(placement.payloadOffset + placement.length == datagram.count, "\(placement) of \(datagram.count) bytes")
        // It keeps nothing aside.
        if placement.isDuplicate { return }
        let target = placement.offset..<placement.offset + placement.length
        precondition(target.lowerBound >= 0 && target.upperBound <= buffers[placement.slot].count, "\(placement)")
        buffers[placement.slot].replaceSubrange(target, with: datagram[placement.payloadOffset...])
    }

    /// A chunk is assembled: the host has the slot until it gives it back.
    public mutating func lend(_ slot: Int) { precondition(lent.insert(slot).inserted, "slot \(slot) is with the host already") }

    /// Gives a slot back; what lay in it.
    @discardableResult
    public mutating func takeBack(_ slot: Int, _ record: ChunkRecord) -> [UInt8] {
        lent.remove(slot)
        return Array(buffers[slot].prefix(Int(record.encodedLength)))
    }
}
