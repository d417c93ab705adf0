import Foundation
import TestSupport
import Testing

@testable import rmcp

/// Lines of `--json` around what a command does: what went wrong before it began, and how it ended.
@Suite struct EventLineTests {
    private struct Result {
        var status: Int32
        var lines: [[String: Any]]
        var output: String
        var errors: String
        var last: [String: Any] { lines.last ?? [:] }
    }

    /// Runs a script in a directory of its own; `rmcp` is the program.
    private func shell(_ script: String) throws -> Result {
        let binary = CommandRun.binary
        let run = try CommandRun.inDirectory { directory in
            try CommandRun(
                ["/bin/bash", "-c", "rmcp() { '\(binary)' \"$@\"; }; \(script)"], in: directory, environment: ["RMCP": binary], isMixed: false)
        }
        let lines = try run.output.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
        return Result(status: run.status, lines: lines, output: run.output, errors: run.errors)
    }

    @Test(
        "Whatever ends the process with an error is its last line",
        arguments: [
            ("rmcp send --json /nonexistent -i lo", 1, "no such file"),
            ("rmcp send --json --rate fast /etc/hosts", 2, "expected auto"),
            ("rmcp send --json --rat 5 /etc/hosts", 2, "Unknown option"),
            ("rmcp send --json", 2, "Missing expected argument"),
            ("rmcp send --json --name a --name b /etc/hosts", 2, "given twice"),
            ("RMCP_JSON=1 rmcp send /nonexistent -i lo", 1, "no such file"),
            ("echo 'json = true' >c; rmcp send --config c /nonexistent -i lo", 1, "no such file"),
            ("echo 'json = true' >c; rmcp send --config=c --rate fast /etc/hosts", 2, "expected auto"),
            ("rmcp send --json --config /nonexistent/c /etc/hosts", 1, "/nonexistent/c"),
            ("echo 'wait_far = 3' >c; rmcp send --json --config c /etc/hosts", 2, "wait-for"),
            ("rmcp send --json /etc/hosts -i nosuch0", 2, "nosuch0"),
            ("echo x >k; chmod 600 k; rmcp send --json --key k /etc/hosts -i lo", 1, "k: "),
            ("rmcp send --json --unsigned --min-wait 0s --max-wait 300ms -i lo -g \(LoopbackGroup.next().text) /etc/hosts", 4, "nobody came"),
            ("rmcp recv --json -i lo -d /nonexistent/d", 1, "/nonexistent/d"),
            ("rmcp recv --json -i lo --allow-unsigned --spool-events /nonexistent/d", 1, "/nonexistent/d"),
            ("rmcp recv --json -i lo --allow-unsigned --spool-events /proc", 1, "/proc"),
            ("rmcp recv --check --json -i lo --allow-unsigned --spool-events /nonexistent/d", 2, "/nonexistent/d"),
            ("rmcp recv --json -i lo -o - >out; code=$?; cat out; exit $code", 2, "--json both want"),
            ("rmcp recv --json -i lo --once --timeout 300ms --allow-unsigned -g \(LoopbackGroup.next().text)", 4, "no progress"),
            ("rmcp recv --json -i lo --trust nothing", 2, "neither a public key"),
            ("rmcp recv --json -i lo -g 10.0.0.1", 2, "10.0.0.1"),
            ("rmcp repair --json -i lo --cache /proc/x --allow-unsigned", 1, "/proc/x"),
            ("rmcp watch --json --once -i lo -g \(LoopbackGroup.next().text)", 4, "nothing heard"),
            ("rmcp keygen --json -o /proc/k", 1, "/proc/k"),
            ("rmcp recv --check --json --trust nothing", 2, "neither a public key"),
            ("rmcp nonsense --json", 2, "Unexpected argument"),
            // The time before it listens for signals: it waits for what comes out of a pipe.
            ("end_by TERM caught rmcp send --json --unsigned --files-from0 - -i lo .", 130, "signal"),
            ("end_by HUP caught rmcp recv --json --trust /dev/stdin -i lo", 130, "signal"),
            ("end_by INT ready rmcp send --json --unsigned -i lo -g \(LoopbackGroup.next().text) /etc/hosts", 130, "signal"),
            ("end_by INT listening rmcp recv --json --allow-unsigned -i lo -g \(LoopbackGroup.next().text)", 130, "signal"),
            ("end_by INT listening rmcp repair --json --allow-unsigned --cache k -i lo -g \(LoopbackGroup.next().text)", 130, "signal"),
            ("end_by INT listening rmcp watch --json -i lo -g \(LoopbackGroup.next().text)", 130, "signal"),
        ])
    func lastWord(script: String, status: Int32, says: String) throws {
        let result = try shell(Self.endBy + script)
        #expect(result.status == status, "\(result.errors)")
        #expect(result.last["event"] as? String == "error" && result.last["code"] as? Int32 == status, "\(result.output)")
        let text = "\(result.last["message"] as? String ?? "")\n\(result.last["hint"] as? String ?? "none")"
        #expect(text.contains(says) && !text.hasPrefix("\n") && !text.hasSuffix("\nnone"), "\(result.output)")
    }

