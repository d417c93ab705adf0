import Glibc
import RMCPProtocol
import Synchronization

/// Says which chunks of a session are in its `chunks` file, by digest. Like a receiver's `ChunkJournal` it is a hint and
/// not a proof: a chunk counts only once its bytes have been read back and verified.
///
/// Layout: 16 bytes of header ("RMCPCCJ1", chunk length as 32 bits, 4 reserved), then 40 bytes an entry (chunk, encoded
/// length, BLAKE3 of the encoded bytes), all big-endian. Each entry is written into a place of its own, so that one that
/// fails half-way puts no other out of step; what is left in its place is no chunk's digest.
final class CacheJournal: Sendable {
    /// What is remembered of a chunk, in as few bytes as a hint needs: there may be a million of them, and sessions.
    private struct Known: Sendable {
        /// The first 8 bytes of the BLAKE3.
        var digest: UInt64 = 0
        /// Encoded length, which the chunk takes on disk; 0 when it is not there.
        var length: UInt32 = 0
        var isTrusted = false
    }

    private struct State: ~Copyable {
        /// By chunk.
        var known: [Known] = []

        subscript(chunk: UInt32) -> Known {
            get { Int(chunk) < known.count ? known[Int(chunk)] : Known() }
            set {
                guard chunk < Limits.maximumChunks else { return }
                if Int(chunk) >= known.count { known.append(contentsOf: repeatElement(Known(), count: Int(chunk) + 1 - known.count)) }
                known[Int(chunk)] = newValue
            }
        }
    }

    private static let headerLength = 16
    static let entryLength = 40
    private static let magic: UInt64 = 0x524D_4350_4343_4A31

    private let descriptor: OwnedDescriptor
    private let path: String
    private let state: LockedValue<State>
    private let nextEntry: Atomic<Int>
    /// True when there was no journal of this chunk length.
    let isNew: Bool

    init(_ descriptor: OwnedDescriptor, chunkLength: UInt32, path: String) throws(HostError) {
        self.descriptor = descriptor
        self.path = path
        var header = ByteWriter(capacity: Self.headerLength)
        header.writeUInt64(Self.magic)
        header.writeUInt32(chunkLength)
        header.writeUInt32(0)
        var window = FileWindow(descriptor, path: path)
        var state = State()
        var entry = 0
        if let found = try window.bytes(at: 0, count: Self.headerLength), found.elementsEqual(header.bytes) {
            isNew = false
            while entry < CacheLimits.journalEntries, let bytes = try window.bytes(at: Self.offset(of: entry), count: Self.entryLength) {
                Self.take(bytes, chunkLength: chunkLength, into: &state)
                entry += 1
            }
        } else {
            isNew = true
            guard ftruncate(descriptor.raw, 0) == 0 else { throw .system("truncate", path) }
            try FileTransfer.write(descriptor.raw, header.bytes, at: 0, path: path)
        }
        self.state = LockedValue(state)
        nextEntry = Atomic(entry)
    }

    private static func offset(of entry: Int) -> Int { headerLength + entry * entryLength }

    /// Entries that are torn or out of range are skipped.
    private static func take(_ bytes: ArraySlice<UInt8>, chunkLength: UInt32, into state: inout State) {
        func integer(at offset: Int, count: Int) -> UInt64 {
            bytes.dropFirst(offset).prefix(count).reduce(0) { $0 << 8 | UInt64($1) }
        }
        let chunk = UInt32(integer(at: 0, count: 4))
        let number = UInt32(integer(at: 4, count: 4))
        guard number > 0 else { return }
        if chunk < Limits.maximumChunks, number <= chunkLength {
            state[chunk] = Known(digest: integer(at: 8, count: 8), length: number, isTrusted: true)
        }
    }

    // MARK: Chunks

    func has(chunk: UInt32, record: ChunkRecord) -> Bool {
        guard record.encodedLength > 0 else { return false }
        let known = state.withLock { $0[chunk] }
        return known.isTrusted && known.length == record.encodedLength && known.digest == record.encodedDigest.value.a
    }

    /// Encoded bytes that the chunk takes in the file, good or bad.
    func length(of chunk: UInt32) -> UInt32 { state.withLock { $0[chunk].length } }

    /// What is there of the chunk was found to be something else, or is about to be overwritten.
    func distrust(_ chunk: UInt32) { state.withLock { $0[chunk].isTrusted = false } }

    /// Nothing is there of the chunk any more.
    func forget(_ chunk: UInt32) { state.withLock { $0[chunk] = Known() } }

    /// Remembers a chunk that has been written.
    func note(chunk: UInt32, record: ChunkRecord) {
        state.withLock { $0[chunk] = Known(digest: record.encodedDigest.value.a, length: record.encodedLength, isTrusted: true) }
    }

    /// Writes down for the next process what was noted.
    func append(chunk: UInt32, record: ChunkRecord) throws(HostError) {
        try append(chunk, record.encodedLength, record.encodedDigest.value, at: nextEntry.add(1, ordering: .relaxed).oldValue)
    }

    private func append(_ first: UInt32, _ second: UInt32, _ bytes: Bytes32, at entry: Int) throws(HostError) {
        guard entry < CacheLimits.journalEntries else { return }
        var writer = ByteWriter(capacity: Self.entryLength)
        writer.writeUInt32(first)
        writer.writeUInt32(second)
        writer.writeBytes32(bytes)
        try FileTransfer.write(descriptor.raw, writer.bytes, at: UInt64(Self.offset(of: entry)), path: path)
    }
}
