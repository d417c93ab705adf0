import Foundation
import Testing

@testable import rmcp

/// What is said, to readers that do not read.
@Suite struct LineWriterTests {
    /// A pipe with room for a page.
    private final class NarrowPipe {
        let reading: Int32
        let writing: Int32

        init(isBlocking: Bool) throws {
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            (reading, writing) = (ends[0], ends[1])
            let setPipeSize: Int32 = 1_031
            try #require(fcntl(writing, setPipeSize, 4_096) >= 0)
            if !isBlocking { try #require(fcntl(writing, F_SETFL, O_NONBLOCK) == 0) }
        }
        deinit {
            close(reading)
            close(writing)
        }

        /// Reads until `last` has come.
        func lines(through last: String) -> [String] {
            var bytes: [UInt8] = []
            var piece = [UInt8](repeating: 0, count: 4_096)
            while !bytes.reversed().starts(with: (last + "\n").utf8.reversed()) {
                let count = read(reading, &piece, piece.count)
                guard count > 0 else { break }
                bytes += piece.prefix(count)
            }
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    @Test("Nobody is held up; what does not fit is left out in whole lines, counted and said", arguments: [true, false])
    func standsStill(isBlocking: Bool) throws {
        let pipe = try NarrowPipe(isBlocking: isBlocking)
        let writer = LineWriter(pipe.writing, name: "test", note: { "left out \($0)\n" })
        let text = String(repeating: "x", count: 90)
        // 800 kB where 70 kB have room.
        for number in 0..<8_000 { writer.write("\(number) \(text)\n", .progress) }
        writer.write("the end\n", .line)
        writer.finish(within: .milliseconds(1))
        let lines = pipe.lines(through: "the end")
        let kept = lines.filter { $0.hasSuffix(text) }
        let numbers = kept.compactMap { $0.split(separator: " ").first.flatMap { Int($0) } }
        #expect(numbers.count == kept.count && numbers == numbers.sorted() && kept.count >= 500)
        let omitted = lines.filter { $0.hasPrefix("left out ") }.compactMap { Int($0.dropFirst(9)) }.reduce(0, +)
        #expect(kept.count + omitted == 8_000 && lines.last == "the end", "\(kept.count) \(omitted)")
    }

    @Test("Of what is drawn over and over the last is enough")
    func live() throws {
        let pipe = try NarrowPipe(isBlocking: true)
        let writer = LineWriter(pipe.writing, name: "test", note: { "left out \($0)\n" })
        let text = String(repeating: "x", count: 2_000)
        for number in 0..<1_000 { writer.write("\(number) \(text)\n", .live) }
        writer.write("the end\n", .line)
        let lines = pipe.lines(through: "the end")
        #expect(lines.count < 100 && lines.dropLast().last == "999 \(text)" && lines.last == "the end", "\(lines.count)")
    }

    /// Written by one thread, and read when it has finished.
    private final class Told: @unchecked Sendable { var codes: [Int32] = [] }

    @Test("An error is told once, and ends nothing")
    func errors() throws {
        let full = open("/dev/full", O_WRONLY)
        defer { close(full) }
        try #require(full >= 0)
        let told = Told()
        let writer = LineWriter(full, name: "test", note: { _ in "" }, onError: { told.codes.append($0) })
        for _ in 0..<10 { writer.write("lost\n", .line) }
        writer.finish(within: .seconds(20))
        #expect(told.codes == [ENOSPC])
    }
}
