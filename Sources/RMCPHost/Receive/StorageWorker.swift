import Glibc
import RMCPContent
import RMCPProtocol

/// What storage threads do for a session. Each job has the session's handle, and its result the session's generation,
/// since sessions come and go meanwhile.
enum StorageJob: Sendable {
    case open(StorageOpening)
    case prepare(StorageHandle)
    /// Verify, decode and write what is in the buffer.
    case store(StorageHandle, slot: Int, chunk: UInt32, record: ChunkRecord, ChunkBuffer)
    /// Find out what is wrong with the chunk in the buffer, and mend what alternates can mend.
    case examine(StorageHandle, slot: Int, chunk: UInt32, OutlineCheck, ChunkBuffer)
    /// Look whether one of these seeds has the chunk, and see to it that it is in its place.
    case check(StorageHandle, chunk: UInt32, record: ChunkRecord, [SeedMatch])
    case zero(StorageHandle, Range<UInt32>, contentLength: UInt64)
    case commit(StorageHandle, EndOfTable, CommitGate, CompletedSessions)
    case hook(SessionGeneration, HookCommand)
    /// Leave a file that says that the bundle is complete.
    case spool(SessionGeneration, SpoolDirectory, SpoolDirectory.Event)
    /// The session is over: what it had locked is for others.
    case close(StorageHandle)

    /// Whose threads it is for.
    enum Kind: Sendable {
        /// Chunks that came over the network.
        case stream
        /// Chunks that were here before: reading them back must not hold up what comes.
        case check
        /// Flushes, which may take for as long as a disk takes to flush: chunks do not wait for these.
        case long
    }

    var kind: Kind {
        switch self {
        case .store, .examine: .stream
        case .check: .check
        case .open, .prepare, .zero, .commit, .hook, .spool, .close: .long
        }
    }
}

/// The results, one for each job.
enum StorageOutput: Sendable {
    case opened(SessionGeneration, Result<StorageHandle, HostError>)
    /// `notes` are what the user should know of it, as those of `committed`.
    case prepared(SessionGeneration, notes: [String])
    case stored(SessionGeneration, slot: Int, chunk: UInt32, contentLength: UInt32, ChunkBuffer)
    case rejected(SessionGeneration, slot: Int, chunk: UInt32, ChunkBuffer)
    case examined(SessionGeneration, slot: Int, chunk: UInt32, wrong: IndexRangeSet, ChunkBuffer)
    case checked(SessionGeneration, chunk: UInt32, contentLength: UInt32, isKept: Bool)
    case zeroed(SessionGeneration, Range<UInt32>, contentLength: UInt64)
    case committed(SessionGeneration, notes: [String])
    case hookStarted(SessionGeneration, HookProcess)
    /// - Parameter fault: why there is no file.
    case spooled(SessionGeneration, fault: HostError?)
    case failed(SessionGeneration, HostError, ChunkBuffer?)
    /// The session was over before the job began.
    case cancelled(SessionGeneration, ChunkBuffer?)
    case closed(SessionGeneration, notes: [String])

    var generation: SessionGeneration {
        switch self {
        case .opened(let generation, _), .prepared(let generation, _), .stored(let generation, _, _, _, _), .rejected(let generation, _, _, _),
            .examined(let generation, _, _, _, _), .checked(let generation, _, _, _), .zeroed(let generation, _, _), .committed(let generation, _),
            .hookStarted(let generation, _), .spooled(let generation, _),
            .failed(let generation, _, _), .cancelled(let generation, _), .closed(let generation, _):
            generation
        }
    }
}

/// State of one storage thread: a decoder and room for one chunk of content.
final class StorageWorker {
    private var decoder: ChunkDecoder?
    private var scratch = ChunkScratch(length: 4_096)

