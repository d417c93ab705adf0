import DequeModule
import RMCPProtocol

/// The encoded chunks in memory that an engine counts as resident, and those that it wants again and there is no buffer
/// for yet: at most `maximumFetches`.
struct ResidentBuffers {
    let pool: BufferPool
    private var buffers: [UInt32: ChunkBuffer] = [:]
    private var wanted: Deque<(chunk: UInt32, record: ChunkRecord)> = []

    init(pool: BufferPool) { self.pool = pool }

    subscript(chunk: UInt32) -> ChunkBuffer? { buffers[chunk] }
    var chunks: Set<UInt32> { Set(buffers.keys) }

    /// The buffer is the chunk's until the engine releases it.
    /// - Returns: the buffer that the chunk had before.
    mutating func keep(_ buffer: ChunkBuffer, of chunk: UInt32) -> ChunkBuffer? { buffers.updateValue(buffer, forKey: chunk) }

    /// The buffer of a chunk that the engine counts as resident no more: the caller gives it back to the pool once nothing
    /// is sent from it.
    mutating func surrender(_ chunk: UInt32) -> ChunkBuffer? { buffers.removeValue(forKey: chunk) }

    mutating func surrenderAll() -> [ChunkBuffer] {
        defer { buffers = [:] }
        return Array(buffers.values)
    }

    /// The engine asks once for each: what finds no buffer waits until one has come back.
    mutating func want(_ chunk: UInt32, _ record: ChunkRecord) { wanted.append((chunk, record)) }

    /// The next that is wanted, with a buffer for it.
    mutating func nextWanted() -> (chunk: UInt32, record: ChunkRecord, buffer: ChunkBuffer)? {
        guard let (chunk, record) = wanted.first, let buffer = pool.take() else { return nil }
        wanted.removeFirst()
        return (chunk, record, buffer)
    }
}
