import CLinux
import Glibc
import RMCPContent
import RMCPProtocol
import Synchronization

/// One session's share of a cache: its signed datagrams as they came, and its chunks as they travel.
///
/// Nothing here is ever flushed (fsync): what comes back after a restart, a kill -9 or a power failure is verified by
/// whoever uses it, the datagrams by their signatures and each chunk against its signed record, and what does not stand
/// up is fetched again. Flushing each chunk would cost a disk's time for each and prove no more than that.
///
/// Chunks are written, read and verified by several cache threads at once, each chunk by one of them at a time. The
/// network thread only asks what may be here, which no disk can hold up. Between `close` and `open` a bundle may be evicted at any moment: it
/// then holds nothing and keeps nothing.
final class CachedBundle: Sendable {
    enum WriteResult: Sendable, Hashable {
        case kept
        /// Neither the capacity nor the file system has room for it, whoever is evicted: the chunk was not kept.
        case noRoom
    }

    /// Files that are open between `open` and `close`; they are closed once the last worker lets go of them.
    private final class Files: Sendable {
        let session: OwnedDescriptor
        let chunks: OwnedDescriptor
        let journal: CacheJournal
        let table: GuardedFile

        init(in session: OwnedDescriptor, chunkLength: UInt32, path: String) throws(HostError) {
            self.session = session
            table = GuardedFile(try CacheFile.table.open(in: session), path: "\(path)/\(CacheFile.table.rawValue)")
            chunks = try CacheFile.chunks.open(in: session)
            journal = try CacheJournal(
                try CacheFile.journal.open(in: session), chunkLength: chunkLength, path: "\(path)/\(CacheFile.journal.rawValue)")
            // Bytes that no journal vouches for are only in the way.
            if journal.isNew, ftruncate(chunks.raw, 0) != 0 { throw .system("truncate", "\(path)/\(CacheFile.chunks.rawValue)") }
        }
    }

    private struct State: ~Copyable {
        var announce: Announce
        var datagram: [UInt8]
        var isNew: Bool
        var files: Files?
    }

    /// Its line in the ledger.
    let line: Int
    private let ledger: CacheLedger
    private let name: String
    private let path: String
    private let map: ChunkMap
    private let state: LockedValue<State>
    private let condemned = Atomic<Bool>(false)

    init(announce: Announce, datagram: [UInt8], isNew: Bool, line: Int, ledger: CacheLedger) {
        self.line = line
        self.ledger = ledger
        name = announce.session.text
        path = "\(ledger.directory.path)/\(name)"
        map = ChunkMap(announce)
        state = LockedValue(State(announce: announce, datagram: datagram, isNew: isNew, files: nil))
    }

    /// Bundle of a session that the cache could not begin: it holds nothing and keeps nothing, and what comes is passed on.
    convenience init(unkept announce: Announce, datagram: [UInt8], ledger: CacheLedger) {
        self.init(announce: announce, datagram: datagram, isNew: true, line: CacheLedger.noLine, ledger: ledger)
    }

    var keepsNothing: Bool { line == CacheLedger.noLine }

    /// The newest that was given to `ChunkCache.open`: a sender may lower its payload length before it sends.
    var announce: Announce { state.withLock { $0.announce } }
    /// The signed datagram as it came, so that it can be verified again.
    var announceDatagram: [UInt8] { state.withLock { $0.datagram } }
    /// True when nothing was here of the session before.
    var isNew: Bool { state.withLock { $0.isNew } }
    /// Milliseconds since 1970.
    var lastUsed: UInt64 { UInt64(clamping: (ledger.line(line)?.lastUsed ?? 0) / 1_000_000) }
    /// Bytes of the capacity that it takes.
    var bytes: UInt64 { ledger.line(line)?.bytes ?? 0 }

    /// True once the disk failed to take something. What it took before may not be on it either: a file system says once
    /// that it could not write, and then reads from memory what it has not got. It serves on, since each chunk is verified
    /// when it is read, and is removed when nobody has it open any more.
    var isCondemned: Bool { condemned.load(ordering: .relaxed) }

