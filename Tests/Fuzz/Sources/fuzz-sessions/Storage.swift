import FuzzSupport
import RMCPContent

@testable import RMCPHost
@testable import RMCPProtocol

/// What bundles are stored in, in memory: by final name, and what sessions that ended have left for the next.
final class Disk {
    /// Of the kinds of calls that fail, one bit each: opening, room, writing, holes, flushing, naming.
    var failures: UInt8 = 0
    /// Calls that have failed so far.
    private(set) var failed = 0
    fileprivate(set) var published: [String: (session: SessionID, creationTime: UInt64, content: [UInt8])] = [:]
    fileprivate var left: [String: [UInt32: [UInt8]]] = [:]
    fileprivate(set) var openCount = 0
    /// One session at a time writes to the output. Others may be open beside it until a chunk of theirs has come.
    var hasOneOutput = false
    fileprivate weak var writer: MemoryStorage?

    fileprivate func fail(_ bit: UInt8, _ kind: HostError.Kind = .failure) throws(HostError) {
        guard failures & 1 << bit != 0 else { return }
        failed += 1
        throw HostError("the disk does not want to", kind: kind)
    }

    func open(_ announce: Announce) throws(HostError) -> MemoryStorage {
        try fail(0)
        openCount += 1
        return MemoryStorage(announce, disk: self)
    }
}

/// One session's part of it.
final class MemoryStorage: BundleStorage, @unchecked Sendable {
    let path: String
    var seeds: [any Seed] { [MemorySeed(self)] }
    fileprivate let announce: Announce
    private let disk: Disk
    private var chunks: [UInt32: [UInt8]]
    private var isOpen = true
    private var isFlushed = false
    private(set) var isPublished = false
    /// Another session has written to the one output since this one did.
    fileprivate var isReplaced = false

    fileprivate init(_ announce: Announce, disk: Disk) {
        self.announce = announce
        self.disk = disk
        path = "memory/\(announce.name)"
        // A second one beside it begins anew.
        chunks = disk.left.removeValue(forKey: announce.name) ?? [:]
    }

    private func checkOpen() { require(isOpen, "\(path) is used after it was closed") }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {
        checkOpen()
        try disk.fail(1, .diskFull)
    }

    fileprivate func has(_ chunk: UInt32) -> Bool { chunks[chunk] != nil }

    fileprivate func content(_ chunk: UInt32) -> [UInt8]? {
        checkOpen()
        return chunks[chunk]
    }

    func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError) {
        checkOpen()
        require(!isFlushed, "chunk \(chunk) is written after the bundle was flushed")
        try disk.fail(2, .diskFull)
        if disk.hasOneOutput, disk.writer !== self {
            disk.writer?.isReplaced = true
            disk.writer = self
        }
        require(!isReplaced, "two sessions write to one output in turn")
        require(content.byteCount == Int(record.contentLength), "\(record)")
        chunks[chunk] = unsafe content.withUnsafeBytes { unsafe Array($0) }
    }

    func zero(chunks range: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        checkOpen()
        try disk.fail(3)
        var left = contentLength
        for chunk in range {
            let length = min(left, UInt64(announce.chunkLength))
            chunks[chunk] = Array(repeating: 0, count: Int(length))
            left -= length
        }
    }

    func flush(contentLength: UInt64) throws(HostError) {
        checkOpen()
        try disk.fail(4)
        isFlushed = true
    }

    func publish() throws(HostError) {
        checkOpen()
        require(isFlushed && !isPublished, "\(path) is published before it is flushed, or twice")
        try disk.fail(5)
        isPublished = true
        var content: [UInt8] = []
        for chunk in 0..<UInt32(chunks.count) { content += chunks[chunk] ?? [] }
        if let known = fixtures.first(where: { $0.announce.session == announce.session && $0.announce.key == announce.key }), announce.isSigned {
            require(content == known.content, "\(path) is published with something else than was signed")
        }
        disk.published[announce.name] = (announce.session, announce.creationTime, content)
    }

    func abandon() {
        checkOpen()
        if !isPublished { disk.left[announce.name] = chunks }
    }

    func discard() { checkOpen() }

    func close() {
        checkOpen()
        isOpen = false
        disk.openCount -= 1
    }
}

/// Chunks that a session has found of the one before it.
private final class MemorySeed: Seed {
    let isInPlace = true
    private let storage: MemoryStorage
    private let map: ChunkMap

    init(_ storage: MemoryStorage) {
        self.storage = storage
        map = ChunkMap(storage.announce)
    }

    func locate(_ chunk: UInt32, _ record: ChunkRecord) -> ContentExtent? { storage.has(chunk) ? map.extent(of: chunk, record) : nil }

    func read(_ extent: ContentExtent, into bytes: inout MutableRawSpan) throws(HostError) -> Bool {
        guard let content = storage.content(UInt32(extent.offset / UInt64(map.chunkLength))), content.count == bytes.byteCount else { return false }
        unsafe bytes.withUnsafeMutableBytes { unsafe $0.copyBytes(from: content) }
        return true
    }
}

/// Runs jobs when the input says so, in any order.
final class Executor: StorageExecutor {
    private let worker = StorageWorker()
    private let disk: Disk
    private(set) var waiting: [StorageJob] = []
    private var outputs: [StorageOutput] = []
    private(set) var submitted = 0
    private(set) var collected = 0

    init(disk: Disk) { self.disk = disk }

    func submit(_ job: StorageJob) {
        submitted += 1
        waiting.append(job)
    }

    func run(_ index: Int) {
        guard !waiting.isEmpty else { return }
        let job = waiting.remove(at: index % waiting.count)
        guard case .open(let opening) = job else { return outputs.append(worker.run(job)) }
        do throws(HostError) {
            let storage = try disk.open(opening.announce)
            let handle = StorageHandle(
                generation: opening.generation, announce: opening.announce, storage: storage,
                identity: storage.identity(in: opening.announce.session, drawn: opening.drawn), turn: opening.turn)
            outputs.append(.opened(opening.generation, .success(handle)))
        } catch {
            outputs.append(.opened(opening.generation, .failure(error)))
        }
    }

    func collect() -> StorageOutput? {
        guard !outputs.isEmpty else { return nil }
        collected += 1
        return outputs.removeFirst()
    }
}
