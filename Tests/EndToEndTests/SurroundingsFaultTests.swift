import Foundation
import Testing

/// Surroundings that a process is started in: users without a home, names that are no UTF-8, signals that would end it at once.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct SurroundingsFaultTests {
    private static let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "-u", "XDG_CONFIG_HOME"]

    @Test("Paths, variables and commands that are no UTF-8 are passed on byte for byte")
    func bytes() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 1)
        let send = "\(Program.path) send --unsigned --wait-for 1 --min-wait 0s --max-wait 20s"
        let receive = "\(Program.path) recv --once --allow-unsigned"
        func both(_ receiver: String, _ sender: String) throws -> (Running.Result, Running.Result) {
            let receiving = try lab.run("r1", ["sh", "-c", "E=$(printf 'r\\351p'); mkdir -p $E; export FOO=$E; \(receiver)"], seconds: 40)
            let sending = try lab.run("s", ["sh", "-c", "S=$(printf 'caf\\351'); cp image $S; \(sender)"], seconds: 40)
            return (sending.wait(), receiving.wait())
        }
        let hook = "--exec \"test \\\"\\$RMCP_PATH\\\" = $E/x && test \\$FOO = $E && cp $E/x hooked\""
        let (sent, received) = try both("\(receive) -d $E \(hook)", "\(send) --name x $S")
        #expect(sent.status == 0 && received.status == 0 && lab.scratch.same(source, lab.scratch.path("hooked")), "\(sent.errors)\(received.errors)")
        #expect(received.errors.contains("complete: r\\xE9p/x"), "\(received.errors)")
        let then = "cmp image $E/$E.img && ls -A $E | wc -l && \(Program.path) keygen -o $E/key && cat $E/key"
        let second = try both("\(receive) -o $E/$E.img && \(then)", "\(send) $S --name y")
        #expect(second.0.status == 0 && second.1.status == 0 && second.1.text.hasPrefix("2\n"), "\(second.0.errors)\(second.1.errors)\(second.1.text)")
        let nameless = try lab.run("s", ["sh", "-c", "\(send) $(printf 'caf\\351')"]).wait()
        #expect(nameless.status == 2 && nameless.errors.contains("give another with --name"), "\(nameless.errors)")
    }

    @Test(
        "A user without a home has none guessed for him",
        arguments: [
            (["recv", "--allow-unsigned", "--once", "--timeout", "1s"], 4, "there is no home to remember in"),
            (["send", "--max-wait", "1s", "/etc/hostname"], 1, "name a file with --key"),
            (["send", "--unsigned", "--min-wait", "0s", "--max-wait", "1s", "/etc/hostname"], 4, "nobody came"),
            (["repair"], 1, "name a directory with --cache"), (["keygen"], 1, "name a file with -o"),
        ], ["HOME=", "-uHOME"])
    func noHome(command: ([String], Int, String), home: String) throws {
        let lab = try Laboratory(receivers: 1)
        // The user database may have a home for nobody, which is his.
        try lab.shell("r1", "mkdir -m 777 open")
        let arguments = Self.nobody + [home, "sh", "-c", "cd open && exec \"$@\"", "sh", Program.path] + command.0
        let result = try lab.run("r1", arguments, seconds: 20).wait()
        #expect(Int(result.status) == command.1 && result.errors.contains(command.2), "\(result.status) \(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: lab.scratch.path("open")).isEmpty)
    }

    /// The least that is enough depends on machine and libraries, which do not load with less than some 80 MiB.
    @Test("With any address space a transfer is complete or its end is explained", arguments: [90, 100, 110, 120, 140, 200, 300], [true, false])
    func addressSpace(mebibytes: Int, isSender: Bool) throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 60)
        let limited = ["sh", "-c", "ulimit -v \(mebibytes << 10); exec \"$@\"", "sh"]
        let directory = try lab.scratch.directory("r1").path
        let receive = [Program.path, "recv", "--once", "--allow-unsigned", "--timeout", "5s", "-d", directory]
        let send = [Program.path, "send", "--unsigned", "--wait-for", "1", "--min-wait", "0s", "--max-wait", "5s", source]
        let receiver = try lab.run("r1", (isSender ? [] : limited) + receive, seconds: 40)
        let sender = try lab.run("s", (isSender ? limited : []) + send, seconds: 40)
        let (sent, received) = (sender.wait(), receiver.wait())
        let one = isSender ? sent : received
        if one.status == 0 {
            #expect(lab.has("r1", source) && sent.status == 0 && received.status == 0)
        } else {
            #expect(one.errors.contains("ulimit -v") && [1, 3].contains(one.status), "\(one.status): \(one.errors)")
        }
        // Enough for both.
        #expect(mebibytes < 200 || one.status == 0, "\(one.errors)")
    }

    @Test("A file of keys that cannot be looked at is not one that is missing; one of versions matters to who trusts keys")
    func unreadable() throws {
        let lab = try Laboratory(receivers: 1)
        try lab.shell("r1", "mkdir -m 777 open; mkdir -m 700 closed; mkdir closed/rmcp; touch closed/rmcp/trusted_keys")
        let closed = lab.scratch.path("closed")
        func receive(_ variables: [String], _ arguments: [String]) throws -> Running.Result {
            let command = Self.nobody + variables + [Program.path, "recv", "--once", "--timeout", "1s", "-d", "open"] + arguments
            return try lab.run("r1", command, seconds: 20).wait()
        }
        let keys = try receive(["XDG_CONFIG_HOME=\(closed)"], [])
        #expect(keys.status == 1 && keys.errors.contains("look at \(closed)/rmcp/trusted_keys"), "\(keys.errors)")
        #expect(try receive(["XDG_STATE_HOME=\(closed)"], ["--allow-unsigned"]).status == 4)
        let key = try lab.run("r1", [Program.path, "keygen", "-o", "k"]).wait()
        let versions = try receive(["XDG_STATE_HOME=\(closed)"], ["--trust", key.text.trimmingCharacters(in: .whitespacesAndNewlines)])
        #expect(versions.status == 1 && versions.errors.contains("versions"), "\(versions.errors)")
    }

    @Test("Signals that would end a sender at once let it say goodbye", arguments: [SIGHUP, SIGQUIT, SIGXCPU, SIGUSR2, SIGALRM])
    func signals(number: Int32) throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 20)
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(["--json", "--unsigned", "--wait-for", "1", "--min-wait", "0s", "--rate", "20M", source])
        #expect(receiver.wait { receiver.done > 0 })
        sender.signal(number)
        #expect(sender.wait().status == 130)
        let received = receiver.wait()
        #expect(received.status == 3 && !received.text.contains("does not arrive"), "\(received.text.suffix(500))")
    }

    @Test("SIGHUP is nothing to a sender under nohup")
    func nohup() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 5)
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.run(
            "s", ["nohup", Program.path, "send", "--unsigned", "--wait-for", "1", "--min-wait", "0s", "--rate", "40M", source])
        #expect(receiver.wait { receiver.done > 0 })
        sender.signal(SIGHUP)
        #expect(sender.wait().status == 0 && receiver.wait().status == 0)
    }

    private static let hasTerminal = FileManager.default.isExecutableFile(atPath: "/usr/bin/script")

    @Test(
        "A watcher gives the terminal back, however it ends", .enabled(if: hasTerminal, "a terminal needs script(1)"),
        arguments: [SIGHUP, SIGQUIT, SIGTERM, SIGALRM])
    func watch(number: Int32) throws {
        let lab = try Laboratory(receivers: 1)
        let script = "script -qfec 'echo $$ >pid; exec \(Program.path) watch' screen >/dev/null"
        let terminal = try lab.run("r1", ["sh", "-c", script], seconds: 30)
        func screen() -> String { (try? String(contentsOfFile: lab.scratch.path("screen"), encoding: .utf8)) ?? "" }
        try #require(terminal.wait { screen().contains("[?1049h") })
        let text = try String(contentsOfFile: lab.scratch.path("pid"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        let process = try #require(Int32(text))
        kill(process, number)
        #expect(terminal.wait { screen().contains("[?1049l") })
        _ = terminal.wait()
        #expect(screen().components(separatedBy: "[?1049h").count == screen().components(separatedBy: "[?1049l").count)
    }

    /// A terminal of its own, without a shell: screen entered and left, state of the process (proc_pid_stat(5)).
    private static let suspension = """
        import os, pty, select, signal, sys, time
        pid, fd = pty.fork()
        if pid == 0:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.execv(sys.argv[1], sys.argv[1:])
        out = b""
        def until(what):
            global out
            end = time.time() + 20
            while not what() and time.time() < end:
                if select.select([fd], [], [], 0.05)[0]: out += os.read(fd, 65536)
            if not what(): sys.exit("nothing came of it: %r" % out[-300:])
        def state(): return open("/proc/%d/stat" % pid).read().rsplit(") ")[-1][0]
        until(lambda: out.count(b"[?1049h") == 1)
        os.kill(pid, signal.SIGTSTP)
        until(lambda: out.count(b"[?1049l") == 1 and state() == "T")
        os.kill(pid, signal.SIGCONT)
        until(lambda: out.count(b"[?1049h") == 2 and state() != "T")
        os.kill(pid, signal.SIGTERM)
        until(lambda: out.count(b"[?1049l") == 2)
        """

    @Test("Ctrl-Z gives the shell its terminal, and the watcher has it again afterwards")
    func suspended() throws {
        let lab = try Laboratory(receivers: 1)
        let result = try lab.run("r1", ["python3", "-c", Self.suspension, Program.path, "watch"], seconds: 60).wait()
        #expect(result.status == 0, "\(result.errors)")
    }
}
