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

    /// A disk of ext4 that has so many bytes left, whatever is removed, and more where a file is missed.
    private final class FullFiles: FileSystem, @unchecked Sendable {
        private let left: UInt64
        private let path: String
        private let given: UInt64
        /// - Parameter given: bytes that are left as well once there is no file at `path`.
        init(left: UInt64, path: String, given: UInt64) { (self.left, self.path, self.given) = (left, path, given) }
        override func kind(of descriptor: Int32) -> Int { 0xEF53 }
        override func space(of descriptor: Int32) -> statvfs? {
            guard var space = super.space(of: descriptor) else { return nil }
            let bytes = left + (access(path, F_OK) == 0 ? 0 : given)
            (space.f_frsize, space.f_blocks, space.f_bfree, space.f_bavail) = (1, 1 << 40, fsblkcnt_t(bytes), fsblkcnt_t(bytes))
            return space
        }
    }

    /// Bytes of blocks that the old file takes.
    private func makeOld() throws -> UInt64 {
        try Data(repeating: 1, count: 4_096).write(to: URL(fileURLWithPath: scratch.path + "/image"))
        let descriptor = Foundation.open(scratch.path + "/image", O_RDONLY)
        defer { close(descriptor) }
        try #require(fsync(descriptor) == 0)
        return UInt64(Listing.status(scratch.path + "/image").st_blocks) * 512
    }

    private func open(left: UInt64, given: UInt64, replacesFirst: Bool = true, length: UInt64) throws(HostError) -> any BundleStorage {
        try PartialFile.whenNeeded(
            announce: announce(length: length), name: "image", directoryPath: scratch.path, replacesFirst: replacesFirst,
            files: FullFiles(left: left, path: scratch.path + "/image", given: given))
    }

    @Test("The old file goes first only where that makes room enough, and is named as what helps only there", arguments: [true, false])
    func theOldFileStaysWhereItDoesNotHelp(replacesFirst: Bool) throws {
        let taken = try makeOld()
        func refusal(_ length: UInt64) -> HostError? {
            do throws(HostError) {
                let storage = try open(left: 8_192, given: taken, replacesFirst: replacesFirst, length: length)
                defer { storage.close() }
                try storage.write(chunk: 0, record: record, content: Self.chunk.span.bytes)
            } catch { return error }
            return nil
        }
        let error = try #require(refusal(8_192 + taken + 1))
        #expect(error.kind == .diskFull && !error.description.contains("--replace-first") && names == ["image"], "\(error)")
        if !replacesFirst {
            let hint = "or let --replace-first remove the old one, of \(taken) bytes, before"
            #expect(refusal(8_192 + taken)?.description.hasSuffix(hint) == true && names == ["image"])
        }
        // Its content stays where it is as long as it has another name.
        try FileManager.default.linkItem(atPath: scratch.path + "/image", toPath: scratch.path + "/other")
        let other = try #require(refusal(8_192 + taken))
        #expect(other.kind == .diskFull && !other.description.contains("--replace-first") && names == ["image", "other"], "\(other)")
    }

    @Test("The old file stays where part of the bundle is here from before and the rest does not fit")
    func theOldFileStaysWhereTheRestDoesNotFit() throws {
        let taken = try makeOld()
        let earlier = try open(left: 1 << 30, given: 0, length: 4_096)
        try earlier.write(chunk: 0, record: record, content: Self.chunk.span.bytes)
        earlier.abandon()
        earlier.close()
        let length: UInt64 = 1 << 20
        let storage = try open(left: 8_192, given: taken, length: length)
        defer { storage.close() }
        #expect(!storage.seeds.isEmpty)
        let error = #expect(throws: HostError.self) { try storage.prepare(contentLength: length, allocatedLength: length) }
        #expect(error?.kind == .diskFull && names.contains("image"))
    }

    @Test("The old file makes room where that is enough; and where somebody who has it open keeps the room, it is told that it has gone")
    func theOldFileThatIsOpenElsewhere() throws {
        for isOpen in [false, true] {
            let taken = try makeOld()
            let storage = try open(left: 8_192, given: isOpen ? 0 : taken, length: 12_288)
            #expect(names == ["image"] && storage.takeNotes().isEmpty)
            if isOpen {
                let error = #expect(throws: HostError.self) { try storage.write(chunk: 0, record: record, content: Self.chunk.span.bytes) }
                #expect(error?.kind == .diskFull && names.isEmpty)
            } else {
                try storage.write(chunk: 0, record: record, content: Self.chunk.span.bytes)
                #expect(names == [".image.rmcp-journal", ".image.rmcp-partial"])
                storage.discard()
            }
            storage.close()
            let notes = storage.takeNotes()
            #expect(notes.count == 1 && notes[0].contains("the old one is removed"), "\(notes)")
        }
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
