import Foundation
import TestSupport
import Testing

/// The program itself, given what it cannot work with: one line that says what to do, and the right exit code.
@Suite struct UsageTests {
    private func run(_ arguments: [String], program: String = CommandRun.binary, environment: [String: String] = [:]) throws -> CommandRun {
        try CommandRun.inDirectory { home in
            try CommandRun([program] + arguments, in: home, environment: environment, isMixed: !arguments.contains("--json"), seconds: 20)
        }
    }

    private struct Case: CustomTestStringConvertible, Sendable {
        var arguments: [String]
        var status: Int32
        /// Words that the line must have.
        var words: [String]
        var testDescription: String { arguments.joined(separator: " ") }
    }

    private static let group = LoopbackGroup.next().text
    private static let loopback = ["-i", "lo", "-g", group]

    private static let cases: [Case] = [
        Case(arguments: ["send", "/nonexistent/image"] + loopback, status: 1, words: ["/nonexistent/image", "no such file"]),
        Case(arguments: ["send", "/etc/hosts", "/etc/passwd"] + loopback, status: 2, words: ["several paths", "--name"]),
        Case(arguments: ["send", "/etc/hosts", "/etc//hosts", "--name", "x"] + loopback, status: 2, words: ["/etc//hosts", "same name"]),
        Case(arguments: ["send", "/etc/hosts", "-", "--name", "x"] + loopback, status: 2, words: ["standard input"]),
        Case(arguments: ["send", "/etc/hosts", "/nonexistent/x", "--name", "x"] + loopback, status: 1, words: ["/nonexistent/x", "no such file"]),
        Case(arguments: ["send", "/etc/hosts", "/dev/null", "--name", "x"] + loopback, status: 2, words: ["/dev/null", "device"]),
        Case(arguments: ["send", "/"] + loopback, status: 2, words: ["it is empty", "--name"]),
        Case(arguments: ["send", "/etc", "--exclude", "!hosts"] + loopback, status: 2, words: ["--exclude !hosts"]),
        Case(arguments: ["send", "/etc", "--files-from0", "/nonexistent/list"] + loopback, status: 1, words: ["/nonexistent/list", "no such file"]),
        Case(arguments: ["send", "/etc", "--files-from0", "/etc/hosts"] + loopback, status: 2, words: ["/etc/hosts", "-print0"]),
        Case(arguments: ["send", "/etc/hosts", "--files-from0", "/dev/null"] + loopback, status: 2, words: ["/etc/hosts", "no directory"]),
        Case(arguments: ["send", "-", "--files-from0", "/dev/null"] + loopback, status: 2, words: ["standard input"]),
        Case(arguments: ["send", "/dev/null"] + loopback, status: 2, words: ["/dev/null"]),
        Case(arguments: ["send", "/etc/hosts", "-i", "nothere0"], status: 2, words: ["nothere0", "lo"]),
        Case(arguments: ["send", "/etc/hosts", "-i", "lo", "-g", "192.168.1.1"], status: 2, words: ["192.168.1.1", "multicast"]),
        Case(arguments: ["send", "/etc/hosts", "-i", "lo", "-g", "nonsense"], status: 2, words: ["nonsense"]),
        Case(arguments: ["send", "/etc/hosts", "-i", "lo", "-g", "239.1.1.1:99999"], status: 2, words: ["239.1.1.1:99999"]),
        Case(arguments: ["watch", "--once"] + loopback, status: 4, words: ["nothing heard", group]),
        Case(arguments: ["watch", "--once", "-i", "lo", "-g", "192.168.1.1"], status: 2, words: ["192.168.1.1", "multicast"]),
        Case(arguments: ["recv", "--check", "-d", "/nonexistent"] + loopback, status: 2, words: ["/nonexistent", "no such file"]),
        Case(arguments: ["recv", "--check", "--trust", "/nonexistent"] + loopback, status: 2, words: ["/nonexistent"]),
        Case(arguments: ["repair", "--check", "--region", "10.1.1.1"] + loopback, status: 2, words: ["10.1.1.1"]),
        Case(arguments: ["send", "--check", "/etc/hosts", "--key", "/nonexistent"] + loopback, status: 2, words: ["/nonexistent", "keygen"]),
        Case(arguments: ["send", "/etc/hosts", "--unsigned", "--supersede"] + loopback, status: 2, words: ["unsigned", "--supersede"]),
        Case(arguments: ["send", "/etc/hosts", "--report", "/nonexistent/page.html"] + loopback, status: 1, words: ["/nonexistent", "no such file"]),
        Case(arguments: ["send", "/etc", "/usr", "--name", "x", "--files-from0", "/dev/null"] + loopback, status: 2, words: ["one directory"]),
        Case(arguments: ["repair", "-q", "--allow-unsigned", "--cache", "/dev/null/x"] + loopback, status: 1, words: ["/dev/null"]),
        Case(arguments: ["recv", "--metrics-listen", "192.0.2.77:9464"] + loopback, status: 1, words: ["192.0.2.77:9464", "listen"]),
        Case(arguments: ["repair", "--allow-unsigned", "-i", "nothere0"], status: 2, words: ["nothere0"]),
        Case(arguments: ["repair", "--allow-unsigned", "--region", "10.1.1.1", "-i", "lo"], status: 2, words: ["10.1.1.1"]),
        Case(arguments: ["send", "/etc/hosts", "--report", ""] + loopback, status: 2, words: ["--report", "a file"]),
        Case(arguments: ["send", "/etc/hosts", "--metrics", ""] + loopback, status: 2, words: ["--metrics", "a file"]),
        Case(arguments: ["send", "/etc/hosts", "--key", ""] + loopback, status: 2, words: ["--key", "a file"]),
        Case(arguments: ["send", "/etc/hosts", "-i", ""], status: 2, words: ["interface"]),
        Case(arguments: ["send", "/etc/hosts", "--color", "sometimes"] + loopback, status: 2, words: ["--color sometimes", "always or never"]),
        Case(arguments: ["recv", "-d", ""] + loopback, status: 2, words: ["--directory", "a directory"]),
        Case(arguments: ["keygen", "-o", ""], status: 2, words: ["empty", "a file"]),
        Case(arguments: ["report", "-o", "", "/etc/hosts"], status: 2, words: ["empty", "a file"]),
        Case(arguments: ["send", "/etc/hosts", "--min-wait", "6s", "--max-wait", "3s"] + loopback, status: 2, words: ["--min-wait", "--max-wait"]),
        Case(arguments: ["recv", "--exec-timeout", "0s"] + loopback, status: 2, words: ["exec-timeout", "above 0"]),
        Case(arguments: ["recv", "-o", "/dev/null"] + loopback, status: 1, words: ["/dev/null", "character device"]),
        Case(arguments: ["keygen", "-o", "-"], status: 2, words: ["expected a file"]),
        Case(arguments: ["recv", "--accept", ""] + loopback, status: 2, words: ["empty pattern"]),
        Case(arguments: ["send", "/etc/hosts", "--require", "0"] + loopback, status: 2, words: ["--require 0", "1 or more"]),
        Case(arguments: ["send", "/etc/hosts", "--rate", "0"] + loopback, status: 2, words: ["rate", "0"]),
        Case(arguments: ["send", "/etc/hosts", "--rate", "quick"] + loopback, status: 2, words: ["rate", "quick"]),
        Case(arguments: ["send", "/etc/hosts", "--level", "77"] + loopback, status: 2, words: ["level", "77"]),
        Case(arguments: ["send", "/etc/hosts", "--ttl", "300"] + loopback, status: 2, words: ["ttl", "300"]),
        Case(arguments: ["send", "/etc/hosts", "--wait-for", "none"] + loopback, status: 2, words: ["wait-for", "none"]),
        Case(arguments: ["send", "/etc/hosts", "--max-wait=-3s"] + loopback, status: 2, words: ["max-wait"]),
        Case(arguments: ["send", "/etc/hosts", "--name", "../x"] + loopback, status: 2, words: ["../x", "slash"]),
        Case(arguments: ["send", "/etc/hosts", "--key", "/nonexistent/key"] + loopback, status: 1, words: ["/nonexistent/key", "no such file"]),
        Case(arguments: ["send", "/etc/hosts", "--key", "/etc/hosts"] + loopback, status: 1, words: ["/etc/hosts", "key"]),
        Case(arguments: ["recv", "-d", "/nonexistent"] + loopback, status: 1, words: ["/nonexistent", "no such file"]),
        Case(arguments: ["recv", "--trust", "/nonexistent/keys"] + loopback, status: 2, words: ["/nonexistent/keys"]),
        Case(arguments: ["recv", "--trust", "rmcp-ed25519 short"] + loopback, status: 2, words: ["key"]),
        Case(arguments: ["recv", "-i", "nothere0"], status: 2, words: ["nothere0"]),
        Case(arguments: ["recv", "-g", "10.0.0.1", "-i", "lo"], status: 2, words: ["10.0.0.1", "multicast"]),
        Case(arguments: ["send", "--config", "/nonexistent.toml", "/etc/hosts"] + loopback, status: 1, words: ["/nonexistent.toml"]),
    ]

