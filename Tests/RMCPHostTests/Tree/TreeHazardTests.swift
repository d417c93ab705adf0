import CLinux
import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// Trees on file systems that lack something, among people who put things in the way, and by senders that lie.
@Suite struct TreeHazardTests {
    private let scratch = TemporaryDirectory()
    private var path: String { scratch.path + "/tree" }

    private func small(_ salt: Int = 0, session: UInt64 = 1) throws -> MemoryTree {
        try MemoryTree(
            [("a", .file(MemoryTree.bytes(6_000, salt: salt))), ("d", .directory([("b", .file(MemoryTree.bytes(9_000, salt: salt)))]))], session: session)
    }

    // MARK: File systems

    /// A file system that takes capitals for the same, as casefolding directories and FAT do.
    private final class FoldingFiles: FileSystem, @unchecked Sendable {
        private func fold(_ name: KernelName) -> KernelName { name.map { (65...90).contains($0) ? $0 | 0x20 : $0 } }
        override func openConfined(_ name: KernelName, in directory: Int32, _ flags: Int32, mode: mode_t) -> Int32 {
            super.openConfined(fold(name), in: directory, flags, mode: mode)
        }
        override func makeDirectory(_ name: KernelName, in directory: Int32, mode: mode_t) -> Int32 {
            super.makeDirectory(fold(name), in: directory, mode: mode)
        }
        override func status(of name: KernelName, in directory: Int32) -> stat? { super.status(of: fold(name), in: directory) }
        override func makeLink(_ name: KernelName, in directory: Int32, to target: KernelName) -> Int32 {
            super.makeLink(fold(name), in: directory, to: target)
        }
    }

    @Test("Two names that are one there") func clash() throws {
        let files = FoldingFiles()
        let pairs: [[(String, MemoryTree.Node)]] = [
            [("Name", .file([1])), ("name", .file([2]))], [("Name", .directory([])), ("name", .directory([]))], [("Name", .file([1])), ("name", .link("x"))],
            [("Name", .file(MemoryTree.bytes(5_000))), ("name", .file(MemoryTree.bytes(5_000)))],
        ]
        for pair in pairs {
            let error = #expect(throws: HostError.self) { try MemoryTree([("d", .directory(pair))]).receive(in: scratch.path, files: files) }
            #expect(error?.description.contains("ame") ?? false, "\(error?.description ?? "")")
            #expect(scratch.names.isEmpty)
        }
        let error = #expect(throws: HostError.self) { try MemoryTree(pairs[0]).receive(in: scratch.path, files: files) }
        #expect(error?.description == "\(path)/name and Name are one name to this file system; receive on one that tells them apart")
    }

    /// A file that cannot be removed, as one with the attribute "immutable", or with something mounted on it.
    private final class StubbornFiles: FileSystem, @unchecked Sendable {
        override func remove(_ name: KernelName, in directory: Int32, isDirectory: Bool = false) -> Int32 {
            guard name == SystemText.cString("stuck") else { return super.remove(name, in: directory, isDirectory: isDirectory) }
            errno = EPERM
            return -1
        }
    }

    @Test("What cannot be removed of an old tree is in no later one's way", arguments: [false, true]) func stubborn(isResumed: Bool) throws {
        let files = StubbornFiles()
        let old = try MemoryTree([("d", .directory([("stuck", .file(MemoryTree.bytes(6_000, salt: 9)))]))])
        try old.receive(in: scratch.path, files: files)
        var session: UInt64 = 2
        for salt in 1...3 {
            let tree = try small(salt, session: session)
            session += 1
            if isResumed {
                // Cut off in its middle.
                let storage = try tree.open(in: scratch.path, files: files)
                try tree.store(0, in: storage)
                storage.abandon()
                storage.close()
            }
            let storage = try tree.open(in: scratch.path, files: files)
            for index in 0..<tree.count { _ = try tree.resume(index, in: storage) }
            try storage.commit(contentLength: UInt64(tree.content.count))
            storage.close()
            let notes = storage.takeNotes()
            #expect(notes.contains { $0.contains("cannot be removed (permission denied)") && $0.contains(".tree.rmcp-partial") }, "\(notes)")
            #expect(Listing.of(path).filter { $0.contains("stuck") }.isEmpty && FileManager.default.fileExists(atPath: path + "/d/b"))
            #expect(FileManager.default.contents(atPath: path + "/a") == Data(MemoryTree.bytes(6_000, salt: salt)))
        }
    }