    func run(_ job: StorageJob) -> StorageOutput {
        switch job {
        case .open(let opening):
            do throws(HostError) { return .opened(opening.generation, .success(try opening.open())) } catch {
                return .opened(opening.generation, .failure(error))
            }
        case .prepare(let handle):
            return attempt(handle) { () throws(HostError) in
                try handle.storage.prepare(contentLength: handle.announce.contentLength, allocatedLength: handle.announce.allocatedLength)
                return .prepared(handle.generation, notes: handle.storage.takeNotes())
            }
        case .store(let handle, let slot, let chunk, let record, let buffer):
            return store(handle, slot: slot, chunk: chunk, record: record, buffer: buffer)
        case .examine(let handle, let slot, let chunk, let check, let buffer):
            guard !handle.isCancelled else { return .cancelled(handle.generation, buffer) }
            return .examined(handle.generation, slot: slot, chunk: chunk, wrong: check.mend(buffer), buffer)
        case .check(let handle, let chunk, let record, let matches):
            return attempt(handle) { () throws(HostError) in
                // The chunk has come over the network meanwhile.
                if handle.has(chunk) { return .checked(handle.generation, chunk: chunk, contentLength: record.contentLength, isKept: false) }
                let isKept = try recover(chunk, record, from: matches, for: handle)
                if isKept { handle.note(chunk..<chunk + 1) }
                return .checked(handle.generation, chunk: chunk, contentLength: record.contentLength, isKept: isKept)
            }
        case .zero(let handle, let chunks, let contentLength):
            return attempt(handle) { () throws(HostError) in
                try handle.storage.zero(chunks: chunks, contentLength: contentLength)
                handle.note(chunks)
                return .zeroed(handle.generation, chunks, contentLength: contentLength)
            }
        case .commit(let handle, let end, let gate, let completed):
            return attempt(handle) { () throws(HostError) in try commit(handle, end, gate, completed) }
        case .hook(let generation, let command):
            do throws(HostError) { return .hookStarted(generation, try HookProcess(command)) } catch { return .failed(generation, error, nil) }
        case .spool(let generation, let directory, let event):
            do throws(HostError) { try directory.leave(event) } catch { return .spooled(generation, fault: error) }
            return .spooled(generation, fault: nil)
        case .close(let handle):
            if handle.isDiscarded { handle.storage.discard() } else { handle.storage.abandon() }
            handle.storage.close()
            return .closed(handle.generation, notes: handle.storage.takeNotes())
        }
    }

    private func attempt(_ handle: StorageHandle, _ body: () throws(HostError) -> StorageOutput) -> StorageOutput {
        guard !handle.isCancelled else { return .cancelled(handle.generation, nil) }
        do throws(HostError) { return try body() } catch {
            return error.kind == .cancelled ? .cancelled(handle.generation, nil) : .failed(handle.generation, error, nil)
        }
    }

    private func store(_ handle: StorageHandle, slot: Int, chunk: UInt32, record: ChunkRecord, buffer: ChunkBuffer) -> StorageOutput {
        guard !handle.isCancelled else { return .cancelled(handle.generation, buffer) }
        let isStored: Bool
        let signed = record
        let record = handle.readable(record, of: chunk)
        do throws(ContentError) {
            isStored = try decode(buffer, chunk, signed, handle)
        } catch {
            return .rejected(handle.generation, slot: slot, chunk: chunk, buffer)
        }
        do throws(HostError) {
            let length = Int(record.contentLength)
            if isStored {
                try handle.storage.write(chunk: chunk, record: record, content: buffer.span(length))
            } else {
                let scratch = scratch
                try handle.storage.write(chunk: chunk, record: record, content: scratch.span(length))
            }
        } catch {
            return .failed(handle.generation, error, buffer)
        }
        handle.note(chunk..<chunk + 1)
        return .stored(handle.generation, slot: slot, chunk: chunk, contentLength: record.contentLength, buffer)
    }