    /// A shell's function: runs a program, its input a pipe that says nothing, sends it a signal once it has said an event or, for `caught`,
    /// has a handler for that signal, and writes what it wrote.
    private static let endBy =
        """
        end_by() {
          signal=$1; event=$2; shift 3
          "$RMCP" "$@" >out < <(exec sleep 20 2>/dev/null) &
          program=$!
          heard=
          for i in $(seq 900); do
            if [ $event = caught ]; then
              mask=$(sed -n 's/^SigCgt:[^0-9a-f]*//p' /proc/$program/status)
              (( (16#$mask >> ($(kill -l $signal) - 1)) & 1 )) && heard=yes
            elif grep -q "\\"$event\\"" out; then heard=yes; fi
            if [ $heard ]; then break; fi
            sleep 0.02
          done
          if [ ! $heard ]; then echo "never: $event" >&2; kill -KILL $program; return 99; fi
          kill -$signal $program; wait $program; code=$?
          cat out
          return $code
        }

        """

    @Test("Without --json standard output stays empty", arguments: ["send /nonexistent -i lo", "send --no-json --rate fast f", "recv --trust nothing"])
    func noLines(arguments: String) throws {
        let result = try shell("rmcp \(arguments)")
        #expect(result.status != 0 && result.output.isEmpty && !result.errors.isEmpty)
        #expect(try shell("RMCP_JSON=1 rmcp --no-json \(arguments)").lines.last?["event"] as? String != "finished")
    }

