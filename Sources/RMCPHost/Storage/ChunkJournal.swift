import CLinuxNetwork
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
/// a process that is restarted is still the same receiver to the sender.
final class ChunkJournal: Sendable {
    private struct Known: Sendable {
        var contentLength: UInt32
        var digest: Digest
    }

    private static let headerLength = 16
    private static let entryLength = 40
    private static let magic: UInt64 = 0x524D_4350_4A52_4E31

    private let descriptor: OwnedDescriptor
    private let directory: OwnedDescriptor
    private let name: String
    private let known: [UInt32: Known]
    private let identities: [SessionID: UInt32]
    private static let identityMark = UInt32.max
    private let appended = Atomic<Int>(0)

    var isEmpty: Bool { known.isEmpty && appended.load(ordering: .relaxed) == 0 }

    /// Nil when another process or session holds the journal's lock.
    static func open(stem: String, chunkLength: UInt32, in directory: OwnedDescriptor) throws(HostError) -> ChunkJournal? {
        let name = stem + ".rmcp-journal"
        let raw = unsafe openat(directory.raw, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw .system("create", name, advice: "is the directory writable?") }
        let descriptor = OwnedDescriptor(raw)
        guard flock(raw, LOCK_EX | LOCK_NB) == 0 else { return nil }
        // A session that has just committed removes its journal while others wait to open it: theirs must not be the
        // removed one.
        var opened = stat()
        var linked = stat()
        guard unsafe fstat(raw, &opened) == 0, unsafe fstatat(directory.raw, name, &linked, AT_SYMLINK_NOFOLLOW) == 0,
            opened.st_ino == linked.st_ino
        else { return nil }
        return try ChunkJournal(descriptor: descriptor, directory: directory, name: name, chunkLength: chunkLength)
    }

    private init(
        descriptor: OwnedDescriptor, directory: OwnedDescriptor, name: String, chunkLength: UInt32
    ) throws(HostError) {
        self.descriptor = descriptor
        self.directory = directory
        self.name = name
        let bytes = try Self.load(descriptor.raw, name: name)
        if let (known, identities) = Self.parse(bytes, chunkLength: chunkLength) {
            self.known = known
            self.identities = identities
            // What is appended behind a torn entry would be read out of step, and forgotten.
            let torn = (bytes.count - Self.headerLength) % Self.entryLength
            guard torn == 0 || ftruncate(descriptor.raw, off_t(bytes.count - torn)) == 0 else { throw .system("truncate", name) }
            return
        }
        known = [:]
        identities = [:]
        guard ftruncate(descriptor.raw, 0) == 0 else { throw .system("truncate", name) }
        var header: [UInt8] = []
        for shift in stride(from: 56, through: 0, by: -8) { header.append(UInt8(truncatingIfNeeded: Self.magic >> UInt64(shift))) }
        for shift in stride(from: 24, through: 0, by: -8) { header.append(UInt8(truncatingIfNeeded: chunkLength >> UInt32(shift))) }
        header.append(contentsOf: [0, 0, 0, 0])
        try Self.append(header, to: descriptor.raw, name: name)
    }

    private static func load(_ raw: Int32, name: String) throws(HostError) -> [UInt8] {
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else { throw .system("read", name) }
        let limit = headerLength + entryLength * Int(Limits.maximumChunks)
        var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), limit))
        let result: Result<Int, HostError> = unsafe bytes.withUnsafeMutableBytes { buffer in
            do throws(HostError) { return .success(unsafe try FileTransfer.read(raw, into: buffer, at: 0, path: name)) } catch {
                return .failure(error)
            }
        }
        return Array(bytes.prefix(try result.get()))
    }

    /// Nil unless the header fits; entries that are torn or out of range are skipped.
    private static func parse(_ bytes: [UInt8], chunkLength: UInt32) -> ([UInt32: Known], [SessionID: UInt32])? {
        func integer(at offset: Int, bytes count: Int) -> UInt64 {
            bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard bytes.count >= headerLength, integer(at: 0, bytes: 8) == magic, integer(at: 8, bytes: 4) == UInt64(chunkLength)
        else { return nil }
        var known: [UInt32: Known] = [:]
        var identities: [SessionID: UInt32] = [:]
        var offset = headerLength
        while offset + entryLength <= bytes.count {
            let chunk = UInt32(integer(at: offset, bytes: 4))
            let number = UInt32(integer(at: offset + 4, bytes: 4))
            if let value = Bytes32(bytes: bytes[offset + 8..<offset + entryLength]) {
                if chunk < Limits.maximumChunks {
                    known[chunk] = Known(contentLength: number, digest: Digest(value))
                } else if chunk == identityMark, number > 0 {
                    identities[SessionID(high: value.a, low: value.b)] = number
                }
            }
            offset += entryLength
        }
        return (known, identities)
    }

    /// The id under which this receiver took part in the session before.
    func identity(in session: SessionID) -> UInt32? { identities[session] }

    func note(identity: UInt32, in session: SessionID) throws(HostError) {
        try append(Self.identityMark, identity, Bytes32(session.high, session.low, 0, 0))
    }

    func has(chunk: UInt32, record: ChunkRecord) -> Bool {
        guard let entry = known[chunk] else { return false }
        return entry.digest == record.contentDigest && entry.contentLength == record.contentLength
    }

    func append(chunk: UInt32, record: ChunkRecord) throws(HostError) {
        try append(chunk, record.contentLength, record.contentDigest.value)
        appended.add(1, ordering: .relaxed)
    }

    private func append(_ first: UInt32, _ second: UInt32, _ bytes: Bytes32) throws(HostError) {
        var entry: [UInt8] = []
        entry.reserveCapacity(Self.entryLength)
        for value in [first, second] {
            for shift in stride(from: 24, through: 0, by: -8) { entry.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
        }
        entry.append(contentsOf: bytes.bytes)
        try Self.append(entry, to: descriptor.raw, name: name)
    }

    private static func append(_ bytes: [UInt8], to raw: Int32, name: String) throws(HostError) {
        let failure: HostError? = unsafe bytes.withUnsafeBytes { buffer in
            do throws(HostError) {
                unsafe try FileTransfer.writeSequentially(raw, buffer, path: name)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    func remove() { _ = unsafe unlinkat(directory.raw, name, 0) }
}
