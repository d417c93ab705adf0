import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

extension BundleStorage {
    func commit(contentLength: UInt64) throws(HostError) {
        try flush(contentLength: contentLength)
        try publish()
    }

    func write(chunk: UInt32, record: ChunkRecord, content: [UInt8]) throws(HostError) {
        try write(chunk: chunk, record: record, content: content.span.bytes)
    }

    /// Whether a chunk may be here from before.
    func mayHave(chunk: UInt32, record: ChunkRecord) -> Bool { !seeds.matches(of: chunk, record).isEmpty }

    /// Bytes of the chunk from the first seed that says it has it; nil where there is none, or it is not all there.
    func recall(chunk: UInt32, record: ChunkRecord) throws(HostError) -> [UInt8]? {
        guard let match = seeds.matches(of: chunk, record).first else { return nil }
        var bytes = [UInt8](repeating: 1, count: Int(match.extent.length))
        var span = bytes.mutableSpan
        var target = span.mutableBytes
        return try match.seed.read(match.extent, into: &target) ? bytes : nil
    }
}

/// A directory that is gone afterwards.
private final class Directory {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "rmcp-storage-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

@Suite struct StorageTests {
    private let chunkLength: UInt32 = 4_096

    private func announce(_ name: String = "image", length: UInt64 = 10_000, session: UInt64 = 1) -> Announce {
        Announce(
            session: SessionID(high: session, low: 2), kind: .file, chunkLength: chunkLength, payloadLength: 1_376, creationTime: 0,
            contentLength: length, allocatedLength: length, mode: 0o640, modificationTime: FileTime(seconds: 1_000_000_000, nanoseconds: 0), name: name,
            key: .none)
    }

    private func content(_ chunk: UInt32) -> [UInt8] {
        (0..<(chunk == 2 ? 10_000 - 2 * 4_096 : 4_096)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(chunk)) }
    }

    private func record(_ chunk: UInt32) -> ChunkRecord {
        let bytes = content(chunk)
        let digest = bytes.withUnsafeBytes { BLAKE3Digest.digest(of: $0) }
        return ChunkRecord(
            kind: .stored, contentLength: UInt32(bytes.count), encodedLength: UInt32(bytes.count), encodedDigest: digest, contentDigest: digest)
    }

    private func write(_ chunk: UInt32, to file: PartialFile) throws {
        try file.write(chunk: chunk, record: record(chunk), content: content(chunk))
    }

