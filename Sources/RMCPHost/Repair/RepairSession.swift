import DequeModule
import RMCPContent
import RMCPProtocol
import RMCPReport

/// A verified chunk for which the cache has no room before another session has gone.
struct WaitingStore {
    var slot: Int
    var chunk: UInt32
    var record: ChunkRecord
    var buffer: ChunkBuffer
}

/// One session at a repair node: its engine, its part of the cache, and the chunks that are in memory.
final class RepairSession: ChunkHolder {
    /// Part that it has of the memory for chunks.
    enum MemoryShare {
        /// No chunk was verified yet.
        case candidate
        /// Nobody is above, and no child lacks anything.
        case idle
        case beside
        case most
    }

    let announce: Announce
    var engine: RepairEngine
    let bundle: CachedBundle
    /// Owner of its jobs, by which their results are known.
    let ticket: CacheTicket
    private let outlet: Outlet
    private var inlet: SessionInlet
    private var resident: ResidentBuffers
    /// Each has an assembly slot, so there are no more than those.
    private var waitingForRoom: [WaitingStore] = []
    /// Chunks that may be in the cache and are yet to be read back; each chunk is asked for once, and restored once.
    private var waitingChecks: Deque<(chunk: UInt32, purpose: CheckPurpose)> = []
    private var checksUnderWay = 0
    /// Chunks of the cache that are still being verified after a restart.
    private(set) var restoring = 0
    /// Pages and END that are yet to be written down, in order, and the bytes of them.
    private var unkept: [[UInt8]] = []
    private var unkeptBytes = 0
    private var isKeeping = false
    var isToldComplete = false
    var isOver = false
    /// Since when part of what was complete here is gone, and nobody above has it; nil while all is well.
    var damagedSince: Instant?
    var use: SessionUse
    var share = MemoryShare.candidate

    init(_ arrival: RepairArrival, engine: RepairEngine, bundle: CachedBundle, slots: Int, account: MemoryAccount, outlet: Outlet, at now: Instant) {
        use = SessionUse(at: now)
        announce = arrival.announce
        ticket = arrival.ticket
        self.engine = engine
        self.bundle = bundle
        self.outlet = outlet
        inlet = SessionInlet(slots: slots, account: account)
        resident = ResidentBuffers(pool: account.pool)
        account.holder = self
    }

    var account: MemoryAccount { inlet.account }
    func giveUpBuffer(at now: Instant) -> Bool { inlet.giveUp(for: &engine, at: now) }

    /// Takes the datagrams from above from `offset` on that are this session's, as `ReceiveSession` does.
    func handleUpstream(_ train: DatagramTrain, from offset: Int, tag: UInt32, at now: Instant) -> Int {
        inlet.take(train, from: offset, tag: tag, for: &engine, at: now)
    }

    var activity: SessionActivity { use.activity(of: &engine) }

    func takeBuffer(of slot: Int) -> ChunkBuffer? { inlet.takeBuffer(of: slot) }
    func putBuffer(_ buffer: ChunkBuffer, at slot: Int) { if engine.hasUpstream { inlet.put(buffer, at: slot) } else { giveBack(buffer) } }
    /// Nobody is above any more: slots that were being filled are not filled any further.
    func endUpstream() { inlet.giveBackAll() }
    func takeAlternates(of slot: Int) -> [ChunkOutline.Alternate] { inlet.takeAlternates(of: slot) }

    // MARK: Chunks in memory

    func buffer(of chunk: UInt32) -> ChunkBuffer? { resident[chunk] }

    /// The buffer is the chunk's until the engine releases it.
    func keep(_ buffer: ChunkBuffer, of chunk: UInt32) {
        if let old = resident.keep(buffer, of: chunk) { outlet.release(old, to: resident.pool) }
    }

    func release(_ chunk: UInt32) {
        if let buffer = resident.surrender(chunk) { outlet.release(buffer, to: resident.pool) }
    }

    func waitForRoom(_ store: WaitingStore) { waitingForRoom.append(store) }

    func takeWaitingForRoom() -> [WaitingStore] {
        defer { waitingForRoom = [] }
        return waitingForRoom
    }

    /// Has a chunk read back as soon as a buffer is free. The engine waits for an answer to each of these.
    func fetch(_ chunk: UInt32, at now: Instant) {
        guard let record = engine.record(of: chunk) else { return engine.handle(.damaged(chunk: chunk), at: now) }
        resident.want(chunk, record)
    }
    func nextFetch() -> (chunk: UInt32, record: ChunkRecord, buffer: ChunkBuffer)? { resident.nextWanted() }

    func giveBack(_ buffer: ChunkBuffer) { resident.pool.giveBack(buffer) }

    // MARK: What the disk has to do

    /// Has a chunk read back when its turn comes: few at a time, so that what comes meanwhile need not wait for all.
    func check(_ chunk: UInt32, _ purpose: CheckPurpose) {
        waitingChecks.append((chunk, purpose))
        if purpose == .restore { restoring += 1 }
    }

    func nextCheck() -> (chunk: UInt32, purpose: CheckPurpose)? {
        guard checksUnderWay < HostLimits.cacheChecks, let next = waitingChecks.popFirst() else { return nil }
        checksUnderWay += 1
        return next
    }

    /// A check is done, or cannot be.
    func endCheck(_ purpose: CheckPurpose) {
        checksUnderWay -= 1
        if purpose == .restore { restoring -= 1 }
    }

    /// A page or END is to be written down. At the limit it is left out: it comes from upstream after a restart.
    func keep(_ datagram: [UInt8]) {
        guard unkeptBytes + datagram.count <= HostLimits.unkeptTableBytes else { return }
        unkept.append(datagram)
        unkeptBytes += datagram.count
    }

    /// Datagrams to write down now; nil while earlier ones are being written, or when there are none.
    func takeUnkept() -> [[UInt8]]? {
        guard !isKeeping, !unkept.isEmpty else { return nil }
        isKeeping = true
        return takeAllUnkept()
    }

    func takeAllUnkept() -> [[UInt8]] {
        defer {
            unkept = []
            unkeptBytes = 0
        }
        return unkept
    }

    func endKeeping() { isKeeping = false }

    /// Gives all buffers back; the engine is not used any more.
    func close() {
        isOver = true
        inlet.giveBackAll()
        for store in takeWaitingForRoom() { giveBack(store.buffer) }
        for buffer in resident.surrenderAll() { outlet.release(buffer, to: resident.pool) }
    }

    func snapshot() -> RepairSnapshot {
        let downstream = engine.downstream
        return RepairSnapshot(
            announce: announce, chunksHeld: downstream.heldCount, chunkCount: downstream.chunkTotal, isComplete: engine.isComplete,
            depth: engine.upstream.map { $0.path.count }, children: downstream.childCount, receivers: downstream.receivers,
            rate: downstream.rate, loss: engine.upstream?.loss ?? 0, groupRoundTrip: downstream.groupRoundTrip, counters: downstream.counters,
            upstreamCounters: engine.upstream?.counters)
    }
}
