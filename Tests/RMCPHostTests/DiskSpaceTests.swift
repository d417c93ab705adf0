import Foundation
import RMCPProtocol
import Testing

@testable import RMCPHost

/// What is left of a disk, as its file system says it: one in user space may say what it likes.
@Suite struct DiskSpaceTests {
    private let scratch = TemporaryDirectory()

    /// All that it is asked for is as much as can be.
    private final class BoundlessFiles: FileSystem, @unchecked Sendable {
        override func space(of descriptor: Int32) -> statvfs? {
            guard var space = super.space(of: descriptor) else { return nil }
            space.f_frsize = 4_096
            (space.f_blocks, space.f_bfree, space.f_bavail) = (.max, .max, .max)
            (space.f_files, space.f_ffree, space.f_favail) = (.max, .max, .max)
            return space
        }
        override func status(of descriptor: Int32) -> stat? {
            var status = super.status(of: descriptor)
            status?.st_blocks = .max
            return status
        }
    }

    @Test func numbersThatAreTooLargeAreTheLargest() {
        var space = statvfs()
        (space.f_frsize, space.f_bfree, space.f_bavail) = (4_096, .max, .max)
        #expect(space.bytesLeft == .max && space.filesLeft == nil)
        (space.f_bfree, space.f_bavail, space.f_files, space.f_ffree, space.f_favail) = (3, 2, 9, 8, 7)
        let isRoot = geteuid() == 0
        #expect(space.bytesLeft == (isRoot ? 12_288 : 8_192) && space.filesLeft == (isRoot ? 8 : 7))
        var status = stat()
        for (blocks, bytes) in [(.max, .max), (-1, 0), (8, 4_096)] as [(Int, UInt64)] {
            status.st_blocks = blocks
            #expect(status.bytesTaken == bytes)
        }
        #expect(UInt64.max.addingClamped(1) == .max && UInt64(3).addingClamped(4) == 7)
        #expect(UInt64(3).subtractingClamped(4) == 0 && UInt64(4).subtractingClamped(3) == 1)
    }

    @Test("A disk that says it has no end takes a file, whatever is kept for others", arguments: [0, 1_000, .max] as [UInt64])
    func aDiskWithoutEnd(reserve: UInt64) throws {
        let announce = Announce(
            session: SessionID(high: 1 << 32, low: 2), kind: .file, chunkLength: 4_096, payloadLength: 1_376, creationTime: 0, contentLength: 4_096,
            allocatedLength: 4_096, mode: 0o644, modificationTime: nil, name: "image", key: .none)
        let files = BoundlessFiles()
        let storage = try PartialFile.whenNeeded(
            announce: announce, name: "image", directoryPath: scratch.path, replacesFirst: false, reserve: reserve, files: files)
        defer { storage.close() }
        try storage.prepare(contentLength: 4_096, allocatedLength: 4_096)
        let directory = try files.openDirectory(scratch.path)
        let room = FileRoom(descriptor: directory, directory: directory, path: "image", kept: reserve, files: files)
        try room.checkKept(4_096)
    }

    @Test("A tree is taken there, too", arguments: [0, .max] as [UInt64]) func aTreeOnADiskWithoutEnd(reserve: UInt64) throws {
        let tree = try MemoryTree([("a", .file(MemoryTree.bytes(100)))])
        let files = BoundlessFiles()
        let directory = try files.openDirectory(scratch.path)
        let room = TreeRoom(catalog: tree.catalog, path: "tree", reserve: reserve, files: files)
        let freed = TreeRoom.Taken(entries: 5, bytes: 4_096)
        if reserve == 0 {
            try room.check(in: directory, former: nil, freed: freed, keepsAttributes: false)
        } else {
            #expect(throws: HostError.self) { try room.check(in: directory, former: nil, freed: freed, keepsAttributes: false) }
        }
    }

    @Test func evidenceIsWhatTheCheckSaw() throws {
        let directory = try FileSystem.host.openDirectory(scratch.path)
        let (place, space) = (try #require(Diagnosis.Place(of: directory.raw)), try #require(FileSystem.host.space(of: directory.raw)))
        // Others may write there meanwhile.
        let left = space.bytesLeft
        #expect(place.freeBytes.subtractingClamped(left) < 64 << 20 && left.subtractingClamped(place.freeBytes) < 64 << 20)
        #expect((place.freeFiles == nil) == (space.filesLeft == nil))
    }
}
