import Foundation
import Testing

/// Hosts that fall behind their network: a slow disk, a process that does not read, an interface that goes away.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct HostFaultTests {
    /// With a disk that is only slow it would be a matter of the machine who is done first.
    @Test(
        "A disk that stands still while everything is sent: the others are not held up, and it gets everything in the end",
        .enabled(if: Shim.isPossible, Shim.reason))
    func stuckDisk() throws {
        let lab = try Laboratory(receivers: 3)
        // More than fits its assembly slots.
        let source = try lab.scratch.random("image", megabytes: 160)
        let healthy = try ["r1", "r2"].map { try lab.receive($0) }
        let directory = try lab.scratch.directory("r3")
        let go = lab.scratch.path("go")
        let gated = try Shim.command(["WRITE_UNTIL": go], in: lab.scratch)
        let stuck = try lab.run("r3", gated + [Program.path, "recv", "--json", "--once", "--allow-unsigned", "-d", directory.path])
        let sender = try lab.send(["--json", "--wait-for", "3", "--min-wait", "0s", "--rate", "600M", source])
        for (name, receiver) in zip(["r1", "r2"], healthy) { #expect(receiver.wait().status == 0 && lab.has(name, source)) }
        #expect(sender.wait { sender.says("sent_once") } && stuck.done <= 5 << 20, "\(stuck.outputSoFar.suffix(300))")
        try lab.scratch.run(["true"], into: go)
        let result = stuck.wait()
        #expect(result.status == 0 && lab.has("r3", source), "\(result.errors)\(result.text.suffix(900))")
        let sent = sender.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 3, "\(sent.errors)")
    }

    @Test("A process that does not read while everything is sent: its socket overflows, and it catches up")
    func overflow() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 128)
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let sender = try lab.send(["--json", "--wait-for", "2", "--min-wait", "0s", "--rate", "800M", source])
        #expect(receivers[1].wait { receivers[1].done > 4 << 20 })
        receivers[1].signal(SIGSTOP)
        #expect(sender.wait { sender.says("sent_once") })
        receivers[1].signal(SIGCONT)
        let results = receivers.map { $0.wait() }
        for (name, result) in zip(["r1", "r2"], results) { #expect(result.status == 0 && lab.has(name, source), "\(result.errors)") }
        #expect(Running.last("overflow", in: results[1].text) > 0 && Running.last("overflow", in: results[0].text) == 0)
        #expect(sender.wait().status == 0)
    }

    @Test("An interface that goes down and comes up again, without the routes it had", arguments: ["r2", "s"])
    func interface(node: String) throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 24)
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let sender = try lab.send(["--json", "--wait-for", "2", "--min-wait", "0s", "--rate", "100M", source])
        #expect(receivers[1].wait { receivers[1].done > 2 << 20 })
        let before = receivers[0].done
        try lab.shell(node, "ip link set eth0 down")
        if node == "s" {
            #expect(sender.wait { sender.outputSoFar.contains("interface eth0 is down; ip link set eth0 up") }, "\(sender.errorsSoFar)")
        } else {
            #expect(receivers[0].wait { receivers[0].done > before + 8 << 20 })
        }
        try lab.shell(node, "ip link set eth0 up")
        for (name, receiver) in zip(["r1", "r2"], receivers) {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has(name, source), "\(result.errors)\(result.text.suffix(600))")
        }
        let sent = sender.wait()
        #expect(sent.status == 0, "\(sent.errors)\(sent.text.suffix(900))")
    }

    @Test("Two hosts send different bundles of one name to one group at once: a receiver has one of them whole, and never a mixture")
    func twoSendersOfOneName() throws {
        let lab = try Laboratory(receivers: 2)
        let sources = try ["one", "two"].map { try lab.scratch.random($0, megabytes: 16) }
        let daemon = try lab.receive("r1", ["--json"])
        let senders = try zip(["s", "r2"], sources).map { node, source in
            let send = ["send", "--name", "image", "--unsigned", "--wait-for", "1", "--min-wait", "0s", "--rate", "100M", source]
            return try lab.run(node, [Program.path] + send)
        }
        let results = senders.map { $0.wait() }
        #expect(results.contains { $0.status == 0 }, "\(results.map(\.errors))")
        #expect(daemon.wait { daemon.count("completed") + daemon.count("failed") == daemon.count("began") })
        #expect(daemon.count("completed") == results.filter { $0.status == 0 }.count, "\(daemon.outputSoFar.suffix(900))")
        #expect(sources.contains { lab.has("r1", $0, as: "image") })
        lab.stop(daemon)
    }

    @Test("Multicast never arrives: the receiver gives up in time, and so does the sender")
    func neverDelivered() throws {
        let lab = try Laboratory(receivers: 1)
        try lab.shell("r1", "iptables -w -I INPUT -d 224.0.0.0/4 -j DROP")
        let source = try lab.scratch.random("image", megabytes: 1)
        let receiver = try lab.receive("r1", ["--once", "--timeout", "1s"])
        let sent = try lab.send(["--max-wait", "1s", source]).wait()
        #expect(sent.status == 4 && sent.errors.contains("does multicast reach it"), "\(sent.errors)")
        #expect(receiver.wait().status == 4)
    }

    @Test("What a hook is told of its bundle is no option to an rmcp that it runs")
    func hookRunsSender() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 1)
        // RMCP_KEY is no file, and RMCP_NAME not what is sent on.
        let other = try lab.scratch.random("other", megabytes: 1)
        let hook = "\(Program.path) send --json --max-wait 0s --min-wait 0s -g 239.1.2.3 \(other) >\(lab.scratch.path("on.json")); test $? = 4"
        let receiver = try lab.receive("r1", ["--once", "--exec", hook])
        #expect(try lab.send(["--wait-for", "1", "--min-wait", "0s", source]).wait().status == 0)
        let result = receiver.wait()
        #expect(result.status == 0 && lab.has("r1", source), "\(result.errors)")
        let said = try String(contentsOfFile: lab.scratch.path("on.json"), encoding: .utf8)
        #expect(said.contains("\"name\":\"other\"") && said.contains("\"signed\":true"), "\(said)")
    }
}

