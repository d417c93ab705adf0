import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// A process that is killed does nothing more: whatever it was about to do to the disk. Here it is killed before each of its calls in turn.
@Suite struct TreeKillTests {
    /// Files until the process is killed.
    private final class MortalFiles: FileSystem, @unchecked Sendable {
        private let state: LockedValue<Int>
        init(calls: Int) { state = LockedValue(calls) }

        /// Calls that are left.
        var left: Int { state.withLock { $0 } }

        private func lives() -> Bool {
            let lives = state.withLock { left in
                left -= 1
                return left >= 0
            }
            if !lives { errno = EIO }
            return lives
        }

        override func open(_ path: String, _ flags: Int32, mode: mode_t = 0) -> Int32 {
            flags & O_CREAT == 0 || lives() ? super.open(path, flags, mode: mode) : -1
        }
        override func open(_ name: String, in directory: Int32, _ flags: Int32, mode: mode_t = 0) -> Int32 {
            flags & O_CREAT == 0 || lives() ? super.open(name, in: directory, flags, mode: mode) : -1
        }
        override func openConfined(_ name: KernelName, in directory: Int32, _ flags: Int32, mode: mode_t) -> Int32 {
            flags & O_CREAT == 0 || lives() ? super.openConfined(name, in: directory, flags, mode: mode) : -1
        }
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int {
            lives() ? super.write(descriptor, bytes, count, at: offset) : -1
        }
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
            lives() ? super.write(descriptor, bytes, count) : -1
        }
        override func truncate(_ descriptor: Int32, to length: Int) -> Int32 { lives() ? super.truncate(descriptor, to: length) : -1 }
        override func setOwner(_ descriptor: Int32, _ user: uid_t, _ group: gid_t) -> Int32 { lives() ? super.setOwner(descriptor, user, group) : -1 }
        override func setOwner(of name: KernelName, in directory: Int32, _ user: uid_t, _ group: gid_t) -> Int32 {
            lives() ? super.setOwner(of: name, in: directory, user, group) : -1
        }
        override func setMode(_ descriptor: Int32, _ mode: mode_t) -> Int32 { lives() ? super.setMode(descriptor, mode) : -1 }
        override func setMode(of name: KernelName, in directory: Int32, _ mode: mode_t) -> Int32 {
            lives() ? super.setMode(of: name, in: directory, mode) : -1
        }
        override func setTimes(_ descriptor: Int32, _ time: timespec) -> Int32 { lives() ? super.setTimes(descriptor, time) : -1 }
        override func rename(_ name: String, to newName: String, in directory: Int32) -> Int32 {
            lives() ? super.rename(name, to: newName, in: directory) : -1
        }
        override func rename(_ name: KernelName, in directory: Int32, to newName: KernelName, in newDirectory: Int32, flags: Int32 = 0) -> Int32 {
            lives() ? super.rename(name, in: directory, to: newName, in: newDirectory, flags: flags) : -1
        }
        override func remove(_ name: String, in directory: Int32) -> Int32 { lives() ? super.remove(name, in: directory) : -1 }
        override func remove(_ name: KernelName, in directory: Int32, isDirectory: Bool = false) -> Int32 {
            lives() ? super.remove(name, in: directory, isDirectory: isDirectory) : -1
        }
        override func makeDirectory(_ name: KernelName, in directory: Int32, mode: mode_t) -> Int32 {
            lives() ? super.makeDirectory(name, in: directory, mode: mode) : -1
        }
        override func makeFIFO(_ name: KernelName, in directory: Int32) -> Int32 { lives() ? super.makeFIFO(name, in: directory) : -1 }
        override func link(_ name: KernelName, in directory: Int32, as newName: KernelName, in newDirectory: Int32) -> Int32 {
            lives() ? super.link(name, in: directory, as: newName, in: newDirectory) : -1
        }
        override func makeLink(_ name: KernelName, in directory: Int32, to target: KernelName) -> Int32 {
            lives() ? super.makeLink(name, in: directory, to: target) : -1
        }
        // Power cuts are another test's.
        override func flush(_ descriptor: Int32) -> Int32 { 0 }
        override func flushFileSystem(_ descriptor: Int32) -> Int32 { 0 }
    }

    /// Owners are root's to give.
    private static let owner = geteuid() == 0 ? CatalogOwner(user: 4_001, group: 4_002) : nil

    private static func tree(_ salt: Int, session: UInt64) throws -> MemoryTree {
        try MemoryTree(
            [
                ("a", .file(MemoryTree.bytes(100))), ("again", .hardLink("a")),
                ("big", .file(MemoryTree.bytes(2 * 4_096 + 9, salt: salt), owner: owner)),
                (
                    "d",
                    .directory(
                        [("f", .file(MemoryTree.bytes(5_000, salt: salt), owner: owner)), ("g", .fifo()), ("kept", .file(MemoryTree.bytes(6_000)))],
                        mode: 0o700, owner: owner)
                ),
                ("empty", .file([])), ("l", .link("version \(salt)")),
                // What the other one does not have must not be taken for a part of it.
                ("only\(salt)", .directory([("x\(salt)", .file(MemoryTree.bytes(10)))])),
            ], session: session)
    }

    /// A session may come again, with a tree that is not quite the one that it has made before.
    @Test("Old or new, never a mix, never nothing", arguments: TreeOptions.Replacement.allCases, [1, 2] as [UInt64])
    func everyCall(replacement: TreeOptions.Replacement, oldSession: UInt64) throws {
        let options = TreeOptions(replacement: replacement)
        let (old, new) = (try Self.tree(1, session: oldSession), try Self.tree(2, session: 2))
        let example = TemporaryDirectory()
        let immortal = MortalFiles(calls: 100_000)
        try old.receive(in: example.path, options: options, files: immortal)
        let oldListing = Self.listing(example.path + "/tree")
        let before = immortal.left
        try new.receive(in: example.path, options: options, files: immortal)
        let newListing = Self.listing(example.path + "/tree")
        let calls = before - immortal.left
        try #require(oldListing != newListing && calls > 40)
        for limit in 0..<calls {
            let scratch = TemporaryDirectory()
            let path = scratch.path + "/tree"
            try old.receive(in: scratch.path, options: options, files: MortalFiles(calls: 100_000))
            _ = try? new.receive(in: scratch.path, options: options, files: MortalFiles(calls: limit))
            let found = Self.listing(path)
            #expect(found == oldListing || found == newListing, "killed before call \(limit): \(found)")
            // The next session goes on from what is there.
            let again = try new.open(in: scratch.path, options: options, files: MortalFiles(calls: 100_000))
            for index in 0..<new.count { _ = try new.resume(index, in: again) }
            try again.commit(contentLength: UInt64(new.content.count))
            again.close()
            #expect(Self.listing(path) == newListing, "killed before call \(limit)")
            #expect(["d", "d/f", "big"].allSatisfy { Listing.status(path + "/" + $0).st_uid == Self.owner?.user ?? geteuid() }, "killed before call \(limit)")
            #expect(scratch.names == (replacement == .symlink ? [".tree.rmcp-trees", "tree"] : ["tree"]), "killed before call \(limit)")
        }
    }

    private static func listing(_ path: String) -> [String] {
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
        // Names of old trees that are being removed count as links, too.
        return Listing.of(target.map { (path as NSString).deletingLastPathComponent + "/" + $0 } ?? path, countsLinks: false)
    }
}
