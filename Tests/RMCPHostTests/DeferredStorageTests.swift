import Foundation
import RMCPContent
import RMCPProtocol
import TestSupport
import Testing

@testable import RMCPHost

/// Nothing of a bundle is on the disk before there is something to store.
@Suite struct DeferredStorageTests {
    private let scratch = TemporaryDirectory()
    private static let chunk = [UInt8](repeating: 7, count: 4_096)

    private func announce(length: UInt64 = 3 * 4_096, allocated: UInt64? = nil) -> Announce {
        Announce(
            session: SessionID(high: 1 << 32, low: 2), kind: .file, chunkLength: 4_096, payloadLength: 1_000, creationTime: 1, contentLength: length,
            allocatedLength: allocated ?? length, mode: 0o644, modificationTime: nil, name: "image", key: .none)
    }

    private func open(_ announce: Announce, replacesFirst: Bool = false) throws -> any BundleStorage {
        try PartialFile.whenNeeded(announce: announce, name: "image", directoryPath: scratch.path, replacesFirst: replacesFirst, files: .host)
    }

    private var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted()) ?? [] }
    private var record: ChunkRecord {
        let digest = BLAKE3Digest().digest(of: Self.chunk)
        return ChunkRecord(kind: .stored, contentLength: 4_096, encodedLength: 4_096, encodedDigest: digest, contentDigest: digest)
    }

    @Test func nothingIsThereBeforeTheFirstChunk() throws {
        let storage = try open(announce())
        #expect(storage.identity(in: announce().session, drawn: 9) == 9 && storage.seeds.isEmpty)
        try storage.prepare(contentLength: 3 * 4_096, allocatedLength: 3 * 4_096)
        try storage.zero(chunks: 1..<2, contentLength: 4_096)
        #expect(names.isEmpty)
        try storage.write(chunk: 0, record: record, content: Self.chunk.span.bytes)
        #expect(names == [".image.rmcp-journal", ".image.rmcp-partial"])
        try storage.write(chunk: 2, record: record, content: Self.chunk.span.bytes)
        try storage.flush(contentLength: 3 * 4_096)
        try storage.publish()
        storage.close()
        #expect(names == ["image"])
        #expect(FileManager.default.contents(atPath: scratch.path + "/image") == Data(Self.chunk + [UInt8](repeating: 0, count: 4_096) + Self.chunk))
    }

    @Test func aSessionThatNothingCameOfLeavesNothing() throws {
        for ends in [{ (storage: any BundleStorage) in storage.abandon() }, { $0.discard() }] {
            let storage = try open(announce())
            try storage.prepare(contentLength: 3 * 4_096, allocatedLength: 3 * 4_096)
            ends(storage)
            storage.close()
            #expect(names.isEmpty)
            // A late answer changes nothing.
            #expect(throws: HostError.self) { try storage.write(chunk: 0, record: record, content: Self.chunk.span.bytes) }
            #expect(names.isEmpty)
        }
    }

    @Test func aBundleOfNothingIsMadeAtTheEnd() throws {
        let storage = try open(announce(length: 0))
        try storage.prepare(contentLength: 0, allocatedLength: 0)
        try storage.flush(contentLength: 0)
        try storage.publish()
        #expect(names == ["image"])
    }

    /// The file that would be replaced stays until a chunk has come, too.
    @Test func thatThereIsNoRoomIsKnownBefore() throws {
        let error = #expect(throws: HostError.self) { try open(announce(length: 1 << 50)) }
        #expect(error?.kind == .diskFull || error?.description.contains("large") == true, "\(String(describing: error))")
        #expect(names.isEmpty)
        try Data([1]).write(to: URL(fileURLWithPath: scratch.path + "/image"))
        _ = try? open(announce(length: 1 << 40), replacesFirst: true)
        #expect(names == ["image"])
        try FileManager.default.removeItem(atPath: scratch.path + "/image")
        try FileManager.default.createDirectory(atPath: scratch.path + "/image", withIntermediateDirectories: false)
        #expect(throws: HostError.self) { try open(announce()) }
    }

    /// What somebody else has left under the name by then does not show through zeros that came before.
    @Test func zerosThatCameBeforeAreZerosInWhatIsFound() throws {
        let early = try open(announce())
        try early.zero(chunks: 1..<2, contentLength: 4_096)
        let other = try open(announce())
        for chunk: UInt32 in 0..<3 { try other.write(chunk: chunk, record: record, content: Self.chunk.span.bytes) }
        other.abandon()
        other.close()
        for chunk: UInt32 in [0, 2] { try early.write(chunk: chunk, record: record, content: Self.chunk.span.bytes) }
        try early.flush(contentLength: 3 * 4_096)
        try early.publish()
        #expect(FileManager.default.contents(atPath: scratch.path + "/image") == Data(Self.chunk + [UInt8](repeating: 0, count: 4_096) + Self.chunk))
    }

    /// Part of a bundle from before is looked at when the session begins.
    @Test func whatIsHereIsFound() throws {
        let first = try open(announce())
        try first.write(chunk: 0, record: record, content: Self.chunk.span.bytes)
        first.abandon()
        // As long as it is open it is nobody else's.
        #expect(try open(announce()).seeds.isEmpty && names == [".image.rmcp-journal", ".image.rmcp-partial"])
        first.close()
        #expect(try !open(announce()).seeds.isEmpty)
    }
}
