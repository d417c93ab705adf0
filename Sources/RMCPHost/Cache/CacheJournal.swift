import RMCPProtocol

/// Says which chunks of a session are in its `chunks` file, by digest. Like a receiver's `ChunkJournal` it is a hint and
/// not a proof: a chunk counts only once its bytes have been read back and verified.
///
/// An entry of its `DigestLog` is a chunk, its encoded length and the BLAKE3 of its encoded bytes.
final class CacheJournal: Sendable {
    /// Memory of a chunk, in as few bytes as a hint needs: there may be a million of them, and sessions.
    private struct Known: Sendable {
        /// The first 8 bytes of the BLAKE3.
        var digest: UInt64 = 0
        /// Encoded length, which the chunk takes on disk; 0 when it is not there.
        var length: UInt32 = 0
        var isTrusted = false
    }

    private struct State: ~Copyable {
        /// Entries by chunk.
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

    /// "RMCPCCJ1".
    private static let mark: UInt64 = 0x524D_4350_4343_4A31

    private let log: DigestLog
    private let state: LockedValue<State>
    /// True when there was no journal of this chunk length.
    var isNew: Bool { log.isNew }

    init(_ descriptor: OwnedDescriptor, chunkLength: UInt32, path: String) throws(HostError) {
        var state = State()
        log = try DigestLog(descriptor, mark: Self.mark, chunkLength: chunkLength, limit: CacheLimits.journalEntries, path: path) { entry in
            guard entry.chunk < Limits.maximumChunks, (1...chunkLength).contains(entry.number) else { return }
            state[entry.chunk] = Known(digest: entry.value.a, length: entry.number, isTrusted: true)
        }
        self.state = LockedValue(state)
    }

    // MARK: Chunks

    func has(chunk: UInt32, record: ChunkRecord) -> Bool {
        guard record.encodedLength > 0 else { return false }
        let known = state.withLock { $0[chunk] }
        return known.isTrusted && known.length == record.encodedLength && known.digest == record.encodedDigest.value.a
    }

    /// Encoded bytes that the chunk takes in the file, good or bad.
    func length(of chunk: UInt32) -> UInt32 { state.withLock { $0[chunk].length } }

    /// The chunk's place was found to hold something else, or is about to be overwritten.
    func distrust(_ chunk: UInt32) { state.withLock { $0[chunk].isTrusted = false } }

    /// The chunk is not there any more.
    func forget(_ chunk: UInt32) { state.withLock { $0[chunk] = Known() } }

    /// Remembers a chunk that has been written.
    func note(chunk: UInt32, record: ChunkRecord) {
        state.withLock { $0[chunk] = Known(digest: record.encodedDigest.value.a, length: record.encodedLength, isTrusted: true) }
    }

    /// Writes down for the next process what was noted.
    func append(chunk: UInt32, record: ChunkRecord) throws(HostError) {
        try log.append(DigestLog.Entry(chunk: chunk, number: record.encodedLength, value: record.encodedDigest.value))
    }
}
