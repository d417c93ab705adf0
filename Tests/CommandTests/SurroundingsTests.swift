import Foundation
import TestSupport
import Testing

/// The program where its descriptors, its files and its readers are not what it would like.
@Suite struct SurroundingsTests {
    private let directory: String

    init() throws {
        directory = NSTemporaryDirectory() + "rmcp-around-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    /// A script with `rmcp` in its path, in a directory of its own that is gone afterwards; `quick` are options that make a
    /// send without receivers short.
    private func shell(_ script: String) throws -> CommandRun {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = URL(fileURLWithPath: CommandRun.binary).deletingLastPathComponent().path
        return try CommandRun(
            ["/bin/sh", "-c", script], in: directory,
            environment: ["PATH": "\(path):/usr/bin:/bin:/usr/sbin:/sbin", "quick": "--unsigned --max-wait 300ms --min-wait 0s -i lo"], seconds: 20)
    }

    @Test(
        "A FIFO that nobody writes to: exit code 2 at once",
        arguments: [
            "send $quick f", "send --max-wait 300ms --min-wait 0s -i lo --key f f0", "recv --trust f -i lo", "recv --config f -i lo",
            "repair --cache c --trust f -i lo", "watch --once --trust f -i lo", "watch --once --config f -i lo",
        ])
    func fifo(arguments: String) throws {
        let result = try shell("mkfifo -m 600 f; echo 1 >f0; rmcp \(arguments)")
        #expect(result.status == 2 && result.errors.hasPrefix("rmcp: "), "\(result.status) \(result.errors)")
    }

    @Test("Keys come from a pipe, too, however late")
    func keysFromPipe() throws {
        let receive = "rmcp recv --once --timeout 300ms -i lo -g \(LoopbackGroup.next().text) --trust /dev/stdin"
        let result = try shell("key=$(rmcp keygen -o k 2>/dev/null); (sleep 0.3; echo \"$key\") | \(receive)")
        #expect(result.status == 4 && !result.errors.contains("no key is trusted"), "\(result.errors)")
    }

    @Test("A key that is made on first use is said where standard output has no reader any more")
    func keyWithoutReader() throws {
        let result = try shell(
            """
            { until test -e closed; do sleep 0.02; done
              rmcp send --max-wait 300ms --min-wait 0s -i lo -g \(LoopbackGroup.next().text) /etc/hosts; echo $? >code; } |
              (exec <&-; : >closed; until test -e code; do sleep 0.02; done)
            exit $(cat code)
            """)
        #expect(result.status == 4 && result.errors.contains("rmcp-ed25519 "), "\(result.status) \(result.errors)")
    }

    @Test(
        "Help whose reader has seen enough is no error, and a result that nobody gets is one",
        arguments: [("help config", 0), ("help json", 0), ("keygen -o k", 1)] as [(String, Int32)])
    func goneReader(arguments: String, status: Int32) throws {
        let result = try shell("{ sleep 0.3; rmcp \(arguments); echo $? >code; } | (exec <&-; sleep 1); exit $(cat code)")
        #expect(result.status == status && result.errors.isEmpty == (status == 0), "\(result.status) \(result.errors)")
        if status == 1 { #expect(result.errors.contains("broken pipe") && result.errors.contains("rmcp-ed25519 ")) }
    }

    @Test("A file that has no end is no file of keys")
    func endless() throws { #expect(try shell("rmcp recv -i lo --trust /dev/zero").status == 2) }

    @Test("A public line that cannot be written is an error, and is said all the same")
    func keygenIntoNothing() throws {
        let closed = try shell("rmcp keygen -o k >&-; code=$?; test ! -e k && exit $code")
        #expect(closed.status == 1 && closed.errors.contains("standard output is closed"), "\(closed.errors)")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let full = try shell("rmcp keygen -o k >/dev/full")
        #expect(full.status == 1 && full.errors.contains("no space left") && full.errors.contains("rmcp-ed25519 "), "\(full.errors)")
    }

    @Test("Data from or to a descriptor that is closed", arguments: ["send $quick --name x - <&-", "recv --once --allow-unsigned -i lo -o - >&-"])
    func closedData(arguments: String) throws {
        let result = try shell("rmcp \(arguments)")
        #expect(result.status == 1 && result.errors.contains("is closed"), "\(result.status) \(result.errors)")
    }

    /// Whether env(1) can run a program with signals ignored: older ones cannot.
    private static let envIgnoresSignals =
        (try? CommandRun.inDirectory { try CommandRun(["env", "--ignore-signal=CHLD,XFSZ", "true"], in: $0).status == 0 }) ?? false

    @Test(
        "Closed descriptors are open on nothing, and inherited signals are put right",
        .enabled(if: envIgnoresSignals, "env(1) knows no --ignore-signal here"))
    func descriptors() throws {
        let result = try shell(
            """
            exec env --ignore-signal=CHLD rmcp recv --allow-unsigned -i lo -g \(LoopbackGroup.next().text) <&- >&- 2>&- &
            for i in $(seq 400); do test "$(readlink /proc/$!/exe)" = "$(readlink -f "$(command -v rmcp)")" -a -e /proc/$!/fd/5 && break; sleep 0.02; done
            readlink /proc/$!/fd/0 /proc/$!/fd/1 /proc/$!/fd/2
            grep SigIgn /proc/$!/status
            kill $!
            wait $!; echo "exit code $?"
            """)
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.count == 5 && lines.prefix(3).allSatisfy { $0 == "/dev/null" } && lines.last == "exit code 0", "\(result.output)\(result.errors)")
        let ignored = try #require(lines.dropFirst(3).first.flatMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) })
        #expect(ignored & 1 << UInt64(SIGCHLD - 1) == 0 && ignored & 1 << UInt64(SIGXFSZ - 1) != 0)
    }

    @Test("A full log is said, and ends nothing")
    func fullOutput() throws {
        let result = try shell("rmcp send $quick --json -g \(LoopbackGroup.next().text) /etc/hosts >/dev/full")
        #expect(result.status == 4 && result.errors.components(separatedBy: "cannot write to standard output").count == 2, "\(result.errors)")
    }

    @Test("A reader that has stopped does not stop the program", arguments: ["", "--json"])
    func stoppedReader(option: String) throws {
        // Both descriptors go into a pipe of one page that is never read.
        let reader =
            "python3 -c 'import fcntl, os, time; fcntl.fcntl(0, 1031, 4096); open(\"ready\", \"w\"); [time.sleep(0.1) for i in range(300) if not os.path.exists(\"code\")]'"
        let script = """
            { while [ ! -e ready ]; do sleep 0.02; done
              head -c 4000 /dev/zero
              rmcp send --unsigned --max-wait 2s --min-wait 0s -i lo -g \(LoopbackGroup.next().text) \(option) /etc/hosts
              echo $? >code.new; mv code.new code; } 2>&1 | \(reader)
            cat code >&2; exit $(cat code)
            """
        let result = try shell(script)
        #expect(result.status == 4, "\(result.errors)")
    }

    @Test(
        "Metrics replace a file and what a link leads to, and nothing else",
        arguments: [
            ("true", true), ("echo old >m", true), ("echo old >there; ln -s there m", true), ("mkfifo m.tmp .m.tmp", true), ("mkdir m", false),
            ("mkfifo m", false),
            ("ln -s nowhere m", false), ("ln -s /dev/null m", false),
        ])
    func metrics(before: String, isWritten: Bool) throws {
        let result = try shell(
            """
            \(before)
            stat -c '%F' m >kind 2>/dev/null
            rmcp send --unsigned --min-wait 0s -i lo --max-wait 900ms -g \(LoopbackGroup.next().text) --metrics m /etc/hosts; echo "exit code $?"
            stat -c '%F' m >after 2>/dev/null; test -s kind && cmp kind after || true
            test -f m && grep -c '^rmcp_bundles_total{role="send",result="nobody_came"} 1$' m; stat -L -c '%a' m; ls -A | grep -c tmp
            """)
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.first == "exit code 4", "\(result.output)")
        #expect(result.errors.components(separatedBy: "no metrics").count == (isWritten ? 1 : 2), "\(result.errors)")
        if isWritten { #expect(lines.dropFirst().first == "1" && lines.contains("644"), "\(result.output)") }
        #expect(lines.last == (before.hasPrefix("mkfifo m.tmp") ? "2" : "0"), "\(result.output)")
    }

    @Test("Lines for programs that nobody reads are missed at the end")
    func unreadLines() throws {
        try CommandRun.inDirectory { home in
            let script = "mkfifo p; exec 3<>p; head -c 65536 /dev/zero >&3; \(CommandRun.binary) keygen --json -o k >&3"
            let result = try CommandRun(["bash", "-c", script], in: home, seconds: 20)
            #expect(result.status == 1 && result.errors.contains("nobody has read standard output"), "\(result.status) \(result.errors)")
        }
    }

    @Test("watch ends when nobody looks at its lines any more")
    func watchWithoutReader() throws {
        try CommandRun.inDirectory { home in
            let script = "\(CommandRun.binary) watch --json -i lo -g \(LoopbackGroup.next().text) | head -n 1; echo ${PIPESTATUS[0]}"
            let result = try CommandRun(["bash", "-c", script], in: home, seconds: 20)
            #expect(result.status == 0 && result.output.split(separator: "\n").last == "0", "\(result.status) \(result.output) \(result.errors)")
        }
    }

    @Test("A result of many lines that cannot be written is not said as an error")
    func unwrittenResult() throws {
        try CommandRun.inDirectory { home in
            let result = try CommandRun(["bash", "-c", "\(CommandRun.binary) help json >/dev/full"], in: home, seconds: 20)
            #expect(result.status == 1 && result.errorLines == 1 && result.errors.contains("cannot write to standard output"), "\(result.errors)")
        }
    }

    @Test("Names that turn the text around them are shown without that")
    func turnedNames() throws {
        try CommandRun.inDirectory { home in
            let result = try CommandRun([CommandRun.binary, "recv", "-d", "a\u{202E}b", "-i", "lo"], in: home, seconds: 20)
            #expect(result.status == 1 && result.errors.contains("a?b") && !result.errors.contains("\u{202E}"), "\(result.errors)")
        }
    }
}
