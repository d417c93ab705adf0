import Foundation
import Testing

/// Real processes that die, come late, or are lied to.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct FaultTests {
    private let slow = ["--min-wait", "0s", "--rate", "100M"]

    @Test("A receiver that comes when so many percent are sent; 100 is after END", arguments: [0, 50, 99, 100])
    func lateJoin(percent: Int) throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 16)
        let early = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(slow + ["--wait-for", "1", "--linger", "3s", source])
        if percent == 100 {
            #expect(sender.wait { sender.errorsSoFar.contains("sent once") })
        } else {
            #expect(early.wait { early.done > (16 << 20) * percent / 100 })
        }
        let late = try lab.receive("r2")
        #expect(early.wait().status == 0 && lab.has("r1", source))
        #expect(late.wait().status == 0 && lab.has("r2", source))
        let sent = sender.wait()
        #expect(sent.status == 0 && sent.errors.contains("2 of 2"), "\(sent.errors)")
    }

    @Test("kill -9 and a restart: the same receiver fetches only what is missing")
    func killedReceiver() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 24)
        let healthy = try lab.receive("r1")
        let victim = try lab.receive("r2", ["--once", "--json"])
        let sender = try lab.send(slow + ["--wait-for", "2", source])
        #expect(victim.wait { victim.done > 8 << 20 })
        victim.signal(SIGKILL)
        _ = victim.wait()
        #expect(!FileManager.default.fileExists(atPath: lab.scratch.path("r2/image")))
        let again = try lab.receive("r2", ["--once", "--json"])
        let result = again.wait()
        #expect(result.status == 0 && lab.has("r2", source))
        #expect(result.text.range(of: "\"bytes_kept\":[1-9][0-9]{6,}", options: .regularExpression) != nil, "nothing was kept")
        #expect(healthy.wait().status == 0 && lab.has("r1", source))
        let sent = sender.wait()
        #expect(sent.status == 0 && sent.errors.contains("2 of 2"), "\(sent.errors)")
        let left = try FileManager.default.contentsOfDirectory(atPath: lab.scratch.path("r2"))
        #expect(left == ["image"], "left behind: \(left)")
    }

    @Test("kill -9 of the sender, and a new session of the same file: what is there is kept")
    func killedSender() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 24)
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(slow + ["--wait-for", "1", source])
        #expect(receiver.wait { receiver.done > 8 << 20 })
        sender.signal(SIGKILL)
        _ = sender.wait()
        let again = try lab.send(slow + ["--wait-for", "1", source]).wait()
        #expect(again.status == 0, "\(again.errors)")
        let result = receiver.wait()
        #expect(result.status == 0 && lab.has("r1", source))
        #expect(result.text.range(of: "\"bytes_kept\":[1-9][0-9]{6,}", options: .regularExpression) != nil, "nothing was kept")
    }

    @Test("A source that is written to meanwhile: an error, and no file")
    func changedSource() throws {
        let lab = try Laboratory(receivers: 1)
        // Larger than what is read ahead.
        let source = try lab.scratch.random("image", megabytes: 64)
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(slow + ["--wait-for", "1", source])
        #expect(receiver.wait { receiver.done > 2 << 20 })
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: source))
        try file.write(contentsOf: Data("changed".utf8))
        try file.close()
        let sent = sender.wait()
        #expect(sent.status == 1 && sent.errors.contains("changed while it was being sent"), "\(sent.errors)")
        #expect(receiver.wait().status == 3)
        #expect(!FileManager.default.fileExists(atPath: lab.scratch.path("r1/image")))
    }

    /// A small source is encoded long before anybody has come, and before its last byte is sent.
    @Test("A small source that is written to while the session waits, or while it is sent: an error, and no file", arguments: [true, false])
    func changedSmallSource(waits: Bool) throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 3)
        let receiver = try lab.receive("r1", ["--once", "--json"])
        #expect(receiver.wait { receiver.says("listening") })
        let sender = try lab.send(["--unsigned", "--json", "--rate", "16M", "--wait-for", "1"] + (waits ? ["--min-wait", "1500ms"] : []) + [source])
        #expect(sender.wait { sender.says(waits ? "ready" : "started") })
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: source))
        try file.write(contentsOf: Data("changed".utf8))
        try file.close()
        let sent = sender.wait()
        #expect(sent.status == 1 && sent.errors.contains("changed while it was being sent"), "\(sent.status) \(sent.errors)")
        #expect(receiver.wait().status == 3)
        #expect(!FileManager.default.fileExists(atPath: lab.scratch.path("r1/image")))
    }

    @Test("A receiver that is cut off for good: reported as lost, exit code 3, and the others are complete")
    func cutOff() throws {
        let lab = try Laboratory(receivers: 3)
        let source = try lab.scratch.random("image", megabytes: 16)
        let receivers = try ["r1", "r2", "r3"].map { try lab.receive($0, ["--once", "--json"]) }
        let sender = try lab.send(slow + ["--wait-for", "3", source])
        #expect(receivers[2].wait { receivers[2].done > 2 << 20 })
        try lab.link("r3", up: false)
        let sent = sender.wait()
        #expect(sent.status == 3 && sent.errors.contains("2 of 3") && sent.errors.contains("lost"), "\(sent.errors)")
        for (node, receiver) in zip(["r1", "r2"], receivers) { #expect(receiver.wait().status == 0 && lab.has(node, source)) }
        receivers[2].signal(SIGTERM)
        #expect(receivers[2].wait().status == 130)
    }

    @Test("A link that is down while the others get another 12 MB")
    func linkDown() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 24)
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let sender = try lab.send(slow + ["--wait-for", "2", source])
        #expect(receivers[1].wait { receivers[1].done > 2 << 20 })
        try lab.link("r2", up: false)
        let before = receivers[0].done
        #expect(receivers[0].wait { receivers[0].done >= before + 12 << 20 || receivers[0].says("completed") })
        try lab.link("r2", up: true)
        for (node, receiver) in zip(["r1", "r2"], receivers) { #expect(receiver.wait().status == 0 && lab.has(node, source)) }
        #expect(sender.wait().status == 0)
    }

    @Test("Multicast to one receiver stops in mid-transfer: found out by unicast heartbeats, served by unicast, and said")
    func multicastLost() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 24)
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let sender = try lab.send(slow + ["--wait-for", "2", source])
        #expect(receivers[1].wait { receivers[1].done > 2 << 20 })
        let dropped = try lab.run("r2", ["iptables", "-w", "-I", "INPUT", "-d", "224.0.0.0/4", "-j", "DROP"]).wait()
        #expect(dropped.status == 0)
        for (node, receiver) in zip(["r1", "r2"], receivers) { #expect(receiver.wait().status == 0 && lab.has(node, source)) }
        let sent = sender.wait()
        #expect(sent.status == 0 && sent.errors.contains("serving by unicast"), "\(sent.errors)")
    }

    @Test("A full disk is known at the start, said, and counted")
    func diskFull() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 16)
        let small = try lab.scratch.directory("r2")
        let mount = try Running(["mount", "-t", "tmpfs", "-o", "size=4m", "none", small.path], in: lab.scratch.url).wait()
        #expect(mount.status == 0)
        defer { _ = try? Running(["umount", "-l", small.path], in: lab.scratch.url).wait() }
        let healthy = try lab.receive("r1")
        let full = try lab.receive("r2")
        let sent = try lab.send(["--wait-for", "2", "--min-wait", "0s", source]).wait()
        #expect(sent.status == 3 && sent.errors.contains("disk full"), "\(sent.errors)")
        let result = full.wait()
        #expect(result.status == 3 && result.errors.contains("16777216"), "\(result.errors)")
        #expect(healthy.wait().status == 0 && lab.has("r1", source))
        #expect(try FileManager.default.contentsOfDirectory(atPath: small.path).isEmpty)
    }

    @Test("A session that nobody trusts: one line, and exit code 5 when the time is over; the sender hears of it, and its exit code is 5, too")
    func untrusted() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 1)
        let other = try lab.run("s", [Program.path, "keygen", "-o", lab.scratch.path("other")]).wait()
        let key = other.text.trimmingCharacters(in: .whitespacesAndNewlines)
        let receiver = try lab.receive("r1", ["--once", "--trust", key, "--timeout", "4s"])
        let sent = try lab.send(["--max-wait", "1s", source]).wait()
        #expect(sent.status == 5 && sent.errors.contains("1 receiver refused"), "\(sent.errors)")
        let result = receiver.wait()
        #expect(result.status == 5, "\(result.errors)")
        #expect(result.errorLines.filter { $0.contains("refused") }.count == 1, "\(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: lab.scratch.path("r1")).isEmpty)
    }

    @Test("Garbage on the group is counted and dropped")
    func garbage() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 16)
        let receiver = try lab.receive("r1")
        let noise = try lab.run(
            "s", ["bash", "-c", "while :; do head -c $((RANDOM % 1400 + 1)) /dev/urandom >/dev/udp/239.255.76.27/17627; done"], seconds: 30)
        let sent = try lab.send(slow + ["--wait-for", "1", source]).wait()
        noise.signal(SIGKILL)
        _ = noise.wait()
        #expect(sent.status == 0, "\(sent.errors)")
        let result = receiver.wait()
        #expect(result.status == 0 && lab.has("r1", source))
        #expect(result.errors.range(of: "outside of sessions: malformed [0-9]+, foreign [1-9]", options: .regularExpression) != nil, "\(result.errors)")
    }

    @Test("A hook that fails is reported up")
    func hook() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 2)
        let good = try lab.receive("r1", ["--once", "--exec", "test \"$RMCP_NAME\" = image && cp \"$RMCP_PATH\" \(lab.scratch.path("copy"))"])
        let bad = try lab.receive("r2", ["--once", "--exec", "exit 7"])
        let sent = try lab.send(["--wait-for", "2", "--min-wait", "0s", source]).wait()
        #expect(sent.status == 3 && sent.errors.contains("hook failed"), "\(sent.errors)")
        #expect(good.wait().status == 0 && lab.scratch.same(source, lab.scratch.path("copy")))
        let result = bad.wait()
        #expect(result.status == 3 && result.errors.contains("status 7") && lab.has("r2", source), "\(result.errors)")
    }
}
