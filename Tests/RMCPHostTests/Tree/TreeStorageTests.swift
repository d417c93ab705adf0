import Dispatch
import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

@Suite struct TreeStorageTests {
    private let scratch = TemporaryDirectory()
    private var path: String { scratch.path + "/tree" }

    /// One of everything.
    static func sample(salt: Int = 0, session: UInt64 = 1) throws -> MemoryTree {
        try MemoryTree(
            [
                ("a", .file(MemoryTree.bytes(100, salt: salt), mode: 0o600)), ("again", .hardLink("a")),
                (
                    "deep",
                    .directory(
                        [
                            ("big", .file(MemoryTree.bytes(3 * 4_096 + 17, salt: salt))), ("empty", .file([])),
                            ("exact", .file(MemoryTree.bytes(2 * 4_096, salt: salt + 1))),
                            ("hole", .file([UInt8](repeating: 0, count: 5 * 4_096), sparse: true)),
                            ("inner", .directory([("z", .hardLink("a"))], mode: 0o700)),
                        ], mode: 0o500)
                ), ("fifo", .fifo(mode: 0o640)), ("link", .link("deep/big")), ("nowhere", .link("/does/not/exist")),
                ("old", .file([7], time: FileTime(seconds: -5, nanoseconds: 1))), ("void", .directory([])),
                ("x\n\u{1B}", .file(MemoryTree.bytes(5_000, salt: salt))),
            ] + (0..<60).map { ("s\($0)", .file(MemoryTree.bytes(37 * $0 % 900, salt: salt + $0))) }, session: session)
    }

    @Test("In whatever order the chunks come", arguments: 0..<8) func anyOrder(seed: Int) throws {
        let tree = try Self.sample()
        var random = RandomSource(seed: UInt64(seed))
        let order: [UInt32] = seed == 0 ? Array(0..<tree.count) : seed == 1 ? (0..<tree.count).reversed() : (0..<tree.count).shuffled(using: &random)
        #expect(try tree.receive(in: scratch.path, order: order).isEmpty)
        let listing = Listing.of(path)
        #expect(listing.first == "/ 755 1600000000.123456789")
        #expect(listing.contains("/deep/ 500 1600000000.123456789") && listing.contains("/deep/inner/ 700 1600000000.123456789"))
        #expect(listing.contains("/link -> deep/big") && listing.contains("/nowhere -> /does/not/exist"))
        #expect(listing.contains("/fifo| 640 1600000000.123456789") && listing.contains("/void/ 755 1600000000.123456789"))
        #expect(listing.contains { $0.hasPrefix("/old 644 -5.1 1 1 ") } && listing.contains { $0.hasPrefix("/deep/empty 644 1600000000.123456789 1 0 ") })
        #expect(Listing.status(path + "/a").st_ino == Listing.status(path + "/deep/inner/z").st_ino && Listing.status(path + "/a").st_nlink == 3)
        #expect(Listing.status(path + "/deep/hole").st_size == 5 * 4_096 && Listing.status(path + "/deep/hole").st_blocks == 0)
        #expect([UInt8](FileManager.default.contents(atPath: path + "/deep/big") ?? Data()) == MemoryTree.bytes(3 * 4_096 + 17))
        #expect([UInt8](FileManager.default.contents(atPath: path + "/deep/exact") ?? Data()) == MemoryTree.bytes(2 * 4_096, salt: 1))
        for index in 0..<60 {
            #expect([UInt8](FileManager.default.contents(atPath: path + "/s\(index)") ?? Data()) == MemoryTree.bytes(37 * index % 900, salt: index))
        }
        #expect(scratch.names == ["tree"])
        chmod(path + "/deep", 0o700)
    }

    @Test("Several threads at once") func threads() throws {
        let tree = try Self.sample()
        let other = TemporaryDirectory()
        try tree.receive(in: other.path)
        let storage = try tree.open(in: scratch.path)
        let failures = LockedValue(0)
        DispatchQueue.concurrentPerform(iterations: Int(tree.count) * 2) { index in
            // Each comes twice: over the network and from where it was before.
            do { try tree.store(UInt32(index / 2), in: storage) } catch { failures.withLock { $0 += 1 } }
        }
        try storage.commit(contentLength: UInt64(tree.content.count))
        storage.close()
        #expect(failures.withLock { $0 } == 0)
        #expect(Listing.of(path) == Listing.of(other.path + "/tree"))
    }

