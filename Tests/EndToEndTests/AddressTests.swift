import Foundation
import Testing

/// Addresses and interfaces that change while rmcp runs.
@Suite(.enabled(if: Laboratory.isPossible, Laboratory.reason)) struct AddressTests {
    private static let otherAddress = "10.77.9.99"
    /// A DHCP client does it so: what is there goes, and for a moment there is nothing.
    private static let readdress = """
        ip addr flush dev eth0
        ip addr add \(otherAddress)/16 dev eth0
        ip route add 224.0.0.0/4 dev eth0
        """

    /// The cable end in the switch goes with the interface; another one of the same name has another index and another link address.
    private func remake(_ node: String, address: String, in lab: Laboratory) throws {
        try lab.shell("b", "ip link del \(node)")
        try lab.shell("b", "ip link add \(node) type veth peer name eth0 netns \(lab.name)-\(node); ip link set \(node) master br0 up")
        try lab.shell(node, "ip link set eth0 up; ip addr add \(address)/16 dev eth0; ip route add 224.0.0.0/4 dev eth0")
    }

    private func change(_ node: String, _ what: String, in lab: Laboratory) throws {
        let number = node == "s" ? 1 : Int(node.dropFirst()).map { $0 + 1 } ?? 0
        if what == "address" { try lab.shell(node, Self.readdress) } else { try remake(node, address: "10.77.0.\(number)", in: lab) }
    }

    @Test("An idle receiver whose host has another address, or another interface of the same name, hears the next sender", arguments: ["address", "interface"])
    func idleReceiver(_ what: String) throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 2)
        let daemon = try lab.receive("r1", ["--json"])
        #expect(daemon.wait { daemon.says("listening") })
        try change("r1", what, in: lab)
        #expect(daemon.wait { daemon.outputSoFar.contains("going on with it") }, "\(daemon.outputSoFar)\(daemon.errorsSoFar)")
        let sent = try lab.send(["--unsigned", "--wait-for", "1", "--min-wait", "0s", "--max-wait", "20s", source]).wait()
        #expect(sent.status == 0 && lab.has("r1", source), "\(sent.errors)\(daemon.outputSoFar.suffix(900))")
        lab.stop(daemon)
    }

    @Test(
        "In mid-transfer a receiver, or the sender, is given another address, or its interface is made anew: everybody is complete",
        arguments: ["r2", "s"], ["address", "interface"])
    func transfer(node: String, what: String) throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 24)
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let sender = try lab.send(["--unsigned", "--json", "--wait-for", "2", "--min-wait", "0s", "--rate", "40M", source])
        #expect(receivers[1].wait { receivers[1].done > 2 << 20 })
        try change(node, what, in: lab)
        let sent = sender.wait()
        #expect(sent.status == 0, "\(sent.errors)\(sent.text.suffix(900))")
        for (name, receiver) in zip(["r1", "r2"], receivers) {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has(name, source), "\(name): \(result.errors)\(result.text.suffix(600))")
        }
        if node == "s" { #expect(sent.text.contains("going on with it"), "\(sent.text.prefix(900))") }
    }

    @Test("A sender that waits is given another address: who comes then is heard")
    func waitingSender() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 1)
        let sender = try lab.send(["--unsigned", "--json", "--wait-for", "1", "--max-wait", "60s", source])
        #expect(sender.wait { sender.says("ready") })
        try lab.shell("s", Self.readdress)
        #expect(sender.wait { sender.outputSoFar.contains("going on with it") }, "\(sender.outputSoFar)")
        let received = try lab.receive("r1", ["--once", "--timeout", "20s"]).wait()
        let sent = sender.wait()
        #expect(sent.status == 0 && received.status == 0 && lab.has("r1", source), "\(sent.text.suffix(600))\(received.errors)")
    }

    @Test("A repair node, and a relay, whose host is given another address serve the next receiver", arguments: ["repair", "relay"])
    func repairNode(_ mode: String) throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 4)
        let region = "239.255.76.29:17627"
        let node = try lab.repair("r1", ["--region", region] + (mode == "relay" ? ["--upstream", "10.77.0.1"] : []))
        let sender = try lab.send(["--unsigned", "--json", "--until", "repair", "--min-wait", "2s", source])
        #expect(sender.wait().status == 0)
        try lab.shell("r1", Self.readdress)
        #expect(node.wait { node.outputSoFar.components(separatedBy: "going on with it").count > 2 }, "\(node.outputSoFar.suffix(900))")
        let received = try lab.receive("r2", ["--once", "--timeout", "40s", "-g", mode == "relay" ? region : "239.255.76.27:17627"]).wait()
        #expect(received.status == 0 && lab.has("r2", source), "\(received.errors)\(node.outputSoFar.suffix(900))")
        lab.stop(node)
    }

    @Test("The MTU of the sender's interface becomes smaller in mid-transfer: what does not fit goes in fragments")
    func smallerMTU() throws {
        let lab = try Laboratory(receivers: 1, options: ["--split"])
        let source = try lab.scratch.random("image", megabytes: 16)
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(["--unsigned", "--json", "--wait-for", "1", "--min-wait", "0s", "--rate", "40M", source])
        #expect(receiver.wait { receiver.done > 2 << 20 })
        try lab.shell("s", "ip link set eth0 mtu 1200")
        let sent = sender.wait()
        #expect(sent.status == 0 && receiver.wait().status == 0 && lab.has("r1", source), "\(sent.errors)\(sent.text.suffix(900))")
        #expect(sent.text.contains("they go in fragments"), "\(sent.text.prefix(900))")
        // Datagrams that the kernel refused are not counted as sent.
        let wire = try #require(try lab.counter("tx_bytes")["s"])
        #expect(Running.last("wire_bytes", in: sent.text) <= wire)
    }

    // MARK: What is said

    @Test("A receiver that cannot answer says to whom and why, and counts nothing as sent")
    func unanswerable() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 1)
        try lab.shell("s", "ip addr flush dev eth0; ip addr add 10.2.0.1/24 dev eth0; ip route add 224.0.0.0/4 dev eth0")
        let receiver = try lab.receive("r1", ["--once"])
        #expect(receiver.wait { receiver.errorsSoFar.contains("listening") })
        #expect(try lab.send(["--unsigned", "--max-wait", "6s", source]).wait().status == 4)
        let result = receiver.wait()
        #expect(result.errors.contains("cannot answer 10.2.0.1: this host has no route to 10.2.0.1; ip route add 10.2.0.1 dev eth0"), "\(result.errors)")
        #expect(result.errorLines.count { $0.contains("cannot answer") } == 1 && result.errors.contains("statuses 0,"), "\(result.errors)")
    }

    @Test("The reverse path filter drops a sender of another subnet: the receiver that hears nothing says so")
    func reversePathFilter() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 1)
        try lab.shell("s", "ip addr flush dev eth0; ip addr add 10.2.0.1/24 dev eth0; ip route add 224.0.0.0/4 dev eth0; ip route add 10.77.0.0/16 dev eth0")
        try lab.shell("r1", "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1")
        let receiver = try lab.receive("r1", ["--once", "--timeout", "8s"])
        #expect(receiver.wait { receiver.errorsSoFar.contains("listening") })
        #expect(try lab.send(["--unsigned", "--max-wait", "3s", source]).wait().status == 4)
        let result = receiver.wait()
        #expect(result.status == 4, "\(result.errors)")
        #expect(result.errorLines.count { $0.contains("reverse path filter (rp_filter 1 on eth0)") } == 1, "\(result.errors)")
    }

    @Test("A sender that is suspended for a while: nobody takes that for lost multicast")
    func suspendedSender() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 16)
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(["--unsigned", "--json", "--wait-for", "1", "--min-wait", "0s", "--rate", "40M", source])
        #expect(receiver.wait { receiver.done > 2 << 20 })
        sender.signal(SIGSTOP)
        // Its silence is what is waited for.
        Thread.sleep(forTimeInterval: 5)
        sender.signal(SIGCONT)
        let results = [sender.wait(), receiver.wait()]
        for result in results {
            #expect(result.status == 0 && !result.text.contains("snooping") && !result.text.contains("does not reach"), "\(result.text.suffix(900))")
        }
    }

    // MARK: Who is there

    @Test(
        "A receiver is restarted while the sender waits: it is one, whatever it writes to", arguments: [SIGTERM, SIGKILL],
        [["-d", "d"], ["-o", "x"], ["-o", "-"]])
    func restarted(signal: Int32, output: [String]) throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 1)
        _ = try lab.scratch.directory("d")
        let sender = try lab.send(["--unsigned", "--json", "--wait-for", "2", "--max-wait", "60s", source])
        #expect(sender.wait { sender.says("ready") })
        let command = [Program.path, "recv", "-v", "--allow-unsigned", "--once"] + output
        let first = try lab.run("r1", command)
        #expect(first.wait { sender.outputSoFar.contains("\"joined\":1") }, "\(first.errorsSoFar)")
        first.signal(signal)
        _ = first.wait()
        let second = try lab.run("r1", command)
        #expect(second.wait { second.errorsSoFar.contains("receiving") })
        // Longer than the sender takes to notice both: it must go on waiting.
        let last = sender.count("progress")
        #expect(sender.wait { sender.count("progress") > last + 10 })
        #expect(!sender.says("started"), "\(sender.outputSoFar.suffix(900))")
        let other = try lab.receive("r2", ["--once", "--timeout", "20s"])
        let sent = sender.wait()
        #expect(sent.status == 0 && sent.text.contains("\"event\":\"started\",\"receivers\":2"), "\(sent.text.suffix(900))")
        #expect(second.wait().status == 0 && other.wait().status == 0)
    }

    @Test("Fewer came than were waited for: it is said, to people and to programs")
    func fewer() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 1)
        for json in [[], ["--json"]] {
            let receivers = try ["r1", "r2"].map { try lab.receive($0) }
            let sent = try lab.send(["--unsigned", "--wait-for", "3", "--max-wait", "3s", source] + json).wait()
            #expect(sent.status == 0, "\(sent.errors)")
            for receiver in receivers { #expect(receiver.wait().status == 0) }
            if json.isEmpty {
                #expect(sent.errors.contains("2 of 3 that were waited for"), "\(sent.errors)")
            } else {
                for event in ["started", "finished"] {
                    let lines = sent.text.split(separator: "\n").filter { $0.contains("\"event\":\"\(event)\"") }
                    #expect(lines.count == 1 && lines.allSatisfy { $0.contains("\"wanted\":3") }, "\(event): \(sent.text)")
                }
            }
            for node in ["r1", "r2"] { try? FileManager.default.removeItem(atPath: lab.scratch.path("\(node)/image")) }
        }
    }
}
