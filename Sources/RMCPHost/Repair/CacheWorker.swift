import RMCPContent
import RMCPProtocol
import Synchronization

/// Owner of jobs. A session that ends and comes back has its id again and is another owner: what was done for the one
/// says nothing to the other.
final class CacheTicket: Sendable {
    /// No two owners of one process have the same.
    let generation: UInt64
    private let over = Atomic<Bool>(false)

    init(generation: UInt64) { self.generation = generation }

    /// Whether nobody waits for the results any more. Jobs that have not begun are not done then.
    var isOver: Bool { over.load(ordering: .relaxed) }
    func end() { over.store(true, ordering: .relaxed) }
}

/// Work of the cache threads. All that may wait for a disk is here, for nothing on the network thread may.
struct CacheJob: Sendable {
    enum Work: Sendable {
        /// Open the cache and find what is in it.
        case start(path: String, capacity: UInt64, kept: UInt64)
        /// Open a session's part, and only then let go of what its predecessor of the same id had open.
        case open(ChunkCache, Announce, datagram: [UInt8], replacing: CachedBundle?)
        case close(ChunkCache, CachedBundle)
        /// Write down pages and END.
        case keep(CachedBundle, [[UInt8]])
        /// Verify and write what is in the buffer.
        case store(CachedBundle, slot: Int, chunk: UInt32, record: ChunkRecord, ChunkBuffer)
        /// As `StorageJob.examine`.
        case examine(slot: Int, chunk: UInt32, OutlineCheck, ChunkBuffer)
        /// Outline a chunk in memory, which stays there meanwhile.
        case outline(chunk: UInt32, OutlineShape, ChunkBuffer)
        /// Look whether the chunk is there from before, as it should be.
        case check(CachedBundle, chunk: UInt32, record: ChunkRecord, purpose: CheckPurpose)
        /// Read the chunk back, and verify it once more: disks forget, too.
        case fetch(CachedBundle, chunk: UInt32, record: ChunkRecord, ChunkBuffer)
    }

    let ticket: CacheTicket
    let work: Work
}

enum CheckPurpose: Sendable {
    /// The receiver's half asks.
    case consult
    /// The session is being restored.
    case restore
}

/// A session of the cache, most recently used first, as it was found at the start.
struct KeptSession: Sendable {
    var announce: Announce
    /// The ANNOUNCE as it came.
    var datagram: [UInt8]
}

struct CacheOutput: Sendable {
    enum Result: Sendable {
        case started(ChunkCache, [KeptSession])
        /// `fault` is why the cache keeps nothing of it; nil where it keeps it.
        case opened(CachedBundle, table: [[UInt8]], fault: HostError?)
        /// Failure of `start` or `open`.
        case notOpened(HostError)
        case closed
        case kept
        case stored(slot: Int, chunk: UInt32, ChunkBuffer, isKept: Bool)
        case rejected(slot: Int, chunk: UInt32, ChunkBuffer)
        case examined(slot: Int, chunk: UInt32, wrong: IndexRangeSet, ChunkBuffer)
        case outlined(chunk: UInt32, [OutlinePart])
        case checked(chunk: UInt32, isKept: Bool, purpose: CheckPurpose)
        case fetched(chunk: UInt32, ChunkBuffer)
        case damaged(chunk: UInt32, ChunkBuffer)
        case failed(slot: Int, chunk: UInt32, ChunkBuffer, HostError)
        /// Not done: its owner was gone already.
        case dropped(ChunkBuffer?)
    }

    let generation: UInt64
    let result: Result

    /// Buffer that is the pool's again once nobody wants the result.
    var buffer: ChunkBuffer? {
        switch result {
        case .stored(_, _, let buffer, _), .examined(_, _, _, let buffer), .rejected(_, _, let buffer), .fetched(_, let buffer), .damaged(_, let buffer),
            .failed(_, _, let buffer, _):
            buffer
        case .dropped(let buffer): buffer
        case .started, .opened, .notOpened, .closed, .kept, .outlined, .checked: nil
        }
    }
}

/// State of one cache thread: room for one chunk.
final class CacheWorker {
    private var scratch = ChunkScratch(length: 1 << 20)

    func run(_ job: CacheJob) -> CacheOutput { CacheOutput(generation: job.ticket.generation, result: result(of: job)) }

