import Foundation
import RMCPContent
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// Files that are written so that a crash, a full disk or somebody else cannot spoil them.
@Suite struct SystemTests {
    private let scratch = TemporaryDirectory()

    private func path(_ name: String) -> String { "\(scratch.path)/\(name)" }
    private func content(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: path(name)).map(Array.init) }
    private func put(_ bytes: [UInt8], in name: String) { _ = FileManager.default.createFile(atPath: path(name), contents: Data(bytes)) }

    private func open(_ name: String) throws -> OwnedDescriptor {
        let raw = Foundation.open(path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        try #require(raw >= 0)
        return OwnedDescriptor(raw)
    }

    /// A disk that takes `room` more bytes.
    private final class SmallDisk: FileSystem, @unchecked Sendable {
        var room: Int
        init(room: Int) { self.room = room }
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int {
            errno = ENOSPC
            guard room > 0 else { return -1 }
            let written = super.write(descriptor, bytes, min(count, room), at: offset)
            room -= max(0, written)
            return written
        }
    }

    // MARK: Logs

    private static let mark: UInt64 = 0x524D_4350_5445_5354

    private func entry(_ number: UInt32) -> DigestLog.Entry { DigestLog.Entry(chunk: number, number: number &* 3, value: Bytes32(1, 2, 3, UInt64(number))) }

    private func entries(_ name: String, chunkLength: UInt32 = 7, limit: Int = 100) throws -> (chunks: [UInt32], isNew: Bool) {
        var chunks: [UInt32] = []
        let log = try DigestLog(try open(name), mark: Self.mark, chunkLength: chunkLength, limit: limit, path: name) { chunks.append($0.chunk) }
        return (chunks, log.isNew)
    }

    /// The bytes are a contract: files of an earlier version are read by a later one.
    @Test func aLogHasTheLayoutThatItHadBefore() throws {
        let log = try DigestLog(try open("log"), mark: Self.mark, chunkLength: 0x0102_0304, limit: 9, path: "log") { _ in }
        try log.append(DigestLog.Entry(chunk: 0x0A0B_0C0D, number: 0x1112_1314, value: Bytes32(1, 2, 3, 0xFF)))
        func number(_ value: UInt8) -> [UInt8] { [0, 0, 0, 0, 0, 0, 0, value] }
        let header = Array("RMCPTEST".utf8) + [1, 2, 3, 4, 0, 0, 0, 0]
        #expect(content("log") == header + [0x0A, 0x0B, 0x0C, 0x0D, 0x11, 0x12, 0x13, 0x14] + number(1) + number(2) + number(3) + number(0xFF))
        let again = DigestLog.bytes(mark: Self.mark, chunkLength: 0x0102_0304, [entry(1)])
        #expect(again.count == 56 && Array(again.prefix(16)) == header)
    }

    @Test func whatIsTornIsCutOffAndOthersStayInStep() throws {
        let whole = DigestLog.bytes(mark: Self.mark, chunkLength: 7, (1...3).map(entry))
        for length in 0...whole.count {
            put(Array(whole.prefix(length)), in: "log")
            let isKnown = length >= 16
            let kept = isKnown ? (length - 16) / 40 : 0
            let log = try DigestLog(try open("log"), mark: Self.mark, chunkLength: 7, limit: 100, path: "log") { _ in }
            #expect(log.isNew == !isKnown && log.count == kept)
            try log.append(entry(9))
            #expect(try entries("log").chunks == Array([1, 2, 3].prefix(kept)) + [9])
        }
        put(whole, in: "log")
        #expect(try entries("log", chunkLength: 8) == (chunks: [], isNew: true), "of another bundle")
        #expect(content("log")?.count == 16)
    }

    @Test func anEntryThatDidNotFitIsOverwritten() throws {
        for room in 0..<40 {
            let disk = SmallDisk(room: 16 + 40 + room)
            let log = try DigestLog(try open("log\(room)"), mark: Self.mark, chunkLength: 7, limit: 100, path: "log", files: disk) { _ in }
            try log.append(entry(1))
            #expect(throws: HostError.self) { try log.append(entry(2)) }
            disk.room = 1_000
            try log.append(entry(3))
            #expect(try entries("log\(room)").chunks == [1, 3])
        }
    }

    @Test func aLogDoesNotGrowBeyondItsLimit() throws {
        let log = try DigestLog(try open("log"), mark: Self.mark, chunkLength: 7, limit: 3, path: "log") { _ in }
        for number in 1...9 as ClosedRange<UInt32> { try log.append(entry(number)) }
        #expect(try entries("log").chunks == [1, 2, 3])
        // One that is longer was not written with this limit.
        put(DigestLog.bytes(mark: Self.mark, chunkLength: 7, (1...9).map(entry)), in: "log")
        #expect(try entries("log", limit: 5).chunks == [1, 2, 3, 4, 5])
    }

    // MARK: Atomic files

    @Test func aFileHasItsNameWholeOrNotAtAll() throws {
        let directory = try FileSystem.host.openDirectory(scratch.path)
        put([1], in: "file")
        put([9, 9, 9, 9], in: "elsewhere")
        // What lies under the name beside: a leftover, and a trap.
        for make in [{ put([7, 7, 7, 7], in: "file.new") }, { _ = symlink("elsewhere", path("file.new")) }] {
            make()
            do {
                let file = try AtomicFile("file", as: "file.new", in: directory, label: "file")
                try FileTransfer.writeSequentially(file.descriptor.raw, [2, 3], path: "file")
                #expect(content("file") == [1])
            }
            #expect(scratch.names == ["elsewhere", "file"] && content("file") == [1] && content("elsewhere") == [9, 9, 9, 9])
        }
        let file = try AtomicFile("file", as: "file.new", in: directory, label: "file")
        try FileTransfer.writeSequentially(file.descriptor.raw, [2, 3], path: "file")
        try file.publish(isDurable: true)
        #expect(scratch.names == ["elsewhere", "file"] && content("file") == [2, 3])
    }

    @Test func aFileThatCannotBeFlushedDoesNotGetItsName() throws {
        let files = FaultyFileSystem(seed: 1)
        files.readBack(scratch.path)
        let directory = try files.openDirectory(scratch.path)
        do {
            let file = try AtomicFile("file", as: "file.new", in: directory, label: "file", files: files)
            try FileTransfer.writeSequentially(file.descriptor.raw, [2, 3], path: "file", files: files)
            files.failsNextFlush = true
            #expect(throws: HostError.self) { try file.publish(isDurable: true) }
        }
        #expect(scratch.names.isEmpty)
    }

    // MARK: Transfers

    @Test func thePathIsPutIntoWordsForErrorsOnly() throws {
        let file = try open("file")
        var asked = 0
        func text() -> String {
            asked += 1
            return "file"
        }
        var bytes: [UInt8] = [1, 2, 3]
        try FileTransfer.write(file.raw, bytes, at: 0, path: text())
        #expect(try FileTransfer.read(file.raw, into: &bytes, at: 0, path: text()) == 3)
        #expect(asked == 0)
        let error = #expect(throws: HostError.self) { try FileTransfer.write(-1, bytes, at: 0, path: text()) }
        #expect(asked == 1 && error?.description.contains("file") == true)
    }

    // MARK: Directories

    @Test func directoriesAreMadeWithWhatIsAboveThem() throws {
        try Directories.make(path("a/b//c"))
        try Directories.make(path("a/b/c/"))
        try Directories.makeParents(of: path("a/d/file"))
        var status = stat()
        #expect(stat(path("a/b/c"), &status) == 0 && status.st_mode & 0o777 == 0o700)
        #expect(stat(path("a/d"), &status) == 0 && stat(path("a/d/file"), &status) != 0)
        put([1], in: "a/file")
        let error = #expect(throws: HostError.self) { try Directories.make(path("a/file/b"), advice: "name another") }
        #expect(error?.description.hasSuffix("; name another") == true)
        try Directories.makeParents(of: "file")
    }
}
