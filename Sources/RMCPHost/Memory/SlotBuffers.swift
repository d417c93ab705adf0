import Glibc
import RMCPProtocol

/// The buffers of a session's assembly slots, taken from a pool as slots are filled.
@safe struct SlotBuffers: ~Copyable {
    private var buffers: [ChunkBuffer?]
    /// Where each slot's buffer begins; nil without one. Read for every packet: counting references there would cost
    /// more than copying the payload, since an atomic operation waits for the copy before it to reach the cache.
    private let starts: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
    private let pool: BufferPool
    private let bufferLength: Int

    init(slots: Int, pool: BufferPool) {
        buffers = Array(repeating: nil, count: slots)
        unsafe starts = .allocate(capacity: slots)
        unsafe starts.initialize(repeating: nil)
        self.pool = pool
        bufferLength = pool.bufferLength
    }

    deinit { unsafe starts.deallocate() }

    /// Copies a datagram's payload to where the engine wants it; false when the pool has no buffer for the slot.
    mutating func place(_ bytes: UnsafeRawBufferPointer, _ placement: Placement) -> Bool {
        guard let start = unsafe starts[placement.slot] ?? begin(placement.slot) else { return false }
        // The engine places nothing beyond a chunk or a datagram; memory is no place to take that on trust.
        guard placement.offset >= 0, placement.length >= 0, placement.offset + placement.length <= bufferLength,
            placement.payloadOffset >= 0, placement.payloadOffset + placement.length <= bytes.count, let source = bytes.baseAddress
        else { return false }
        unsafe memcpy(start + placement.offset, source + placement.payloadOffset, placement.length)
        return true
    }

    private mutating func begin(_ slot: Int) -> UnsafeMutableRawPointer? {
        guard let buffer = pool.take() else { return nil }
        buffers[slot] = buffer
        unsafe starts[slot] = buffer.bytes.baseAddress
        return unsafe starts[slot]
    }

    /// The slot's buffer goes to a worker thread; the slot gets another one if it is filled again.
    mutating func take(_ slot: Int) -> ChunkBuffer? {
        defer {
            buffers[slot] = nil
            unsafe starts[slot] = nil
        }
        return buffers[slot]
    }

    mutating func giveBackAll() {
        for slot in buffers.indices { if let buffer = take(slot) { pool.giveBack(buffer) } }
    }
}
