import RMCPContent
import RMCPProtocol

/// Brings encoded chunks from the source to the sender engine in order, as many ahead as the engine gives credit for,
/// and fetches old ones again.
///
/// ```
///   source ──next──▶ pieces ──load, encode (worker threads, any order)──▶ reorder ──SourceEvent (in order)──▶ engine
/// ```
///
/// Whatever asks a file system is a worker's, since that may take as long as it likes: looking for holes and looking at
/// the end whether the file has changed, too.
final class ChunkFeeder {
    enum Job: Sendable {
        /// Bring the content into the buffer, if it is not there yet, and encode it.
        case encode(chunk: UInt32, ContentExtent, ChunkBuffer)
        /// Bring back what was encoded before; it must be the same.
        case fetch(chunk: UInt32, ContentExtent, ChunkRecord, ChunkBuffer, level: Int)
        /// Outline what is in the buffer, which stays there meanwhile.
        case outline(chunk: UInt32, OutlineShape, ChunkBuffer)
        /// Find out what the source needs to know before it can go on.
        case lookAhead(@Sendable () -> Void)
        /// See whether the source is still what it was.
        case check
    }

    enum Output: Sendable {
        case encoded(chunk: UInt32, record: ChunkRecord, buffer: ChunkBuffer, effort: EncodeEffort)
        case fetched(chunk: UInt32, buffer: ChunkBuffer)
        case outlined(chunk: UInt32, [OutlinePart])
        case lookedAhead
        case checked
        case failed(HostError)
    }

    private enum Check {
        case due
        case underWay
        case passed
    }

    private enum Ready {
        case chunk(ChunkRecord, ChunkBuffer, EncodeEffort)
        case hole(chunks: Int)
    }

    private let source: any BundleSource
    private let map: ChunkMap
    /// Chunks that one bundle may have.
    private let chunkLimit: UInt32
    private let workers: WorkerPool<Job, Output>
    /// Next chunk to start on, next to tell the engine of, and what is done in between.
    private var nextChunk: UInt32 = 0
    private var nextDelivery: UInt32 = 0
    private var ready: [UInt32: Ready] = [:]
    private var inFlight = 0
    private var planned = false
    /// Before END vouches for the whole: it must have been one and the same source all along.
    private var check = Check.due
    private var endTold = false
    /// Encoded bytes of the chunks that the engine counts as resident.
    private(set) var resident: ResidentBuffers
    private var compression: CompressionLevels

    init(
        source: any BundleSource, announce: Announce, level: Int?, sealer: ChunkSealer? = nil, configuration: Configuration, wakeUp: WakeUp,
        chunkLimit: UInt32 = Limits.maximumChunks
    ) throws(HostError) {
        self.source = source
        self.chunkLimit = chunkLimit
        map = ChunkMap(announce)
        resident = ResidentBuffers(pool: BufferPool(bufferLength: Int(announce.chunkLength), limit: SendMemory.buffers(for: configuration)))
        let compression = CompressionLevels(fixed: level, configuration: configuration, threads: HostLimits.workerThreads)
        self.compression = compression
        let chunkLength = announce.chunkLength
        workers = try WorkerPool(name: "rmcp-encode", threads: HostLimits.workerThreads, wakeUp: wakeUp) {
            let worker = EncodeWorker(source: source, chunkLength: chunkLength, level: compression.next, sealer: sealer)
            return { worker.run($0) }
        }
        try source.start(map, pool: pool, wakeUp: wakeUp)
    }

    var pool: BufferPool { resident.pool }
    /// The zstd level of what is encoded next; 0 stores.
    var level: Int { compression.level }

    /// Nothing new is begun. Threads that are waited for must be waited for with an end in view: one may be in a disk that
    /// does not answer.
    func stop() {
        source.stop()
        pool.close()
        workers.drop()
    }

    /// Drops what the workers have finished; true when they have nothing left to do.
    func isIdle() -> Bool {
        while workers.collect() != nil {}
        return workers.outstanding == 0
    }

    /// Stops, and waits for the workers for as long as they take.
    func shutDown() {
        stop()
        workers.shutDown()
    }

    // MARK: Ahead

    /// Starts as much as the engine has credit for.
    func feed(_ engine: inout SenderEngine, at now: Instant) throws(HostError) {
        while !planned, nextChunk < chunkLimit, inFlight + ready.count < engine.encodeCredit {
            guard try startNext() else { break }
        }
        // All of the buffers are counted on by the engine.
        if let shortage = pool.shortage { throw shortage }
        // The engine gives no credit for more, so it is asked here whether there is more.
        if !planned, nextChunk == chunkLimit { try endAtLimit() }
        guard planned, !endTold, inFlight == 0, ready.isEmpty, isCheckDue(engine) else { return }
        switch check {
        case .due:
            check = .underWay
            workers.submit(.check)
        case .underWay: break
        case .passed:
            endTold = true
            engine.handle(.ended, at: now)
        }
    }