    /// A kernel, or a filter of system calls, without openat2(2).
    private final class OldFiles: FileSystem, @unchecked Sendable {
        let code: Int32
        init(_ code: Int32) { self.code = code }
        override func openConfined(_ name: KernelName, in directory: Int32, _ flags: Int32, mode: mode_t) -> Int32 {
            errno = code
            return -1
        }
    }

    @Test("Without openat2", arguments: [ENOSYS, EPERM]) func oldKernel(code: Int32) throws {
        let other = TemporaryDirectory()
        try TreeStorageTests.sample().receive(in: other.path)
        try TreeStorageTests.sample().receive(in: scratch.path, files: OldFiles(code))
        #expect(Listing.of(path) == Listing.of(other.path + "/tree"))
        try aSwappedDirectoryIsNotFollowed(files: OldFiles(code))
    }

    /// A file system without RENAME_EXCHANGE, as NFS is one.
    private final class PlainFiles: FileSystem, @unchecked Sendable {
        /// Another file system than that of other tests.
        private let device: dev_t
        /// Error of an exchange; 0 makes it.
        var code = EINVAL
        init(device: dev_t) { self.device = device }
        override func rename(_ name: KernelName, in directory: Int32, to newName: KernelName, in newDirectory: Int32, flags: Int32 = 0) -> Int32 {
            guard flags == 0 || code == 0 else {
                errno = code
                return -1
            }
            return super.rename(name, in: directory, to: newName, in: newDirectory, flags: flags)
        }
        override func status(of descriptor: Int32) -> stat? {
            var status = super.status(of: descriptor)
            if status?.kind == S_IFDIR { status?.st_dev = device }
            return status
        }
        override func status(of name: KernelName, in directory: Int32) -> stat? {
            var status = super.status(of: name, in: directory)
            if status?.kind == S_IFDIR { status?.st_dev = device }
            return status
        }
        override func status(of name: String, in directory: Int32) -> stat? { status(of: SystemText.cString(name), in: directory) }
    }

