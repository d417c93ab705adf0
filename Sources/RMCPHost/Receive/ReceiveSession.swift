import RMCPContent
import RMCPProtocol

/// One session at a receiver: its engine, its storage and the buffers of its assembly slots.
final class ReceiveSession {
    let announce: Announce
    var engine: ReceiverEngine
    /// Nil when the bundle cannot be stored here: the engine only says so to the sender.
    let storage: (any BundleStorage)?
    private var buffers: [ChunkBuffer?]
    private let pool: BufferPool
    private let created: Instant
    private(set) var contentDone: UInt64 = 0
    private(set) var contentKept: UInt64 = 0
    /// When a chunk was last stored.
    private(set) var lastProgress: Instant
    /// Why it failed, for the user.
    var failure: String?
    var isCommitted = false

    init(
        announce: Announce, engine: ReceiverEngine, storage: (any BundleStorage)?, slots: Int, pool: BufferPool, at now: Instant
    ) {
        self.announce = announce
        self.engine = engine
        self.storage = storage
        self.pool = pool
        buffers = Array(repeating: nil, count: slots)
        created = now
        lastProgress = now
    }

    /// Takes one datagram, and its payload if the engine wants it.
    func handle(_ bytes: UnsafeRawBufferPointer, from origin: DatagramOrigin, at now: Instant) {
        guard
            let placement = unsafe engine.handle(
                datagram: RawSpan(_unsafeBytes: bytes), from: origin.source, timeToLive: origin.timeToLive, at: now)
        else { return }
        guard let buffer = buffers[placement.slot] ?? pool.take() else {
            engine.handle(.unavailable(slot: placement.slot), at: now)
            return
        }
        buffers[placement.slot] = buffer
        let payload = unsafe UnsafeRawBufferPointer(
            rebasing: bytes[placement.payloadOffset..<placement.payloadOffset + placement.length])
        let target = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer.bytes[placement.offset..<placement.offset + placement.length])
        unsafe target.copyMemory(from: payload)
    }

    /// The slot's buffer goes to a storage thread; the slot gets another one if it is filled again.
    func takeBuffer(of slot: Int) -> ChunkBuffer? {
        defer { buffers[slot] = nil }
        return buffers[slot]
    }

    func noteStored(_ length: UInt64, kept: Bool, at now: Instant) {
        contentDone += length
        if kept { contentKept += length }
        lastProgress = now
    }

    /// Gives all buffers back; the engine is not used any more.
    func close() {
        for slot in buffers.indices {
            if let buffer = takeBuffer(of: slot) { pool.giveBack(buffer) }
        }
        if !isCommitted { storage?.abandon() }
    }

    func snapshot(at now: Instant) -> ReceiveSnapshot {
        ReceiveSnapshot(
            announce: announce, state: engine.state, elapsed: now - created, contentDone: contentDone,
            contentLength: announce.contentLength, contentKept: contentKept, loss: engine.loss, counters: engine.counters)
    }
}
