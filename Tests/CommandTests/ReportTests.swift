import Foundation
import RMCPHost
import Testing

@testable import rmcp

/// Files of events that are read, and pages that are written.
@Suite struct ReportTests {
    private static func inDirectory(_ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("rmcp-report-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test("A page goes beside its events, under the same name")
    func names() {
        #expect(ReportCommand.output(for: "a/send.jsonl") == "a/send.html")
        #expect(ReportCommand.output(for: "send.log") == "send.html")
        #expect(ReportCommand.output(for: "a.jsonl/.json") == "a.jsonl/.json.html")
        #expect(ReportCommand.output(for: "events") == "events.html")
        #expect(ReportCommand.output(for: "-") == "-")
    }

    @Test("Lines are read whole, wherever a piece ends, with or without a last line break")
    func lines() throws {
        try Self.inDirectory { directory in
            let path = directory + "/events.jsonl"
            let long = String(repeating: "x", count: 200_000)
            try "first\n\n\(long)\r\nlast".write(toFile: path, atomically: true, encoding: .utf8)
            var lines: [String] = []
            try LineReader.read(path) { lines.append($0.replacingOccurrences(of: "\r", with: "")) }
            #expect(lines == ["first", long, "last"])
            // What has no end is no line, and takes no more memory than one may.
            try Data(repeating: UInt8(ascii: "y"), count: 5 << 20).write(to: URL(fileURLWithPath: path))
            var longest = 0
            try LineReader.read(path) { longest = max(longest, $0.utf8.count) }
            #expect(longest < 2 << 20)
            #expect(throws: HostError.self) { try LineReader.read(directory + "/none") { _ in } }
            #expect(throws: HostError.self) { try LineReader.read(directory) { _ in } }
        }
    }

    @Test("A page that cannot be written is known before the transfer, and nothing is left of the trial")
    func check() throws {
        try Self.inDirectory { directory in
            let path = directory + "/report.html"
            _ = try ReportFile(path: path)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
            try "before".write(toFile: path, atomically: true, encoding: .utf8)
            let file = try ReportFile(path: path)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "before")
            file.note(line: "{\"event\":\"ready\",\"name\":\"a.iso\"}")
            file.write()
            #expect(try String(contentsOfFile: path, encoding: .utf8).contains("<bdi>a.iso</bdi>"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["report.html"])
            for wrong in ["-", directory, directory + "/none/report.html", "/dev/null"] {
                #expect(throws: HostError.self, "\(wrong)") { try ReportFile(path: wrong) }
            }
            // A name as long as names may be leaves room for that of the trial.
            _ = try ReportFile(path: directory + "/" + String(repeating: "n", count: 250) + ".html")
        }
    }
}