    @Test("Bad input gets one line and the right exit code", arguments: cases)
    private func badInput(example: Case) throws {
        let result = try run(example.arguments)
        #expect(result.status == example.status, "\(result.errors)")
        #expect(result.errorLines == 1, "\(result.errors)")
        #expect(result.errors.hasPrefix("rmcp: "), "\(result.errors)")
        for word in example.words { #expect(result.errors.contains(word), "'\(word)' is not in: \(result.errors)") }
        #expect(result.output.isEmpty, "\(result.output)")
    }

    @Test(
        "A file that is read is not written over",
        arguments: [
            ["send", "src", "--report", "src"], ["send", "src", "--metrics", "./src"], ["send", "src", "x", "--name", "n", "--report", "link"],
            ["send", "src", "--key", "key", "--report", "key"], ["send", "src", "--metrics", ".config/rmcp/id_ed25519"],
            ["send", "src", "--config", "options.toml", "--report", "options.toml"], ["recv", "--trust", "key.pub", "--metrics", "key.pub"],
            ["report", "src", "-o", "src"],
        ])
    func filesThatAreRead(arguments: [String]) throws {
        try CommandRun.inDirectory { home in
            let program = CommandRun.binary
            let made = try CommandRun(
                [
                    "sh", "-c",
                    "\(program) keygen -o key >key.pub 2>/dev/null; mkdir -p .config/rmcp; cp key .config/rmcp/id_ed25519; echo '{}' >src; ln -s src link; echo >x; echo >options.toml; cksum key key.pub src options.toml",
                ], in: home, seconds: 20)
            #expect(made.status == 0, "\(made.errors)")
            let result = try CommandRun([program] + arguments, in: home, seconds: 20)
            #expect(result.status == 2 && result.errorLines == 1 && result.errors.contains("give another"), "\(result.status) \(result.errors)")
            let after = try CommandRun(["sh", "-c", "cksum key key.pub src options.toml"], in: home, seconds: 20)
            #expect(after.errors + after.output == made.errors + made.output)
        }
    }

    @Test(
        "What a start would find --check finds, and ends with 2",
        arguments: cases.filter { ["send", "recv", "repair"].contains($0.arguments[0]) && !$0.arguments.contains("--check") })
    private func badInputChecked(example: Case) throws {
        let result = try run(example.arguments + ["--check"])
        #expect(result.status == 2 && result.errorLines == 1 && result.output.isEmpty, "\(result.status) \(result.errors) \(result.output)")
        for word in example.words { #expect(result.errors.contains(word), "'\(word)' is not in: \(result.errors)") }
    }

    @Test(
        "An unknown option or command is usage",
        arguments: [
            ["send", "--fast"], ["frobnicate"], ["frobnicate", "--help"], ["frobnicate", "-h"], ["help", "frobnicate"],
            ["send"], ["recv", "--once", "extra"], ["watch", "--metrics", "m"], ["watch", "--metrics-listen", ":0"],
        ])
    func usage(arguments: [String]) throws { #expect(try run(arguments).status == 2) }

    @Test("A port that is taken")
    func portInUse() throws {
        let raw = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(raw) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        #expect(bound == 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(raw, $0, &length) }
        }
        let port = UInt16(bigEndian: address.sin_port)
        let result = try run(["recv", "-i", "lo", "-g", "239.255.76.99:\(port)", "--allow-unsigned"])
        #expect(result.status == 1 && result.errorLines == 1 && result.errors.contains("\(port)"), "\(result.errors)")
    }

    @Test(
        "Where metrics are to be served is an address and a port",
        arguments: ["9464", "127.0.0.1", "::1:9464", "[::1]", "127.0.0.1:", ":65536", "239.1.1.1:9464", "no.such.host.invalid:9464", "[::1:9464", "", ":-1"])
    func listener(_ text: String) throws {
        let result = try run(["recv", "-i", "lo", "--allow-unsigned", "--metrics-listen", text])
        #expect(result.status == 2 && result.errorLines == 1, "\(text): \(result.status) \(result.errors)")
        #expect(result.errors.contains("expected an address of this host and a port, such as 127.0.0.1:9464"), "\(result.errors)")
    }

    @Test("A port for metrics that is taken ends the command before it does anything", arguments: [["recv", "--allow-unsigned"], ["send", "/etc/hosts"]])
    func listenerInUse(_ arguments: [String]) throws {
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(raw) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                #expect(bind(raw, $0, length) == 0 && listen(raw, 1) == 0 && getsockname(raw, $0, &length) == 0)
            }
        }
        let place = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        let result = try run(arguments + ["-i", "lo", "--metrics-listen", place])
        #expect(result.status == 1 && result.errorLines == 1, "\(result.errors)")
        #expect(result.errors.contains("listen for metrics at \(place): address already in use; give --metrics-listen another port"), "\(result.errors)")
    }

