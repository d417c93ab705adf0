import Foundation
import RMCPProtocol
import Testing

/// Receivers that refuse: their sender says how many, and why.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct RefusalTests {
    private let lab: Laboratory
    private let source: String
    private let key: String

    init() throws {
        lab = try Laboratory(receivers: 4, options: ["--split"])
        source = try lab.scratch.random("image", megabytes: 1)
        key = try Self.makeKey(lab, "signer")
    }

    private static func makeKey(_ lab: Laboratory, _ name: String) throws -> String {
        let path = lab.scratch.path(name)
        try lab.scratch.run([Program.path, "keygen", "-o", path], into: path + ".pub")
        return path
    }

    private func receive(_ node: String, trusting key: String, _ arguments: [String] = []) throws -> Running {
        let receiver = try lab.receive(node, ["--json", "--trust", key + ".pub"] + arguments)
        #expect(receiver.wait { receiver.says("listening") }, "\(receiver.errorsSoFar)")
        return receiver
    }

    @Test("Two receivers do not trust the sender and one does: it has the file, and two are said to refuse")
    func untrusted() throws {
        let other = try Self.makeKey(lab, "other")
        let receivers = try [receive("r1", trusting: key), receive("r2", trusting: other), receive("r3", trusting: other)]
        let sent = try lab.send(["--key", key, "--wait-for", "2", "--max-wait", "3s", source]).wait()
        #expect(sent.status == 0 && sent.errors.contains("2 receivers refused: the sender is not trusted there"), "\(sent.errors)")
        #expect(sent.errors.contains("1 of 2 that were waited for came"), "\(sent.errors)")
        #expect(lab.has("r1", source) && !FileManager.default.fileExists(atPath: lab.scratch.path("r2/image")))
        lab.stop(receivers[0], receivers[1], receivers[2])
    }

    @Test("A receiver of one bundle that can take none at all says so before it goes")
    func hopeless() throws {
        let receiver = try lab.run("r1", [Program.path, "recv", "--json", "--once", "-d", lab.scratch.directory("r1").path])
        #expect(receiver.wait { receiver.says("listening") })
        let sent = try lab.send(["--key", key, "--max-wait", "4s", source]).wait()
        #expect(sent.status == 5 && sent.errors.contains("1 receiver refused: the sender is not trusted there"), "\(sent.status) \(sent.errors)")
        #expect(receiver.wait().status == 5)
    }

    @Test("Nobody takes it: exit 5, and the reasons in JSON")
    func nobody() throws {
        let other = try Self.makeKey(lab, "other")
        let receivers = try ["r1", "r2", "r3"].map { try receive($0, trusting: other) }
        let sent = try lab.send(["--json", "--key", key, "--max-wait", "2s", source]).wait()
        #expect(sent.status == 5 && sent.text.contains("\"outcome\":\"refused\""), "\(sent.errors)\(sent.text.suffix(900))")
        #expect(Running.last("untrusted", in: sent.text) == 3, "\(sent.text.suffix(900))")
        lab.stop(receivers[0], receivers[1], receivers[2])
    }

    @Test("Refusals below a repair node and a relay are in the sender's sum")
    func belowRepairNodes() throws {
        let other = try Self.makeKey(lab, "other")
        let relay = try lab.repair("r2", ["--upstream", "10.77.0.1", "--region", "239.255.76.40"])
        let refusing = try lab.receive("r1", ["--json", "--trust", other + ".pub", "-g", "239.255.76.40"])
        #expect(refusing.wait { refusing.says("listening") })
        let sent = try lab.send(["--json", "--key", key, "--until", "repair", "--min-wait", "3s", source]).wait()
        #expect(sent.status == 0 && Running.last("untrusted", in: sent.text) == 1, "\(sent.errors)\(sent.text.suffix(900))")
        lab.stop(relay, refusing)
    }

    @Test("One output, and another session has it: busy while that lasts")
    func busy() throws {
        let receiver = try receive("r1", trusting: key, ["-o", lab.scratch.path("output")])
        let long = try lab.scratch.random("long", megabytes: 8)
        let first = try lab.send(["--json", "--key", key, "--min-wait", "0s", "--wait-for", "1", "--rate", "20M", long])
        #expect(first.wait { first.last("bytes_sent_once") > 1 << 20 }, "\(first.errorsSoFar)")
        let second = try lab.send(["--key", key, "--max-wait", "1s", source]).wait()
        #expect(second.status == 5 && second.errors.contains("1 receiver refused: no room for another session there"), "\(second.errors)")
        #expect(first.wait().status == 0)
        lab.stop(receiver)
    }

    @Test("ANNOUNCEs that nobody trusts: who sends them gets less than it sent, and the reason only when it answers")
    func nothingIsAmplified() throws {
        let receivers = try ["r1", "r2", "r3"].map { try receive($0, trusting: key) }
        let intruder = try Intruder(lab, "r4", address: .ipv4(10, 77, 0, 5, port: 0))
        let sending = try lab.send(["--key", key, "--wait-for", "9", "--max-wait", "4s", source])
        var number: UInt64 = 0
        _ = sending.wait {
            number += 1
            let session = SessionID(high: number << 32, low: 5)
            let announce = Announce(
                session: session, kind: .file, chunkLength: 65_536, payloadLength: 1_376, creationTime: 9, contentLength: 1, allocatedLength: 1,
                mode: nil, modificationTime: nil, name: "made up", key: PublicKey(Bytes32(number, 2, 3, 4)))
            intruder.say(Packet.announce(announce, .none).datagram(sessionTag: session.tag, transmitter: 5, isUnicast: false), to: Intruder.group)
            intruder.take()
            return false
        }
        let sent = sending.wait()
        #expect(sent.status == 0 && Set(intruder.taken.keys) == [.attach], "\(sent.errors) \(intruder.taken)")
        #expect(intruder.bytesTaken * 10 < intruder.bytesSent, "\(intruder.bytesSent) bytes brought \(intruder.bytesTaken)")
        for name in ["r1", "r2", "r3"] { #expect(lab.has(name, source)) }
        lab.stop(receivers[0], receivers[1], receivers[2])
    }
}