    @Test func aBundleAppearsOnlyWhenItIsCommitted() throws {
        let directory = try Directory()
        let file = try PartialFile(announce: announce(), name: "image", directoryPath: directory.path)
        try file.prepare(contentLength: 10_000, allocatedLength: 10_000)
        for chunk in [2, 0, 1] as [UInt32] {
            try write(chunk, to: file)
            #expect(!directory.names.contains("image"))
        }
        try file.commit(contentLength: 10_000)
        #expect(directory.names == ["image"])
        let expected = Data(content(0) + content(1) + content(2))
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.path + "/image")) == expected)
        var status = stat()
        #expect(stat(directory.path + "/image", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o640 && status.st_mtim.tv_sec == 1_000_000_000)
    }

    @Test func whatIsThereIsOfferedAgainAndVerified() throws {
        let directory = try Directory()
        do {
            let file = try PartialFile(announce: announce(), name: "image", directoryPath: directory.path)
            try file.prepare(contentLength: 10_000, allocatedLength: 10_000)
            try write(0, to: file)
            try write(1, to: file)
            file.abandon()
        }
        let again = try PartialFile(announce: announce(session: 9), name: "image", directoryPath: directory.path)
        #expect(!again.seeds.isEmpty)
        #expect(again.mayHave(chunk: 0, record: record(0)) && again.mayHave(chunk: 1, record: record(1)))
        #expect(!again.mayHave(chunk: 2, record: record(2)))
        // Another content under the same index is not there.
        #expect(!again.mayHave(chunk: 1, record: record(0)))
        #expect(try again.recall(chunk: 1, record: record(1)) == content(1))
    }

    @Test func nothingIsLeftOfASessionThatBroughtNothing() throws {
        let directory = try Directory()
        let file = try PartialFile(announce: announce(), name: "image", directoryPath: directory.path)
        try file.prepare(contentLength: 10_000, allocatedLength: 10_000)
        file.abandon()
        #expect(directory.names.isEmpty)
    }

    @Test func aJournalThatIsTornOrForeignIsNoProof() throws {
        let directory = try Directory()
        do {
            let file = try PartialFile(announce: announce(), name: "image", directoryPath: directory.path)
            try file.prepare(contentLength: 10_000, allocatedLength: 10_000)
            try write(0, to: file)
            try write(1, to: file)
            file.abandon()
        }
        let journal = try #require(directory.names.first { $0.hasSuffix("rmcp-journal") })
        let path = directory.path + "/" + journal
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let partialPath = directory.path + "/" + (try #require(directory.names.first { $0.hasSuffix("rmcp-partial") }))
        let partial = try Data(contentsOf: URL(fileURLWithPath: partialPath))
        // Cut at every length: never a crash, and everything of which an entry is whole, and nothing else.
        let (header, entry) = (16, 40)
        #expect(bytes.count == header + 2 * entry)
        for length in (0...bytes.count).reversed() {
            // A journal that says nothing costs the file what it has.
            try partial.write(to: URL(fileURLWithPath: partialPath))
            try bytes.prefix(length).write(to: URL(fileURLWithPath: path))
            let file = try PartialFile(announce: announce(), name: "image", directoryPath: directory.path)
            let entries = max(0, (length - header) / entry)
            for chunk in 0..<2 as Range<UInt32> {
                #expect(file.mayHave(chunk: chunk, record: record(chunk)) == (chunk < entries), "\(length) bytes")
                #expect(try file.recall(chunk: chunk, record: record(chunk)) == (chunk < entries ? content(chunk) : nil), "\(length) bytes")
            }
        }
        try Data("not a journal at all, but long enough to be one".utf8).write(to: URL(fileURLWithPath: path))
        #expect(try PartialFile(announce: announce(), name: "image", directoryPath: directory.path).seeds.isEmpty)
    }

    @Test func theReceiverIsTheSameAfterARestart() throws {
        let directory = try Directory()
        let session = SessionID(high: 1, low: 2)
        do {
            let file = try PartialFile(announce: announce(), name: "image", directoryPath: directory.path)
            #expect(file.identity(in: session, drawn: 77) == 77)
            try write(0, to: file)
        }
        let again = try PartialFile(announce: announce(), name: "image", directoryPath: directory.path)
        #expect(again.identity(in: session, drawn: 78) == 77)
        #expect(again.identity(in: SessionID(high: 3, low: 4), drawn: 79) == 79)
    }

    @Test func noSymbolicLinkIsFollowed() throws {
        let directory = try Directory()
        let outside = try Directory()
        let target = outside.path + "/target"
        try Data("precious".utf8).write(to: URL(fileURLWithPath: target))
        for trap in ["image", ".image.rmcp-partial", ".image.rmcp-journal"] {
            try FileManager.default.createSymbolicLink(atPath: directory.path + "/" + trap, withDestinationPath: target)
            let file = try PartialFile(announce: announce(), name: "image", directoryPath: directory.path)
            try file.prepare(contentLength: 10_000, allocatedLength: 10_000)
            for chunk in 0..<3 as Range<UInt32> { try write(chunk, to: file) }
            try file.commit(contentLength: 10_000)
            #expect(try String(contentsOfFile: target, encoding: .utf8) == "precious", "through \(trap)")
            // The link has given way to the bundle, or was moved aside.
            #expect(directory.names == (trap == "image" ? ["image"] : [trap + ".1", "image"]))
            var status = stat()
            #expect(lstat(directory.path + "/image", &status) == 0 && status.st_mode & S_IFMT == S_IFREG)
            #expect(try Data(contentsOf: URL(fileURLWithPath: directory.path + "/image")) == Data(content(0) + content(1) + content(2)))
            for name in directory.names { try FileManager.default.removeItem(atPath: directory.path + "/" + name) }
        }
    }

    @Test("Names that are no plain file names", arguments: ["", ".", "..", "a/b", "/etc/passwd", "../x", "a\nb", "a\u{1B}[31m", "a\0b", ".x.rmcp-partial"])
    func badNames(name: String) { #expect(BundleName.objection(to: name) != nil) }

    /// Commands and archives get the name, too.
    @Test("A name that will not do is refused wherever a bundle goes", arguments: ["..", "a/b", "/etc", "../../root", "", "a\nb"])
    func badNamesAnywhere(name: String) throws {
        let scratch = TemporaryDirectory()
        for kind in [BundleKind.tree, .file] {
            for output in [ReceiveRequest.Output.standardOutput, .path(scratch.path + "/out"), .directory] {
                let announce = Announce(
                    session: SessionID(high: 1 << 32, low: 2), kind: kind, chunkLength: 4_096, payloadLength: 1_376, creationTime: 0, contentLength: 4_096,
                    allocatedLength: 0, mode: 0o644, modificationTime: nil, name: name, key: .none)
                let opening = StorageOpening(
                    generation: SessionGeneration(number: 1), announce: announce, output: output, directory: scratch.path, drawn: 1, turn: 0)
                let error = #expect(throws: HostError.self) { _ = try opening.open() }
                #expect(error?.description.hasPrefix("the name \"") == true, "\(output) \(kind) \(error?.description ?? "")")
            }
        }
        #expect(scratch.names.isEmpty)
    }

    @Test("Names that are fine", arguments: ["a", "image.iso", ".hidden", "with space", "ünïcode", "-rf", "..."])
    func goodNames(name: String) { #expect(BundleName.objection(to: name) == nil) }
}