    @Test("A line that a full disk has cut spoils no other", .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/prlimit"), "no prlimit(1)"))
    func cutLine() throws {
        // No terminal is there, so that SIGHUP is answered by a line.
        let result = try shell(
            """
            until_said() { for i in $(seq 1500); do grep -q "$1" $2 2>/dev/null && return; sleep 0.02; done; echo "never: $1"; }
            : >out >err
            setsid "$RMCP" recv --json --allow-unsigned -i lo -g \(LoopbackGroup.next().text) >out 2>err &
            until_said listening out
            prlimit --pid $! --fsize=200:
            while ! grep -q 'cannot write' err; do kill -HUP $!; sleep 0.05; done
            prlimit --pid $! --fsize=unlimited:
            # One that comes while settings are being read is not another.
            for i in $(seq 300); do kill -HUP $!; grep -q '^{.*notice.*}$' out && break; sleep 0.05; done
            kill $!; wait $!; code=$?
            grep -v '^{.*}$' out | wc -l >&2; grep '^{.*}$' out; exit $code
            """)
        #expect(result.status == 1 && result.errors.trimmingCharacters(in: .whitespacesAndNewlines) == "1", "\(result.output)\(result.errors)")
        #expect(result.lines.compactMap { $0["event"] as? String }.suffix(2) == ["stopped", "error"], "\(result.output)")
    }

    @Test("What happened and what helps are two things")
    func hints() throws {
        for script in ["rmcp send --json --rate fast /etc/hosts", "rmcp recv --json -i lo -d /nonexistent/d", "rmcp send --json /etc/hosts -i nosuch0"] {
            let last = try shell(script).last
            let (message, hint) = (last["message"] as? String ?? "", last["hint"] as? String ?? "")
            #expect(!message.contains(";") && !hint.isEmpty, "\(script): \(last)")
        }
        let tree = try shell(#"mkdir t; printf 'a\0b; c\0' >l; rmcp send --json --files-from0 l t"#)
        #expect((tree.last["message"] as? String)?.contains("b; c: no such file") == true, "\(tree.output)")
        #expect((tree.last["hint"] as? String)?.hasPrefix("nothing is sent") == true, "\(tree.output)")
    }

    @Test("Lines that cannot be written are no success; a reader that has read enough is no failure")
    func lostLines() throws {
        let full = try shell("rmcp keygen --json -o k >/dev/full")
        #expect(full.status == 1 && full.errors.contains("cannot write to standard output: no space left"), "\(full.errors)")
        let checked = try shell("set -o pipefail; rmcp recv --check --json --allow-unsigned -i lo | head -1; exit ${PIPESTATUS[0]}")
        #expect(checked.status == 0 && checked.lines.count == 1, "\(checked.output)\(checked.errors)")
        let closed = try shell("rmcp recv --json --allow-unsigned -i lo >&-")
        #expect(closed.status == 1 && closed.errors.contains("standard output is closed"), "\(closed.errors)")
    }

    @Test("Entries of a tree that are left out, or cannot be read, are named one by one")
    func entries() throws {
        let sent = try shell(
            #"""
            mkdir t; touch t/a $'t/b\n\xe9'; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("t/s\\x")'
            rmcp send --json --unsigned --min-wait 0s --max-wait 300ms -i lo -g \#(LoopbackGroup.next().text) t
            """#)
        let skipped = sent.lines.filter { $0["event"] as? String == "file_skipped" }
        #expect(skipped.count == 1 && skipped[0]["path"] as? String == #"s\\x"# && skipped[0]["reason"] as? String == "socket", "\(sent.output)")
        let listed = try shell(#"mkdir t; printf 'gone\0b/\351\0' >l; rmcp send --json --files-from0 l t"#)
        let failed = listed.lines.filter { $0["event"] as? String == "file_failed" }
        #expect(failed.map { $0["path"] as? String } == ["b", "gone"] && failed[0]["message"] as? String == "no such file or directory", "\(listed.output)")
        #expect(listed.last["event"] as? String == "error" && listed.status == 1)
    }

    @Test("--check and keygen for programs")
    func settings() throws {
        let result = try shell("RMCP_TTL=2 rmcp send --check --json --rate 5M --exclude a --exclude b --unsigned /etc/hosts")
        #expect(
            result.status == 0 && result.last["event"] as? String == "checked" && result.last["exit_code"] as? Int == 0, "\(result.output)\(result.errors)")
        func setting(_ name: String) -> [String: Any] { result.lines.first { $0["name"] as? String == name } ?? [:] }
        #expect(setting("ttl")["value"] as? String == "2" && setting("ttl")["origin"] as? String == "RMCP_TTL")
        #expect(setting("rate")["origin"] as? String == "command line" && setting("exclude")["value"] as? [String] == ["a", "b"])
        #expect(setting("unsigned")["value"] as? Bool == true && setting("supersede")["value"] as? Bool == false)
        let key = try shell("rmcp keygen --json -o k; rmcp keygen --json --group -o g")
        #expect((key.lines.first?["key"] as? String)?.hasPrefix("rmcp-ed25519 ") == true && key.lines.first?["path"] as? String == "k", "\(key.output)")
        #expect(key.lines.compactMap { $0["event"] as? String } == ["key_made", "finished", "group_key_made", "finished"])
    }
}
