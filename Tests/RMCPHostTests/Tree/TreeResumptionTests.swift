import Dispatch
import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// Sessions of trees that end before their trees have a name, and those that go on from what they leave.
@Suite struct TreeResumptionTests {
    private let scratch = TemporaryDirectory()
    private var path: String { scratch.path + "/tree" }

    // MARK: Room

    @Test func onlyTheRestNeedsRoom() throws {
        let tree = try MemoryTree([("big", .file(MemoryTree.bytes(400_000)))] + (0..<20).map { ("f\($0)", .file(MemoryTree.bytes(5_000, salt: $0))) })
        try tree.leave(0..<tree.count - 1, in: scratch.path)
        let files = FullFiles()
        // Room is asked for on any file system where some is reserved.
        var options = TreeOptions()
        options.reserve = 1
        files.blocks = 0
        let error = #expect(throws: HostError.self) { _ = try tree.goOn(in: scratch.path, options: options, files: files) }
        #expect(error?.kind == .diskFull && error?.description.contains(" of which are there, and its file system has 0 left") == true)
        files.blocks = 4
        files.inodes = 2
        #expect(try tree.goOn(in: scratch.path, options: options, files: files) == Array(0..<tree.count - 1))
        #expect(FileManager.default.contents(atPath: path + "/big") == Data(MemoryTree.bytes(400_000)) && scratch.names == ["tree"])
    }

    @Test func theOldTreeStaysWhereTheRestHasRoom() throws {
        try MemoryTree([("old", .file(MemoryTree.bytes(9_000)))]).receive(in: scratch.path)
        let tree = try MemoryTree([("big", .file(MemoryTree.bytes(400_000)))], session: 2)
        try tree.leave(0..<tree.count - 1, in: scratch.path)
        let files = FullFiles()
        files.blocks = 4
        var options = TreeOptions()
        options.reserve = 1
        options.replacesFirst = true
        let storage = try tree.open(in: scratch.path, options: options, files: files)
        for index in 0..<tree.count { #expect(try tree.resume(index, in: storage) == (index < tree.count - 1)) }
        #expect(FileManager.default.fileExists(atPath: path + "/old"))
        try storage.commit(contentLength: UInt64(tree.content.count))
        storage.close()
        #expect(storage.takeNotes().isEmpty)
    }

    /// What has a name elsewhere, as in a backup, stays where it is when the old tree goes.
    @Test func filesWithNamesElsewhereFreeNothing() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        for name in ["a", "b", "c"] { _ = FileManager.default.createFile(atPath: path + "/" + name, contents: Data(MemoryTree.bytes(4_096))) }
        #expect(link(path + "/a", path + "/a2") == 0 && link(path + "/b", scratch.path + "/backup") == 0)
        let directory = try FileSystem.host.openDirectory(path)
        #expect(FileSystem.host.flushFileSystem(directory.raw) == 0)
        let taken = TreeRoom.taken(by: directory, files: .host)
        let each = UInt64(Listing.status(path + "/a").st_blocks) * 512
        #expect(taken.entries == 3 && taken.bytes == 2 * each && each >= 4_096)
    }

    // MARK: Owners

    private static let owner = CatalogOwner(user: 4_001, group: 4_002)

    /// Root gives directories and files their owners before the tree has its name.
    @Test("Trees with owners are gone on with", .enabled(if: geteuid() == 0, "owners are root's to give"), arguments: [true, false])
    func owners(keepsOwners: Bool) throws {
        let tree = try MemoryTree([
            ("a", .file(MemoryTree.bytes(5 * 4_096), owner: Self.owner)), ("again", .hardLink("a")),
            ("d", .directory([("e", .directory([], owner: Self.owner)), ("f", .file(MemoryTree.bytes(100), owner: Self.owner))], owner: Self.owner)),
        ])
        try tree.leave(0..<tree.count, in: scratch.path, isFlushed: true)
        #expect(Listing.status(scratch.path + "/.tree.rmcp-partial/tree/d/e").st_uid == 4_001)
        #expect(try tree.goOn(in: scratch.path, options: TreeOptions(keepsOwners: keepsOwners)) == Array(0..<tree.count))
        for name in ["a", "d", "d/e", "d/f"] {
            let status = Listing.status(path + "/" + name)
            #expect(status.st_uid == (keepsOwners ? 4_001 : 0) && status.st_gid == (keepsOwners ? 4_002 : getegid()), "\(name)")
        }
        #expect(Listing.status(path + "/a").st_nlink == 2 && Listing.status(path + "/again").st_ino == Listing.status(path + "/a").st_ino)
        #expect(scratch.names == ["tree"])
    }

