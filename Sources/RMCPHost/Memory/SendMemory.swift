import RMCPProtocol

/// How many chunks a sender may hold. The engine counts chunks, and those of the largest bundles are eight times as long
/// as others.
enum SendMemory {
    /// Buffers of the pool that chunks are read into and encoded in.
    static func buffers(for configuration: Configuration) -> Int {
        chunks(of: configuration) + 2 * HostLimits.readAhead
    }

    /// Bytes of the 256 MiB that a process with a large catalog takes for other than catalog and chunks.
    private static let besideTree = 40 << 20
    /// Part of the room that is for chunks which are encoded ahead.
    private static let aheadDivisor = 5
    /// Part of the buffers' memory that a catalog has to leave.
    private static let leastShare = 8

    private static func chunks(of configuration: Configuration) -> Int {
        configuration.memory.maximumResidentChunks + configuration.memory.encodeAhead + configuration.memory.maximumFetches
    }

    /// Limits with as many chunks as `MemoryLimit.sendBuffers` have room for.
    /// - Parameters:
    ///   - isSealed: the cipher has memory of its own.
    ///   - source: bytes that the source keeps.
    /// - Throws: where a source leaves no room.
    static func bounded(_ configuration: Configuration, chunkLength: UInt32, isSealed: Bool = false, beside source: Int = 0) throws(HostError) -> Configuration
    {
        let bytes = MemoryLimit.sendBuffers - source - (source > 0 ? besideTree : 0)
        guard bytes >= MemoryLimit.sendBuffers / leastShare else {
            throw HostError(
                "the tree has more entries than there is memory for here: its catalog takes \(source >> 20) MiB; use: tar -c DIRECTORY | rmcp send --name NAME.tar -",
                kind: .usage)
        }
        let wanted = chunks(of: configuration)
        // Each encoding thread has a buffer of its own, and the cipher two more.
        let room = bytes / Int(chunkLength) - HostLimits.workerThreads * (isSealed ? 3 : 1) - 2 * HostLimits.readAhead
        guard wanted > room else { return configuration }
        var result = configuration
        // Two at least: one is encoded while the other is sent. A fifth of the room is one for each thread, where chunks are the longest.
        result.memory.encodeAhead = min(configuration.memory.encodeAhead, max(2, room / Self.aheadDivisor))
        result.memory.maximumFetches = max(2, configuration.memory.maximumFetches * room / wanted)
        result.memory.maximumResidentChunks = max(1, room - result.memory.encodeAhead - result.memory.maximumFetches)
        return result
    }
}
