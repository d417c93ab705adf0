import Foundation
import RMCPProtocol
import Testing

@testable import RMCPHost

/// Mode and time from a source to a committed file: every value that a file may have is kept, none stands for "none".
@Suite struct MetadataTests {
    /// Memory keeps times that ext4 does not.
    private static let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()

    private func status(_ path: String) -> stat {
        var status = stat()
        #expect(stat(path, &status) == 0)
        return status
    }

    /// What a receiver makes of what a sender says of `source`.
    private func committed(_ source: any BundleSource, in directory: String, name: String) throws -> stat {
        let announce = Announce(
            session: SessionID(high: 1 << 32, low: 2), kind: source.kind, chunkLength: 4_096, payloadLength: 1_376, creationTime: 0,
            contentLength: 0, allocatedLength: 0, mode: source.mode, modificationTime: source.modificationTime, name: name, key: .none)
        try PartialFile(announce: announce, name: name, directoryPath: directory).commit(contentLength: 0)
        return status("\(directory)/\(name)")
    }

    /// 2^33 seconds are the year 2242, 2^35 are 3058; -2^31 is 1901.
    @Test(arguments: [0o000, 0o400, 0o644, 0o777] as [mode_t], [-(1 << 31), -1, 0, 1, 1 << 33, 1 << 35])
    func isKept(mode: mode_t, seconds: Int) throws {
        let directory = "\(Self.base)/rmcp-metadata-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = "\(directory)/source"
        let raw = open(path, O_CREAT | O_WRONLY, 0o600)
        #expect(raw >= 0)
        let time = timespec(tv_sec: seconds, tv_nsec: 123_456_789)
        #expect(fchmod(raw, mode) == 0 && futimens(raw, [time, time]) == 0)
        close(raw)
        let before = status(path)
        // Who may not read it cannot send it; root may.
        guard geteuid() == 0 || mode & 0o400 != 0 else {
            #expect(throws: HostError.self) { try FileSource(path: path) }
            return
        }
        let after = try committed(try FileSource(path: path), in: directory, name: "copy")
        #expect(after.st_mode == before.st_mode)
        #expect(after.st_mtim.tv_sec == before.st_mtim.tv_sec && after.st_mtim.tv_nsec == before.st_mtim.tv_nsec)
    }

    @Test func whatAStreamDoesNotSayIsTheReceivers() throws {
        let directory = "\(Self.base)/rmcp-metadata-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let source = try StreamSource(input: -1)
        #expect(source.mode == nil && source.modificationTime == nil)
        let after = try committed(source, in: directory, name: "stream")
        #expect(after.st_mode & 0o777 == 0o666 & ~ProcessUmask.value)
        #expect(abs(after.st_mtim.tv_sec - time(nil)) < 100)
    }

    @Test func theMaskIsTheKernels() {
        let mask = umask(0o022)
        umask(mask)
        #expect(ProcessUmask.read(from: "/proc/self/status") == mask && ProcessUmask.value == mask)
        #expect(ProcessUmask.parse("Name:\trmcp\nUmask:\t0027\nState:\tR\n") == 0o027)
        for none in ["", "Umask:", "Umask:\tx\n", "Name:\tUmask:\n"] { #expect(ProcessUmask.parse(none) == nil) }
        #expect(ProcessUmask.read(from: "/nonexistent") == nil)
    }
}