    /// A large file that is whole and has its owner was made anew with the first of its chunks, and lost.
    @Test(.enabled(if: geteuid() == 0, "owners are root's to give")) func filesWithOwnersAreGoneOnWith() throws {
        let tree = try MemoryTree([("a", .file(MemoryTree.bytes(5 * 4_096 + 9), owner: Self.owner)), ("b", .file(MemoryTree.bytes(6_000)))])
        try tree.leave(0..<tree.count - 1, in: scratch.path)
        #expect(Listing.status(scratch.path + "/.tree.rmcp-partial/tree/a").st_uid == 4_001)
        #expect(try tree.goOn(in: scratch.path) == Array(0..<tree.count - 1))
        #expect(Listing.status(path + "/a").st_uid == 4_001 && Listing.status(path + "/b").st_uid == 0)
    }

    @Test func furtherNamesOfFilesAreGoneOnWith() throws {
        let tree = try MemoryTree([("a", .file(MemoryTree.bytes(5 * 4_096))), ("again", .hardLink("a"))])
        try tree.leave(0..<tree.count, in: scratch.path, isFlushed: true)
        #expect(try tree.goOn(in: scratch.path) == Array(0..<tree.count))
        #expect(Listing.status(path + "/a").st_nlink == 2)
    }

    @Test func whatSomebodyPutsInThePlaceOfADirectoryIsNamed() throws {
        let tree = try MemoryTree([("d", .directory([("f", .file(MemoryTree.bytes(6_000)))]))])
        try tree.leave(0..<1, in: scratch.path)
        let inner = scratch.path + "/.tree.rmcp-partial/tree/d"
        try FileManager.default.removeItem(atPath: inner)
        try FileManager.default.createSymbolicLink(atPath: inner, withDestinationPath: "/etc")
        let error = #expect(throws: HostError.self) { _ = try tree.goOn(in: scratch.path) }
        #expect(
            error?.description
                == "\(path)/d was a directory of the tree that came, and somebody has replaced it; remove the .rmcp-partial directory of that tree")
    }

    // MARK: Errors

    /// A chunk that is read back comes over the network as well: who is second is told that all is well before the first has failed.
    @Test func aFileThatWasNotWrittenIsInNoTree() throws {
        let tree = try MemoryTree([("a", .file(MemoryTree.bytes(4_096)))])
        let files = StallingFiles(code: ENOSPC)
        let storage = try tree.open(in: scratch.path, files: files)
        try tree.store(0, in: storage)
        files.arm()
        let errors = LockedValue<[HostError?]>([nil, nil])
        let first = try HostThread(name: "first") {
            do throws(HostError) { try tree.store(1, in: storage) } catch { errors.withLock { $0[0] = error } }
        }
        #expect(files.waitForWrite())
        try tree.store(1, in: storage)
        let last = try HostThread(name: "last") {
            do throws(HostError) { try storage.commit(contentLength: UInt64(tree.content.count)) } catch { errors.withLock { $0[1] = error } }
        }
        files.letGo()
        first.join()
        last.join()
        #expect(errors.withLock { $0.map { $0?.kind } } == [.diskFull, .diskFull])
        storage.abandon()
        storage.close()
        #expect(!scratch.names.contains("tree"))
        // The disk has room again.
        #expect(try tree.goOn(in: scratch.path) == [0])
        #expect(FileManager.default.contents(atPath: path + "/a") == Data(MemoryTree.bytes(4_096)))
    }

    /// A file system without locks, where files without names cannot be made for a while.
    private final class LocklessFiles: FileSystem, @unchecked Sendable {
        var takesSpool = false
        override func lock(_ descriptor: Int32, _ operation: Int32) -> Int32 {
            errno = ENOLCK
            return -1
        }
        override func open(_ name: String, in directory: Int32, _ flags: Int32, mode: mode_t = 0) -> Int32 {
            guard takesSpool || name != "." && !name.hasPrefix(".rmcp-spool") else {
                errno = ENOSPC
                return -1
            }
            return super.open(name, in: directory, flags, mode: mode)
        }
    }

    @Test func aSessionThatCannotBeginKeepsNoPlace() throws {
        let files = LocklessFiles()
        let tree = try MemoryTree([("a", .file(MemoryTree.bytes(9_000)))])
        #expect(throws: HostError.self) { try tree.receive(in: scratch.path, files: files) }
        #expect(scratch.names.isEmpty)
        files.takesSpool = true
        let storage = try tree.open(in: scratch.path, files: files)
        for index in 0..<tree.count - 1 { try tree.store(index, in: storage) }
        storage.abandon()
        #expect(scratch.names == [".tree.rmcp-journal", ".tree.rmcp-partial"])
        storage.close()
    }

    /// Order between sessions is kept by the process itself there.
    @Test func aJournalIsLetGoOfWithItsOwner() throws {
        let files = LocklessFiles()
        let directory = try FileSystem.host.openDirectory(scratch.path)
        func open() throws -> ChunkJournal? { try ChunkJournal.open(stem: ".x", chunkLength: 4_096, in: directory, files: files) }
        for _ in 0..<2 { #expect(try open() != nil) }
        let first = try #require(try open())
        #expect(try open() == nil)
        first.unlock()
        let second = try #require(try open())
        // The place is another's by now.
        first.unlock()
        #expect(try open() == nil)
        withExtendedLifetime(second) {}
    }
}
