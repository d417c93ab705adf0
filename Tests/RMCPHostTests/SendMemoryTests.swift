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
        #expect(configuration.memory.maximumResidentChunks == 96 && configuration.memory.encodeAhead == 24 && configuration.memory.maximumFetches == 6)
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
