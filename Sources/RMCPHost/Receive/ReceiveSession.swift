import RMCPContent
import RMCPProtocol
import RMCPReport

/// One session at a receiver: its engine, its storage and the buffers of its assembly slots.
final class ReceiveSession: ChunkHolder {
    /// How far a bundle is that has all its chunks.
    enum Stage {
        case receiving
        /// The file is flushed, and given its name.
        case committing
        /// The file has its name; the user's command is being started.
        case committed
        case hook(HookProcess, deadline: Instant, signalled: Instant?)
    }

    /// Part that it has of the memory for chunks.
    enum MemoryShare {
        /// Little, since no chunk of it was verified.
        case candidate
        case beside
        case most
    }

    let announce: Announce
    let generation: SessionGeneration
    var engine: ReceiverEngine
    /// Nil until the storage is open, and when the bundle cannot be stored here: the engine then only says so to the sender.
    var handle: StorageHandle?
    /// Events for the storage once it is open, in order: a chunk for each slot at most, and what the table's pages ask for.
    private var deferred: [ReceiverEvent] = []
    var stage = Stage.receiving
    private var inlet: SessionInlet
    private let created: Instant
    private(set) var contentDone: UInt64 = 0
    private(set) var contentKept: UInt64 = 0
    /// Share of what the engine counts as sent that has not left.
    private var unsent = ReceiverCounters()
    /// Time at which a chunk of it was last stored; nil while none was.
    var lastProgress: Instant?
    /// Time since which the one output is kept for it, or was for a while.
    var heldSince: Instant?
    /// Time at which the user's command was started.
    var hookBegan: Instant?
    /// A chunk of it was verified, whatever became of that: its sender meant it.
    var isProven = false
    var share = MemoryShare.candidate
    /// Why it failed, for the user.
    var failure: String?

    init(
        announce: Announce, generation: SessionGeneration, engine: ReceiverEngine, slots: Int, account: MemoryAccount, at now: Instant
    ) {
        self.announce = announce
        self.generation = generation
        self.engine = engine
        inlet = SessionInlet(slots: slots, account: account)
        created = now
        account.holder = self
    }

    var account: MemoryAccount { inlet.account }

    var path: String { handle?.storage.path ?? BundleName.printable(announce.name) }

    var isCommitted: Bool {
        switch stage {
        case .receiving, .committing: false
        case .committed, .hook: true
        }
    }

    func deferUntilOpen(_ event: ReceiverEvent) { deferred.append(event) }

    func takeDeferred() -> [ReceiverEvent] {
        defer { deferred = [] }
        return deferred
    }

    /// Whether work goes on that no datagram would show.
    var isFinishing: Bool { if case .receiving = stage { false } else { true } }

    /// A chunk that its table names was here, and not only what anybody can repeat. Zeros are no chunk.
    var isTableKnown: Bool { lastProgress != nil || contentKept > 0 }

    /// Whether more than an ANNOUNCE has come of it, which anybody can repeat years later.
    var wasHeard: Bool { contentDone > contentKept || engine.streamRate > 0 }

    /// Takes the datagrams from `offset` on that are this session's, and the payloads that the engine wants; where the next
    /// one of somebody else begins.
    func handle(_ train: DatagramTrain, from offset: Int, tag: UInt32, at now: Instant) -> Int {
        inlet.take(train, from: offset, tag: tag, for: &engine, at: now)
    }

    /// Fault for which what comes has no place in memory.
    var shortage: HostError? { inlet.shortage }

    func takeBuffer(of slot: Int) -> ChunkBuffer? { inlet.takeBuffer(of: slot) }
    func putBuffer(_ buffer: ChunkBuffer, at slot: Int) { inlet.put(buffer, at: slot) }
    func takeAlternates(of slot: Int) -> [ChunkOutline.Alternate] { inlet.takeAlternates(of: slot) }

    func noteStored(_ length: UInt64, kept: Bool) {
        isProven = true
        contentDone += length
        if kept { contentKept += length }
    }

    func noteUnsent(_ datagram: [UInt8]) {
        switch unsafe PacketHeader.kind(of: datagram.span.bytes) {
        case .status: unsent.statusesSent += 1
        case .nak: unsent.naksSent += 1
        default: break
        }
    }

    func giveUpBuffer(at now: Instant) -> Bool { inlet.giveUp(for: &engine, at: now) }

    /// Gives all buffers back; the engine is not used any more.
    func giveBackBuffers() { inlet.giveBackAll() }

    /// Counts of what has left.
    var counters: ReceiverCounters {
        var counters = engine.counters
        counters.statusesSent -= unsent.statusesSent
        counters.naksSent -= unsent.naksSent
        return counters
    }

    func snapshot(at now: Instant) -> ReceiveSnapshot {
        ReceiveSnapshot(
            announce: announce, state: engine.state, elapsed: now - created, contentDone: contentDone,
            contentLength: announce.contentLength, contentKept: contentKept, loss: engine.loss, counters: counters, tree: handle?.storage.progress)
    }
}
