import Glibc

/// Page-aligned memory of a pool's buffer size. Whoever holds it may use it; it is given back to its pool by hand.
@safe final class ChunkBuffer: LentMemory, @unchecked Sendable {
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
final class BufferPool: @unchecked Sendable {
    let bufferLength: Int
    private let limit: Int
    private let monitor = Monitor()
    private var free: [ChunkBuffer] = []
    private var made = 0
    private var isClosed = false

    init(bufferLength: Int, limit: Int) {
        self.bufferLength = bufferLength
        self.limit = limit
    }

    /// Nil when all are in use.
    func take() -> ChunkBuffer? { monitor.withLock { next() } }

    /// Waits until there is one; nil once the pool is closed, or where there is no memory for the first.
    func takeWaiting() -> ChunkBuffer? {
        monitor.withLock {
            while !isClosed {
                if let buffer = next() { return buffer }
                guard made > 0 else { return nil }
                monitor.wait()
            }
            return nil
        }
    }

    private func next() -> ChunkBuffer? {
        if let buffer = free.popLast() { return buffer }
        guard made < limit, let buffer = ChunkBuffer(length: bufferLength) else { return nil }
        made += 1
        return buffer
    }

    func giveBack(_ buffer: ChunkBuffer) {
        monitor.withLock {
            free.append(buffer)
            monitor.notifyOne()
        }
    }

    /// Buffers that somebody holds.
    var lentCount: Int { monitor.withLock { made - free.count } }

    /// Ends the waiting of all who wait.
    func close() {
        monitor.withLock {
            isClosed = true
            monitor.notifyAll()
        }
    }
}
