import RMCPProtocol

/// How many chunks a sender may hold. The engine counts chunks, and those of the largest bundles are eight times as long
/// as others.
enum SendMemory {
    /// Buffers of the pool that chunks are read into and encoded in.
    static func buffers(for configuration: Configuration) -> Int {
        chunks(of: configuration) + 2 * HostLimits.readAhead
    }

    private static func chunks(of configuration: Configuration) -> Int {
        configuration.maximumResidentChunks + configuration.encodeAhead + configuration.maximumFetches
    }

    /// The same with as many chunks as `HostLimits.sendBufferBytes` have room for, in the proportions that they had.
    static func bounded(_ configuration: Configuration, chunkLength: UInt32) -> Configuration {
        let wanted = chunks(of: configuration)
        // Each encoding thread has a buffer of its own.
        let room = HostLimits.sendBufferBytes / Int(chunkLength) - HostLimits.workerThreads - 2 * HostLimits.readAhead
        guard wanted > room else { return configuration }
        var result = configuration
        // Two at least: one is encoded while the other is sent.
        result.encodeAhead = max(2, configuration.encodeAhead * room / wanted)
        result.maximumFetches = max(2, configuration.maximumFetches * room / wanted)
        result.maximumResidentChunks = max(1, room - result.encodeAhead - result.maximumFetches)
        return result
    }
}