    /// Time before the end at which the check begins, beside what it takes: a turn of the loop comes round in a tenth of that or so.
    private static let checkLead = Interval.milliseconds(20)

    /// The check comes as late as costs nothing. All of a small source is encoded before anybody has come, and it may change until it is sent.
    private func isCheckDue(_ engine: borrowing SenderEngine) -> Bool {
        guard let duration = source.checkDuration else { return true }
        guard check == .due else { return true }
        guard engine.sessionPhase != .waiting else { return false }
        let left = engine.chunkCount - min(engine.positionChunk, engine.chunkCount)
        guard left > 0 else { return true }
        let bits = Double(engine.encodedLength) / Double(engine.chunkCount) * Double(left) * 8
        return .seconds(bits / engine.rate) <= Self.checkLead + duration * 2
    }

    /// False when nothing can be started now.
    private func startNext() throws(HostError) -> Bool {
        if let work = source.lookAhead() { workers.submit(.lookAhead(work)) }
        switch try source.next() {
        case .waiting: return false
        case .ended:
            planned = true
            return false
        case .hole(let chunks):
            ready[nextChunk] = .hole(chunks: chunks)
            nextChunk += UInt32(chunks)
        case .data(let extent, let buffer):
            workers.submit(.encode(chunk: nextChunk, extent, buffer))
            inFlight += 1
            nextChunk += 1
        }
        return true
    }

    /// The bundle is as long as one can be: the source has to end here.
    private func endAtLimit() throws(HostError) {
        switch try source.next() {
        case .waiting: break
        case .ended: planned = true
        case .data, .hole:
            throw HostError("\(source.path) is longer than the \(map.offset(of: chunkLimit)) bytes that one bundle holds; send it in parts, or as a file")
        }
    }

    /// Takes what the workers have finished and tells the engine, in order.
    func collect(_ engine: inout SenderEngine, at now: Instant) throws(HostError) {
        // Before what comes next is read: somebody waits for these.
        startFetches()
        while let output = workers.collect() {
            switch output {
            case .failed(let error): throw error
            case .lookedAhead: break
            case .checked: check = .passed
            case .outlined(let chunk, let parts): engine.handle(.outlined(chunk: chunk, parts), at: now)
            case .encoded(let chunk, let record, let buffer, let effort):
                inFlight -= 1
                ready[chunk] = .chunk(record, buffer, effort)
            case .fetched(let chunk, let buffer):
                if let old = resident.keep(buffer, of: chunk) { pool.giveBack(old) }
                engine.handle(.fetched(chunk: chunk), at: now)
            }
        }
        while let item = ready.removeValue(forKey: nextDelivery) {
            switch item {
            case .hole(let chunks):
                engine.handle(.hole(chunks: chunks, contentLength: map.chunkLength), at: now)
                nextDelivery += UInt32(chunks)
            case .chunk(let record, let buffer, let effort):
                compression.note(nextDelivery, record, effort: effort, engine, at: now)
                if record.kind == .zero { giveBack(buffer) } else { _ = resident.keep(buffer, of: nextDelivery) }
                engine.handle(.encoded(record), at: now)
                nextDelivery += 1
            }
        }
    }

    // MARK: Again

    func fetch(_ chunk: UInt32, record: ChunkRecord) {
        resident.want(chunk, record)
        startFetches()
    }

    /// Outlines a chunk that is resident and stays so.
    func outline(_ chunk: UInt32, _ shape: OutlineShape) {
        if let buffer = resident[chunk] { workers.submit(.outline(chunk: chunk, shape, buffer)) }
    }

    /// The engine does not ask twice: what finds no buffer is tried again whenever one may have come back.
    private func startFetches() {
        while let (chunk, record, buffer) = resident.nextWanted() {
            workers.submit(.fetch(chunk: chunk, map.extent(of: chunk, record), record, buffer, level: compression.level(of: chunk)))
        }
    }

    /// The buffer of a chunk that the engine counts as resident no more: the caller gives it back to `pool` once nothing
    /// is sent from it.
    func surrender(_ chunk: UInt32) -> ChunkBuffer? { resident.surrender(chunk) }

    private func giveBack(_ buffer: ChunkBuffer) {
        pool.giveBack(buffer)
        startFetches()
    }
}
