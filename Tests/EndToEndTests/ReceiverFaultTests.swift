import Foundation
import RMCPProtocol
import Testing

/// A receiver whose disk stands still or fails, whose output is wanted by several, and whom strangers talk to.
@Suite(.enabled(if: Laboratory.isPossible, Laboratory.reason), .enabled(if: Shim.isPossible, Shim.reason)) struct ReceiverFaultTests {
    private let quick = ["--unsigned", "--wait-for", "1", "--min-wait", "0s"]

    private func key(_ lab: Laboratory, _ name: String = "key") throws -> (path: String, line: String) {
        let path = lab.scratch.path(name)
        return (path, try lab.run("s", [Program.path, "keygen", "-o", path]).wait().text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private func faulty(_ lab: Laboratory, _ node: String, _ faults: [String: String], _ arguments: [String]) throws -> Running {
        let prefix = try Shim.command(faults.merging(["XDG_STATE_HOME": lab.scratch.path("state")]) { $1 }, in: lab.scratch)
        let process = try lab.run(node, prefix + [Program.path, "recv", "--json", "-d", try lab.scratch.directory(node).path] + arguments, seconds: 100)
        try #require(process.wait { process.says("listening") }, "\(process.errorsSoFar)")
        return process
    }

    /// Each of these on the thread that answers the sender would make a receiver that has everything a lost one.
    @Test(
        "A disk that takes 7 s for a call holds up no session",
        arguments: [
            ["FSYNC_SLEEP": "7:/versions"], ["FSYNC_SLEEP": "7:/completed"], ["FSYNC_SLEEP": "7:/r1"], ["OPEN_SLEEP": "7:.image.rmcp"],
            ["READ_SLEEP": "7:.image.rmcp-journal"], ["WRITE_SLEEP": "7:.image.rmcp-partial"],
        ])
    func slowDisk(faults: [String: String]) throws {
        let lab = try Laboratory(receivers: 1)
        let image = try lab.scratch.random("image", megabytes: 2)
        let other = try lab.scratch.random("other", megabytes: 30)
        let (key, line) = try key(lab)
        let keyed = ["--key", key, "--wait-for", "1", "--min-wait", "0s", "--max-wait", "25s"]
        if faults["READ_SLEEP"] != nil {
            // There is a journal to be read, of a receiver that was killed.
            let first = try faulty(lab, "r1", [:], ["--trust", line])
            let sending = try lab.send(keyed + ["--rate", "4M", image])
            #expect(first.wait { first.done > 0 }, "\(first.errorsSoFar)")
            for process in [first, sending] { process.signal(SIGKILL) }
            for process in [first, sending] { _ = process.wait() }
        }
        let receiver = try faulty(lab, "r1", faults, ["--trust", line])
        let running = try [other, image].map { try lab.send(keyed + ["--rate", "40M", $0]) }
        for process in running {
            let sent = process.wait()
            #expect(sent.status == 0, "\(sent.errors)")
        }
        #expect(lab.has("r1", image) && lab.has("r1", other), "\(receiver.errorsSoFar)")
        receiver.signal(SIGTERM)
        #expect(receiver.wait().status == 0)
    }

    @Test("A flush that fails once: the session fails, nothing is kept, and the next one fetches everything")
    func failedFlush() throws {
        let lab = try Laboratory(receivers: 1)
        let image = try lab.scratch.random("image", megabytes: 3)
        let receiver = try faulty(lab, "r1", ["FSYNC_EIO": ".image.rmcp-partial"], ["--allow-unsigned"])
        #expect(try lab.send(quick + [image]).wait().status == 3)
        #expect(receiver.wait { (try? FileManager.default.contentsOfDirectory(atPath: lab.scratch.path("r1")).isEmpty) ?? false })
        #expect(receiver.errorsSoFar.contains("flush") || receiver.outputSoFar.contains("flush"), "\(receiver.outputSoFar.suffix(500))")
        #expect(try lab.send(quick + [image]).wait().status == 0)
        #expect(lab.has("r1", image) && receiver.last("bytes_kept") == 0)
        lab.stop(receiver)
    }

    /// Two bundles in one stream would be success and garbage.
    @Test("Two senders and one standard output: one has it, the other is told so")
    func oneStream() throws {
        let lab = try Laboratory(receivers: 2)
        let (first, second) = (try lab.scratch.random("first", megabytes: 6), try lab.scratch.random("second", megabytes: 6))
        let receiver = try lab.receive("r1", ["--once", "-o", "-"])
        let one = try lab.send(quick + ["--rate", "20M", first])
        #expect(one.wait { one.errorsSoFar.contains("started") })
        let two = try lab.run("r2", [Program.path, "send"] + quick + ["--max-wait", "1s", second])
        #expect(two.wait().status == 5)
        let received = receiver.wait()
        #expect(received.status == 0 && one.wait().status == 0, "\(received.errors)")
        #expect(received.output == FileManager.default.contents(atPath: first))
        #expect(received.errors.contains("in use"), "\(received.errors)")
    }

    /// A mistyped disk, or one that was pulled.
    @Test("An output among the devices that is not there is an error at the start")
    func noSuchDevice() throws {
        let lab = try Laboratory(receivers: 1)
        for path in ["/dev/rmcp-no-such-disk", "/dev/disk/by-id/rmcp-no-such-disk"] {
            let result = try lab.receive("r1", ["--once", "-o", path], seconds: 20).wait()
            #expect(result.status == 1 && result.errorLines.count == 1, "\(result.status): \(result.errors)")
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    /// The repair node offers what it has for as long as it runs.
    @Test("A receiver that is started again near a repair node runs its command no second time")
    func restartedNearARepairNode() throws {
        let lab = try Laboratory(receivers: 2)
        let image = try lab.scratch.random("image", megabytes: 2)
        let node = try lab.repair("r2")
        let log = lab.scratch.path("log")
        let receiver = ["--json", "--exec", "echo ran >>\(log)"]
        let first = try lab.receive("r1", receiver)
        #expect(try lab.send(quick + ["--until", "repair", image]).wait().status == 0)
        #expect(first.wait { first.says("completed") })
        lab.stop(first)
        for _ in 0..<2 {
            let again = try lab.receive("r1", receiver)
            #expect(again.wait { again.says("refused") }, "\(again.errorsSoFar)")
            lab.stop(again)
        }
        let wanted = try lab.receive("r1", receiver + ["--again"])
        #expect(wanted.wait { wanted.says("completed") })
        lab.stop(wanted, node)
        #expect(try String(contentsOfFile: log, encoding: .utf8) == "ran\nran\n")
    }

    @Test("Somebody else's session, refused and over, and forged farewells of one's own: the one that is waited for arrives")
    func onceIsNotEndedByStrangers() throws {
        let lab = try Laboratory(receivers: 2)
        let image = try lab.scratch.random("image", megabytes: 6)
        let (key, line) = try key(lab)
        let receiver = try lab.receive("r1", ["--once", "--trust", line])
        // Another team's.
        #expect(try lab.run("r2", [Program.path, "send", "--unsigned", "--min-wait", "0s", "--max-wait", "1s", image]).wait().status == 5)
        let sending = try lab.send(["--key", key, "--wait-for", "1", "--min-wait", "0s", "--rate", "20M", image])
        let intruder = try Intruder(lab, "r2", address: .ipv4(10, 77, 0, 3, port: 0))
        let heard = try intruder.hear(.heartbeat, while: sending)
        guard case .heartbeat(var heartbeat) = heard.packet else {
            Issue.record("\(heard.packet) is no HEARTBEAT")
            return
        }
        heartbeat.phase = .leaving
        for _ in 0..<20 {
            let farewell = Packet.heartbeat(heartbeat).datagram(sessionTag: heard.header.sessionTag, transmitter: heard.header.transmitter, isUnicast: false)
            intruder.say(farewell, to: Intruder.group)
            usleep(50_000)
        }
        let received = receiver.wait()
        #expect(received.status == 0 && sending.wait().status == 0 && lab.has("r1", image), "\(received.errors)")
    }
}