/// Waits for what takes its time: beside the other suites, so that it costs the run nothing.
@Suite(.enabled(if: Laboratory.isPossible, Laboratory.reason)) struct MembershipTests {
    /// The kernel says nothing to switches while another program of the host is a member.
    @Test("A snooping switch forgets an idle receiver, which joins anew by itself and hears the next sender", arguments: ["alone", "beside another member"])
    func idleReceiver(_ company: String) throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 2)
        // It believes that there is a querier, asks for nothing itself, and forgets a member after 2 s.
        try lab.shell(
            "b",
            """
            cd /sys/class/net/br0/bridge
            echo 200 >multicast_membership_interval
            echo 0 >multicast_querier
            echo 60000 >multicast_querier_interval
            echo 1 >multicast_snooping
            """)
        let monitor = try lab.run("b", ["stdbuf", "-oL", "bridge", "monitor", "mdb"])
        defer { monitor.signal(SIGTERM) }
        let entry = "port r1 grp 239.255.76.27"
        func forgotten() -> Int { monitor.outputSoFar.components(separatedBy: "Deleted dev br0 \(entry)").count - 1 }
        func joined() -> Int { monitor.outputSoFar.components(separatedBy: entry).count - 1 - forgotten() }
        let daemon = try lab.receive("r1", ["--json"])
        #expect(daemon.wait { daemon.says("listening") })
        let other = company == "alone" ? nil : try member(lab)
        defer { other?.signal(SIGTERM) }
        try query(lab)
        #expect(daemon.wait { joined() >= 1 && forgotten() == joined() }, "\(monitor.outputSoFar)")
        // Nothing is sent to it, and nobody asks: this is its own doing.
        let before = joined()
        #expect(daemon.wait { joined() > before }, "\(monitor.outputSoFar)")
        #expect(try lab.send(["--wait-for", "1", "--min-wait", "0s", source]).wait().status == 0)
        #expect(lab.has("r1", source))
        lab.stop(daemon)
    }

    /// Another program in r1 that is in the group, and does nothing there.
    private func member(_ lab: Laboratory) throws -> Running {
        let script = """
            import socket, struct, time
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            index = socket.if_nametoindex("eth0")
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.255.76.27") + struct.pack("=4si", bytes(4), index))
            print("member", flush=True)
            time.sleep(100)
            """
        let running = try lab.run("r1", ["python3", "-c", script])
        #expect(running.wait { running.outputSoFar.contains("member") })
        return running
    }

    /// One general query (RFC 2236) from another port, the only one ever.
    private func query(_ lab: Laboratory) throws {
        let script = """
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([0x94, 4, 0, 0]))
            s.sendto(bytes([0x11, 10, 0xee, 0xf5, 0, 0, 0, 0]), ("224.0.0.1", 0))
            """
        try lab.shell("r2", "python3 -c '\(script)'")
    }
}