    @Test("What a session has left is gone on with", arguments: 0..<6) func resumed(seed: Int) throws {
        let tree = try Self.sample()
        var random = RandomSource(seed: UInt64(seed))
        let first = Array((0..<tree.count).shuffled(using: &random).prefix(Int(tree.count) * 2 / 3))
        let storage = try tree.open(in: scratch.path)
        for index in first { try tree.store(index, in: storage) }
        storage.abandon()
        storage.close()
        let catalogChunks = UInt32((tree.catalog.bytes.count + 4_095) / 4_096)
        let hadCatalog = (0..<catalogChunks).allSatisfy { first.contains($0) }
        // The rest is nothing without its catalog.
        #expect(scratch.names == (hadCatalog ? [".tree.rmcp-journal", ".tree.rmcp-partial"] : []))
        let again = try tree.open(in: scratch.path)
        for index in 0..<tree.count {
            let wasHere = try tree.resume(index, in: again)
            if hadCatalog { #expect(wasHere == (first.contains(index) && tree.record(index).kind != .zero), "chunk \(index)") }
        }
        try again.commit(contentLength: UInt64(tree.content.count))
        again.close()
        let other = TemporaryDirectory()
        try tree.receive(in: other.path)
        #expect(Listing.of(path) == Listing.of(other.path + "/tree"))
        #expect(scratch.names == ["tree"])
    }

    @Test func anotherTreeDoesNotGoOnFromIt() throws {
        let first = try Self.sample()
        let storage = try first.open(in: scratch.path)
        for index in 0..<first.count - 1 { try first.store(index, in: storage) }
        storage.abandon()
        storage.close()
        let second = try MemoryTree([("b", .directory([("a", .file(MemoryTree.bytes(9_000, salt: 9)))]))], session: 2)
        let again = try second.open(in: scratch.path)
        for index in 0..<second.count { _ = try second.resume(index, in: again) }
        try again.commit(contentLength: UInt64(second.content.count))
        again.close()
        #expect(Listing.of(path, metadata: false).filter { !$0.hasSuffix("/") }.map { $0.prefix(4) } == ["/b/a"])
    }

    // MARK: The old tree

    /// Files that have not changed are the same files: nothing of them is written.
    @Test func onlyWhatChangedIsWritten() throws {
        try Self.sample().receive(in: scratch.path)
        let before = ["a", "deep/big", "s7", "old"].map { Listing.status(path + "/" + $0).st_ino }
        let old = Listing.status(path)
        let changed = try MemoryTree(
            [
                ("a", .file(MemoryTree.bytes(100), mode: 0o600)), ("deep", .directory([("big", .file(MemoryTree.bytes(3 * 4_096 + 17)))], mode: 0o500)),
                ("old", .file([8], time: FileTime(seconds: -5, nanoseconds: 1))), ("s7", .file(MemoryTree.bytes(37 * 7, salt: 7), mode: 0o640)),
            ], session: 2)
        try changed.receive(in: scratch.path, order: (0..<changed.count).reversed())
        let after = ["a", "deep/big", "s7", "old"].map { Listing.status(path + "/" + $0).st_ino }
        #expect(Listing.status(path).st_ino != old.st_ino)
        #expect(after[0] == before[0] && after[1] == before[1])
        // Another mode, and other content under the same time.
        #expect(after[2] != before[2] && after[3] != before[3])
        #expect([UInt8](FileManager.default.contents(atPath: path + "/old") ?? Data()) == [8])
        #expect(scratch.names == ["tree"])
        let other = TemporaryDirectory()
        try changed.receive(in: other.path)
        #expect(Listing.of(path) == Listing.of(other.path + "/tree"))
        chmod(path + "/deep", 0o700)
    }

    /// A file that keeps its size and its time and has other content in its second half: what was the same is copied.
    @Test("Content under an old time", arguments: [false, true]) func sameTimeOtherContent(isReversed: Bool) throws {
        let content = MemoryTree.bytes(4 * 4_096 + 5)
        try MemoryTree([("f", .file(content))]).receive(in: scratch.path)
        var other = content
        other[2 * 4_096] ^= 1
        let tree = try MemoryTree([("f", .file(other))], session: 2)
        try tree.receive(in: scratch.path, order: isReversed ? (0..<tree.count).reversed() : Array(0..<tree.count))
        #expect([UInt8](FileManager.default.contents(atPath: path + "/f") ?? Data()) == other)
    }

    /// Readers that walk the tree see the old one or the new one.
    @Test func readersSeeOneOfTheTwo() throws {
        func tree(_ salt: Int) throws -> MemoryTree {
            try MemoryTree((0..<50).map { ("f\($0)", .file([UInt8](repeating: UInt8(salt), count: 20))) }, session: UInt64(salt))
        }
        try tree(1).receive(in: scratch.path)
        let raw = Foundation.open(path, O_RDONLY | O_DIRECTORY)
        defer { close(raw) }
        let storage = try tree(2).open(in: scratch.path)
        for index in 0..<(try tree(2).count) { try tree(2).store(index, in: storage) }
        try storage.flush(contentLength: 0)
        #expect(FileManager.default.contents(atPath: path + "/f0") == Data(repeating: 1, count: 20))
        try storage.publish()
        #expect(FileManager.default.contents(atPath: path + "/f49") == Data(repeating: 2, count: 20))
        // A reader that has the old one open still has all of it, until the command that follows has ended.
        let file = openat(raw, "f49", O_RDONLY)
        #expect(file >= 0)
        close(file)
        storage.close()
        #expect(scratch.names == ["tree"])
    }

    @Test func aLinkTakesTheNewTree() throws {
        let options = TreeOptions(replacement: .symlink)
        try Self.sample().receive(in: scratch.path, options: options)
        let first = try FileManager.default.destinationOfSymbolicLink(atPath: path)
        let inode = Listing.status(path + "/a").st_ino
        let changed = try Self.sample(session: 2)
        try changed.receive(in: scratch.path, options: options)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) != first)
        #expect(Listing.status(path + "/a").st_ino == inode)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/.tree.rmcp-trees").count == 1)
        #expect(scratch.names == [".tree.rmcp-trees", "tree"])
        #expect(throws: HostError.self) { try Self.sample(session: 3).receive(in: scratch.path) }
    }
}
