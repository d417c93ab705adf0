import Glibc
import RMCPProtocol
import Synchronization

/// Says which chunks of a partial file were written, by digest. It is a hint and not a proof: a chunk counts only once
/// its bytes have been read back and verified, so that neither a torn entry nor lost pages after a power failure can
/// make a wrong file. Hence no fsync here.
///
/// Layout: 16 bytes of header ("RMCPJRN1", chunk length as 32 bits, 4 reserved), then 40 bytes an entry (chunk, content
/// length, BLAKE3 of the content), all big-endian. Entries are appended, each in one write. An entry with all bits of the
/// chunk set is no chunk: it holds the ephemeral id that this receiver drew for a session, and the session's id, so that
/// a process that is restarted is still the same receiver to the sender. A later entry of a chunk replaces an earlier
/// one; once there are many of these the journal is written anew.
final class ChunkJournal: Sendable {
    private struct Known: Sendable {
        var contentLength: UInt32
        var digest: Digest
    }

    /// What a journal's bytes say.
    private struct Contents {
        var known: [UInt32: Known] = [:]
        /// In the order in which they were noted.
        var identities: [(session: SessionID, identity: UInt32)] = []
        var entries = 0
    }

    private static let headerLength = 16
    private static let entryLength = 40
    private static let magic: UInt64 = 0x524D_4350_4A52_4E31
    private static let identityMark = UInt32.max
    /// Entries that are read: each chunk twice. No more are ever left, since a journal of more is written anew.
    private static let entryLimit = 2 * Int(Limits.maximumChunks)
    /// Sessions whose ids are kept when the journal is written anew.
    private static let identityLimit = 64

    private let files: FileSystem
    private let descriptor: OwnedDescriptor
    private let directory: OwnedDescriptor
    private let name: LockedValue<String>
    private let known: [UInt32: Known]
    private let identities: [SessionID: UInt32]
    private let appended = Atomic<Int>(0)

    var isEmpty: Bool { known.isEmpty && appended.load(ordering: .relaxed) == 0 }

    /// Nil when another process or session holds the journal's lock.
    static func open(
        stem: String, chunkLength: UInt32, in directory: OwnedDescriptor, files: FileSystem = .host
    ) throws(HostError) -> ChunkJournal? {
        let name = stem + suffix
        let descriptor = try StagingFile.open(name, in: directory, flags: O_APPEND, label: name, files: files)
        guard files.lock(descriptor.raw, LOCK_EX | LOCK_NB) == 0 else { return nil }
        // A session that has just committed removes its journal while others wait to open it: theirs must not be the
        // removed one.
        guard let opened = files.status(of: descriptor.raw), let linked = files.status(of: name, in: directory.raw), opened.isSameFile(as: linked)
        else { return nil }
        return try ChunkJournal(descriptor: descriptor, directory: directory, name: name, chunkLength: chunkLength, files: files)
    }

    static let suffix = ".rmcp-journal"

    private init(
        descriptor: OwnedDescriptor, directory: OwnedDescriptor, name: String, chunkLength: UInt32, files: FileSystem
    ) throws(HostError) {
        self.files = files
        self.directory = directory
        self.name = LockedValue(name)
        let bytes = try FileTransfer.contents(
            descriptor.raw, limit: Self.headerLength + Self.entryLength * Self.entryLimit, path: name, files: files)
        if let contents = Self.parse(bytes, chunkLength: chunkLength) {
            known = contents.known
            identities = Dictionary(contents.identities.map { ($0.session, $0.identity) }) { $1 }
            let isLong = contents.entries > 2 * contents.known.count + Self.identityLimit
            if isLong, let shorter = try? Self.rewrite(contents, chunkLength: chunkLength, in: directory, name: name, files: files) {
                self.descriptor = shorter
                return
            }
            self.descriptor = descriptor
            // What is appended behind a torn entry would be read out of step, and forgotten.
            let torn = (bytes.count - Self.headerLength) % Self.entryLength
            guard torn == 0 || files.truncate(descriptor.raw, to: bytes.count - torn) == 0 else { throw .system("truncate", name) }
            return
        }
        self.descriptor = descriptor
        known = [:]
        identities = [:]
        guard files.truncate(descriptor.raw, to: 0) == 0 else { throw .system("truncate", name) }
        try FileTransfer.writeSequentially(descriptor.raw, Self.header(chunkLength: chunkLength), path: name, files: files)
    }