    private func result(of job: CacheJob) -> CacheOutput.Result {
        switch job.work {
        case .start(let path, let capacity, let kept): return Self.start(path, capacity, kept)
        case .open(let cache, let announce, let datagram, let predecessor):
            return Self.open(cache, announce, datagram, replacing: predecessor, isOver: job.ticket.isOver)
        case .close(let cache, let bundle):
            cache.close(bundle)
            return .closed
        case .keep(let bundle, let datagrams):
            for datagram in datagrams { bundle.keep(datagram) }
            return .kept
        case .store(let bundle, let slot, let chunk, let record, let buffer):
            if job.ticket.isOver { return .dropped(buffer) }
            return Self.store(bundle, slot, chunk, record, buffer)
        case .examine(let slot, let chunk, let check, let buffer):
            if job.ticket.isOver { return .dropped(buffer) }
            return .examined(slot: slot, chunk: chunk, wrong: check.mend(buffer), buffer)
        case .outline(let chunk, let shape, let buffer):
            return .outlined(chunk: chunk, ChunkOutline.parts(of: buffer.span(shape.encodedLength), chunk: chunk, shape))
        case .check(let bundle, let chunk, let record, let purpose):
            if job.ticket.isOver { return .dropped(nil) }
            if scratch.length < Int(record.encodedLength) { scratch = ChunkScratch(length: Int(record.encodedLength)) }
            let scratch = scratch
            var bytes = scratch.mutableSpan(Int(record.encodedLength))
            let isKept = bundle.verify(chunk: chunk, record: record, into: &bytes)
            return .checked(chunk: chunk, isKept: isKept, purpose: purpose)
        case .fetch(let bundle, let chunk, let record, let buffer):
            if job.ticket.isOver { return .dropped(buffer) }
            var bytes = buffer.mutableSpan(Int(record.encodedLength))
            let isThere = bundle.verify(chunk: chunk, record: record, into: &bytes)
            return isThere ? .fetched(chunk: chunk, buffer) : .damaged(chunk: chunk, buffer)
        }
    }

    private static func start(_ path: String, _ capacity: UInt64, _ kept: UInt64) -> CacheOutput.Result {
        do throws(HostError) {
            let cache = try ChunkCache(path: path, capacity: capacity, kept: kept)
            return .started(cache, cache.bundles().map { KeptSession(announce: $0.announce, datagram: $0.announceDatagram) })
        } catch {
            return .notOpened(error)
        }
    }

    private static func open(
        _ cache: ChunkCache, _ announce: Announce, _ datagram: [UInt8], replacing predecessor: CachedBundle?, isOver: Bool
    ) -> CacheOutput.Result {
        // Another bundle in the name of the same session can't be opened beside it. The same one must stay open: what
        // nobody has open may be evicted.
        let isSame = predecessor?.isOf(announce) ?? false
        if let predecessor, !isSame || isOver { cache.close(predecessor) }
        if isOver { return .dropped(nil) }
        defer {
            if let predecessor, isSame { cache.close(predecessor) }
        }
        do throws(HostError) {
            let bundle = try cache.open(announce: announce, datagram: datagram)
            // What cannot be read comes from upstream again.
            return .opened(bundle, table: (try? bundle.tableDatagrams()) ?? [], fault: nil)
        } catch {
            // Children may have no other parent: what the disk does not take is passed on all the same.
            return error.kind == .usage ? .notOpened(error) : .opened(cache.unkept(announce: announce, datagram: datagram), table: [], fault: error)
        }
    }

    private static func store(_ bundle: CachedBundle, _ slot: Int, _ chunk: UInt32, _ record: ChunkRecord, _ buffer: ChunkBuffer) -> CacheOutput.Result {
        let encoded = buffer.span(Int(record.encodedLength))
        guard BLAKE3Digest.digest(of: encoded) == record.encodedDigest else { return .rejected(slot: slot, chunk: chunk, buffer) }
        do throws(HostError) {
            let isKept = try bundle.write(chunk: chunk, record: record, encoded: encoded) == .kept
            return .stored(slot: slot, chunk: chunk, buffer, isKept: isKept)
        } catch {
            return .failed(slot: slot, chunk: chunk, buffer, error)
        }
    }
}
