import Glibc
import RMCPProtocol

/// Memory that buffers are cut from. Pages of 2 MiB are asked for: content passes through all of it, and 512 times as many page faults
/// are a twentieth of a sender's processor time.
@safe private final class BufferSlab {
    let bytes: UnsafeMutableRawBufferPointer
    private let mapping: UnsafeMutableRawBufferPointer

    /// Bytes of a large page, on x86-64 and on arm64 with pages of 4 KiB.
    static let largePage = 2 << 20

    init?(length: Int) {
        let isLarge = length >= Self.largePage
        let mapped = isLarge ? length + Self.largePage : length
        let memory = unsafe mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard unsafe memory != MAP_FAILED, let memory = unsafe memory else { return nil }
        unsafe mapping = UnsafeMutableRawBufferPointer(start: memory, count: mapped)
        let start = isLarge ? unsafe memory.alignedUp(toMultipleOf: Self.largePage) : unsafe memory
        unsafe bytes = UnsafeMutableRawBufferPointer(start: start, count: length)
        // Small pages serve as well, where the kernel has no large ones.
        if isLarge { _ = unsafe madvise(start, length, MADV_HUGEPAGE) }
    }

    deinit { _ = unsafe munmap(mapping.baseAddress, mapping.count) }
}

/// Page-aligned memory of a pool's buffer size. Whoever holds it may use it; it is given back to its pool by hand.
@safe final class ChunkBuffer: LentMemory, @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    /// Bytes.
    let length: Int
    private let slab: BufferSlab
    /// Account that it is lent to, where that is counted; the thread of its `ChunkMemory` alone looks.
    var borrower: MemoryAccount?

    fileprivate init(_ slab: BufferSlab, offset: Int, length: Int) {
        unsafe bytes = UnsafeMutableRawBufferPointer(rebasing: slab.bytes[offset..<offset + length])
        self.slab = slab
        self.length = length
    }

    /// The kernel has its memory back until somebody writes to it.
    fileprivate func cool() { _ = unsafe madvise(bytes.baseAddress, bytes.count, MADV_DONTNEED) }
}

/// A bounded number of buffers of one length. The last one given back is the next one taken: its pages are there
/// already, and in the cache.
final class BufferPool: @unchecked Sendable {
    let bufferLength: Int
    private let limit: Int
    private let monitor = Monitor()
    /// Buffers whose memory is there.
    private var free: [ChunkBuffer] = []
    /// Buffers whose memory comes when it is touched.
    private var cold: [ChunkBuffer] = []
    private var made = 0
    /// Budget that its buffers are counted in; nil where the pool's own limit is all that counts.
    private weak let memory: ChunkMemory?
    /// Set while the kernel has no memory for another buffer, although the limit allows one.
    private var lacksMemory = false
    private var isClosed = false

    /// - Parameter memory: what the buffers are counted in, with those of other pools; then one thread uses the pool.
    init(bufferLength: Int, limit: Int, memory: ChunkMemory? = nil) {
        self.bufferLength = bufferLength
        self.limit = limit
        self.memory = memory
    }

    /// A buffer; nil when all are in use, or whoever asks may have no more.
    /// - Parameter account: nil for a chunk that was verified before.
    func take(for account: MemoryAccount? = nil, at now: Instant = .zero) -> ChunkBuffer? {
        guard let memory else { return monitor.withLock { next() } }
        guard memory.admits(account, to: self, at: now), let buffer = monitor.withLock({ next() }) else { return nil }
        memory.noteLent(buffer, to: account, of: self)
        return buffer
    }

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
        if let buffer = free.popLast() ?? cold.popLast() { return buffer }
        guard made < limit else { return nil }
        let (slab, count) = makeSlab()
        lacksMemory = slab == nil
        guard let slab else { return nil }
        made += count
        // The first of them is the next one taken: it is beside the one before.
        for index in (1..<count).reversed() { cold.append(ChunkBuffer(slab, offset: index * stride, length: bufferLength)) }
        return ChunkBuffer(slab, offset: 0, length: bufferLength)
    }

    /// Memory for several buffers, or for one where there is not so much.
    private func makeSlab() -> (BufferSlab?, count: Int) {
        if let slab = AddressSpace.allocate(slabLength, BufferSlab.init(length:)) { return (slab, min(slabLength / stride, limit - made)) }
        return (AddressSpace.allocate(stride, BufferSlab.init(length:)), 1)
    }

    /// Fault for which fewer buffers are made than the limit allows; nil while there is memory. Whoever counts on them would wait for ever.
    var shortage: HostError? {
        monitor.withLock {
            guard lacksMemory else { return nil }
            return HostError(
                "there is memory for \(made) of \(limit) chunks of \(bufferLength) bytes",
                hint: AddressSpace.hint)
        }
    }

    /// Bytes from one buffer to the next.
    var stride: Int { (bufferLength + Self.page - 1) / Self.page * Self.page }
    /// Bytes that are asked for at a time, or as much as one buffer or all of them take. Memory comes when it is touched, a page at a time;
    /// asking waits for all threads that are being given some. Where others may need the room, as many are made as there are already.
    private var slabLength: Int { max(stride, min(Self.mostAtATime, stride * (memory == nil ? limit : min(limit, max(1, made))))) }
    private static let mostAtATime = 8 * BufferSlab.largePage
    private static let page = 4_096

    func giveBack(_ buffer: ChunkBuffer) {
        monitor.withLock {
            free.append(buffer)
            monitor.notifyOne()
        }
        memory?.noteBack(buffer, of: self)
    }

    /// Buffers that somebody holds.
    var lentCount: Int { monitor.withLock { made - free.count - cold.count } }
    /// Buffers whose memory is there, and that nobody holds.
    var warmCount: Int { monitor.withLock { free.count } }

    /// Gives the memory of what nobody holds to others.
    func cool() {
        monitor.withLock {
            for buffer in free { buffer.cool() }
            cold += free
            free = []
        }
    }

    /// Ends the waiting of all who wait.
    func close() {
        monitor.withLock {
            isClosed = true
            monitor.notifyAll()
        }
    }
}
