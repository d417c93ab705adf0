import Foundation
import RMCPHost
import TestSupport
import Testing

@testable import rmcp

/// Files of events that are read, and pages that are written.
@Suite struct ReportTests {
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
        try CommandRun.inDirectory { directory in
            let path = directory + "/events.jsonl"
            let long = String(repeating: "x", count: 200_000)
            try "first\n\n\(long)\r\nlast".write(toFile: path, atomically: true, encoding: .utf8)
            var lines: [String] = []
            try LineReader.read(path) { lines.append($0.replacingOccurrences(of: "\r", with: "")) }
            #expect(lines == ["first", long, "last"])
            // A text without end is no line, and takes no more memory than one may.
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
        try CommandRun.inDirectory { directory in
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

    /// Runs a script in `directory`, where `rmcp` is the program and `send` a short one without receivers.
    /// - Returns: the exit code, and what was said.
    private static func shell(_ script: String, in directory: String) throws -> (status: Int32, text: String) {
        let send = "rmcp send --unsigned --min-wait 0s --max-wait 500ms -i lo -g \(LoopbackGroup.next().text)"
        let functions = "rmcp() { '\(CommandRun.binary)' \"$@\"; }; send() { \(send) \"$@\"; }"
        let run = try CommandRun(["/bin/bash", "-c", "exec 2>&1; \(functions); \(script)"], in: directory, seconds: 30)
        return (run.status, run.output)
    }

    @Test(
        "The page of --report and that of the same lines are one and the same, however the send ends",
        arguments: [
            ("send --json --report a.html /etc/hosts >a.jsonl", "Nobody came"),
            (
                "'\\binary' send --unsigned --max-wait 20s -i lo -g \(LoopbackGroup.next().text) --json --report a.html /etc/hosts >a.jsonl & "
                    + "until grep -q ready a.jsonl; do sleep 0.05; done; kill -TERM $!; wait $!", "Stopped"
            ),
            ("(sleep 9 | send --json --report a.html --name $'\\xff<b>' - >a.jsonl) ; true", ""),
        ])
    func samePage(script: String, headline: String) throws {
        try CommandRun.inDirectory { directory in
            let named = script.replacing("\\binary", with: CommandRun.binary)
            let result = try Self.shell(named + "; test ! -s a.jsonl || rmcp report -o b.html a.jsonl", in: directory)
            // A name that is no UTF-8 is refused before there is anything to report.
            guard !headline.isEmpty else { return #expect(!FileManager.default.fileExists(atPath: directory + "/a.html"), "\(result.text)") }
            let pages = try ["a", "b"].map { try String(contentsOfFile: "\(directory)/\($0).html", encoding: .utf8) }
            #expect(pages[0] == pages[1] && pages[0].contains(" \(headline)</span>"), "\(result.text)")
        }
    }

    @Test("A report that cannot be written keeps the send from beginning")
    func unwritable() throws {
        try CommandRun.inDirectory { directory in
            let cases: [(String, Int32, String)] = [
                ("none/a.html", 1, "none/a.html: no such file or directory; create its directory first"), ("/dev/null", 1, "no regular file"),
                ("-", 2, "expected a file"), (".", 1, "no regular file"),
            ]
            for (path, status, words) in cases {
                let result = try Self.shell("send --report \(path) /etc/hosts", in: directory)
                #expect(result.status == status && result.text.split(separator: "\n").count == 1 && result.text.hasPrefix("rmcp: "), "\(path): \(result.text)")
                #expect(result.text.contains(words), "\(path): \(result.text)")
            }
        }
    }

    @Test("Files that make no page say why; standard input and output do for files")
    func files() throws {
        try CommandRun.inDirectory { directory in
            let cases: [(String, Int32, String)] = [
                ("echo hello >e.jsonl; rmcp report e.jsonl", 1, "e.jsonl has no event of rmcp send"),
                ("rmcp report none.jsonl", 1, "none.jsonl"),
                (
                    // Another group than that of senders that nobody must come to.
                    "rmcp recv --json -i lo --once --timeout 300ms --allow-unsigned -g \(LoopbackGroup.next().text) >r.jsonl; rmcp report r.jsonl", 1,
                    "events of rmcp recv"
                ),
                ("send --json /etc/hosts >s.jsonl; rmcp report --session 2 s.jsonl", 2, "has 1 session"),
                ("send --json /etc/hosts >s.jsonl; send --json /etc/hosts >>s.jsonl; head -c 40 s.jsonl >>s.jsonl; rmcp report s.jsonl", 0, "session 2 of 2"),
                ("rmcp report s.jsonl", 0, "1 line could not be read"), ("rmcp report - <s.jsonl 2>&1 >o.html; grep -c 'Nobody came' o.html", 0, "made a page"),
                ("rmcp report -o - s.jsonl 2>/dev/null | tail -1", 0, "</html>"), ("test -s s.html && echo there", 0, "there"),
            ]
            for (script, status, words) in cases {
                let result = try Self.shell(script, in: directory)
                #expect(result.status == status && result.text.contains(words), "\(script): \(result.status) \(result.text)")
            }
        }
    }
}
