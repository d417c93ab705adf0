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

    /// Takes the datagrams from `offset` on that are this session's, and the payloads that the engine wants; where the next
    /// one of somebody else begins.
    func handle(_ train: DatagramTrain, from offset: Int, tag: UInt32, at now: Instant) -> Int {
        Self.handle(train, from: offset, tag: tag, &engine, &buffers, at: now)
    }

    /// With both in hand once, and not for each datagram.
    private static func handle(
        _ train: DatagramTrain, from offset: Int, tag: UInt32, _ engine: inout ReceiverEngine, _ buffers: inout SlotBuffers, at now: Instant
    ) -> Int {
        unsafe train.whileTagged(tag, from: offset) { bytes in
            guard
                let placement = unsafe engine.handle(
                    datagram: RawSpan(_unsafeBytes: bytes), from: train.origin.source, timeToLive: train.origin.timeToLive,
                    arrivedAt: train.origin.arrivedAt, at: now)
            else { return }
            if unsafe !buffers.place(bytes, placement) { engine.handle(.unavailable(slot: placement.slot), at: now) }
        }
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
