import Foundation
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

    /// Runs a script in a terminal of 80 columns and 24 rows.
    /// - Returns: all that was written there.
    private static func inTerminal(_ script: String, _ environment: [String: String] = [:]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["timeout", "30", "script", "-qefc", "stty rows 24 cols 80; " + script, "/dev/null"]
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

    private static let enter = "\u{1B}[?1049h"
    private static let leave = "\u{1B}[?1049l"
    private static let send = "rmcp send --view --unsigned --max-wait 2s -i lo -g 239.255.76.91:17991 /etc/hosts"

    @Test(
        "A terminal is what it was before, however the view ends",
        arguments: [send, "timeout -s INT 1 \(send)", "timeout -s TERM 1 \(send)", "timeout -s HUP 1 \(send)", "timeout -s QUIT 1 \(send)"])
    func restored(command: String) throws {
        let text = try Self.inTerminal(
            "before=$(stty -g); timeout --foreground 20 \(command.replacing("timeout -s", with: "timeout --foreground -s")); test \"$before\" = \"$(stty -g)\" && echo as before"
        )
        #expect(text.contains(Self.enter) && text.contains("q leaves the view"))
        #expect(text.contains("as before") && text.ranges(of: Self.enter).count == text.ranges(of: Self.leave).count, "\(text)")
        // Lines that were said meanwhile stay.
        let after = text.components(separatedBy: Self.leave).last ?? ""
        #expect(after.contains("sending hosts") && after.contains("as before"), "\(after)")
    }

    @Test("Nothing is drawn on where there is no terminal, or one that cannot be drawn on")
    func lines() throws {
        let dumb = try Self.inTerminal(Self.send, ["TERM": "dumb"])
        #expect(!dumb.contains("\u{1B}") && dumb.contains("sending hosts") && dumb.contains("nobody came"))
        let piped = try Self.inTerminal("\(Self.send) 2>&1 | cat")
        #expect(!piped.contains("\u{1B}") && piped.contains("nobody came"))
    }

    @Test("NO_COLOR leaves text without emphasis, and the locale decides on signs")
    func plain() throws {
        #expect(try Self.inTerminal(Self.send).contains("\u{1B}[1m"))
        let plain = try Self.inTerminal(Self.send, ["NO_COLOR": "1", "LANG": "C"])
        let screens = plain.components(separatedBy: Self.enter).last?.components(separatedBy: Self.leave).first ?? ""
        #expect(screens.contains("rmcp send hosts") && !screens.contains("\u{1B}[1m") && screens.utf8.allSatisfy { $0 < 0x80 })
        #expect(try Self.inTerminal("\(Self.send) --color always", ["NO_COLOR": "1"]).contains("\u{1B}[1m"))
    }

    @Test("Stopped by Ctrl-Z the terminal is the shell's, and in the foreground again it is drawn on again")
    func suspended() throws {
        let script = """
            set -m; before=$(stty -g); \(Self.send.replacing("2s", with: "4s")) & sleep 0.2; (sleep 1; kill -TSTP $!) & fg %1 >/dev/null; test "$before" = "$(stty -g)" && echo as shells have it; fg %1 >/dev/null; \
            test "$before" = "$(stty -g)" && echo as before
            """
        let text = try Self.inTerminal("bash -c '\(script.replacing("'", with: "'\\''"))'")
        #expect(text.contains("as shells have it") && text.contains("as before"), "\(text)")
        #expect(text.ranges(of: Self.enter).count == 2 && text.ranges(of: Self.leave).count == 2, "\(text)")
    }

    @Test("SIGUSR1 asks how it goes, and stops nothing")
    func question() throws {
        let quiet = Self.send.replacing("--view ", with: "-q ")
        let text = try Self.inTerminal("out=$(mktemp); \(quiet) 2>$out & sleep 0.8; kill -USR1 $!; wait $!; echo code $?; cat $out; rm $out")
        #expect(text.contains("code 4") && text.contains("waiting 0.") && text.contains("nobody came"), "\(text)")
    }
}