    @Test func whereDirectoriesCannotChangePlacesItIsSaidBefore() throws {
        let files = PlainFiles(device: 987_654)
        try small().receive(in: scratch.path, files: files)
        let before = Listing.of(path)
        let error = #expect(throws: HostError.self) { _ = try small(1, session: 2).open(in: scratch.path, files: files) }
        #expect(
            error?.description
                == "\(path): its file system cannot let it change places with another (invalid argument); move it away before; with --replace=symlink, once is enough"
        )
        #expect(Listing.of(path) == before && scratch.names == ["tree"])
        let other = TemporaryDirectory()
        let options = TreeOptions(replacement: .symlink)
        for session in 1...3 { try small(session, session: UInt64(session)).receive(in: other.path, options: options, files: files) }
        #expect(FileManager.default.contents(atPath: other.path + "/tree/a") == Data(MemoryTree.bytes(6_000, salt: 3)))
    }

    /// An error of the moment is not what a file system cannot do: a service would refuse its trees until it is restarted.
    @Test func anExchangeThatFailsOnceIsTriedAgain() throws {
        let files = PlainFiles(device: 987_655)
        try small().receive(in: scratch.path, files: files)
        for code in [EIO, ENOSPC] {
            files.code = code
            let error = #expect(throws: HostError.self) { _ = try small(1, session: 2).open(in: scratch.path, files: files) }
            #expect(error?.description.contains("change places with another (\(HostError.errorText(code)))") == true)
        }
        files.code = 0
        try small(1, session: 2).receive(in: scratch.path, files: files)
        #expect(FileManager.default.contents(atPath: path + "/a") == Data(MemoryTree.bytes(6_000, salt: 1)) && scratch.names == ["tree"])
    }

    /// A disk of which nothing is left but what is removed.
    private final class BusyFiles: FileSystem, @unchecked Sendable {
        let root: String
        init(root: String) { self.root = root }
        override func space(of descriptor: Int32) -> statvfs? {
            guard var space = super.space(of: descriptor) else { return nil }
            let files = FileManager.default.subpaths(atPath: root) ?? []
            let taken = files.filter { $0.hasSuffix("/a") }.reduce(0) { $0 + UInt(Listing.status(root + "/" + $1).st_blocks) * 512 }
            let left = 28_672 - min(28_672, taken)
            (space.f_bfree, space.f_bavail) = (left / space.f_frsize, left / space.f_frsize)
            return space
        }
    }

    @Test("Where there is no room for two, the old tree goes first if that is wanted", arguments: TreeOptions.Replacement.allCases)
    func theOldTreeMakesRoom(replacement: TreeOptions.Replacement) throws {
        func tree(_ session: UInt64, length: Int) throws -> MemoryTree {
            try MemoryTree([("a", .file(MemoryTree.bytes(length, salt: Int(session))))], session: session)
        }
        let files = BusyFiles(root: scratch.path)
        var options = TreeOptions(replacement: replacement)
        try tree(1, length: 16_000).receive(in: scratch.path, options: options, files: files)
        let before = Listing.of(path)
        let hint = #expect(throws: HostError.self) { try tree(2, length: 16_001).receive(in: scratch.path, options: options, files: files) }
        #expect(hint?.kind == .diskFull && hint?.description.hasSuffix("or let --replace-first remove the old tree, of 16384 bytes, before") ?? false)
        #expect(Listing.of(path) == before)
        options.replacesFirst = true
        // Removing it gains nothing where that is not enough.
        #expect(throws: HostError.self) { try tree(3, length: 40_000).receive(in: scratch.path, options: options, files: files) }
        #expect(Listing.of(path) == before)
        let notes = try tree(4, length: 16_002).receive(in: scratch.path, options: options, files: files)
        #expect(notes == ["\(path): the old one is removed, since there is no room for two; until the new one is complete there is none"])
        #expect(FileManager.default.contents(atPath: path + "/a") == Data(MemoryTree.bytes(16_002, salt: 4)))
        #expect(FileManager.default.subpaths(atPath: scratch.path)?.filter { $0.hasSuffix("/a") }.count == 1)
    }

    private func crowded() throws -> MemoryTree {
        try MemoryTree([("big", .file(MemoryTree.bytes(400_000)))] + (0..<20).map { ("f\($0)", .file([1])) })
    }

    @Test func withoutInodesNothingIsWritten() throws {
        let files = FullFiles()
        files.inodes = 10
        let inodes = #expect(throws: HostError.self) { try crowded().receive(in: scratch.path, files: files) }
        #expect(inodes?.kind == .diskFull && inodes?.description.contains("22 files and directories and its file system has 10 inodes left") ?? false)
    }

    /// Elsewhere what a file system says that it has left is not what fits.
    private static let isPlain: Bool = {
        let raw = Foundation.open(NSTemporaryDirectory(), O_RDONLY)
        defer { Foundation.close(raw) }
        return FileRoom.isPlain(raw)
    }()

    @Test(.enabled(if: isPlain, "the file system of temporary files does not say how much fits")) func withoutRoomNothingIsWritten() throws {
        let files = FullFiles()
        files.blocks = 20
        let blocks = #expect(throws: HostError.self) { try crowded().receive(in: scratch.path, files: files) }
        #expect(blocks?.kind == .diskFull && blocks?.description.contains("make room or receive elsewhere") ?? false)
    }

    /// Somebody else fills the disk while a tree comes.
    @Test func whatIsKeptForOthersStaysFree() throws {
        let entries: [(String, MemoryTree.Node)] = [("big", .file(MemoryTree.bytes(40_000)))]
        let tree = try MemoryTree(entries)
        let files = FullFiles()
        var options = TreeOptions()
        options.reserve = 1 << 20
        let storage = try tree.open(in: scratch.path, options: options, files: files)
        for chunk: UInt32 in 0..<4 { try tree.store(chunk, in: storage) }
        files.blocks = (1 << 20) / 4_096
        let error = #expect(throws: HostError.self) { try tree.store(4, in: storage) }
        #expect(error?.kind == .diskFull && error?.description.contains("--reserve keeps 1048576") == true)
        storage.abandon()
        storage.close()
        // Nothing new is needed for what is there already.
        files.blocks = .max
        try tree.receive(in: scratch.path, options: options, files: files)
        files.blocks = (1 << 20) / 4_096
        try MemoryTree(entries, session: 2).receive(in: scratch.path, options: options, files: files)
    }

    /// Room for what changes is enough.
    @Test func whatIsThereNeedsNoRoom() throws {
        let entries: [(String, MemoryTree.Node)] = [("big", .file(MemoryTree.bytes(400_000))), ("f", .file([1]))]
        try MemoryTree(entries).receive(in: scratch.path)
        let files = FullFiles()
        files.blocks = 20
        try MemoryTree(entries + [("g", .file([2]))], session: 2).receive(in: scratch.path, files: files)
        #expect(FileManager.default.contents(atPath: path + "/g") == Data([2]))
    }

    // MARK: What is in the way

    @Test func whatIsNoTreeIsNotReplaced() throws {
        func refusal(_ options: TreeOptions = TreeOptions()) -> String? {
            do { _ = try small().open(in: scratch.path, options: options) } catch { return "\(error)".replacing(scratch.path, with: "") }
            return nil
        }
        _ = FileManager.default.createFile(atPath: path, contents: Data("precious".utf8))
        #expect(refusal() == "/tree is no directory, and a received tree does not replace it; move it away or receive elsewhere")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc")
        #expect(refusal() == "/tree is a symbolic link, which a received tree does not replace; use --replace=symlink, or move it away")
        #expect(
            refusal(TreeOptions(replacement: .symlink))
                == "/tree is a symbolic link that leads elsewhere than to .tree.rmcp-trees; move it away or receive elsewhere")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(
            refusal(TreeOptions(replacement: .symlink))
                == "/tree is a directory, and --replace=symlink replaces links; move it away once, or leave that option out")
        #expect(refusal() == nil && scratch.names == ["tree"])
    }

    @Test func anEmptyOrFullDirectoryIsReplaced() throws {
        try FileManager.default.createDirectory(atPath: path + "/x/y", withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: path + "/x/y/z", contents: Data([1]))
        chmod(path + "/x/y", 0o500)
        chmod(path, 0o500)
        try small().receive(in: scratch.path)
        #expect(Listing.of(path, metadata: false).map { $0.prefix(4) } == ["/", "/a 1", "/d/", "/d/b"])
        #expect(scratch.names == ["tree"])
    }

    /// The directory that is received in is swapped for a link to somewhere else, between two chunks.
    /// Its end would be made of holes, under digests that were verified before.
    @Test func aFileThatSomebodyTruncatesIsNoneOfTheTree() throws {
        let tree = try MemoryTree([("b", .file(MemoryTree.bytes(9_000)))])
        let storage = try tree.open(in: scratch.path)
        defer { storage.close() }
        for index in 0..<tree.count - 1 { try tree.store(index, in: storage) }
        #expect(truncate(scratch.path + "/.tree.rmcp-partial/tree/b", 100) == 0)
        let error = #expect(throws: HostError.self) { try tree.store(tree.count - 1, in: storage) }
        #expect(error?.description == "\(path)/b was truncated by somebody while the tree came; receive where nobody else writes")
        storage.abandon()
        #expect(!scratch.names.contains("tree"))
    }

    @Test func aSwappedDirectoryIsNotFollowed() throws { try aSwappedDirectoryIsNotFollowed(files: .host) }

    private func aSwappedDirectoryIsNotFollowed(files: FileSystem) throws {
        let scratch = TemporaryDirectory()
        let outside = TemporaryDirectory()
        let tree = try MemoryTree([("d", .directory([("b", .file(MemoryTree.bytes(9_000))), ("c", .file(MemoryTree.bytes(9_000)))]))])
        let storage = try tree.open(in: scratch.path, files: files)
        try tree.store(0, in: storage)
        let inner = scratch.path + "/.tree.rmcp-partial/tree/d"
        // A descriptor that is open already leads where it led; a new one has to be opened by name.
        try FileManager.default.moveItem(atPath: inner, toPath: scratch.path + "/moved")
        try FileManager.default.createSymbolicLink(atPath: inner, withDestinationPath: outside.path)
        var failed = false
        do {
            for index in 1..<tree.count { try tree.store(index, in: storage) }
            try storage.commit(contentLength: UInt64(tree.content.count))
        } catch { failed = true }
        storage.abandon()
        storage.close()
        #expect(failed && outside.names.isEmpty && !scratch.names.contains("tree"))
    }

    /// A file that somebody adds to the tree while it comes is not published under its name.
    @Test func anIntruderInTheTreeIsFound() throws {
        let tree = try small()
        let storage = try tree.open(in: scratch.path)
        for index in 0..<tree.count { try tree.store(index, in: storage) }
        _ = FileManager.default.createFile(atPath: scratch.path + "/.tree.rmcp-partial/tree/d/more", contents: Data())
        let error = #expect(throws: HostError.self) { try storage.commit(contentLength: UInt64(tree.content.count)) }
        #expect(error?.description.contains("/d has 2 names where 1 were sent") ?? false)
        storage.close()
        #expect(scratch.names.isEmpty)
    }

    /// A directory is counted by its bytes: whatever begins with a dot, or is no UTF-8, is a name.
    @Test func allNamesCountButTwo() throws {
        let directory = OwnedDescriptor(unsafe open(scratch.path, O_RDONLY | O_DIRECTORY))
        #expect(FileSystem.host.nameCount(in: directory.raw) == 0)
        for name in [[46, 120], [46, 46, 120], [46, 46, 46], [255], [97]] as [[UInt8]] {
            let raw = unsafe openat(directory.raw, name.map { CChar(bitPattern: $0) } + [0], O_WRONLY | O_CREAT, 0o600)
            try #require(raw >= 0)
            close(raw)
        }
        #expect(FileSystem.host.nameCount(in: directory.raw) == 5)
        #expect(FileSystem.host.names(in: directory.raw)?.count == 5)
        #expect(FileSystem.host.nameCount(in: -1) == nil)
    }

    @Test func somebodyElsesPartIsNotWrittenTo() throws {
        let outside = TemporaryDirectory()
        try FileManager.default.createSymbolicLink(atPath: scratch.path + "/.tree.rmcp-partial", withDestinationPath: outside.path)
        #expect(throws: HostError.self) { try small().receive(in: scratch.path) }
        #expect(outside.names.isEmpty)
    }

    // MARK: Rights

    private func special() throws -> MemoryTree {
        try MemoryTree([
            ("cap", .file([3], attributes: [CatalogAttribute(name: Array("security.capability".utf8), value: Self.capability)])),
            ("sgid", .file([2], mode: 0o2755)),
            ("suid", .file([1], mode: 0o4755)), ("users", .directory([], mode: 0o2775)), ("tmp", .directory([], mode: 0o1777)),
        ])
    }
    /// cap_net_raw=ep, as version 2 of the attribute has it.
    private static let capability: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0] + [UInt8](repeating: 0, count: 12)

    @Test func rightsAreForWhoAsksForThem() throws {
        let notes = try special().receive(in: scratch.path)
        #expect(notes == ["\(path): set-user-ID, set-group-ID or capabilities were left out: \(path)/cap and 2 more (--allow-special keeps them)"])
        #expect(Listing.status(path + "/suid").st_mode & 0o7777 == 0o755 && Listing.status(path + "/sgid").st_mode & 0o7777 == 0o755)
        #expect(getxattr(path + "/cap", "security.capability", nil, 0) < 0)
        #expect(Listing.status(path + "/users").st_mode & 0o7777 == 0o2775 && Listing.status(path + "/tmp").st_mode & 0o7777 == 0o1777)
        let other = TemporaryDirectory()
        #expect(try special().receive(in: other.path, options: TreeOptions(allowsSpecial: true)).isEmpty)
        #expect(Listing.status(other.path + "/tree/suid").st_mode & 0o7777 == 0o4755 && Listing.status(other.path + "/tree/sgid").st_mode & 0o7777 == 0o2755)
        if geteuid() == 0 { #expect(getxattr(other.path + "/tree/cap", "security.capability", nil, 0) == Self.capability.count) }
    }

    @Test(.enabled(if: geteuid() == 0, "owners are root's to give")) func ownersAreThoseOfTheNames() throws {
        let daemon = CatalogOwner(user: 4_001, group: 4_002, userName: Array("daemon".utf8), groupName: Array("daemon".utf8))
        let nobody = CatalogOwner(user: 4_294_967_294, group: 4_003, userName: Array("no such user".utf8), groupName: nil)
        let tree = try MemoryTree([("a", .file([1], owner: daemon)), ("b", .file([2], mode: 0o4755, owner: nobody))])
        try tree.receive(in: scratch.path, options: TreeOptions(allowsSpecial: true))
        let expected = try #require(getpwnam("daemon")).pointee
        #expect(Listing.status(path + "/a").st_uid == expected.pw_uid)
        #expect(Listing.status(path + "/b").st_uid == 4_294_967_294 && Listing.status(path + "/b").st_gid == 4_003)
        #expect(Listing.status(path + "/b").st_mode & 0o7777 == 0o4755)
        let other = TemporaryDirectory()
        try tree.receive(in: other.path, options: TreeOptions(keepsOwners: false))
        #expect(Listing.status(other.path + "/tree/a").st_uid == 0)
    }

    /// Attributes that a kernel or a security module means something by are not a sender's to set.
    @Test func attributesAreThoseOfUsers() throws {
        func attribute(_ name: String, _ value: [UInt8]) -> CatalogAttribute { CatalogAttribute(name: Array(name.utf8), value: value) }
        let tree = try MemoryTree([
            ("a", .file([1], attributes: [attribute("trusted.x", [1]), attribute("user.note", [2, 3]), attribute("security.selinux", [4])]))
        ])
        try tree.receive(in: scratch.path)
        var value = [UInt8](repeating: 0, count: 10)
        #expect(getxattr(path + "/a", "user.note", &value, 10) == 2 && value.prefix(2) == [2, 3])
        #expect(getxattr(path + "/a", "trusted.x", nil, 0) < 0 && getxattr(path + "/a", "security.selinux", nil, 0) < 0)
        let other = TemporaryDirectory()
        try tree.receive(in: other.path, options: TreeOptions(keepsAttributes: false))
        #expect(getxattr(other.path + "/tree/a", "user.note", nil, 0) < 0)
    }

    // MARK: Senders that lie

    /// The digests are right, and what they are of is no tree.
    @Test func aCatalogThatIsNoneEndsTheSession() throws {
        var tree = try small()
        for index in [0, 8, 20, tree.catalog.bytes.count - 1] {
            let lie = LyingTree(&tree, flipping: index)
            let error = #expect(throws: HostError.self) { try lie.receive(in: scratch.path) }
            #expect(error?.description.hasPrefix(path + ": the ") ?? false, "\(error?.description ?? "")")
            #expect(scratch.names.isEmpty)
        }
    }

    private struct LyingTree {
        let announce: Announce
        let content: [UInt8]
        init(_ tree: inout MemoryTree, flipping index: Int) {
            announce = tree.announce
            var content = tree.content
            content[index] ^= 0x10
            self.content = content
        }

        func receive(in directory: String) throws(HostError) {
            let storage = try TreeStorage.whenNeeded(
                announce: announce, name: "tree", directoryPath: directory, options: TreeOptions(), digester: .plain, files: .host)
            defer { storage.close() }
            do throws(HostError) {
                for (index, start) in stride(from: 0, to: content.count, by: MemoryTree.chunkLength).enumerated() {
                    let bytes = Array(content[start..<min(content.count, start + MemoryTree.chunkLength)])
                    let digest = BLAKE3Digest().digest(of: bytes)
                    let record = ChunkRecord(
                        kind: .stored, contentLength: UInt32(bytes.count), encodedLength: UInt32(bytes.count), encodedDigest: digest, contentDigest: digest)
                    try storage.write(chunk: UInt32(index), record: record, content: bytes)
                }
                try storage.commit(contentLength: UInt64(content.count))
            } catch {
                storage.abandon()
                throw error
            }
        }
    }
}
