import Glibc
import Synchronization

/// Page-aligned memory of a pool's buffer size. Whoever holds it may use it; it is given back to its pool by hand.
@safe final class ChunkBuffer: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    /// Bytes.
    let length: Int

    fileprivate init?(length: Int) {
        let memory = unsafe mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard unsafe memory != MAP_FAILED else { return nil }
        unsafe bytes = UnsafeMutableRawBufferPointer(start: memory, count: length)
        self.length = length
    }

    deinit { _ = unsafe munmap(bytes.baseAddress, bytes.count) }
}

/// A bounded number of buffers of one length. The last one given back is the next one taken: its pages are there
/// already, and in the cache.
final class BufferPool: Sendable {
    private struct State: ~Copyable {
        var free: [ChunkBuffer] = []
        var made = 0
    }

    let bufferLength: Int
    private let limit: Int
    private let state = Mutex(State())

    init(bufferLength: Int, limit: Int) {
        self.bufferLength = bufferLength
        self.limit = limit
    }

    /// Nil when all are in use.
    func take() -> ChunkBuffer? {
        state.withLock { state in
            if let buffer = state.free.popLast() { return buffer }
            guard state.made < limit, let buffer = ChunkBuffer(length: bufferLength) else { return nil }
            state.made += 1
            return buffer
        }
    }

    func giveBack(_ buffer: ChunkBuffer) { state.withLock { $0.free.append(buffer) } }
}
