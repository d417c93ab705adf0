import RMCPContent
import RMCPProtocol

/// One session at a receiver: its engine, its storage and the buffers of its assembly slots.
final class ReceiveSession {
    let announce: Announce
    var engine: ReceiverEngine
    /// Nil when the bundle cannot be stored here: the engine only says so to the sender.
    let storage: (any BundleStorage)?
    private var buffers: SlotBuffers
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
        buffers = SlotBuffers(slots: slots, pool: pool)
        created = now
        lastProgress = now
    }

    /// Takes one datagram, and its payload if the engine wants it.
    func handle(_ bytes: UnsafeRawBufferPointer, from origin: DatagramOrigin, at now: Instant) {
        guard
            let placement = unsafe engine.handle(
                datagram: RawSpan(_unsafeBytes: bytes), from: origin.source, timeToLive: origin.timeToLive, at: now)
        else { return }
        if unsafe !buffers.place(bytes, placement) { engine.handle(.unavailable(slot: placement.slot), at: now) }
    }

    func takeBuffer(of slot: Int) -> ChunkBuffer? { buffers.take(slot) }

    func noteStored(_ length: UInt64, kept: Bool, at now: Instant) {
        contentDone += length
        if kept { contentKept += length }
        lastProgress = now
    }

    /// Gives all buffers back; the engine is not used any more.
    func close() {
        buffers.giveBackAll()
        if !isCommitted { storage?.abandon() }
    }

    func snapshot(at now: Instant) -> ReceiveSnapshot {
        ReceiveSnapshot(
            announce: announce, state: engine.state, elapsed: now - created, contentDone: contentDone,
            contentLength: announce.contentLength, contentKept: contentKept, loss: engine.loss, counters: engine.counters)
    }
}
