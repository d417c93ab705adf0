import Foundation
import RMCPProtocol
import Testing

@testable import RMCPHost

/// What is found out about a source before and while it is read.
@Suite struct FileSourceTests {
    private static let chunk = 65_536

    private final class Directory {
        let path: String
        init() throws {
            path = NSTemporaryDirectory() + "rmcp-source-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    /// Chunks by letter: `d` data, `.` a hole, `z` zeros that are written; then some bytes of a last, short chunk.
    private func file(_ layout: String, tail: Int = 0, in directory: Directory) throws -> String {
        let path = directory.path + "/source"
        let raw = open(path, O_CREAT | O_RDWR | O_TRUNC, 0o600)
        try #require(raw >= 0)
        defer { close(raw) }
        for (index, letter) in layout.enumerated() where letter != "." {
            let bytes = [UInt8](repeating: letter == "d" ? 7 : 0, count: Self.chunk)
            try #require(pwrite(raw, bytes, bytes.count, index * Self.chunk) == bytes.count)
        }
        try #require(ftruncate(raw, layout.count * Self.chunk + tail) == 0)
        return path
    }

    /// The survey's word on each chunk.
    private func picture(_ source: FileSource, chunks: Int) -> String {
        var result = ""
        while result.count < chunks {
            let stretches = source.survey(from: UInt32(result.count), chunkLength: UInt64(Self.chunk))
            guard !stretches.isEmpty else { return result + "!" }
            for stretch in stretches { result += String(repeating: stretch.isHole ? "." : "d", count: Int(stretch.chunks)) }
        }
        return result
    }

    @Test(arguments: ["d", "dd", "d.d", ".", "..", ".d", "d.", "d..dd...d", "dzd.", "....d....d"], [0, 5])
    func aSurveyTellsHolesFromData(layout: String, tail: Int) throws {
        let directory = try Directory()
        let source = try FileSource(path: try file(layout, tail: tail, in: directory))
        // Zeros that are written are data, and so is a last chunk that is short.
        let expected = layout.map { $0 == "." ? "." : "d" }.joined() + (tail > 0 ? "d" : "")
        #expect(picture(source, chunks: expected.count) == expected)
    }

    @Test func blocksForEveryByteMeanNoHoles() throws {
        let directory = try Directory()
        #expect(try !FileSource(path: try file("dddd", in: directory)).mayHaveHoles)
        #expect(try FileSource(path: try file("d..d", in: directory)).mayHaveHoles)
        #expect(try !FileSource(path: try file("", in: directory)).mayHaveHoles)
    }

    @Test func aFIFOIsRefusedAtOnce() throws {
        let directory = try Directory()
        let path = directory.path + "/fifo"
        try #require(mkfifo(path, 0o600) == 0)
        let error = #expect(throws: HostError.self) { try FileSource(path: path) }
        #expect(error?.kind == .usage && error?.description.contains("rmcp send - <") == true)
    }

    @Test(arguments: ["/proc/self/status", "/sys/kernel/uevent_seqnum"]) func aFileWithoutALengthIsNotSentEmpty(path: String) throws {
        guard FileManager.default.isReadableFile(atPath: path) else { return }
        let error = #expect(throws: HostError.self) { try FileSource(path: path) }
        #expect(error?.kind == .usage && error?.description.contains("rmcp send --name NAME - <") == true)
    }

    @Test func anEmptyFileIsAFile() throws {
        let directory = try Directory()
        #expect(try FileSource(path: try file("", in: directory)).contentLength == 0)
        #expect(try FileSource(path: try file("...", in: directory)).contentLength == UInt64(3 * Self.chunk))
    }

    @Test func aQueueOfItsOwnHoldsNobodyUp() {
        let gate = BoundedQueue<Void>(capacity: 1)
        let done = LockedValue([String]())
        let queue = BackgroundQueue<String>(name: "test") { item in
            _ = gate.pop()
            done.withLock { $0.append(item) }
        }
        queue.update { $0.append("first") }
        // It stands in the first one: the others wait, and can be taken back.
        while !queue.update({ $0.isEmpty }) { usleep(100) }
        for item in ["second", "third"] { queue.update { $0.append(item) } }
        #expect(queue.update { $0.size } == 2 && !queue.drain(within: .milliseconds(1)))
        queue.update { $0.removeLast() }
        gate.close()
        #expect(queue.drain(within: .seconds(20)))
        #expect(done.withLock { $0 } == ["first", "second"])
    }
}
