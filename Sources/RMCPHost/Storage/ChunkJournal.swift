import Glibc
import RMCPProtocol
import Synchronization

/// Says which chunks of a partial file were written, by digest. It is a hint and not a proof: a chunk counts only once
/// its bytes have been read back and verified, so that neither a torn entry nor lost pages after a power failure can
/// make a wrong file. Hence no fsync here.
///
/// An entry of its `DigestLog` is a chunk, its length and the BLAKE3 of its content. An entry with all bits of the chunk
/// set is no chunk: it holds the ephemeral id that this receiver drew for a session, and the session's id, so that a
/// process that is restarted is still the same receiver to the sender. A later entry of a chunk replaces an earlier one;
/// once there are many of these the journal is written anew.
final class ChunkJournal: Sendable {
    private struct Known: Sendable {
        var contentLength: UInt32
        var digest: Digest
    }

    /// Content of a journal.
    private struct Contents {
        var known: [UInt32: Known] = [:]
        /// Identities that this host had, in the order in which they were noted.
        var identities: [(session: SessionID, identity: UInt32)] = []

        mutating func take(_ entry: DigestLog.Entry) {
            if entry.chunk < Limits.maximumChunks {
                known[entry.chunk] = Known(contentLength: entry.number, digest: Digest(entry.value))
            } else if entry.chunk == identityMark, entry.number > 0 {
                identities.append((SessionID(high: entry.value.a, low: entry.value.b), entry.number))
            }
        }

        /// The same with one entry a chunk.
        var entries: [DigestLog.Entry] {
            known.sorted { $0.key < $1.key }.map { ChunkJournal.entry($0.key, $0.value.contentLength, $0.value.digest) }
                + identities.suffix(identityLimit).map { ChunkJournal.entry($0.identity, of: $0.session) }
        }
    }

    /// "RMCPJRN1".
    private static let mark: UInt64 = 0x524D_4350_4A52_4E31
    private static let identityMark = UInt32.max
    /// Entries that are kept: each chunk twice. No more are left for long, since a journal of many old ones is written anew.
    private static let entryLimit = 2 * Int(Limits.maximumChunks)
    /// Sessions whose ids are kept when the journal is written anew.
    private static let identityLimit = 64

    private let files: FileSystem
    /// Holds the lock.
    private let descriptor: OwnedDescriptor
    private let log: DigestLog
    private let directory: OwnedDescriptor
    private let name: LockedValue<String>
    private let known: [UInt32: Known]
    private let identities: [SessionID: UInt32]
    private let appended = Atomic<Int>(0)
    private let isUnlocked = Atomic<Bool>(false)
    /// Set where the file system has no locks.
    private let lockless: FileIdentity?

    /// Whether other processes are kept out.
    var isLocked: Bool { lockless == nil }

    var isEmpty: Bool { known.isEmpty && appended.load(ordering: .relaxed) == 0 }

    /// Nil when another process or session holds the journal's lock.
    /// - Parameter path: of the directory, for messages.
    static func open(
        stem: String, chunkLength: UInt32, in directory: OwnedDescriptor, path: String = ".", files: FileSystem = .host
    ) throws(HostError) -> ChunkJournal? {
        let name = stem + suffix
        let descriptor = try StagingFile.open(name, in: directory, label: PartialFile.join(path, name), files: files)
        let isLocked = files.lock(descriptor.raw, LOCK_EX | LOCK_NB) == 0
        guard isLocked || FileSystem.isUnsupported(lock: errno) else { return nil }
        // A session that has just committed removes its journal while others wait to open it: theirs must not be the
        // removed one.
        guard let opened = files.status(of: descriptor.raw), let linked = files.status(of: name, in: directory.raw), opened.isSameFile(as: linked)
        else { return nil }
        guard isLocked || unlocked.withLock({ $0.insert(FileIdentity(opened)).inserted }) else { return nil }
        do throws(HostError) {
            return try ChunkJournal(
                descriptor: descriptor, directory: directory, name: name, chunkLength: chunkLength, lockless: isLocked ? nil : FileIdentity(opened),
                files: files)
        } catch {
            if !isLocked { unlocked.withLock { _ = $0.remove(FileIdentity(opened)) } }
            // One that could not be begun says nothing.
            if opened.st_size == 0 { _ = files.remove(name, in: directory.raw) }
            throw error
        }
    }

