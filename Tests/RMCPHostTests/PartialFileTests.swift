import CLinux
import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// What has the bundle's name already, and is no file that a bundle may replace.
@Suite struct PartialFileTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "rmcp-target-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    private func open(_ name: String, in directory: String) throws(HostError) -> PartialFile {
        let announce = Announce(
            session: SessionID(high: 1, low: 2), kind: .file, chunkLength: 4_096, payloadLength: 1_376, creationTime: 0, contentLength: 0,
            allocatedLength: 0, mode: 0o644, modificationTime: nil, name: name, key: .none)
        return try PartialFile(announce: announce, name: name, directoryPath: directory)
    }

    private func kind(of path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    @Test func aDeviceIsRefused() {
        #expect(throws: HostError("/dev/null is a character device, which a received file does not replace; move it away or receive elsewhere")) {
            // Nothing is committed here, whatever it thinks of the name.
            try open("null", in: "/dev").abandon()
        }
        #expect(kind(of: "/dev/null") == S_IFCHR && kind(of: "/dev/.null.rmcp-partial") == 0)
    }

    @Test func aFIFOIsRefusedAndSoIsALinkToOne() throws {
        try withDirectory { directory in
            #expect(mkfifo(directory + "/pipe", 0o600) == 0)
            try FileManager.default.createSymbolicLink(atPath: directory + "/link", withDestinationPath: "pipe")
            for name in ["pipe", "link"] {
                #expect(throws: HostError.self) { try open(name, in: directory).commit(contentLength: 0) }
            }
            #expect(kind(of: directory + "/pipe") == S_IFIFO && kind(of: directory + "/link") == S_IFLNK)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).sorted() == ["link", "pipe"])
        }
    }

    /// Files in memory, as far as anybody asks. It notes what is reserved.
    private final class FilesInMemory: FileSystem, @unchecked Sendable {
        let reserved = LockedValue<[Range<Int>]>([])
        /// Bytes that are left; as many as there are where nil.
        let free = LockedValue<UInt64?>(nil)
        override func space(of descriptor: Int32) -> statvfs? {
            guard var space = super.space(of: descriptor) else { return nil }
            if let left = free.withLock({ $0 }) { (space.f_frsize, space.f_bfree, space.f_bavail) = (1, fsblkcnt_t(left), fsblkcnt_t(left)) }
            return space
        }
        override func kind(of descriptor: Int32) -> Int { FileRoom.tmpfs }
        override func allocate(_ descriptor: Int32, mode: Int32, at offset: Int, _ length: Int) -> Int32 {
            reserved.withLock { $0.append(offset..<offset + length) }
            return 0
        }
    }

    @Test("Where reserving takes as long as writing, it goes on beside it, four times as fast")
    func reservingInMemory() throws {
        try withDirectory { directory in
            let (files, mebibyte, length) = (FilesInMemory(), 1 << 20, UInt64(10 << 20) + 5)
            let announce = Announce(
                session: SessionID(high: 1, low: 2), kind: .file, chunkLength: UInt32(mebibyte), payloadLength: 1_376, creationTime: 0, contentLength: length,
                allocatedLength: length, mode: 0o644, modificationTime: nil, name: "image", key: .none)
            let file = try PartialFile(announce: announce, name: "image", directoryPath: directory, reserve: 1_000, files: files)
            defer { file.close() }
            func reserved() -> [Range<Int>] { files.reserved.withLock { $0 } }
            try file.prepare(contentLength: length, allocatedLength: length)
            #expect(reserved() == [0..<4 * mebibyte])
            let bytes = [UInt8](repeating: 7, count: mebibyte)
            let digest = BLAKE3Digest().digest(of: bytes)
            let record = ChunkRecord(
                kind: .stored, contentLength: UInt32(mebibyte), encodedLength: UInt32(mebibyte), encodedDigest: digest, contentDigest: digest)
            // Nothing is left but what is kept for others: a reserved part is written all the same, and no other is, or is reserved.
            files.free.withLock { $0 = 1_000 }
            try file.write(chunk: 1, record: record, content: bytes.span.bytes)
            #expect(reserved() == [0..<4 * mebibyte])
            #expect(throws: HostError.self) { try file.write(chunk: 8, record: record, content: bytes.span.bytes) }
            files.free.withLock { $0 = nil }
            // In any order, and no more than there is.
            for chunk: UInt32 in [9, 0, 3] { try file.write(chunk: chunk, record: record, content: bytes.span.bytes) }
            #expect(reserved() == [0..<4 * mebibyte, 4 * mebibyte..<8 * mebibyte, 8 * mebibyte..<Int(length)])
        }
    }

    /// A disk that has no room for the whole extent, and some for what is written.
    private final class FilesWithoutExtents: FileSystem, @unchecked Sendable {
        let attempts = LockedValue(0)
        override func allocate(_ descriptor: Int32, mode: Int32, at offset: Int, _ length: Int) -> Int32 {
            guard mode == RMCP_FALLOC_FL_KEEP_SIZE else { return super.allocate(descriptor, mode: mode, at: offset, length) }
            attempts.withLock { $0 += 1 }
            errno = ENOSPC
            return -1
        }
    }

    @Test("Where not all of it is data, no room for all of it is no reason to refuse it", arguments: [0, 1] as [UInt64])
    func reservingWhatMayFit(holes: UInt64) throws {
        try withDirectory { directory in
            let (files, length) = (FilesWithoutExtents(), UInt64(1 << 20))
            let announce = Announce(
                session: SessionID(high: 1, low: 2), kind: .file, chunkLength: 4_096, payloadLength: 1_376, creationTime: 0, contentLength: length,
                allocatedLength: length - holes, mode: 0o644, modificationTime: nil, name: "image", key: .none)
            let storage = try PartialFile.whenNeeded(announce: announce, name: "image", directoryPath: directory, replacesFirst: false, files: files)
            defer { storage.close() }
            let bytes = [UInt8](repeating: 7, count: 4_096)
            let digest = BLAKE3Digest().digest(of: bytes)
            let record = ChunkRecord(kind: .stored, contentLength: 4_096, encodedLength: 4_096, encodedDigest: digest, contentDigest: digest)
            func write(_ chunk: UInt32) -> HostError.Kind? {
                do throws(HostError) { try storage.write(chunk: chunk, record: record, content: bytes.span.bytes) } catch { return error.kind }
                return nil
            }
            #expect(write(3) == (holes == 0 ? .diskFull : nil) && write(1) == (holes == 0 ? .diskFull : nil) && files.attempts.withLock { $0 } == 1)
            // A file that could not be begun leaves nothing, and holds nothing up.
            let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
            #expect(names == (holes == 0 ? [] : [".image.rmcp-journal", ".image.rmcp-partial"]))
        }
    }

    /// Holes would be where somebody has cut off what was verified: they are found when more is written behind them, and at the end.
    @Test(arguments: [true, false]) func aFileThatSomebodyTruncatesIsNotComplete(writesMore: Bool) throws {
        try withDirectory { directory in
            let announce = Announce(
                session: SessionID(high: 1, low: 2), kind: .file, chunkLength: 4_096, payloadLength: 1_376, creationTime: 0, contentLength: 12_288,
                allocatedLength: 0, mode: 0o644, modificationTime: nil, name: "image", key: .none)
            let file = try PartialFile(announce: announce, name: "image", directoryPath: directory)
            defer { file.close() }
            let bytes = [UInt8](repeating: 7, count: 4_096)
            let digest = BLAKE3Digest().digest(of: bytes)
            let record = ChunkRecord(kind: .stored, contentLength: 4_096, encodedLength: 4_096, encodedDigest: digest, contentDigest: digest)
            for chunk: UInt32 in [1, 0] { try file.write(chunk: chunk, record: record, content: bytes.span.bytes) }
            #expect(truncate(directory + "/.image.rmcp-partial", 5_000) == 0)
            let error = #expect(throws: HostError.self) {
                if writesMore { try file.write(chunk: 2, record: record, content: bytes.span.bytes) }
                try file.commit(contentLength: 12_288)
            }
            #expect(error?.description == "\(directory)/image: somebody has truncated its partial file; what was received is lost, and is removed")
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
        }
    }

    /// As rsync does it: the link is replaced, what it names is untouched.
    @Test func aLinkToAFileIsReplacedAndNotFollowed() throws {
        try withDirectory { directory in
            try Data("precious".utf8).write(to: URL(fileURLWithPath: directory + "/file"))
            try FileManager.default.createSymbolicLink(atPath: directory + "/link", withDestinationPath: "file")
            try open("link", in: directory).commit(contentLength: 0)
            #expect(kind(of: directory + "/link") == S_IFREG)
            #expect(try String(contentsOfFile: directory + "/file", encoding: .utf8) == "precious")
        }
    }
}