    @Test("Help and version go to standard output, exit code 0")
    func help() throws {
        for arguments in [["--help"], ["send", "--help"], ["recv", "--help"], ["--version"]] {
            let result = try run(arguments)
            #expect(result.status == 0 && !result.output.isEmpty && result.errors.isEmpty)
        }
        // Every option of the contract is there.
        let send = try run(["send", "--help"]).output
        for option in [
            "--group", "--interface", "--ttl", "--rate", "--level", "--wait-for", "--min-wait", "--max-wait", "--linger", "--until", "--key", "--unsigned",
            "--name", "--config", "--json", "--metrics", "--metrics-listen",
        ] {
            #expect(send.contains(option), "\(option)")
        }
        let recv = try run(["recv", "--help"]).output
        for option in ["--group", "--interface", "--directory", "--output", "--once", "--trust", "--allow-unsigned", "--exec", "--timeout"] {
            #expect(recv.contains(option), "\(option)")
        }
    }

    @Test("keygen writes a key that nobody else can read, and does not overwrite one")
    func keygen() throws {
        let path = NSTemporaryDirectory() + "rmcp-key-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let made = try run(["keygen", "-o", path])
        #expect(made.status == 0 && made.output.hasPrefix("rmcp-ed25519 "), "\(made.errors)")
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(try run(["keygen", "-o", path]).status == 1)
    }

