import RMCPProtocol

/// The buffers of a session's assembly slots, taken from a pool as slots are filled.
struct SlotBuffers {
    private var buffers: [ChunkBuffer?]
    private let pool: BufferPool

    init(slots: Int, pool: BufferPool) {
        buffers = Array(repeating: nil, count: slots)
        self.pool = pool
    }

    /// Copies a datagram's payload to where the engine wants it; false when the pool has no buffer for the slot.
    mutating func place(_ bytes: UnsafeRawBufferPointer, _ placement: Placement) -> Bool {
        guard let buffer = buffers[placement.slot] ?? pool.take() else { return false }
        buffers[placement.slot] = buffer
        let payload = unsafe UnsafeRawBufferPointer(
            rebasing: bytes[placement.payloadOffset..<placement.payloadOffset + placement.length])
        let target = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer.bytes[placement.offset..<placement.offset + placement.length])
        unsafe target.copyMemory(from: payload)
        return true
    }

    /// The slot's buffer goes to a worker thread; the slot gets another one if it is filled again.
    mutating func take(_ slot: Int) -> ChunkBuffer? {
        defer { buffers[slot] = nil }
        return buffers[slot]
    }

    mutating func giveBackAll() {
        for slot in buffers.indices { take(slot).map { pool.giveBack($0) } }
    }
}
