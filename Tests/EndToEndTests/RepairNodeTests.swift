import Foundation
import Testing

/// Repair nodes as real processes: what they save, and what happens when they die or their sender goes.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct RepairNodeTests {
    @Test("Losses are repaired by the repair node: the sender sends one copy")
    func oneCopy() throws {
        let lab = try Laboratory(receivers: 5, options: ["--loss", "5", "--split"])
        try lab.loss("r5", percent: 0)
        let source = try lab.scratch.random("image", megabytes: 48)
        let node = try lab.repair("r5")
        let receivers = try (1...4).map { try lab.receive("r\($0)", ["--once", "--json"]) }
        // With half a second to find the repair node before anything is lost.
        let sender = try lab.send(["--wait-for", "4", "--min-wait", "2s", "--rate", "200M", "--json", source])
        for (index, receiver) in receivers.enumerated() {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has("r\(index + 1)", source), "\(result.errors)")
            #expect(result.text.contains("\"event\":\"parent\""), "r\(index + 1) never heard of the repair node")
        }
        let sent = sender.wait()
        #expect(sent.status == 0 && sent.text.contains("\"repair_nodes\":1"), "\(sent.errors)")
        #expect(node.last("repair_bytes") > 4 << 20, "the repair node repaired \(node.last("repair_bytes")) bytes")
        let wire = Running.last("wire_bytes", in: sent.text)
        // 1.22 without a repair node.
        #expect(Double(wire) < 1.07 * Double(48 << 20), "\(wire) bytes left the sender")
        lab.stop(node)
    }

    @Test("kill -9 of the repair node mid-transfer: nobody is lost, and nobody starts again")
    func killedNode() throws {
        let lab = try Laboratory(receivers: 4, options: ["--loss", "3", "--split"])
        let source = try lab.scratch.random("image", megabytes: 24)
        let node = try lab.repair("r4")
        let receivers = try (1...3).map { try lab.receive("r\($0)", ["--once", "--json"]) }
        let sender = try lab.send(["--wait-for", "3", "--min-wait", "2s", "--rate", "60M", source])
        #expect(node.wait { node.last("chunks_held") >= 8 })
        node.signal(SIGKILL)
        _ = node.wait()
        for (index, receiver) in receivers.enumerated() {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has("r\(index + 1)", source), "\(result.errors)")
        }
        let sent = sender.wait()
        #expect(sent.status == 0 && sent.errors.contains("3 of 3"), "\(sent.errors)")
    }

    @Test("A receiver comes when the sender has gone, and the node was killed and restarted meanwhile")
    func lateJoinerAfterTheSender() throws {
        let lab = try Laboratory(receivers: 3, options: ["--loss", "2", "--split"])
        let source = try lab.scratch.random("image", megabytes: 24)
        let node = try lab.repair("r3")
        let early = try lab.receive("r1")
        let sent = try lab.send(["--wait-for", "1", "--until", "repair", source]).wait()
        #expect(sent.status == 0 && sent.errors.contains("1 of 1 repair nodes hold everything"), "\(sent.errors)")
        #expect(early.wait().status == 0 && lab.has("r1", source))
        #expect(node.wait { node.says("upstream_over") })
        node.signal(SIGKILL)
        _ = node.wait()
        let again = try lab.repair("r3")
        let late = try lab.receive("r2", ["--once", "--timeout", "20s"]).wait()
        #expect(late.status == 0 && lab.has("r2", source), "\(late.errors)")
        lab.stop(again)
    }

    @Test("A relay fetches by unicast, one copy for all receivers behind it")
    func relay() throws {
        let lab = try Laboratory(receivers: 4)
        // Nothing of the sender's group reaches these four but what comes to their own addresses.
        for index in 1...4 {
            let source = ["-s", "10.77.0.1", "-d", "239.0.0.0/8", "-j", "DROP"]
            #expect(try lab.run("r\(index)", ["iptables", "-A", "INPUT", "-p", "udp"] + source).wait().status == 0)
        }
        let source = try lab.scratch.random("image", megabytes: 24)
        let node = try lab.repair("r4", ["--upstream", "10.77.0.1"])
        let receivers = try (1...3).map { try lab.receive("r\($0)") }
        let sent = try lab.send(["--wait-for", "3", "--max-wait", "15s", source]).wait()
        #expect(sent.status == 0 && sent.errors.contains("3 of 3"), "\(sent.errors)")
        for (index, receiver) in receivers.enumerated() {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has("r\(index + 1)", source), "\(result.errors)")
        }
        #expect(node.last("relayed_bytes") > 24 << 20)
        lab.stop(node)
    }

    @Test("Questions from a port of 0 and from where no answer can go: a relay's stream is not held up")
    func unanswerableSources() throws {
        let lab = try Laboratory(receivers: 3)
        for node in ["r1", "r2"] { try lab.shell(node, "iptables -w -A INPUT -p udp -s 10.77.0.1 -d 239.0.0.0/8 -j DROP") }
        // A network that the relay has no route to.
        try lab.shell("r3", "ip addr add 192.0.2.9/24 dev eth0")
        let source = try lab.scratch.random("image", megabytes: 16)
        let node = try lab.repair("r2", ["--upstream", "10.77.0.1"])
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sending = try lab.send(["--json", "--wait-for", "1", "--max-wait", "15s", "--rate", "60M", source])
        #expect(sending.wait { receiver.says("began") }, "\(sending.errorsSoFar)")
        let intruder = try lab.run("r3", ["python3", "-c", Self.unanswerable], seconds: 100)
        let sent = sending.wait()
        #expect(sent.status == 0 && intruder.process.isRunning, "\(sent.errors)")
        let result = receiver.wait()
        #expect(result.status == 0 && lab.has("r1", source), "\(result.errors)")
        intruder.process.terminate()
        // 2.2 s at its rate.
        let seconds = try #require(sent.text.split(separator: "\n").last { $0.contains("\"finished\"") })
        #expect(Running.last("seconds", in: String(seconds)) < 12, "\(seconds)")
        lab.stop(node)
    }

    /// Solicitations to the relay, 100 a second, from a port of 0 and from addresses that cannot be answered.
    private static let unanswerable = """
        import socket, struct, time
        solicitation = bytes([0x52, 0x4D, 2, 0x8A]) + bytes(4) + b"odd!" + bytes(700)
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        def datagram(source, port):
            udp = struct.pack("!HHHH", port, 17627, 8 + len(solicitation), 0) + solicitation
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
            return head + socket.inet_aton(source) + socket.inet_aton("10.77.0.3") + udp
        while True:
            for source, port in (("10.77.0.4", 0), ("192.0.2.9", 5000), ("224.1.2.3", 5000), ("10.77.0.3", 17627)):
                raw.sendto(datagram(source, port), ("10.77.0.3", 0))
            time.sleep(0.04)
        """

    @Test("An older version of a bundle is refused with exit code 5, and taken with --allow-rollback")
    func rollback() throws {
        let lab = try Laboratory(receivers: 2)
        let old = try lab.scratch.random("old", megabytes: 1)
        let new = try lab.scratch.random("new", megabytes: 1)
        #expect(try lab.run("s", [Program.path, "keygen", "-o", lab.scratch.path("key")]).wait().status == 0)
        let keyed = ["--key", lab.scratch.path("key"), "--name", "bundle", "--wait-for", "1", "--min-wait", "0s"]
        let trust = ["--once", "--allow-unsigned"]
        let node = try lab.repair("r2")
        // The node keeps the old one; it is not there when the new one comes.
        let first = try lab.receive("r1", trust, directory: "first")
        #expect(try lab.send(keyed + ["--until", "repair", old]).wait().status == 0)
        #expect(first.wait().status == 0)
        node.signal(SIGKILL)
        _ = node.wait()
        let second = try lab.receive("r1", trust, directory: "second")
        #expect(try lab.send(keyed + [new]).wait().status == 0)
        #expect(second.wait().status == 0)
        let again = try lab.repair("r2")
        let refused = try lab.receive("r1", trust, directory: "third").wait()
        #expect(refused.status == 5 && refused.errors.contains("--allow-rollback"), "\(refused.status): \(refused.errors)")
        #expect(!FileManager.default.fileExists(atPath: lab.scratch.path("third/bundle")))
        #expect(try lab.receive("r1", trust + ["--allow-rollback"], directory: "fourth").wait().status == 0)
        #expect(lab.scratch.same(old, lab.scratch.path("fourth/bundle")))
        lab.stop(again)
    }

    @Test("What cannot be is said in one line, with exit code 2")
    func usage() throws {
        let scratch = try Scratch()
        for (arguments, word) in [
            (["--upstream", "239.1.1.1"], "multicast"), (["--upstream", "no.such.host.invalid"], "no.such.host"),
            (["--region", "10.0.0.1"], "multicast"), (["--region", "239.255.76.27"], "--upstream"), (["--cache-size", "1k"], "64M"),
            (["--region-ttl", "300"], "255"),
        ] {
            let result = try Running(
                [Program.path, "repair", "-i", "lo", "--cache", scratch.path("cache"), "--allow-unsigned"] + arguments, in: scratch.url, seconds: 10
            ).wait()
            #expect(result.status == 2 && result.errorLines.count == 1 && result.errors.contains(word), "\(arguments): \(result.status) \(result.errors)")
        }
    }

    @Test("A region that nobody joins is warned of", arguments: ["239.255.76.29:17629", "239.1.1.1"])
    func region(_ region: String) throws {
        let scratch = try Scratch()
        let node = try Running(
            [Program.path, "repair", "-i", "lo", "--cache", scratch.path("cache"), "--allow-unsigned", "--region", region], in: scratch.url, seconds: 10)
        #expect(node.wait { node.errorsSoFar.contains("do not join \(region)") }, "\(node.errorsSoFar)")
        node.signal(SIGTERM)
        _ = node.wait()
    }
}
