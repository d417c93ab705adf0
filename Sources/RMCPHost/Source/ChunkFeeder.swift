import DequeModule
import RMCPContent
import RMCPProtocol

/// Brings encoded chunks from the source to the sender engine in order, as many ahead as the engine gives credit for,
/// and fetches old ones again.
///
/// ```
///   source ──read, encode (worker threads, any order)──▶ reorder ──SourceEvent (in order)──▶ engine
/// ```
final class ChunkFeeder {
    enum Job: Sendable {
        /// Read and encode: `known` is set when the chunk was encoded before and must come out the same.
        case encode(chunk: UInt32, length: Int, buffer: ChunkBuffer, level: Int, known: ChunkRecord?)
        /// Encode what the reader put into the buffer.
        case encodeRead(chunk: UInt32, length: Int, buffer: ChunkBuffer, level: Int)
    }

    enum Output: Sendable {
        case encoded(chunk: UInt32, record: ChunkRecord, buffer: ChunkBuffer, effort: EncodeEffort, isFetch: Bool)
        case failed(HostError)
    }

    private enum Ready {
        case chunk(ChunkRecord, ChunkBuffer, EncodeEffort)
        case hole(chunks: Int)
    }

    private let source: any BundleSource
    private let chunkLength: UInt64
    /// Chunks that one bundle may have.
    private let chunkLimit: UInt32
    let pool: BufferPool
    private let workers: WorkerPool<Job, Output>
    private var reader: StreamReader?
    /// Next chunk to start on, next to tell the engine of, and what is done in between.
    private var nextChunk: UInt32 = 0
    private var nextDelivery: UInt32 = 0
    private var ready: [UInt32: Ready] = [:]
    private var inFlight = 0
    private var planned = false
    private var endTold = false
    /// What the engine wants again and there is no buffer for yet: at most `maximumFetches`.
    private var waitingFetches: Deque<(chunk: UInt32, record: ChunkRecord)> = []
    /// Encoded bytes of the chunks that the engine counts as resident.
    private(set) var buffers: [UInt32: ChunkBuffer] = [:]
    private var compression: CompressionLevels

    init(
        source: any BundleSource, announce: Announce, level: Int?, configuration: Configuration, wakeUp: WakeUp,
        chunkLimit: UInt32 = Limits.maximumChunks
    ) throws(HostError) {
        self.source = source
        self.chunkLimit = chunkLimit
        chunkLength = UInt64(announce.chunkLength)
        pool = BufferPool(bufferLength: Int(announce.chunkLength), limit: SendMemory.buffers(for: configuration))
        compression = CompressionLevels(fixed: level, configuration: configuration, threads: HostLimits.workerThreads)
        let chunkLength = Int(announce.chunkLength)
        workers = try WorkerPool(name: "rmcp-encode", threads: HostLimits.workerThreads, wakeUp: wakeUp) {
            let worker = EncodeWorker(source: source, chunkLength: chunkLength)
            return { worker.run($0) }
        }
        if let stream = source as? StreamSource {
            reader = try StreamReader(source: stream, pool: pool, wakeUp: wakeUp, ahead: HostLimits.readAhead)
        }
    }

    func shutDown() {
        reader?.stop()
        pool.close()
        workers.shutDown()
    }

    // MARK: Ahead

    /// Starts as much as the engine has credit for.
    func feed(_ engine: inout SenderEngine, at now: Instant) throws(HostError) {
        while !planned, nextChunk < chunkLimit, inFlight + ready.count < engine.encodeCredit {
            guard try startNext() else { break }
        }
        // The engine gives no credit for more, so it is asked here whether there is more.
        if !planned, nextChunk == chunkLimit { try endAtLimit() }
        if planned, !endTold, inFlight == 0, ready.isEmpty {
            // Before END vouches for the whole: it must have been one and the same source all along.
            try source.checkUnchanged()
            endTold = true
            engine.handle(.ended, at: now)
        }
    }

    private func startNext() throws(HostError) -> Bool {
        if let reader { return try startRead(reader) }
        guard let file = source as? FileSource, let total = file.contentLength else { return false }
        let offset = UInt64(nextChunk) * chunkLength
        guard offset < total else {
            planned = true
            return false
        }
        let hole = file.holeLength(at: offset)
        // A last, short chunk is read: its zeros are found anyway.
        let wholeChunks = min(Int(hole / chunkLength), Int((total - offset) / chunkLength))
        if wholeChunks > 0 {
            let chunks = min(wholeChunks, TablePage.maximumRecords)
            ready[nextChunk] = .hole(chunks: chunks)
            nextChunk += UInt32(chunks)
            return true
        }
        guard let buffer = pool.take() else { return false }
        let length = Int(min(chunkLength, total - offset))
        workers.submit(.encode(chunk: nextChunk, length: length, buffer: buffer, level: compression.choose(for: nextChunk), known: nil))
        inFlight += 1
        nextChunk += 1
        return true
    }

