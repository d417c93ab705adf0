import Foundation
import TestSupport
import Testing

/// A sender whose disk, terminal or log stands still: the session does not, and signals end it.
@Suite struct SenderFaultTests {
    private let loopback = ["-i", "lo", "--unsigned", "--min-wait", "0s"]

    @Test(
        "A file system that takes 7 s to find each hole: the sender answers all the while",
        .enabled(if: Laboratory.isPossible, Laboratory.reason), .enabled(if: Shim.isPossible, Shim.reason))
    func slowHoles() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 2)
        try lab.shell("s", "truncate -s 4M \(source)")
        let receiver = try lab.receive("r1")
        let slow = try Shim.command(["LSEEK_SLEEP": "7:/image", "FSTAT_SLEEP": "7:/image"], in: lab.scratch)
        let sending = try lab.run("s", slow + [Program.path, "send", "--json", "--unsigned", "--wait-for", "1", "--min-wait", "0s", source])
        #expect(sending.wait { sending.says("ready") }, "\(sending.errorsSoFar)")
        let sent = sending.wait()
        let received = receiver.wait()
        #expect(sent.status == 0 && received.status == 0 && lab.has("r1", source), "\(sent.errors)\(received.errors)")
        // 7 s and more, and a word five times a second.
        #expect(sent.text.components(separatedBy: "\"event\":\"progress\"").count > 40, "\(sent.text)")
    }

    @Test(
        "Nothing but a hole, says a file system that has blocks for every byte", .enabled(if: Laboratory.isPossible, Laboratory.reason),
        .enabled(if: Shim.isPossible, Shim.reason))
    func lyingHoles() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 3)
        let receiver = try lab.receive("r1")
        let lying = try Shim.command(["NO_DATA": "1"], in: lab.scratch)
        let sent = try lab.run("s", lying + [Program.path, "send", "--unsigned", "--wait-for", "1", "--min-wait", "0s", source]).wait()
        #expect(sent.status == 0 && receiver.wait().status == 0 && lab.has("r1", source), "\(sent.errors)")
    }

    @Test(
        "A name that the disk does not let be looked at is told as that, and not as changed",
        .enabled(if: Laboratory.isPossible, Laboratory.reason), .enabled(if: Shim.isPossible, Shim.reason))
    func unreadableName() throws {
        let lab = try Laboratory(receivers: 1)
        try lab.shell("s", "mkdir \(lab.scratch.path("tree")); head -c 3M /dev/urandom >\(lab.scratch.path("tree"))/a")
        let receiver = try lab.receive("r1")
        let failing = try Shim.command(["FSTATAT_EIO": lab.scratch.path("gate")], in: lab.scratch)
        let sending = try lab.run(
            "s", failing + [Program.path, "send", "--json", "--unsigned", "--rate", "16M", "--wait-for", "1", "--min-wait", "0s", lab.scratch.path("tree")])
        #expect(sending.wait { sending.says("started") }, "\(sending.errorsSoFar)")
        try lab.shell("s", "touch \(lab.scratch.path("gate"))")
        let sent = sending.wait()
        #expect(sent.status == 1 && sent.errors.contains("tree/a: input/output error") && !sent.errors.contains("changed"), "\(sent.errors)")
        #expect(receiver.wait().status == 3)
    }

    @Test(
        "A mode and a time that used to stand for none", .enabled(if: Laboratory.isPossible, Laboratory.reason),
        arguments: [
            ("000", "@0"), ("600", "@-86400"), ("444", "3000-01-01"),
        ])
    func metadata(mode: String, time: String) throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 1)
        try lab.shell("s", "chmod \(mode) \(source); touch -d \(time) \(source)")
        let receiver = try lab.receive("r1")
        let sent = try lab.send(["--unsigned", "--wait-for", "1", "--min-wait", "0s", source]).wait()
        #expect(sent.status == 0 && receiver.wait().status == 0 && lab.has("r1", source), "\(sent.errors)")
        try lab.shell("s", "test \"$(stat -c '%a %y' \(source))\" = \"$(stat -c '%a %y' \(lab.scratch.path("r1/image")))\"")
    }

    @Test(
        "SIGINT and SIGTERM end a sender whose disk does not answer", .enabled(if: Shim.isPossible, Shim.reason), arguments: [SIGINT, SIGTERM],
        ["OPEN_SLEEP", "READ_SLEEP"])
    func hungDisk(signal: Int32, fault: String) throws {
        let scratch = try Scratch()
        let source = try scratch.random("hung", megabytes: 1)
        let hung = try Shim.command([fault: "600:/hung"], in: scratch)
        let group = LoopbackGroup.next().text
        let sending = try Running(hung + [Program.path, "send"] + loopback + ["-g", group, "--max-wait", "300s", source], in: scratch.url, seconds: 60)
        if fault == "READ_SLEEP" {
            #expect(sending.wait { sending.errorsSoFar.contains("waiting for receivers") }, "\(sending.errorsSoFar)")
        } else {
            // Asleep in open: there is nothing to be heard of it but its call.
            #expect(sending.wait { Self.sleeps(in: sending) })
        }
        sending.signal(signal)
        let result = sending.wait()
        // By the signal itself, or by the program that has heard it; 124 and 137 are the test's own end.
        #expect([130, 128 + signal, signal].contains(result.status), "\(result.status) \(result.errors)")
    }

    /// Whether the program itself (not the `env` that becomes it) waits in a sleep.
    private static func sleeps(in running: Running) -> Bool {
        let task = "/proc/\(running.process.processIdentifier)/task/\(running.process.processIdentifier)/children"
        guard let text = try? String(contentsOfFile: task, encoding: .utf8), let child = text.split(separator: " ").first else { return false }
        let name = (try? String(contentsOfFile: "/proc/\(child)/comm", encoding: .utf8)) ?? ""
        let place = (try? String(contentsOfFile: "/proc/\(child)/wchan", encoding: .utf8)) ?? ""
        return name.hasPrefix("rmcp") && place.contains("nanosleep")
    }

    @Test(
        "Who reads what the sender says stops reading: receivers are complete meanwhile", .enabled(if: Laboratory.isPossible, Laboratory.reason),
        arguments: ["", "--json"])
    func stoppedReader(option: String) throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 24)
        let receivers = try ["r1", "r2"].map { try lab.receive($0) }
        try Self.reader.write(toFile: lab.scratch.path("reader.py"), atomically: true, encoding: .utf8)
        let script = """
            { while [ ! -e ready ]; do sleep 0.02; done; head -c 4000 /dev/zero
              "\(Program.path)" send --unsigned --wait-for 2 --min-wait 0s --rate 60M -v \(option) \(source); echo $? >code; } 2>&1 | python3 reader.py
            """
        let sending = try lab.run("s", ["sh", "-c", script])
        for (name, receiver) in zip(["r1", "r2"], receivers) {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has(name, source), "\(result.errors)")
        }
        try lab.scratch.run(["true"], into: lab.scratch.path("go"))
        let sent = sending.wait()
        #expect(try String(contentsOfFile: lab.scratch.path("code"), encoding: .utf8) == "0\n")
        #expect(sent.text.contains(option.isEmpty ? "2 of 2 receivers complete" : "\"event\":\"finished\""), "\(sent.text)")
    }

    /// Makes its pipe one page, and reads when it is told to.
    private static let reader = """
        import fcntl, os, sys, time
        fcntl.fcntl(0, 1031, 4096)
        open("ready", "w")
        while not os.path.exists("go"): time.sleep(0.05)
        sys.stdout.write(sys.stdin.read())
        """

    @Test("Standard input and output that do not block are waited for", .enabled(if: Laboratory.isPossible, Laboratory.reason))
    func nonBlockingData() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 3)
        let copy = lab.scratch.path("copy")
        // Both ends of a pipe share the flag with whoever else has them.
        let wrapper =
            "import fcntl, os, sys; d = int(sys.argv[1]); fcntl.fcntl(d, fcntl.F_SETFL, fcntl.fcntl(d, fcntl.F_GETFL) | os.O_NONBLOCK); os.execv(sys.argv[2], sys.argv[2:])"
        let receive =
            "set -e; { python3 -c '\(wrapper)' 1 \(Program.path) recv --once --allow-unsigned -o - || echo failed >\(copy).code; } | { sleep 1; cat; } >\(copy)"
        let receiving = try lab.run("r1", ["sh", "-c", receive])
        let send =
            "{ head -c 1000000 \(source); sleep 1; tail -c +1000001 \(source); } | python3 -c '\(wrapper)' 0 \(Program.path) send --unsigned --wait-for 1 --min-wait 0s --name x -"
        let sent = try lab.run("s", ["sh", "-c", send]).wait()
        let received = receiving.wait()
        #expect(sent.status == 0 && received.status == 0 && !FileManager.default.fileExists(atPath: copy + ".code"), "\(sent.errors)\(received.errors)")
        #expect(lab.scratch.same(source, copy))
    }
}
