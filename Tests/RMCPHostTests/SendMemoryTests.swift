import Glibc
import RMCPProtocol
import Testing

@testable import RMCPHost

@Suite struct SendMemoryTests {
    @Test(arguments: [1, 2, 4, 8] as [UInt32]) func aSenderKeepsToItsMemoryWhateverTheChunkLength(mebibytes: UInt32) throws {
        let configuration = try SendMemory.bounded(Configuration(), chunkLength: mebibytes << 20)
        let buffers = SendMemory.buffers(for: configuration) + HostLimits.workerThreads
        #expect(buffers * Int(mebibytes) <= 256, "\(buffers) buffers")
        // Most of it is used, and what is encoded ahead, fetched and sent has room beside each other.
        #expect(mebibytes == 1 || buffers * Int(mebibytes) > 200)
        #expect(configuration.memory.encodeAhead >= 2 && configuration.memory.maximumFetches >= 2)
        #expect(configuration.memory.maximumResidentChunks > configuration.memory.encodeAhead + configuration.memory.maximumFetches)
    }

    @Test func ordinaryChunksAreHeldAsConfigured() throws {
        let configuration = try SendMemory.bounded(Configuration(), chunkLength: 1 << 20)
        #expect(configuration.memory.maximumResidentChunks == 96 && configuration.memory.encodeAhead == 16 && configuration.memory.maximumFetches == 6)
    }

    /// The largest catalog that there can be leaves room for chunks, and both keep to the limit.
    @Test func aCatalogTakesItsPartOfTheMemory() throws {
        let catalog = 152 << 20
        let configuration = try SendMemory.bounded(Configuration(), chunkLength: 1 << 20, beside: catalog)
        let buffers = (SendMemory.buffers(for: configuration) + HostLimits.workerThreads) << 20
        #expect(buffers + catalog <= MemoryLimit.sendBuffers && buffers > 40 << 20, "\(buffers)")
        #expect(configuration.memory.encodeAhead >= 2 && configuration.memory.maximumFetches >= 2)
    }

    @Test func aCatalogThatLeavesNothingIsRefused() {
        #expect(throws: HostError.self) { try SendMemory.bounded(Configuration(), chunkLength: 1 << 20, beside: MemoryLimit.sendBuffers - (40 << 20)) }
    }
}

@Suite struct BufferPoolTests {
    /// Buffers share large pages, and nothing else: as many as the limit says, each with memory of its own.
    @Test(arguments: [(4_096, 3), (1_000, 5), (1 << 20, 5), (3 << 20, 2), (8 << 20, 2)]) func buffersAreApart(length: Int, limit: Int) {
        let pool = BufferPool(bufferLength: length, limit: limit)
        var buffers: [ChunkBuffer] = []
        while let buffer = pool.take() { buffers.append(buffer) }
        #expect(buffers.count == limit && pool.lentCount == limit)
        for (index, buffer) in buffers.enumerated() {
            #expect(buffer.length == length && buffer.bytes.count == length && UInt(bitPattern: buffer.bytes.baseAddress) % 4_096 == 0)
            memset(buffer.bytes.baseAddress!, Int32(index + 1), length)
        }
        for (index, buffer) in buffers.enumerated() { #expect(buffer.bytes.allSatisfy { $0 == UInt8(index + 1) }) }
        for buffer in buffers { pool.giveBack(buffer) }
        #expect(pool.lentCount == 0 && pool.take() === buffers.last)
    }

    /// No process has so much address space.
    private static let tooMuch = 1 << 46

    @Test func aShortageIsKnown() {
        let short = BufferPool(bufferLength: Self.tooMuch, limit: 4)
        #expect(short.shortage == nil)
        #expect(short.take() == nil && short.shortage?.hint.contains("ulimit -v") == true && short.lentCount == 0)
        // One that has lent all that it may is as it should be.
        let whole = BufferPool(bufferLength: 4_096, limit: 1)
        #expect(whole.take() != nil && whole.take() == nil && whole.shortage == nil)
    }

    /// A buffer outlives its pool, and the buffers that it shares a page with.
    @Test func aBufferKeepsItsMemory() {
        var pool: BufferPool? = BufferPool(bufferLength: 1 << 20, limit: 4)
        let kept = pool?.take()
        pool = nil
        kept?.bytes.storeBytes(of: 7, toByteOffset: (1 << 20) - 1, as: UInt8.self)
        #expect(kept?.bytes.last == 7)
    }
}
