import Foundation
import RMCPContent
import RMCPProtocol
import TestSupport
import Testing

@testable import RMCPHost

/// The feeder with fewer buffers than there are chunks.
@Suite struct ChunkFeederTests {
    private static let chunkLength = 4_096

    private let announce = Announce.sample("feeder", chunkLength: UInt32(chunkLength), contentLength: nil)

    private func engine() -> SenderEngine {
        SenderEngine(
            configuration: Configuration(), announce: announce, signer: UnsignedSigner(), digest: BLAKE3Digest(), seed: 1, at: Poller.now())
    }

    /// Bell of the feeder's threads: all that tells of what they have done.
    private let wakeUp: WakeUp
    private let poller = Poller()

    init() throws {
        wakeUp = try WakeUp()
        _ = poller.watch(wakeUp.descriptor.raw)
    }

    private func feeder(_ source: any BundleSource, buffers: Int, chunkLimit: UInt32 = Limits.maximumChunks) throws -> ChunkFeeder {
        var configuration = Configuration()
        configuration.memory.encodeAhead = 0
        configuration.memory.maximumFetches = 0
        configuration.memory.maximumResidentChunks = buffers - 2 * HostLimits.readAhead
        return try ChunkFeeder(
            source: source, announce: announce, level: 0, configuration: configuration, wakeUp: wakeUp, chunkLimit: chunkLimit)
    }

    private static func content(_ chunk: UInt32) -> [UInt8] { (0..<chunkLength).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(chunk)) } }

    private static func record(_ chunk: UInt32) -> ChunkRecord {
        let digest = content(chunk).withUnsafeBytes { BLAKE3Digest.digest(of: $0) }
        return ChunkRecord(
            kind: .stored, contentLength: UInt32(chunkLength), encodedLength: UInt32(chunkLength), encodedDigest: digest, contentDigest: digest)
    }

    /// Drives the feeder until `condition` holds, whenever its threads have something; false when that takes too long.
    private func isReached(
        _ feeder: ChunkFeeder, _ engine: inout SenderEngine, feeding: Bool = true, _ condition: (SenderEngine) -> Bool
    ) throws -> Bool {
        let deadline = Poller.now() + .seconds(20)
        while true {
            try feeder.collect(&engine, at: Poller.now())
            if feeding { try feeder.feed(&engine, at: Poller.now()) }
            if condition(engine) { return true }
            guard Poller.now() < deadline else { return false }
            poller.wait(until: deadline)
            wakeUp.clear()
        }
    }

    private func release(_ chunk: UInt32, of feeder: ChunkFeeder) {
        if let buffer = feeder.surrender(chunk) { feeder.pool.giveBack(buffer) }
    }

    private func pipe(holding bytes: [UInt8]) -> Int32 {
        var ends: [Int32] = [0, 0]
        #expect(Glibc.pipe(&ends) == 0)
        #expect(write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        return ends[0]
    }

    @Test func whatFindsNoBufferIsFetchedWhenOneIsGivenBack() throws {
        let path = NSTemporaryDirectory() + "rmcp-feeder-\(UUID().uuidString)"
        defer { unlink(path) }
        try Data((UInt32(0)..<12).flatMap(Self.content)).write(to: URL(fileURLWithPath: path))
        let feeder = try feeder(try FileSource(path: path), buffers: 9)
        defer { feeder.shutDown() }
        var engine = engine()
        for chunk in UInt32(0)..<12 { feeder.fetch(chunk, record: Self.record(chunk)) }
        var fetched: Set<UInt32> = []
        for _ in 0..<12 {
            let isHere = try isReached(feeder, &engine, feeding: false) { _ in !fetched.isSuperset(of: feeder.resident.chunks) }
            guard isHere, let next = feeder.resident.chunks.first(where: { !fetched.contains($0) }) else { break }
            fetched.insert(next)
            // Kept until there are no others: nine buffers, twelve chunks.
            if fetched.count >= 9 { release(next, of: feeder) }
        }
        #expect(fetched == Set(0..<12))
    }

    @Test func standardInputWaitsForABuffer() throws {
        let input = pipe(holding: (UInt32(0)..<12).flatMap(Self.content))
        defer { close(input) }
        let feeder = try feeder(try StreamSource(input: input), buffers: 9)
        defer { feeder.shutDown() }
        var engine = engine()
        let isFull = try isReached(feeder, &engine) { $0.chunkCount == 9 }
        #expect(isFull)
        // Time for the reader to come to the empty pool, of which nobody tells. If it has not, it finds buffers there.
        usleep(20_000)
        for chunk in UInt32(0)..<9 { release(chunk, of: feeder) }
        let isWhole = try isReached(feeder, &engine) { $0.chunkCount == 12 && $0.encodeCredit == 0 }
        #expect(isWhole, "\(engine.chunkCount) chunks")
    }

    /// A stream as long as a bundle can be ends like any other; of a longer one the user hears.
    @Test(arguments: [3, 4, 5, 12] as [UInt32]) func standardInputMayNotBeLongerThanABundle(chunks: UInt32) throws {
        let input = pipe(holding: (0..<chunks).flatMap(Self.content))
        defer { close(input) }
        let feeder = try feeder(try StreamSource(input: input), buffers: 40, chunkLimit: 4)
        defer { feeder.shutDown() }
        var engine = engine()
        do {
            let isWhole = try isReached(feeder, &engine) { $0.encodeCredit == 0 }
            #expect(isWhole && chunks <= 4 && engine.chunkCount == chunks)
        } catch let error as HostError {
            #expect(chunks > 4 && engine.chunkCount <= 4)
            #expect(error.description == "standard input is longer than the 16384 bytes that one bundle holds; send it in parts, or as a file")
        }
    }
}
