import RMCPContent
import RMCPProtocol

/// A verified chunk for which the cache has no room before another session has gone.
struct WaitingStore {
    var slot: Int
    var chunk: UInt32
    var record: ChunkRecord
    var buffer: ChunkBuffer
}

/// One session at a repair node: its engine, its part of the cache, and the chunks that are in memory.
final class RepairSession {
    let announce: Announce
    var engine: RepairEngine
    let bundle: CachedBundle
    private let pool: BufferPool
    /// Of the assembly slots.
    private var slotBuffers: SlotBuffers
    /// Of the chunks that the engine counts as resident.
    private var resident: [UInt32: ChunkBuffer] = [:]
    /// Chunks to fetch as soon as a buffer is free.
    var waitingFetches: [UInt32] = []
    /// Each has an assembly slot, so there are no more than those.
    private var waitingForRoom: [WaitingStore] = []
    /// Chunks of the cache that are still being verified after a restart.
    var restoring = 0
    var isToldComplete = false
    var isOver = false
    /// When it last had a parent, or a child that was not done.
    var lastUse: Instant

    init(announce: Announce, engine: RepairEngine, bundle: CachedBundle, slots: Int, pool: BufferPool, at now: Instant) {
        lastUse = now
        self.announce = announce
        self.engine = engine
        self.bundle = bundle
        self.pool = pool
        slotBuffers = SlotBuffers(slots: slots, pool: pool)
    }

    /// Takes the datagrams from above from `offset` on that are this session's, as `ReceiveSession` does.
    func handleUpstream(_ train: DatagramTrain, from offset: Int, tag: UInt32, at now: Instant) -> Int {
        Self.handle(train, from: offset, tag: tag, &engine, &slotBuffers, at: now)
    }

    private static func handle(
        _ train: DatagramTrain, from offset: Int, tag: UInt32, _ engine: inout RepairEngine, _ buffers: inout SlotBuffers, at now: Instant
    ) -> Int {
        unsafe train.whileTagged(tag, from: offset) { bytes in
            guard
                let placement = unsafe engine.handle(
                    upstream: RawSpan(_unsafeBytes: bytes), from: train.origin.source, timeToLive: train.origin.timeToLive,
                    arrivedAt: train.origin.arrivedAt, at: now)
            else { return }
            if unsafe !buffers.place(bytes, placement) { engine.handle(.unavailable(slot: placement.slot), at: now) }
        }
    }

    func takeBuffer(of slot: Int) -> ChunkBuffer? { slotBuffers.take(slot) }

    // MARK: Chunks in memory

    func buffer(of chunk: UInt32) -> ChunkBuffer? { resident[chunk] }

    /// The buffer is the chunk's until the engine releases it.
    func keep(_ buffer: ChunkBuffer, of chunk: UInt32) {
        if let old = resident.updateValue(buffer, forKey: chunk) { pool.giveBack(old) }
    }

    func release(_ chunk: UInt32) {
        if let buffer = resident.removeValue(forKey: chunk) { pool.giveBack(buffer) }
    }

    func waitForRoom(_ store: WaitingStore) { waitingForRoom.append(store) }

    func takeWaitingForRoom() -> [WaitingStore] {
        defer { waitingForRoom = [] }
        return waitingForRoom
    }

    func takeFreeBuffer() -> ChunkBuffer? { pool.take() }
    func giveBack(_ buffer: ChunkBuffer) { pool.giveBack(buffer) }

    /// Gives all buffers back; the engine is not used any more.
    func close() {
        isOver = true
        slotBuffers.giveBackAll()
        for store in takeWaitingForRoom() { giveBack(store.buffer) }
        for chunk in Array(resident.keys) { release(chunk) }
    }

    func snapshot() -> RepairSnapshot {
        let downstream = engine.downstream
        return RepairSnapshot(
            announce: announce, chunksHeld: downstream.heldCount, chunkCount: downstream.chunkTotal, isComplete: engine.isComplete,
            depth: engine.upstream.map { $0.path.count }, children: downstream.childCount, receivers: downstream.receivers,
            rate: downstream.rate, loss: engine.upstream?.loss ?? 0, counters: downstream.counters,
            upstreamCounters: engine.upstream?.counters)
    }
}