    private func condemn(after error: HostError) {
        // A disk that is full has what it took.
        if error.kind != .diskFull { condemned.store(true, ordering: .relaxed) }
    }

    private var files: Files? { state.withLock { $0.files } }

    // MARK: Opening and closing, by the cache

    /// True when `other` is the announcement of the same thing, cut in the same way.
    func isOf(_ other: Announce) -> Bool {
        var expected = announce
        expected.payloadLength = other.payloadLength
        return expected == other
    }

    /// Opens the files, or makes them. What fails leaves the bundle closed.
    func begin(announce: Announce, datagram: [UInt8]) throws(HostError) {
        let (isOpen, isKnown, isNew) = state.withLock { ($0.files != nil, $0.announce == announce, $0.isNew) }
        if isOpen, isKnown { return touch() }
        let hasRoom = try ledger.withRoom(CacheLimits.sessionOverhead, for: line) { () throws(HostError) in
            let session = isNew && !isOpen ? try ledger.directory.make(name) : ledger.directory.open(name)
            guard let session else { throw HostError("\(path) is gone") }
            if isNew || !isKnown { try Self.write(datagram, in: session, path: path) }
            let files = isOpen ? nil : try Files(in: session, chunkLength: map.chunkLength, path: path)
            state.withLock { state in
                state.announce = announce
                state.datagram = datagram
                if let files { state.files = files }
            }
            if !isOpen { ledger.set(CacheFile.diskUse(of: session), for: line) }
        }
        guard hasRoom else { throw HostError("\(path): the file system is full; make room or name another with --cache", kind: .diskFull) }
        touch()
    }

    func end() {
        state.withLock { state in
            state.files = nil
            state.isNew = false
        }
    }

    /// Writes the time of the use down, where a restart finds it.
    func touch(unlessWithin interval: Int64 = 0) {
        guard let files, let stamp = ledger.touch(line, unlessWithin: interval) else { return }
        let time = timespec(tv_sec: Int(stamp / 1_000_000_000), tv_nsec: Int(stamp % 1_000_000_000))
        let times = [time, time]
        _ = unsafe futimens(files.session.raw, times)
    }

    // MARK: The announcement

    /// Under another name first: the announcement is what the session is found by, and is never half there.
    private static func write(_ datagram: [UInt8], in session: OwnedDescriptor, path: String) throws(HostError) {
        let file = try AtomicFile(CacheFile.announce.rawValue, as: CacheFile.newAnnounce.rawValue, in: session, label: "\(path)/announce")
        guard try GuardedFile(file.descriptor, path: path).append(datagram) else {
            throw HostError("\(path): an announcement of \(datagram.count) bytes is none")
        }
        try file.publish(isDurable: false)
    }

    /// Session that a directory says it is of; nil when it is torn, or another session's.
    static func load(_ session: OwnedDescriptor, name: String) throws(HostError) -> (announce: Announce, datagram: [UInt8])? {
        let file = GuardedFile(try CacheFile.announce.open(in: session, flags: 0), path: name)
        guard let datagram = try file.datagrams().first, case .announce(let announce, _)? = unsafe try? Packet.parse(datagram.span.bytes).1,
            announce.session.text == name
        else { return nil }
        return (announce, datagram)
    }

    // MARK: The table

    /// Keeps the datagram of a page or of END. Without room for it, it comes from upstream again after a restart.
    func keep(_ datagram: [UInt8]) {
        let length = GuardedFile.length(of: datagram)
        guard let files, ledger.reserve(length, for: line) else { return }
        var isKept = false
        // An error here is not worth more: what cannot be kept is fetched again.
        do throws(HostError) {
            _ = try ledger.withRoom(length, for: line) { () throws(HostError) in isKept = try files.table.append(datagram) }
        } catch { condemn(after: error) }
        if !isKept { ledger.release(length, of: line) }
    }

    /// The datagrams of pages and END in the order in which they were kept. They are whole, and no more is known of
    /// them: the caller checks their signatures.
    func tableDatagrams() throws(HostError) -> [[UInt8]] { try files?.table.datagrams() ?? [] }

    // MARK: Chunks

