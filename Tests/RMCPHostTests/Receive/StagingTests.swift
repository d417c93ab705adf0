import CLinux
import Foundation
import RMCPContent
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// What lies where a bundle is to be written, and what the disk makes of it.
@Suite struct StagingTests {
    private let scratch = TemporaryDirectory()
    private static let length = 8_192

    private func announce(session: UInt64 = 1) -> Announce {
        Announce(
            session: SessionID(high: session << 32, low: 2), kind: .file, chunkLength: 4_096, payloadLength: 1_000, creationTime: 0,
            contentLength: UInt64(Self.length), allocatedLength: UInt64(Self.length), mode: 0o640, modificationTime: nil, name: "image", key: .none)
    }

    private func open(session: UInt64 = 1, files: FileSystem = .host) throws(HostError) -> PartialFile {
        try PartialFile(announce: announce(session: session), name: "image", directoryPath: scratch.path, files: files)
    }

    private func content(_ chunk: UInt32) -> [UInt8] { (0..<4_096).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7 &+ Int(chunk)) } }

    private func record(_ chunk: UInt32) -> ChunkRecord {
        let digest = content(chunk).withUnsafeBytes { BLAKE3Digest.digest(of: $0) }
        return ChunkRecord(kind: .stored, contentLength: 4_096, encodedLength: 4_096, encodedDigest: digest, contentDigest: digest)
    }

    private func fill(_ file: PartialFile) throws {
        for chunk in [0, 1] as [UInt32] { try file.write(chunk: chunk, record: record(chunk), content: content(chunk)) }
    }

    private func write(_ text: String, to name: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: "\(scratch.path)/\(name)")) }
    private func read(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: "\(scratch.path)/\(name)").map(Array.init) }

    /// A file elsewhere has this name, too: nothing is written to it, by the bundle or by its journal.
    @Test(arguments: [".image.rmcp-partial", ".image.rmcp-journal"]) func aHardLinkIsMovedAside(name: String) throws {
        try write("precious", to: "elsewhere")
        #expect(link("\(scratch.path)/elsewhere", "\(scratch.path)/\(name)") == 0)
        let file = try open()
        try fill(file)
        try file.commit(contentLength: UInt64(Self.length))
        #expect(read("elsewhere") == Array("precious".utf8) && read("image") == content(0) + content(1))
        #expect(scratch.names == ["\(name).1", "elsewhere", "image"])
    }

    @Test func whatIsNoFileOfOnesOwnIsMovedAside() throws {
        let name = scratch.path + "/.image.rmcp-partial"
        try write("precious", to: "elsewhere")
        for make in [
            { mkfifo(name, 0o600) }, { mkdir(name, 0o700) }, { symlink("elsewhere", name) }, { symlink("nowhere", name) },
        ] {
            #expect(make() == 0)
            let file = try open()
            try fill(file)
            try file.commit(contentLength: UInt64(Self.length))
            #expect(read("image") == content(0) + content(1) && read("elsewhere") == Array("precious".utf8))
        }
        #expect(scratch.names.count == 6)
    }

    /// The rename goes by name: it must be the name of what was verified.
    @Test func whatWasPutInItsPlaceIsNotPublished() throws {
        let file = try open()
        try fill(file)
        try file.flush(contentLength: UInt64(Self.length))
        #expect(unlink(scratch.path + "/.image.rmcp-partial") == 0)
        try write("forged", to: ".image.rmcp-partial")
        #expect(throws: HostError.self) { try file.publish() }
        #expect(read("image") == nil)
    }

    /// The page cache would give back what the disk never had.
    @Test func afterAFailedFlushNothingIsBelieved() throws {
        let files = FaultyFileSystem(seed: 1)
        files.readBack(scratch.path)
        let file = try open(files: files)
        try fill(file)
        files.failsNextFlush = true
        #expect(throws: HostError.self) { try file.flush(contentLength: UInt64(Self.length)) }
        file.abandon()
        file.close()
        #expect(scratch.names.isEmpty, "\(scratch.names)")
        #expect(throws: HostError.self) { try file.publish() }
        #expect(try open(session: 2, files: files).seeds.isEmpty)
    }

    /// A write-back failed while nobody looked, and the process has ended since: what is verified comes from the disk.
    @Test func whatIsResumedIsReadFromTheDisk() throws {
        let files = FaultyFileSystem(seed: 1)
        files.readBack(scratch.path)
        let file = try open(files: files)
        try fill(file)
        file.abandon()
        file.close()
        files.lose(scratch.path + "/.image.rmcp-partial")
        let again = try open(session: 2, files: files)
        #expect(again.mayHave(chunk: 0, record: record(0)))
        #expect(try again.recall(chunk: 0, record: record(0)) != content(0))
    }

    @Test func aJournalOfManyEntriesIsWrittenAnew() throws {
        let directory = try FileSystem.host.openDirectory(scratch.path)
        do {
            let journal = try #require(try ChunkJournal.open(stem: ".image", chunkLength: 4_096, in: directory))
            try journal.note(identity: 77, in: SessionID(high: 5, low: 6))
            for round in 0..<300 { try journal.append(chunk: UInt32(round % 2), record: record(UInt32(round % 2))) }
        }
        let length = { FileManager.default.contents(atPath: self.scratch.path + "/.image.rmcp-journal")?.count }
        #expect(length() == 16 + 301 * 40)
        let journal = try #require(try ChunkJournal.open(stem: ".image", chunkLength: 4_096, in: directory))
        #expect(length() == 16 + 3 * 40)
        #expect(journal.has(chunk: 0, record: record(0)) && journal.has(chunk: 1, record: record(1)) && journal.identity(in: SessionID(high: 5, low: 6)) == 77)
        // It is locked, and what is appended goes to the file that has the name.
        #expect(try ChunkJournal.open(stem: ".image", chunkLength: 4_096, in: directory) == nil)
        try journal.append(chunk: 2, record: record(2))
        #expect(length() == 16 + 4 * 40)
    }

    /// A disk that is full, and has names left.
    private final class FullFiles: FileSystem, @unchecked Sendable {
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int { full() }
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { full() }
        private func full() -> Int {
            errno = ENOSPC
            return -1
        }
    }

    @Test("A bundle is said to be where it is, and nowhere else", arguments: [false, true])
    func aDirectoryThatWasMoved(isMadeAnew: Bool) throws {
        let place = scratch.path + "/place"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        let file = try PartialFile(announce: announce(), name: "image", directoryPath: place)
        try fill(file)
        try FileManager.default.moveItem(atPath: place, toPath: scratch.path + "/moved")
        if isMadeAnew { try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false) }
        let error = #expect(throws: HostError.self) { try file.commit(contentLength: UInt64(Self.length)) }
        #expect(error?.message.contains("its directory was moved") == true, "\(String(describing: error))")
        // What came is worth keeping.
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/moved").sorted() == [".image.rmcp-journal", ".image.rmcp-partial"])
        if isMadeAnew { try FileManager.default.removeItem(atPath: place) }
        try FileManager.default.moveItem(atPath: scratch.path + "/moved", toPath: place)
        try file.publish()
        #expect(try FileManager.default.contentsOfDirectory(atPath: place) == ["image"])
        file.close()
    }

    @Test func aFullSpoolSaysWhereItIsAndWhatHelps() throws {
        let spool = try SpoolFile(files: FullFiles())
        let error = #expect(throws: HostError.self) { try spool.write([1].span.bytes, at: 0) }
        #expect(error?.kind == .diskFull && error?.message.contains("the spool file in /") == true && error?.hint.contains("TMPDIR") == true)
    }

    @Test func aJournalThatCannotBeBegunIsNotLeft() throws {
        let directory = try FileSystem.host.openDirectory(scratch.path)
        #expect(throws: HostError.self) { try ChunkJournal.open(stem: ".image", chunkLength: 4_096, in: directory, files: FullFiles()) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
    }

    @Test func aSpoolThatForgetsIsNotBelieved() throws {
        let path = scratch.path + "/out"
        let output = Foundation.open(path, O_RDWR | O_CREAT, 0o600)
        defer { close(output) }
        let stream = try StreamStorage(announce: announce(), output: output)
        try stream.write(chunk: 1, record: record(1), content: content(1))
        // Another record for what lies there: as if the disk had something else.
        try stream.write(chunk: 2, record: record(0), content: content(1))
        #expect(throws: HostError.self) { try stream.write(chunk: 0, record: record(0), content: content(0)) }
        #expect(read("out") == content(0) + content(1))
    }

    @Test(
        arguments: [
            "/dev/rmcp-no-such-disk", "/dev//rmcp-no-such-disk", "/dev/disk/by-id/no-such-disk", "/dev/../dev/no-such-disk",
        ])
    func nothingIsCreatedAmongDevices(path: String) {
        #expect(throws: HostError.self) { try OutputPath(path) }
    }

    @Test func aLinkToADeviceThatIsGoneIsNoFile() throws {
        #expect(symlink("/dev/disk/by-id/usb-gone", scratch.path + "/stick") == 0)
        #expect(throws: HostError.self) { try OutputPath(scratch.path + "/stick") }
        #expect(symlink("gone", scratch.path + "/link") == 0)
        #expect(try OutputPath(scratch.path + "/link") == .file(name: "link", directory: scratch.path + "/"))
        #expect(try OutputPath("/tmp/\u{E9}t\u{E9}/\u{E9}") == .file(name: "\u{E9}", directory: "/tmp/\u{E9}t\u{E9}/"))
        #expect(try OutputPath("/dev/shm/image") == .file(name: "image", directory: "/dev/shm/"))
        #expect(throws: HostError.self) { try OutputPath(scratch.path + "/") }
    }

    @Test func namesAreJudgedAsBytes() {
        for name in [
            ".\u{301}x.rmcp-partial", ".x.rmcp-partial", ".X.RMCP-PARTIAL", ".x.rmcp-journal", ".x.rmcp-journal-new", ".x.rmcp-partial.3", "..",
            "a/\u{338}b",
        ] {
            #expect(BundleName.objection(to: name) != nil, "\(name)")
        }
        for name in ["x.rmcp-partial", ".x", "...", "a\u{301}", ".x.rmcp-part", ".3"] { #expect(BundleName.objection(to: name) == nil, "\(name)") }
        #expect(BundleName.printable("a\u{202E}b\u{7}") == "a?b?")
    }
}