    private static func header(chunkLength: UInt32) -> [UInt8] { bigEndian(magic) + bigEndian(chunkLength) + [0, 0, 0, 0] }

    private static func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        unsafe withUnsafeBytes(of: number.bigEndian) { unsafe Array($0) }
    }

    private static func entry(_ first: UInt32, _ second: UInt32, _ bytes: Bytes32) -> [UInt8] { bigEndian(first) + bigEndian(second) + bytes.bytes }

    /// The same with one entry a chunk, under the journal's name and locked before anybody can find it there.
    private static func rewrite(
        _ contents: Contents, chunkLength: UInt32, in directory: OwnedDescriptor, name: String, files: FileSystem
    ) throws(HostError) -> OwnedDescriptor {
        let temporary = name + "-new"
        _ = files.remove(temporary, in: directory.raw)
        let descriptor = try StagingFile.open(temporary, in: directory, flags: O_APPEND, label: temporary, files: files)
        var bytes = header(chunkLength: chunkLength)
        for (chunk, known) in contents.known.sorted(by: { $0.key < $1.key }) { bytes += entry(chunk, known.contentLength, known.digest.value) }
        for item in contents.identities.suffix(identityLimit) {
            bytes += entry(identityMark, item.identity, Bytes32(item.session.high, item.session.low, 0, 0))
        }
        guard files.lock(descriptor.raw, LOCK_EX | LOCK_NB) == 0 else { throw .system("lock", temporary) }
        try FileTransfer.writeSequentially(descriptor.raw, bytes, path: temporary, files: files)
        guard files.rename(temporary, to: name, in: directory.raw) == 0 else { throw .system("rename", temporary) }
        return descriptor
    }

    /// Nil unless the header fits; entries that are torn or out of range are skipped.
    private static func parse(_ bytes: [UInt8], chunkLength: UInt32) -> Contents? {
        func integer(at offset: Int, bytes count: Int) -> UInt64 {
            bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard bytes.count >= headerLength, integer(at: 0, bytes: 8) == magic, integer(at: 8, bytes: 4) == UInt64(chunkLength)
        else { return nil }
        var contents = Contents()
        var offset = headerLength
        while offset + entryLength <= bytes.count {
            let chunk = UInt32(integer(at: offset, bytes: 4))
            let number = UInt32(integer(at: offset + 4, bytes: 4))
            if let value = Bytes32(bytes: bytes[offset + 8..<offset + entryLength]) {
                if chunk < Limits.maximumChunks {
                    contents.known[chunk] = Known(contentLength: number, digest: Digest(value))
                } else if chunk == identityMark, number > 0 {
                    contents.identities.append((SessionID(high: value.a, low: value.b), number))
                }
            }
            contents.entries += 1
            offset += entryLength
        }
        return contents
    }

    /// The id under which this receiver took part in the session before.
    func identity(in session: SessionID) -> UInt32? { identities[session] }

    func note(identity: UInt32, in session: SessionID) throws(HostError) {
        try append(Self.entry(Self.identityMark, identity, Bytes32(session.high, session.low, 0, 0)))
    }

    func has(chunk: UInt32, record: ChunkRecord) -> Bool {
        guard let entry = known[chunk] else { return false }
        return entry.digest == record.contentDigest && entry.contentLength == record.contentLength
    }

    func append(chunk: UInt32, record: ChunkRecord) throws(HostError) {
        try append(Self.entry(chunk, record.contentLength, record.contentDigest.value))
        appended.add(1, ordering: .relaxed)
    }

    private func append(_ entry: [UInt8]) throws(HostError) {
        try FileTransfer.writeSequentially(descriptor.raw, entry, path: name.withLock { $0 }, files: files)
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

    /// A child that was just spawned may have the descriptor for a moment longer: the lock is let go of by hand.
    func unlock() { _ = files.lock(descriptor.raw, LOCK_UN) }
}