    /// True when a chunk with this record may be here; it counts only once it has been verified.
    func mayHave(chunk: UInt32, record: ChunkRecord) -> Bool { files?.journal.has(chunk: chunk, record: record) ?? false }

    /// Keeps the encoded bytes of a chunk, which the caller has verified. Zero chunks have none, and need no room.
    func write(chunk: UInt32, record: ChunkRecord, encoded: RawSpan) throws(HostError) -> WriteResult {
        if record.kind == .zero { return .kept }
        guard isInRange(chunk, record), encoded.byteCount == Int(record.encodedLength) else {
            throw HostError("\(path): chunk \(chunk) of \(encoded.byteCount) bytes does not fit its record")
        }
        do throws(HostError) {
            return try keep(chunk, record, encoded)
        } catch {
            condemn(after: error)
            throw error
        }
    }

    private func keep(_ chunk: UInt32, _ record: ChunkRecord, _ encoded: RawSpan) throws(HostError) -> WriteResult {
        guard let files else { return .noRoom }
        touch(unlessWithin: CacheLimits.useInterval)
        let present = room(for: files.journal.length(of: chunk))
        let wanted = room(for: record.encodedLength)
        let growth = (wanted > present ? wanted - present : 0) + UInt64(DigestLog.entryLength)
        guard ledger.reserve(growth, for: line) else { return .noRoom }
        files.journal.distrust(chunk)
        var isWritten = false
        defer {
            if !isWritten { discard(chunk, of: files, bytes: present + growth) }
        }
        isWritten = try ledger.withRoom(wanted, for: line) { () throws(HostError) in
            try FileTransfer.write(files.chunks.raw, encoded, at: map.offset(of: chunk), path: path)
        }
        guard isWritten else { return .noRoom }
        files.journal.note(chunk: chunk, record: record)
        // Without the entry the chunk is here until the next restart.
        _ = try ledger.withRoom(0, for: line) { () throws(HostError) in try files.journal.append(chunk: chunk, record: record) }
        return .kept
    }

    /// Gives back what a chunk took that could not be written, or half of it.
    private func discard(_ chunk: UInt32, of files: Files, bytes: UInt64) {
        files.journal.forget(chunk)
        _ = rmcp_fallocate(files.chunks.raw, RMCP_FALLOC_FL_PUNCH_HOLE | RMCP_FALLOC_FL_KEEP_SIZE, Int(map.offset(of: chunk)), Int(map.chunkLength))
        ledger.release(bytes, of: line)
    }

    /// Reads the encoded bytes of a chunk into `bytes`, which are as many; false when they are not all there. What is read
    /// is not verified.
    func read(chunk: UInt32, record: ChunkRecord, into bytes: inout MutableRawSpan) throws(HostError) -> Bool {
        let length = Int(record.encodedLength)
        guard let files, isInRange(chunk, record), bytes.byteCount == length else { return false }
        touch(unlessWithin: CacheLimits.useInterval)
        return try FileTransfer.read(files.chunks.raw, into: &bytes, at: map.offset(of: chunk), path: path) == length
    }

    /// Reads a chunk and holds it against its record. One that does not stand up, or cannot be read, is not here any
    /// more.
    func verify(chunk: UInt32, record: ChunkRecord, into bytes: inout MutableRawSpan) -> Bool {
        guard let files, isInRange(chunk, record), bytes.byteCount == Int(record.encodedLength) else { return false }
        if (try? read(chunk: chunk, record: record, into: &bytes)) == true, BLAKE3Digest.digest(of: bytes.bytes) == record.encodedDigest { return true }
        files.journal.distrust(chunk)
        return false
    }

    private func isInRange(_ chunk: UInt32, _ record: ChunkRecord) -> Bool {
        record.kind != .zero && chunk < Limits.maximumChunks && (1...map.chunkLength).contains(record.encodedLength)
    }

    /// Whole blocks: one more where a chunk may begin within a block.
    private func room(for length: UInt32) -> UInt64 {
        guard length > 0 else { return 0 }
        let block = CacheLimits.blockLength
        let blocks = (UInt64(length) + block - 1) / block + (UInt64(map.chunkLength) % block == 0 ? 0 : 1)
        return blocks * block
    }
}