    /// Verifies the encoded bytes, opens them where they are sealed, and decodes them into `scratch`; true when they are the
    /// content as they are.
    private func decode(_ buffer: ChunkBuffer, _ chunk: UInt32, _ record: ChunkRecord, _ handle: StorageHandle) throws(ContentError) -> Bool {
        if decoder == nil { decoder = try ChunkDecoder() }
        guard let decoder else { throw .compression("no decoder") }
        let encoded = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes.prefix(Int(record.encodedLength)))
        unsafe try decoder.verify(UnsafeRawBufferPointer(encoded), against: record)
        // What is in the clear in a sealed session, or sealed in another, nobody can have meant.
        guard record.isSealed == (handle.sealer != nil) else { throw .sealMismatch }
        unsafe try handle.sealer?.open(encoded, of: chunk, record)
        guard record.kind == .compressed else { return true }
        reserve(Int(record.contentLength))
        unsafe try decoder.decode(
            UnsafeRawBufferPointer(encoded), record: handle.readable(record, of: chunk), digester: handle.digester, into: scratch.bytes)
        return false
    }

    private func reserve(_ length: Int) {
        if scratch.length < length { scratch = ChunkScratch(length: length) }
    }

    /// Puts a chunk in its place from the first seed that has it. What cannot be read back is as good as not there: it is fetched again.
    /// - Returns: whether it is in its place.
    private func recover(
        _ chunk: UInt32, _ record: ChunkRecord, from matches: [SeedMatch], for handle: StorageHandle
    ) throws(HostError) -> Bool {
        let length = Int(record.contentLength)
        reserve(length)
        let scratch = scratch
        for match in matches {
            var bytes = scratch.mutableSpan(length)
            guard (try? match.seed.read(match.extent, into: &bytes)) == true, handle.digester.matches(scratch.span(length), record) else { continue }
            if !match.seed.isInPlace { try handle.storage.write(chunk: chunk, record: record, content: scratch.span(length)) }
            return true
        }
        return false
    }

    private func commit(
        _ handle: StorageHandle, _ end: EndOfTable, _ gate: CommitGate, _ completed: CompletedSessions
    ) throws(HostError) -> StorageOutput {
        // The engine has counted chunks; this asks the file that gets the name.
        guard handle.isWhole(end.chunkCount) else {
            handle.storage.discard()
            throw HostError("\(handle.storage.path): not every chunk was written to the file that was to get this name; it is removed")
        }
        try handle.storage.flush(contentLength: end.contentLength)
        var notes: [String] = []
        do throws(HostError) {
            let warning = try gate.publish(
                handle.announce, at: handle.storage.path, since: handle.turn, isCancelled: { handle.isCancelled },
                { () throws(HostError) in try handle.storage.publish() })
            notes = handle.storage.takeNotes() + (warning.map { [$0] } ?? [])
        } catch {
            if error.kind == .outdated { handle.storage.discard() }
            throw error
        }
        do { try completed.note(handle.announce) } catch {
            // A command that restarts the machine would do so for ever: that is told beside all else.
            notes.append("\(error); the bundle may be taken again after a restart")
        }
        return .committed(handle.generation, notes: notes)
    }
}

/// The threads that storage jobs run on. As many as there are cores store chunks. As many again read back what was here before. Some more
/// wait for flushes, for opening, and for other things of a disk's making.
final class StorageThreads {
    private let chunks: WorkerPool<StorageJob, StorageOutput>
    private let checks: WorkerPool<StorageJob, StorageOutput>
    private let long: WorkerPool<StorageJob, StorageOutput>

    init(wakeUp: WakeUp) throws(HostError) {
        chunks = try WorkerPool(name: "rmcp-store", threads: HostLimits.workerThreads, wakeUp: wakeUp) {
            let worker = StorageWorker()
            return { worker.run($0) }
        }
        checks = try WorkerPool(name: "rmcp-check", threads: HostLimits.workerThreads, wakeUp: wakeUp) {
            let worker = StorageWorker()
            return { worker.run($0) }
        }
        long = try WorkerPool(name: "rmcp-file", threads: HostLimits.sessions * 2, wakeUp: wakeUp) {
            let worker = StorageWorker()
            return { worker.run($0) }
        }
    }

    func submit(_ job: StorageJob) {
        switch job.kind {
        case .stream: chunks.submit(job)
        case .check: checks.submit(job)
        case .long: long.submit(job)
        }
    }

    func collect() -> StorageOutput? { chunks.collect() ?? checks.collect() ?? long.collect() }

    /// Lets the threads go that are done. Those that hang in a call go with the process.
    func stop() {
        chunks.stop()
        checks.stop()
        long.stop()
    }
}