    /// The bundle is as long as one can be: the source has to end here.
    private func endAtLimit() throws(HostError) {
        guard let reader else {
            // A file's chunks were made long enough for its length.
            planned = true
            return
        }
        switch reader.next() {
        case nil: return
        case .failed(let error): throw error
        case .ended: planned = true
        case .chunk:
            throw HostError(
                "\(source.path) is longer than the \(UInt64(chunkLimit) * chunkLength) bytes that one bundle holds; send it in parts, or as a file")
        }
    }

    private func startRead(_ reader: StreamReader) throws(HostError) -> Bool {
        switch reader.next() {
        case nil: return false
        case .failed(let error): throw error
        case .ended:
            planned = true
            return false
        case .chunk(let buffer, let length):
            workers.submit(.encodeRead(chunk: nextChunk, length: length, buffer: buffer, level: compression.choose(for: nextChunk)))
            inFlight += 1
            nextChunk += 1
            return true
        }
    }

    /// Takes what the workers have finished and tells the engine, in order.
    func collect(_ engine: inout SenderEngine, at now: Instant) throws(HostError) {
        // Before what comes next is read: somebody waits for these.
        startFetches()
        while let output = workers.collect() {
            switch output {
            case .failed(let error): throw error
            case .encoded(let chunk, let record, let buffer, let effort, let isFetch):
                if isFetch {
                    buffers[chunk] = buffer
                    engine.handle(.fetched(chunk: chunk), at: now)
                } else {
                    inFlight -= 1
                    ready[chunk] = .chunk(record, buffer, effort)
                }
            }
        }
        while let item = ready.removeValue(forKey: nextDelivery) {
            switch item {
            case .hole(let chunks):
                engine.handle(.hole(chunks: chunks, contentLength: UInt32(chunkLength)), at: now)
                nextDelivery += UInt32(chunks)
            case .chunk(let record, let buffer, let effort):
                compression.note(record, effort: effort, engine, at: now)
                if record.kind == .zero { giveBack(buffer) } else { buffers[nextDelivery] = buffer }
                engine.handle(.encoded(record), at: now)
                nextDelivery += 1
            }
        }
    }

    // MARK: Again

    func fetch(_ chunk: UInt32, record: ChunkRecord) {
        waitingFetches.append((chunk, record))
        startFetches()
    }

    /// The engine does not ask twice: what finds no buffer is tried again whenever one may have come back.
    private func startFetches() {
        while let (chunk, record) = waitingFetches.first, let buffer = pool.take() {
            waitingFetches.removeFirst()
            workers.submit(
                .encode(chunk: chunk, length: Int(record.contentLength), buffer: buffer, level: compression.level(of: chunk), known: record))
        }
    }

    /// The buffer of a chunk that the engine counts as resident no more: the caller gives it back to `pool` once nothing
    /// is sent from it.
    func surrender(_ chunk: UInt32) -> ChunkBuffer? { buffers.removeValue(forKey: chunk) }

    private func giveBack(_ buffer: ChunkBuffer) {
        pool.giveBack(buffer)
        startFetches()
    }
}

/// The thread that reads standard input: it may block for as long as nothing comes.
private final class StreamReader {
    enum Item: Sendable {
        case chunk(ChunkBuffer, length: Int)
        case ended
        case failed(HostError)
    }

    private let items: BoundedQueue<Item>
    private let room: BoundedQueue<Void>

    init(source: StreamSource, pool: BufferPool, wakeUp: WakeUp, ahead: Int) throws(HostError) {
        let items = BoundedQueue<Item>(capacity: ahead + 2)
        // One token for each chunk that may be read ahead.
        let room = BoundedQueue<Void>(capacity: ahead)
        for _ in 0..<ahead { _ = room.tryPush(()) }
        self.items = items
        self.room = room
        // Not joined: it may be blocked in read until the process ends.
        _ = try HostThread(name: "rmcp-read") {
            while room.pop() != nil {
                guard let buffer = pool.takeWaiting() else {
                    // Without memory nothing can be sent; with the pool closed nobody asks any more.
                    _ = items.tryPush(.failed(HostError("no memory for what \(source.path) brings")))
                    wakeUp.signal()
                    return
                }
                let item: Item
                do throws(HostError) {
                    let length = unsafe try source.readNext(into: buffer.bytes)
                    item = length > 0 ? .chunk(buffer, length: length) : .ended
                } catch { item = .failed(error) }
                _ = items.tryPush(item)
                wakeUp.signal()
                guard case .chunk(_, let length) = item, length == pool.bufferLength else {
                    if case .chunk = item { _ = items.tryPush(.ended) }
                    wakeUp.signal()
                    return
                }
            }
        }
    }

    /// Nil while nothing has been read.
    func next() -> Item? {
        guard let item = items.tryPop() else { return nil }
        _ = room.tryPush(())
        return item
    }

    func stop() { room.close() }
}
