import Foundation
import TestSupport
import Testing

@testable import rmcp

/// Variables of a terminal, and a real one that gets back what it was.
@Suite struct TerminalTests {
    private static func environment(_ values: [String: String]) -> (String) -> String? { { values[$0] } }

    @Test("Colours: what is asked for, then NO_COLOR, then CLICOLOR_FORCE, then the terminal")
    func colors() {
        func hasColor(_ wish: Terminal.Color, _ isTerminal: Bool, _ values: [String: String]) -> Bool {
            Terminal.hasColor(wish, isTerminal: isTerminal, Self.environment(values))
        }
        #expect(hasColor(.auto, true, [:]) && !hasColor(.auto, false, [:]))
        #expect(!hasColor(.auto, true, ["NO_COLOR": "1"]) && hasColor(.auto, true, ["NO_COLOR": ""]))
        #expect(hasColor(.auto, false, ["CLICOLOR_FORCE": "1"]) && !hasColor(.auto, false, ["CLICOLOR_FORCE": "0"]))
        #expect(!hasColor(.auto, true, ["NO_COLOR": "1", "CLICOLOR_FORCE": "1"]) && !hasColor(.auto, true, ["TERM": "dumb"]))
        #expect(hasColor(.always, false, ["NO_COLOR": "1"]) && !hasColor(.never, true, ["CLICOLOR_FORCE": "1"]))
    }

    @Test("UTF-8 is what the first variable that is set says")
    func encoding() {
        #expect(Terminal.isUnicode(Self.environment(["LANG": "de_DE.UTF-8"])) && Terminal.isUnicode(Self.environment(["LC_CTYPE": "C.utf8", "LANG": "C"])))
        #expect(!Terminal.isUnicode(Self.environment(["LC_ALL": "C", "LANG": "de_DE.UTF-8"])) && !Terminal.isUnicode(Self.environment([:])))
        #expect(Terminal.isUnicode(Self.environment(["LC_ALL": "", "LANG": "en_US.UTF-8"])))
    }

    /// Runs a script of bash's in a terminal of 80 columns and 24 rows; `seen TEXT N` waits until a text was written there N times.
    /// - Returns: all that was written there.
    private static func inTerminal(_ script: String, _ environment: [String: String] = [:]) throws -> String {
        try CommandRun.inDirectory { directory in
            let seen = #"seen() { until [ "$(grep -ao "$1" typescript | wc -l)" -ge "$2" ]; do sleep 0.02; done; }"#
            try "stty rows 24 cols 80\n\(seen)\n\(script)\n".write(toFile: directory + "/run", atomically: true, encoding: .utf8)
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["timeout", "30", "script", "-qefc", "bash ./run", "typescript"]
            process.currentDirectoryURL = URL(fileURLWithPath: directory)
            var variables = [
                "PATH": URL(fileURLWithPath: CommandRun.binary).deletingLastPathComponent().path + ":/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm",
                "LANG": "C.UTF-8",
                "HOME": "/nonexistent",
            ]
            variables.merge(environment) { $1 }
            process.environment = variables
            let (input, output) = (Pipe(), Pipe())
            process.standardInput = input
            process.standardOutput = output
            try process.run()
            let data = try output.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return String(decoding: data, as: UTF8.self)
        }
    }

    private static let enter = "\u{1B}[?1049h"
    private static let leave = "\u{1B}[?1049l"
    /// Written with each picture.
    private static let key = "q leaves the view"

    /// A sender that nobody comes to.
    private static func send(_ options: String = "--view", maxWait: String = "2s") -> String {
        "rmcp send \(options) --unsigned --max-wait \(maxWait) -i lo -g \(LoopbackGroup.next().text) /etc/hosts"
    }

    @Test("A terminal is what it was before, however the view ends", arguments: ["", "INT", "TERM", "HUP", "QUIT"])
    func restored(signal: String) throws {
        // Once there is a picture, and long before it would end by itself.
        let killed = "(seen '\(Self.key)' 1; kill -\(signal) $(cat id)) & bash -c 'echo $$ >id; exec \(Self.send(maxWait: "25s"))'"
        let command = signal.isEmpty ? Self.send() : killed
        let text = try Self.inTerminal("before=$(stty -g); \(command); echo code $?; test \"$before\" = \"$(stty -g)\" && echo as before")
        #expect(text.contains(Self.enter) && text.contains(Self.key))
        #expect(text.contains("as before") && text.ranges(of: Self.enter).count == text.ranges(of: Self.leave).count, "\(text)")
        // Lines that were said meanwhile stay.
        let after = text.components(separatedBy: Self.leave).last ?? ""
        #expect(after.contains("sending hosts") && after.contains("as before"), "\(after)")
        #expect(after.contains(signal.isEmpty ? "code 4" : "code 130"), "\(after)")
    }

    @Test("Nothing is drawn on where there is no terminal, or one that cannot be drawn on")
    func lines() throws {
        let dumb = try Self.inTerminal(Self.send(), ["TERM": "dumb"])
        #expect(!dumb.contains("\u{1B}") && dumb.contains("sending hosts") && dumb.contains("nobody came"))
        let piped = try Self.inTerminal("\(Self.send()) 2>&1 | cat")
        #expect(!piped.contains("\u{1B}") && piped.contains("nobody came"))
    }

    @Test("NO_COLOR leaves text without emphasis, and the locale decides on signs")
    func plain() throws {
        #expect(try Self.inTerminal(Self.send()).contains("\u{1B}[1m"))
        let plain = try Self.inTerminal(Self.send(), ["NO_COLOR": "1", "LANG": "C"])
        let screens = plain.components(separatedBy: Self.enter).last?.components(separatedBy: Self.leave).first ?? ""
        #expect(screens.contains("rmcp send hosts") && !screens.contains("\u{1B}[1m") && screens.utf8.allSatisfy { $0 < 0x80 })
        #expect(try Self.inTerminal("\(Self.send()) --color always", ["NO_COLOR": "1"]).contains("\u{1B}[1m"))
    }

    @Test("Stopped by Ctrl-Z the terminal is the shell's, and in the foreground again it is drawn on again")
    func suspended() throws {
        let text = try Self.inTerminal(
            """
            set -m; before=$(stty -g); \(Self.send(maxWait: "25s")) & program=$!
            (seen '\(Self.key)' 1; kill -TSTP $program; seen '?1049h' 2; kill -INT $program) &
            fg %1 >/dev/null; test "$before" = "$(stty -g)" && echo as shells have it
            fg %1 >/dev/null; echo code $?; test "$before" = "$(stty -g)" && echo as before
            """)
        #expect(text.contains("as shells have it") && text.contains("code 130") && text.contains("as before"), "\(text)")
        #expect(text.ranges(of: Self.enter).count == 2 && text.ranges(of: Self.leave).count == 2, "\(text)")
    }

    @Test("SIGUSR1 asks how it goes, and stops nothing")
    func question() throws {
        // Lines for programs say when there is something to be told.
        let text = try Self.inTerminal(
            """
            \(Self.send("-q --json", maxWait: "3s")) >lines 2>out & program=$!
            until grep -q '"event":"progress"' lines; do sleep 0.02; done
            kill -USR1 $program; wait $program; echo code $?; cat out; tail -n 1 lines
            """)
        #expect(text.contains("code 4") && text.contains(/waiting \d/) && text.contains("nobody came"), "\(text)")
    }
}
