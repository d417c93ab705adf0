import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// The buffers of a session's assembly slots, taken from a pool as slots are filled.
@safe struct SlotBuffers: ~Copyable {
    private var buffers: [ChunkBuffer?]
    /// Where each slot's buffer begins; nil without one. Read for every packet: counting references there would cost
    /// more than copying the payload, since an atomic operation waits for the copy before it to reach the cache.
    private let starts: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
    let account: MemoryAccount
    private let bufferLength: Int
    /// Payloads that differ from those that came before them, by slot.
    private var alternates: [Int: [ChunkOutline.Alternate]] = [:]
    private var alternateBytes = 0

    /// Bytes that are kept aside in all: as much as a chunk of the usual length, so that flooding them costs no more memory than one.
    private static let alternateLimit = 1 << 20
    /// Bytes of a session of which no chunk was verified: however many there are, they have no more than a few chunks together.
    private static let candidateAlternateLimit = 1 << 16

    init(slots: Int, account: MemoryAccount) {
        buffers = Array(repeating: nil, count: slots)
        unsafe starts = .allocate(capacity: slots)
        unsafe starts.initialize(repeating: nil)
        self.account = account
        bufferLength = account.pool.bufferLength
    }

    deinit { unsafe starts.deallocate() }

    /// Copies a datagram's payload to where the engine wants it; false when the pool has no buffer for the slot.
    mutating func place(_ bytes: UnsafeRawBufferPointer, _ placement: Placement, at now: Instant = .zero) -> Bool {
        guard let start = unsafe starts[placement.slot] ?? (placement.isDuplicate ? nil : begin(placement.slot, at: now)) else { return placement.isDuplicate }
        // The engine places nothing beyond a chunk or a datagram; memory is no place to take that on trust.
        guard placement.offset >= 0, placement.length >= 0, placement.offset + placement.length <= bufferLength,
            placement.payloadOffset >= 0, placement.payloadOffset + placement.length <= bytes.count, let source = bytes.baseAddress
        else { return false }
        let payload = unsafe source + placement.payloadOffset
        if placement.isDuplicate {
            if unsafe memcmp(start + placement.offset, payload, placement.length) != 0 {
                unsafe keepAside(UnsafeRawBufferPointer(start: payload, count: placement.length), placement)
            }
        } else {
            unsafe memcpy(start + placement.offset, payload, placement.length)
            let next = placement.offset + placement.length
            unsafe rmcp_prefetch_for_write(start + next, min(placement.length, bufferLength - next))
        }
        return true
    }

    /// Fault for which the pool has fewer buffers than slots were counted for.
    var shortage: HostError? { account.pool.shortage }

    /// One of two payloads for a place is forged: which, the chunk's outline will tell.
    private mutating func keepAside(_ payload: UnsafeRawBufferPointer, _ placement: Placement) {
        let limit = account.isVerified ? Self.alternateLimit : Self.candidateAlternateLimit
        guard alternateBytes + payload.count <= limit else { return }
        let known = alternates[placement.slot]?.contains { unsafe $0.offset == placement.offset && $0.bytes.elementsEqual(payload) }
        if known ?? false { return }
        alternateBytes += payload.count
        unsafe alternates[placement.slot, default: []].append(ChunkOutline.Alternate(offset: placement.offset, bytes: Array(payload)))
    }

    /// Payloads that were kept aside of a slot's chunk.
    mutating func takeAlternates(of slot: Int) -> [ChunkOutline.Alternate] {
        guard !alternates.isEmpty, let taken = alternates.removeValue(forKey: slot) else { return [] }
        alternateBytes -= taken.reduce(0) { $0 + $1.bytes.count }
        return taken
    }

    private mutating func begin(_ slot: Int, at now: Instant) -> UnsafeMutableRawPointer? {
        guard let buffer = account.pool.take(for: account, at: now) else { return nil }
        _ = takeAlternates(of: slot)
        return unsafe fill(slot, with: buffer)
    }

    /// The slot's own buffer is back from a worker thread: its chunk is wrong somewhere.
    mutating func put(_ buffer: ChunkBuffer, at slot: Int) { _ = unsafe fill(slot, with: buffer) }

    private mutating func fill(_ slot: Int, with buffer: ChunkBuffer) -> UnsafeMutableRawPointer? {
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

    /// Slots that have a buffer.
    var filled: [Int] { buffers.indices.filter { buffers[$0] != nil } }

    mutating func giveBackAll() {
        for slot in buffers.indices { if let buffer = take(slot) { account.pool.giveBack(buffer) } }
    }
}