/// Sessions that somebody has recorded and repeats. Receivers trust their key, and have never had them.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct ReplayTests {
    private let lab: Laboratory
    private let source: String
    private let key: String

    init() throws {
        lab = try Laboratory(receivers: 4, options: ["--split"])
        source = try lab.scratch.random("image", megabytes: 16)
        key = lab.scratch.path("signer")
        try lab.scratch.run([Program.path, "keygen", "-o", key], into: key + ".pub")
    }

    /// ANNOUNCEs of as many sessions, as they were sent when nobody listened.
    private func record(_ count: Int, by intruder: Intruder) throws -> [[UInt8]] {
        let sends = try (1...count).map {
            try lab.run(
                "s", [Program.path, "send", "--key", key, "--name", "recorded \($0)", "--max-wait", "1s", "--min-wait", "0s", source])
        }
        var recorded: [SessionID: [UInt8]] = [:]
        for send in sends {
            _ = send.wait {
                for datagram in intruder.listen() {
                    guard case .announce(let announce, _)? = try? Packet.parse(datagram.span.bytes).1 else { continue }
                    recorded[announce.session] = datagram
                }
                return false
            }
        }
        #expect(recorded.count == count)
        return Array(recorded.values)
    }

    @Test("Replayed ANNOUNCEs beside an honest session: it begins at once, and they leave nothing on the disk", arguments: [8, 100])
    func announces(count: Int) throws {
        let intruder = try Intruder(lab, "r4", address: .ipv4(10, 77, 0, 5, port: 0))
        let recorded = try record(count, by: intruder)
        let daemons = try ["r1", "r2"].map { try lab.receive($0, ["--json", "--trust", key + ".pub"]) }
        for daemon in daemons { #expect(daemon.wait { daemon.says("listening") }) }
        for _ in 0..<2 { for datagram in recorded { intruder.say(datagram, to: Intruder.group) } }
        #expect(daemons[0].wait { daemons[0].count("began") >= min(count, 64) }, "\(daemons[0].errorsSoFar)")
        let begun = Date()
        let sending = try lab.send(["--json", "--key", key, "--wait-for", "2", "--min-wait", "0s", "--rate", "200M", source])
        _ = sending.wait {
            for datagram in recorded { intruder.say(datagram, to: Intruder.group) }
            usleep(100_000)
            return false
        }
        let sent = sending.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 2, "\(sent.errors)\(sent.text.suffix(900))")
        // 0.7 s at that rate.
        #expect(Date().timeIntervalSince(begun) < 8, "\(Date().timeIntervalSince(begun)) s")
        for node in ["r1", "r2"] {
            #expect(lab.has(node, source))
            #expect(try FileManager.default.contentsOfDirectory(atPath: lab.scratch.path(node)) == ["image"])
        }
        intruder.take()
        #expect(intruder.bytesTaken < intruder.bytesSent, "\(intruder.bytesSent) bytes brought \(intruder.bytesTaken): \(intruder.taken)")
        lab.stop(daemons[0], daemons[1])
    }

    /// A packet of garbage for each chunk of a recorded session: each takes a place in memory, and no chunk comes of it.
    private func garbage(of recorded: [UInt8]) throws -> [[UInt8]] {
        let (header, packet) = try Packet.parse(recorded.span.bytes)
        guard case .announce(let announce, _) = packet, let length = announce.contentLength else { return [] }
        return (0..<UInt32((length - 1) / UInt64(announce.chunkLength) + 1)).map { chunk in
            var datagram = [UInt8](repeating: 0xEE, count: DataHeader.length + Int(announce.payloadLength))
            datagram.withUnsafeMutableBytes { bytes in
                var span = MutableRawSpan(_unsafeBytes: bytes)
                DataHeader(chunk: chunk, packet: 0, isRepair: false).write(
                    after: PacketHeader(kind: .data, sessionTag: header.sessionTag, transmitter: header.transmitter, sequence: chunk + 1), into: &span)
            }
            return datagram
        }
    }

    @Test("Garbage in the name of replayed sessions: whoever comes then has memory at once")
    func garbageKeepsNobodyOut() throws {
        let intruder = try Intruder(lab, "r4", address: .ipv4(10, 77, 0, 5, port: 0))
        let recorded = try record(10, by: intruder)
        let daemon = try lab.receive("r1", ["--json", "--trust", key + ".pub"])
        #expect(daemon.wait { daemon.says("listening") })
        for _ in 0..<2 { for datagram in recorded { intruder.say(datagram, to: Intruder.group) } }
        #expect(daemon.wait { daemon.count("began") >= recorded.count }, "\(daemon.errorsSoFar)")
        let forged = try recorded.flatMap { try garbage(of: $0) }
        #expect(forged.count == 160)
        for _ in 0..<3 { for datagram in forged { intruder.say(datagram, to: Intruder.group) } }
        let begun = Date()
        let sending = try lab.send(["--json", "--key", key, "--wait-for", "1", "--min-wait", "0s", "--rate", "200M", source], seconds: 30)
        _ = sending.wait {
            // Nobody forgets them meanwhile.
            for datagram in recorded { intruder.say(datagram, to: Intruder.group) }
            usleep(200_000)
            return false
        }
        let sent = sending.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 1 && lab.has("r1", source), "\(sent.errors)\(sent.text.suffix(900))")
        #expect(Date().timeIntervalSince(begun) < 8, "\(Date().timeIntervalSince(begun)) s")
        lab.stop(daemon)
    }

    @Test("A replayed ANNOUNCE does not keep the one output from the session that comes")
    func oneOutput() throws {
        let intruder = try Intruder(lab, "r4", address: .ipv4(10, 77, 0, 5, port: 0))
        let recorded = try record(1, by: intruder)
        let output = lab.scratch.path("output")
        let receiver = try lab.receive("r1", ["--once", "--json", "--trust", key + ".pub", "-o", output])
        #expect(receiver.wait { receiver.says("listening") })
        for datagram in recorded { intruder.say(datagram, to: Intruder.group) }
        #expect(receiver.wait { receiver.says("began") }, "\(receiver.errorsSoFar)")
        let sent = try lab.send(["--key", key, "--wait-for", "1", "--min-wait", "0s", "--max-wait", "5s", source]).wait()
        #expect(sent.status == 0 && receiver.wait().status == 0, "\(sent.errors)")
        #expect(lab.scratch.same(source, output))
    }
}
