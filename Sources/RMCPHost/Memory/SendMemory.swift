import RMCPProtocol

/// How many chunks a sender may hold. The engine counts chunks, and those of the largest bundles are eight times as long
/// as others.
enum SendMemory {
    /// Buffers of the pool that chunks are read into and encoded in.
    static func buffers(for configuration: Configuration) -> Int {
        chunks(of: configuration) + 2 * HostLimits.readAhead
    }

    private static func chunks(of configuration: Configuration) -> Int {
        configuration.memory.maximumResidentChunks + configuration.memory.encodeAhead + configuration.memory.maximumFetches
    }

    /// Limits with as many chunks as `MemoryLimit.sendBuffers` have room for, in the proportions that they had.
    /// - Parameter isSealed: the cipher has memory of its own.
    static func bounded(_ configuration: Configuration, chunkLength: UInt32, isSealed: Bool = false) -> Configuration {
        let wanted = chunks(of: configuration)
        // Each encoding thread has a buffer of its own, and the cipher two more.
        let room = MemoryLimit.sendBuffers / Int(chunkLength) - HostLimits.workerThreads * (isSealed ? 3 : 1) - 2 * HostLimits.readAhead
        guard wanted > room else { return configuration }
        var result = configuration
        // Two at least: one is encoded while the other is sent.
        result.memory.encodeAhead = max(2, configuration.memory.encodeAhead * room / wanted)
        result.memory.maximumFetches = max(2, configuration.memory.maximumFetches * room / wanted)
        result.memory.maximumResidentChunks = max(1, room - result.memory.encodeAhead - result.memory.maximumFetches)
        return result
    }
}
