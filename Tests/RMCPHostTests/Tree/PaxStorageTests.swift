import CLinux
import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// A tree on standard output is an archive that tar takes apart.
@Suite struct PaxStorageTests {
    private func run(_ command: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", command + " 2>&1"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return process.terminationStatus == 0 ? output : "status \(process.terminationStatus): \(output)"
    }

    @Test("In whatever order the chunks come", arguments: 0..<4) func roundTrip(seed: Int) throws {
        let scratch = TemporaryDirectory()
        let long = String(repeating: "n", count: 200)
        let tree = try MemoryTree([
            ("a", .file(MemoryTree.bytes(100))), ("again", .hardLink("a")), ("e", .directory([("big", .file(MemoryTree.bytes(3 * 4_096 + 17)))], mode: 0o700)),
            ("empty", .file([])), ("l", .link(String(repeating: "t", count: 150))), (long, .file(MemoryTree.bytes(4_096))),
            ("old", .file([7], time: FileTime(seconds: -5, nanoseconds: 250_000_000))), ("pipe", .fifo()),
            ("x", .file([1], attributes: [CatalogAttribute(name: Array("user.note".utf8), value: Array("a=b\nc".utf8))])),
            ("zero", .file([UInt8](repeating: 0, count: 2 * 4_096))),
        ])
        let file = scratch.path + "/tree.tar"
        let raw = Foundation.open(file, O_RDWR | O_CREAT, 0o600)
        defer { close(raw) }
        let storage = try PaxStorage(announce: tree.announce, output: raw)
        var random = RandomSource(seed: UInt64(seed))
        for index in seed == 0 ? Array(0..<tree.count) : (0..<tree.count).shuffled(using: &random) { try tree.store(index, in: storage) }
        try storage.commit(contentLength: UInt64(tree.content.count))
        #expect(try run("cd \(scratch.path) && tar --xattrs --xattrs-include='user.*' -xpf tree.tar && rm tree.tar") == "")
        let other = TemporaryDirectory()
        try tree.receive(in: other.path)
        #expect(Listing.of(scratch.path + "/tree") == Listing.of(other.path + "/tree"))
        var value = [UInt8](repeating: 0, count: 20)
        #expect(getxattr(scratch.path + "/tree/x", "user.note", &value, 20) == 5)
    }

    @Test func anArchiveThatIsNotWholeIsNoSuccess() throws {
        let tree = try MemoryTree([("a", .file(MemoryTree.bytes(10_000)))])
        let scratch = TemporaryDirectory()
        let raw = Foundation.open(scratch.path + "/tree.tar", O_RDWR | O_CREAT, 0o600)
        defer { close(raw) }
        let storage = try PaxStorage(announce: tree.announce, output: raw)
        try tree.store(0, in: storage)
        #expect(throws: HostError.self) { try storage.commit(contentLength: UInt64(tree.content.count)) }
    }
}
