import Foundation
import Testing

@testable import RMCPHost

/// Files that sessions have left are told of, and goes after a week.
@Suite struct LeftFilesTests {
    private let now = 1_800_000_000

    private func make(_ name: String, days: Int, in directory: String) throws {
        let path = "\(directory)/\(name)"
        try Data(repeating: 1, count: 10_000).write(to: URL(fileURLWithPath: path))
        let time = timespec(tv_sec: now - days * 86_400, tv_nsec: 0)
        try #require(utimensat(AT_FDCWD, path, [time, time], 0) == 0)
    }

    @Test func whatIsOlderThanAWeekGoes() throws {
        let directory = TemporaryDirectory()
        for (name, days) in [("old", 8), ("young", 6), ("resumed", 8)] { try make(".\(name).rmcp-partial", days: days, in: directory.path) }
        for (name, days) in [("old", 8), ("young", 6), ("resumed", 1)] { try make(".\(name).rmcp-journal", days: days, in: directory.path) }
        try make("bundle", days: 900, in: directory.path)
        try make(".other", days: 900, in: directory.path)
        try make(".lonely.rmcp-partial", days: 8, in: directory.path)
        let lines = try LeftFiles.sweep(directory.path, now: now)
        #expect(lines.count == 2 && lines[0].contains("lonely, old") && lines[1].contains("2 bundles"), "\(lines)")
        let left = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
        #expect(left == [".other", ".resumed.rmcp-journal", ".resumed.rmcp-partial", ".young.rmcp-journal", ".young.rmcp-partial", "bundle"])
        #expect(try LeftFiles.sweep(directory.path, now: now).count == 1)
    }

    @Test func whatIsBeingWrittenToStays() throws {
        let directory = TemporaryDirectory()
        for suffix in ["partial", "journal"] { try make(".image.rmcp-\(suffix)", days: 30, in: directory.path) }
        let descriptor = open(directory.path + "/.image.rmcp-journal", O_RDWR)
        defer { close(descriptor) }
        try #require(flock(descriptor, LOCK_EX) == 0)
        #expect(try LeftFiles.sweep(directory.path, now: now).count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 2)
    }

    /// A tree that was replaced, by a process that was killed before it had removed it.
    @Test func replacedTreesGoAtOnce() throws {
        let directory = TemporaryDirectory()
        for name in ["old", "cut", "busy", "part"] {
            try FileManager.default.createDirectory(atPath: "\(directory.path)/.\(name).rmcp-partial/tree/a", withIntermediateDirectories: true)
        }
        try make(".part.rmcp-journal", days: 1, in: directory.path)
        for name in ["cut", "busy"] { try Data(repeating: 0, count: 16).write(to: URL(fileURLWithPath: directory.path + "/.\(name).rmcp-journal")) }
        let descriptor = open(directory.path + "/.busy.rmcp-journal", O_RDWR)
        defer { close(descriptor) }
        try #require(flock(descriptor, LOCK_EX) == 0)
        let lines = try LeftFiles.sweep(directory.path, now: now)
        #expect(lines.count == 2 && lines[0].contains("former trees of cut, old") && lines[1].contains("2 bundles"), "\(lines)")
        #expect(directory.names == [".busy.rmcp-journal", ".busy.rmcp-partial", ".part.rmcp-journal", ".part.rmcp-partial"])
    }

    @Test("Journals that are alone go, and so do trials of a process that was killed; what is young or somebody's stays")
    func remainsGo() throws {
        let directory = TemporaryDirectory()
        for name in [".old.rmcp-journal", ".rmcp-probe-1", ".locked.rmcp-journal", "plain.rmcp-journal", ".whole.rmcp-journal", ".whole.rmcp-partial"] {
            try make(name, days: 1, in: directory.path)
        }
        try make(".young.rmcp-journal", days: 0, in: directory.path)
        try FileManager.default.createDirectory(atPath: directory.path + "/.rmcp-probe-2", withIntermediateDirectories: true)
        let time = timespec(tv_sec: now - 86_400, tv_nsec: 0)
        try #require(utimensat(AT_FDCWD, directory.path + "/.rmcp-probe-2", [time, time], 0) == 0)
        let descriptor = open(directory.path + "/.locked.rmcp-journal", O_RDWR)
        defer { close(descriptor) }
        try #require(flock(descriptor, LOCK_EX) == 0)
        #expect(try LeftFiles.sweep(directory.path, now: now).count == 1)
        #expect(
            directory.names == [".locked.rmcp-journal", ".whole.rmcp-journal", ".whole.rmcp-partial", ".young.rmcp-journal", "plain.rmcp-journal"])
    }

    /// A file system that says of every file what a sender may give as a time.
    private final class TimelessFiles: FileSystem, @unchecked Sendable {
        private let seconds: Int
        init(seconds: Int) { self.seconds = seconds }
        override func status(of name: String, in directory: Int32) -> stat? {
            var status = super.status(of: name, in: directory)
            status?.st_mtim.tv_sec = seconds
            return status
        }
    }

    @Test("A time that is as far away as can be is one like others", arguments: [Int.min, .max])
    func timesAreTheSenders(seconds: Int) throws {
        let directory = TemporaryDirectory()
        let names = [".bundle", ".image.rmcp-journal", ".image.rmcp-partial", ".lonely.rmcp-journal", ".rmcp-probe-1"]
        for name in names { try make(name, days: 0, in: directory.path) }
        _ = try LeftFiles.sweep(directory.path, now: now, files: TimelessFiles(seconds: seconds))
        #expect(directory.names == (seconds == .min ? [".bundle"] : names))
    }

    /// Links lead nowhere: what is behind one is not looked at, and stays.
    @Test func linksStay() throws {
        let directory = TemporaryDirectory()
        try make("precious", days: 30, in: directory.path)
        try FileManager.default.createSymbolicLink(atPath: directory.path + "/.x.rmcp-partial", withDestinationPath: "precious")
        #expect(try LeftFiles.sweep(directory.path, now: now).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 2)
    }
}