    @Test("Of many first uses at once one makes the key, and the others take it")
    func firstUses() throws {
        let home = NSTemporaryDirectory() + "rmcp-home-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: home) }
        let commands = (0..<8).map { _ in
            "\"$RMCP\" send /etc/hosts --max-wait 300ms --min-wait 0s -i lo -g \(LoopbackGroup.next().text) & pids=\"$pids $!\""
        }
        let script = commands.joined(separator: "\n") + "\nfor pid in $pids; do wait $pid; echo \"exit code $?\"; done"
        let result = try run(["-c", script], program: "/bin/sh", environment: ["HOME": home, "XDG_CONFIG_HOME": home, "RMCP": CommandRun.binary])
        let lines = result.output.split(separator: "\n")
        #expect(lines.count { $0 == "exit code 4" } == 8 && lines.count { $0.hasPrefix("rmcp-ed25519 ") } == 1, "\(result.output)\(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: home + "/rmcp") == ["id_ed25519"])
    }

    @Test("Nobody comes: exit code 4 and a hint")
    func nobody() throws {
        let result = try run(["send", "/etc/hosts", "--max-wait", "300ms", "--min-wait", "0s", "-i", "lo", "-g", LoopbackGroup.next().text])
        #expect(result.status == 4 && result.errors.contains("nobody came"), "\(result.errors)")
    }

    @Test("Nothing comes: exit code 4")
    func timeout() throws {
        let result = try run(["recv", "--once", "--timeout", "300ms", "--allow-unsigned", "-i", "lo", "-g", LoopbackGroup.next().text])
        #expect(result.status == 4, "\(result.errors)")
    }
}
