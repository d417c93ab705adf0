import Foundation
import Testing

/// The command after a bundle: what it gets from rmcp, and what it can do to it.
@Suite(.enabled(if: Laboratory.isPossible, Laboratory.reason)) struct HookTests {
    private let quick = ["--unsigned", "--wait-for", "1", "--min-wait", "0s"]

    /// Runs a receiver with a command by a shell, which may change what it inherits.
    private func transfer(
        _ shell: String, hook: String, _ options: [String] = [], input: String? = nil
    ) throws -> (sent: Running.Result, received: Running.Result, Laboratory) {
        let lab = try Laboratory(receivers: 1)
        let image = try lab.scratch.random("image", megabytes: 1)
        let directory = try lab.scratch.directory("r1").path
        let arguments = [Program.path, "recv", "--once", "--allow-unsigned", "-d", directory, "--exec", hook] + options
        let receiver = try lab.run("r1", ["sh", "-c", shell + " exec \"$@\"", "sh"] + arguments, input: input, seconds: 60)
        let sent = try lab.send(quick + [image], seconds: 60).wait()
        return (sent, receiver.wait(), lab)
    }

    @Test("Signals as in a login shell, a group of its own, nothing to read, its output on standard error")
    func surroundings() throws {
        let secret = try Scratch()
        let input = try secret.random("secret", megabytes: 1)
        let hook = "grep -E 'Sig(Ign|Blk)' /proc/self/status; cat | wc -c; ps -o pgid= -p $$ | grep -qw $$ && echo own group; printf %s \"$FOO\" | od -An -tx1"
        let (sent, received, lab) = try transfer("trap '' HUP; FOO=$(printf '\\351A'); export FOO;", hook: hook, input: input)
        #expect(sent.status == 0 && received.status == 0, "\(received.errors)")
        #expect(received.output.isEmpty, "\(received.text)")
        let lines = received.errorLines.map { $0.trimmingCharacters(in: .whitespaces) }
        // 32 and 33 are the C library's own.
        for name in ["SigIgn", "SigBlk"] {
            let mask = lines.first { $0.hasPrefix(name) }.flatMap { UInt64($0.split(separator: "\t").last.map(String.init) ?? "", radix: 16) }
            #expect(mask.map { $0 & 0x7FFF_FFFF } == 0, "\(name): \(lines)")
        }
        #expect(lines.contains("0") && lines.contains("own group") && lines.contains("e9 41"), "\(lines)")
        _ = lab
    }

    /// A supervisor may have ignored SIGCHLD: then nobody is told how a child ended.
    @Test("A command that fails is a failure, whatever was inherited", arguments: ["", "trap '' CHLD;"])
    func failure(shell: String) throws {
        let (sent, received, lab) = try transfer(shell, hook: "exit 7")
        #expect(received.status == 3 && received.errors.contains("status 7"), "\(received.errors)")
        #expect(sent.status == 3 && sent.errors.contains("hook failed"), "\(sent.errors)")
        _ = lab
    }

    @Test("A command that takes too long is ended, with what it has started")
    func timeout() throws {
        let (sent, received, lab) = try transfer("", hook: "trap '' TERM; sleep 86399 & echo $! >&2; wait; sleep 86399", ["--exec-timeout", "1s"])
        #expect(received.status == 3 && received.errors.contains("--exec-timeout"), "\(received.errors)")
        #expect(sent.status == 3, "\(sent.errors)")
        let child = try #require(received.errorLines.compactMap { Int32($0) }.first)
        // Whoever adopts it may leave it unburied.
        #expect((FileManager.default.contents(atPath: "/proc/\(child)/cmdline") ?? Data()).isEmpty)
        _ = lab
    }

    @Test("A command that takes longer than --timeout is no lack of progress, and the sender waits for it")
    func longerThanTimeout() throws {
        let (sent, received, lab) = try transfer("", hook: "sleep 8", ["--timeout", "3s"])
        #expect(received.status == 0 && sent.status == 0, "\(received.errors)\(sent.errors)")
        _ = lab
    }

    /// As many as there are storage threads, and more.
    @Test("Commands that hang hold up no other bundle, and SIGTERM ends them")
    func hanging() throws {
        let lab = try Laboratory(receivers: 1)
        let receiver = try lab.receive("r1", ["--json", "--exec", "case $RMCP_NAME in hung*) exec sleep 86398;; esac"])
        let sources = try (0..<5).map { try lab.scratch.random("hung\($0)", megabytes: 1) }
        let hung = try sources.map { try lab.send(quick + [$0], seconds: 60) }
        for source in sources { #expect(receiver.wait { lab.has("r1", source) }, "\(receiver.errorsSoFar)") }
        let image = try lab.scratch.random("image", megabytes: 4)
        let sent = try lab.send(quick + [image], seconds: 20).wait()
        #expect(sent.status == 0 && lab.has("r1", image), "\(sent.errors)")
        receiver.signal(SIGTERM)
        #expect(receiver.wait().status == 0)
        // Whoever is told that a command was ended need not wait for it.
        for process in hung { #expect(process.wait().status == 3) }
    }

    /// What the first signal is patient with, the second is not.
    @Test("A second signal ends it at once, whatever a command does")
    func secondSignal() throws {
        let lab = try Laboratory(receivers: 1)
        let receiver = try lab.receive("r1", ["--exec", "trap '' TERM; echo deaf >&2; while :; do sleep 1; done"])
        let image = try lab.scratch.random("image", megabytes: 1)
        let sending = try lab.send(quick + [image], seconds: 60)
        #expect(receiver.wait { receiver.errorsSoFar.contains("deaf") })
        receiver.signal(SIGTERM)
        let begun = Date()
        // A second signal while the first has not been taken would be none.
        #expect(receiver.wait { !receiver.hasPending(SIGTERM) })
        receiver.signal(SIGTERM)
        #expect(receiver.wait().status == 0)
        #expect(Date().timeIntervalSince(begun) < 4)
        _ = sending.wait()
    }

    @Test("A reader that does not read keeps nobody from ending by a signal")
    func stalledReader() throws {
        let lab = try Laboratory(receivers: 1)
        let image = try lab.scratch.random("image", megabytes: 20)
        let directory = try lab.scratch.directory("r1").path
        let shell = "mkfifo \(directory)/pipe; sleep 30 <\(directory)/pipe & exec \"$@\" >\(directory)/pipe"
        let receiver = try lab.run("r1", ["sh", "-c", shell, "sh", Program.path, "recv", "--once", "--allow-unsigned", "-o", "-"], seconds: 60)
        let sending = try lab.send(quick + [image], seconds: 60)
        #expect(sending.wait { sending.errorsSoFar.contains("sent once") }, "\(sending.errorsSoFar)")
        receiver.signal(SIGTERM)
        let result = receiver.wait()
        #expect(result.status == 130, "\(result.errors)")
        #expect(sending.wait().status == 3)
    }
}
