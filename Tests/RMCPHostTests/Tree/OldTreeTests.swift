import Dispatch
import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// Files of the old tree that have the content of new ones, and what may become of them meanwhile.
@Suite struct OldTreeTests {
    private let scratch = TemporaryDirectory()
    private var path: String { scratch.path + "/tree" }

    private func content(_ name: String) -> [UInt8] { [UInt8](FileManager.default.contents(atPath: path + "/" + name) ?? Data()) }

    /// Whether new files share the blocks of old ones here, so that none is linked to.
    private func isShared() throws -> Bool {
        let directory = try FileSystem.host.openDirectory(scratch.path)
        let raws = ["x", "y"].map { (name: String) in unsafe openat(directory.raw, name, O_RDWR | O_CREAT, 0o600) }
        defer { for raw in raws { close(raw) } }
        defer { for name in ["x", "y"] { unsafe unlinkat(directory.raw, name, 0) } }
        return FileSystem.host.clone(raws[0], to: raws[1]) == 0
    }

    /// Two files of the new tree that have the same content are two, whatever they were in the old one.
    @Test("Two names of one old file", arguments: 0..<6) func namesOfOneFile(seed: Int) throws {
        let (big, odd, small) = (MemoryTree.bytes(3 * 4_096 + 9), MemoryTree.bytes(4_000, salt: 1), MemoryTree.bytes(100, salt: 2))
        try MemoryTree([
            ("a", .file(big)), ("b", .hardLink("a")), ("c", .file(odd)), ("d", .hardLink("c")), ("e", .file(small)), ("f", .hardLink("e")),
        ]).receive(in: scratch.path)
        let tree = try MemoryTree(
            [("a", .file(big)), ("b", .file(big)), ("c", .file(odd)), ("d", .file(odd)), ("e", .file(small)), ("f", .file(small))], session: 2)
        var random = RandomSource(seed: UInt64(seed))
        let order: [UInt32] = seed == 0 ? Array(0..<tree.count) : seed == 1 ? (0..<tree.count).reversed() : (0..<tree.count).shuffled(using: &random)
        if seed > 3 { try tree.leave(order.prefix(order.count - 1), in: scratch.path) }
        try tree.receive(in: scratch.path, order: order)
        let numbers = Set(["a", "b", "c", "d", "e", "f"].map { Listing.status(path + "/" + $0).st_ino })
        #expect(numbers.count == 6)
        #expect(content("a") == big && content("b") == big && content("c") == odd && content("d") == odd && content("e") == small && content("f") == small)
        #expect(Listing.status(path + "/a").st_nlink == 1 && scratch.names == ["tree"])
    }

    /// The old tree and a session of a file that is equal, up to its last chunk.
    private func begin(_ content: [UInt8]) throws -> (tree: MemoryTree, storage: any BundleStorage) {
        try MemoryTree([("f", .file(content))]).receive(in: scratch.path)
        let tree = try MemoryTree([("f", .file(content))], session: 2)
        let storage = try tree.open(in: scratch.path)
        for index in 0..<tree.count - 1 { try tree.store(index, in: storage) }
        return (tree, storage)
    }

