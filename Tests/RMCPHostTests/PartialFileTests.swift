import Foundation
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