    /// Journals that this process has open where the file system has no locks: between its own sessions it keeps order
    /// itself.
    private static let unlocked = LockedValue<Set<FileIdentity>>([])

    static let suffix = ".rmcp-journal"

    private init(
        descriptor: OwnedDescriptor, directory: OwnedDescriptor, name: String, chunkLength: UInt32, lockless: FileIdentity?, files: FileSystem
    ) throws(HostError) {
        self.files = files
        self.lockless = lockless
        self.directory = directory
        self.name = LockedValue(name)
        var contents = Contents()
        let log = try DigestLog(descriptor, mark: Self.mark, chunkLength: chunkLength, limit: Self.entryLimit, path: name, files: files) {
            contents.take($0)
        }
        known = contents.known
        identities = Dictionary(contents.identities.map { ($0.session, $0.identity) }) { $1 }
        let isLong = log.count > 2 * contents.known.count + Self.identityLimit
        if isLong, let shorter = try? Self.rewrite(contents, chunkLength: chunkLength, in: directory, name: name, files: files) {
            (self.descriptor, self.log) = shorter
        } else {
            (self.descriptor, self.log) = (descriptor, log)
        }
    }

    private static func entry(_ chunk: UInt32, _ contentLength: UInt32, _ digest: Digest) -> DigestLog.Entry {
        DigestLog.Entry(chunk: chunk, number: contentLength, value: digest.value)
    }

    private static func entry(_ identity: UInt32, of session: SessionID) -> DigestLog.Entry {
        DigestLog.Entry(chunk: identityMark, number: identity, value: Bytes32(session.high, session.low, 0, 0))
    }

    /// The same with one entry a chunk, under the journal's name and locked before anybody can find it there.
    private static func rewrite(
        _ contents: Contents, chunkLength: UInt32, in directory: OwnedDescriptor, name: String, files: FileSystem
    ) throws(HostError) -> (OwnedDescriptor, DigestLog) {
        let file = try AtomicFile(name, as: name + "-new", in: directory, label: name, files: files)
        guard files.lock(file.descriptor.raw, LOCK_EX | LOCK_NB) == 0 || FileSystem.isUnsupported(lock: errno) else { throw .system("lock", name) }
        let bytes = DigestLog.bytes(mark: mark, chunkLength: chunkLength, contents.entries)
        try FileTransfer.writeSequentially(file.descriptor.raw, bytes, path: name, files: files)
        let log = try DigestLog(file.descriptor, mark: mark, chunkLength: chunkLength, limit: entryLimit, path: name, files: files) { _ in }
        try file.publish(isDurable: false)
        return (file.descriptor, log)
    }

    /// The id under which this receiver took part in the session before.
    func identity(in session: SessionID) -> UInt32? { identities[session] }

    func note(identity: UInt32, in session: SessionID) throws(HostError) {
        try log.append(Self.entry(identity, of: session))
    }

    func has(chunk: UInt32, record: ChunkRecord) -> Bool {
        guard let entry = known[chunk] else { return false }
        return entry.digest == record.contentDigest && entry.contentLength == record.contentLength
    }

    func append(chunk: UInt32, record: ChunkRecord) throws(HostError) {
        try log.append(Self.entry(chunk, record.contentLength, record.contentDigest))
        appended.add(1, ordering: .relaxed)
    }

    func remove() { _ = files.remove(name.withLock { $0 }, in: directory.raw) }

    /// Gives the journal another name, and keeps its lock.
    func rename(to stem: String) -> Bool {
        name.withLock { name in
            guard files.rename(name, to: stem + Self.suffix, in: directory.raw) == 0 else { return false }
            name = stem + Self.suffix
            return true
        }
    }

    deinit { unlock() }

    /// A child that was just spawned may have the descriptor for a moment longer: the lock is let go of by hand. Once only: by the second time
    /// the place may be another session's.
    func unlock() {
        guard !isUnlocked.exchange(true, ordering: .relaxed) else { return }
        if let lockless { Self.unlocked.withLock { _ = $0.remove(lockless) } }
        _ = files.lock(descriptor.raw, LOCK_UN)
    }
}