    @Test func aBackupsLinkIsNoChange() throws {
        let bytes = MemoryTree.bytes(4 * 4_096 + 5)
        let (tree, storage) = try begin(bytes)
        let inode = Listing.status(path + "/f").st_ino
        #expect(link(path + "/f", scratch.path + "/backup") == 0)
        try tree.store(tree.count - 1, in: storage)
        try storage.commit(contentLength: UInt64(tree.content.count))
        storage.close()
        #expect(content("f") == bytes)
        if try !isShared() { #expect(Listing.status(path + "/f").st_ino == inode) }
    }

    /// A link would take over what somebody has made of the old file.
    @Test func aFileWithAnotherModeIsNotLinkedTo() throws {
        let bytes = MemoryTree.bytes(4 * 4_096 + 5)
        let (tree, storage) = try begin(bytes)
        #expect(chmod(path + "/f", 0o600) == 0)
        try tree.store(tree.count - 1, in: storage)
        try storage.commit(contentLength: UInt64(tree.content.count))
        storage.close()
        #expect(content("f") == bytes && Listing.status(path + "/f").st_mode & 0o7777 == 0o644 && Listing.status(path + "/f").st_nlink == 1)
    }

    @Test("A file that is written to", arguments: [false, true]) func written(isShortened: Bool) throws {
        guard try !isShared() else { return }
        let bytes = MemoryTree.bytes(4 * 4_096 + 5)
        let (tree, storage) = try begin(bytes)
        let raw = unsafe open(path + "/f", O_WRONLY)
        #expect(isShortened ? ftruncate(raw, 100) == 0 : pwrite(raw, [0xEE], 1, 4_097) == 1)
        close(raw)
        let error = #expect(throws: HostError.self) { try tree.store(tree.count - 1, in: storage) }
        #expect(error?.kind == .changed && error?.description.hasSuffix("while its content is taken over; what came is kept, send again") == true)
        #expect(throws: HostError.self) { try storage.commit(contentLength: UInt64(tree.content.count)) }
        storage.abandon()
        storage.close()
        // What was said to be kept is.
        #expect(scratch.names.contains(".tree.rmcp-journal"))
        _ = try tree.goOn(in: scratch.path)
        #expect(content("f") == bytes && scratch.names == ["tree"])
    }

    /// Gigabytes of one file may have to be copied before its next piece can be written.
    @Test func filesDoNotWaitForTheCopyOfAnother() throws {
        guard try !isShared() else { return }
        let bytes = MemoryTree.bytes(4 * 4_096)
        var other = bytes
        other[4 * 4_096 - 1] ^= 1
        other[3 * 4_096 - 1] ^= 1
        let beside = MemoryTree.bytes(3 * 4_096, salt: 7)
        try MemoryTree([("f", .file(bytes))]).receive(in: scratch.path)
        let tree = try MemoryTree([("f", .file(other)), ("g", .file(beside))], session: 2)
        let files = StallingFiles()
        let storage = try tree.open(in: scratch.path, files: files)
        // The catalog, and what is the same of the first file.
        for index: UInt32 in 0..<3 { try tree.store(index, in: storage) }
        files.arm()
        let failures = LockedValue(0)
        func begin(_ chunks: [UInt32], _ done: DispatchSemaphore) throws -> HostThread {
            try HostThread(name: "store") {
                do { for chunk in chunks { try tree.store(chunk, in: storage) } } catch { failures.withLock { $0 += 1 } }
                done.signal()
            }
        }
        let done = DispatchSemaphore(value: 0)
        let copying = try begin([4], DispatchSemaphore(value: 0))
        #expect(files.waitForWrite())
        let same = try begin([3], DispatchSemaphore(value: 0))
        let another = try begin([5, 6, 7], done)
        #expect(done.wait(timeout: .now() + 5) == .success)
        files.letGo()
        for thread in [copying, same, another] { thread.join() }
        #expect(failures.withLock { $0 } == 0)
        try storage.commit(contentLength: UInt64(tree.content.count))
        storage.close()
        #expect(content("f") == other && content("g") == beside)
    }

    // MARK: Links

    /// Looks at the name before anything is removed or renamed.
    private final class WatchingFiles: FileSystem, @unchecked Sendable {
        private let look: () -> Void
        init(_ look: @escaping () -> Void) { self.look = look }
        override func remove(_ name: KernelName, in directory: Int32, isDirectory: Bool = false) -> Int32 {
            look()
            return super.remove(name, in: directory, isDirectory: isDirectory)
        }
        override func rename(_ name: KernelName, in directory: Int32, to newName: KernelName, in newDirectory: Int32, flags: Int32 = 0) -> Int32 {
            look()
            return super.rename(name, in: directory, to: newName, in: newDirectory, flags: flags)
        }
    }

    /// A session comes again where it is asked for with `--again`, or where its end could not be noted.
    @Test func aTreeThatIsInUseIsNotRemovedWhenItComesAgain() throws {
        let options = TreeOptions(replacement: .symlink)
        let tree = try MemoryTree([("a", .file([1])), ("d", .directory([("b", .file(MemoryTree.bytes(6_000)))]))])
        try tree.receive(in: scratch.path, options: options)
        let path = self.path
        func listing() -> [String] { Listing.of(path + "/", countsLinks: false) }
        let whole = listing()
        #expect(whole.count == 4)
        let looks = LockedValue((all: 0, torn: 0))
        let files = WatchingFiles {
            let isWhole = listing() == whole
            looks.withLock { looks in
                looks.all += 1
                if !isWhole { looks.torn += 1 }
            }
        }
        for _ in 0..<3 {
            try tree.receive(in: scratch.path, options: options, files: files)
            #expect(listing() == whole)
            #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/.tree.rmcp-trees").count == 1)
        }
        #expect(looks.withLock { $0.all > 10 && $0.torn == 0 }, "\(looks.withLock { $0 })")
    }
}
