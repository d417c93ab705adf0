import Foundation
import RMCPProtocol
import Testing

/// Somebody on the network who floods, forges and replays. Nothing that it can say must bring anybody a wrong file, or
/// bring an address that asked for nothing more than it cost.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct HostileTests {
    private let paced = ["--json", "--min-wait", "1s", "--rate", "60M"]
    private let sender = SocketAddress.ipv4(10, 77, 0, 1, port: 17_627)
    private let node = SocketAddress.ipv4(10, 77, 0, 3, port: 17_627)
    /// Where the intruder is, at `r3`.
    private let here = SocketAddress.ipv4(10, 77, 0, 4, port: 0)

    private func everything(chunks: UInt32) -> RepairRequest {
        var request = RepairRequest()
        request.chunks = [0..<chunks]
        request.pages = [0..<4]
        request.needsEnd = true
        return request
    }

    private func packets(of chunks: Range<UInt32>) -> RepairRequest {
        var request = RepairRequest()
        request.packets = chunks.map { RepairRequest.ChunkPackets(chunk: $0, packets: PacketSet(0..<800)) }
        return request
    }

    private func nak(_ request: RepairRequest) -> Packet { .nak(NegativeAcknowledgement(echo: TimestampEcho(timestamp: 0, delay: 0), request: request)) }

    /// A status that would be served by unicast if its cookie were the address's own.
    private func status(cookie: UInt64, isDeaf: Bool) -> Packet {
        let leaf = LeafStatus(state: .receiving, progress: 0, network: LeafStatus.Network(loss: 15, pressure: 0, arrival: nil))
        return .status(
            StatusReport(
                echo: TimestampEcho(timestamp: 0, delay: 0), longestDatagram: 1_400, isDeaf: isDeaf, wantsStream: !isDeaf, cookie: cookie,
                histogram: StatusHistogram(leaf)))
    }

    @Test("Forged ATTACH, STATUS, NAK, DETACH, QUERY and SOLICITATION: no address gets more than it cost, and none gets data")
    func nothingIsAmplified() throws {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        let source = try lab.scratch.random("image", megabytes: 16)
        let repair = try lab.repair("r2")
        let receiver = try lab.receive("r1")
        let intruder = try Intruder(lab, "r3", address: here)
        let sending = try lab.send(paced + ["--wait-for", "1", source])
        let tag = try intruder.hear(.heartbeat, while: sending).header.sessionTag
        #expect(receiver.wait { repair.last("chunks_held") >= 2 })
        var said: [PacketKind: Int] = [:]
        for round in 0..<200 {
            let forged: [(Packet, tag: UInt32)] = [
                (.attach(AttachRequest(nonce: UInt64(round), wantsStream: round % 2 == 0)), tag), (nak(everything(chunks: 16)), tag),
                (status(cookie: UInt64.random(in: 1...(.max)), isDeaf: round % 2 == 0), tag), (.detach(cookie: UInt64.random(in: 1...(.max))), tag),
                (.query(WatchQuery(nonce: UInt64(round))), tag), (.solicitation, 0),
            ]
            for (packet, tag) in forged {
                let datagram = packet.datagram(sessionTag: tag, transmitter: UInt32.random(in: 1...(.max)))
                for victim in [sender, node] {
                    intruder.say(datagram, to: victim)
                    if let kind = PacketHeader.kind(of: datagram.span.bytes) { said[kind, default: 0] += 1 }
                }
            }
            intruder.take()
        }
        let sent = sending.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 1, "\(sent.errors)\(sent.text.suffix(900))")
        #expect(receiver.wait().status == 0 && lab.has("r1", source))
        intruder.take()
        #expect(intruder.bytesTaken <= intruder.bytesSent, "\(intruder.bytesSent) bytes brought \(intruder.bytesTaken): \(intruder.taken)")
        // One answer to each question at most, and no other than answers: each is no longer than its question.
        // A STATUS with a cookie that is not its address's is told so.
        for (answer, questions) in [
            (PacketKind.attached, [PacketKind.attach, .status]), (.announce, [.solicitation]), (.report, [.query]), (.acknowledgement, [.detach]),
        ] {
            #expect(intruder.taken[answer, default: 0] <= questions.reduce(0) { $0 + said[$1, default: 0] }, "\(intruder.taken)")
        }
        #expect(Set(intruder.taken.keys).isSubset(of: [.attached, .announce, .report, .acknowledgement]), "\(intruder.taken)")
        lab.stop(repair)
    }

    @Test("A flood of NAKs: the sender keeps to its rate, sends first transmissions on, and everybody is complete", arguments: [false, true])
    func nakFlood(ofPackets: Bool) throws {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        let source = try lab.scratch.random("image", megabytes: 16)
        let receivers = try ["r1", "r2"].map { try lab.receive($0) }
        let intruder = try Intruder(lab, "r3", address: here)
        let sending = try lab.send(paced + ["--wait-for", "2", source])
        let tag = try intruder.hear(.data, while: sending).header.sessionTag
        var rounds = 0
        // Until it is over: a thousand a second.
        _ = sending.wait {
            rounds += 1
            let request = ofPackets ? packets(of: 0..<16) : everything(chunks: 16)
            intruder.say(nak(request).datagram(sessionTag: tag, transmitter: UInt32.random(in: 1...(.max))), to: sender)
            intruder.take()
            return false
        }
        let sent = sending.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 2, "\(sent.errors)\(sent.text.suffix(900))")
        for (name, receiver) in zip(["r1", "r2"], receivers) { #expect(receiver.wait().status == 0 && lab.has(name, source)) }
        let copies = Double(Running.last("wire_bytes", in: sent.text)) / Double(16 << 20)
        // Chunks have a hundredth of the rate while the stream lasts, packets four fifths, and nothing is sent beyond it.
        #expect(copies < (ofPackets ? 6.5 : 1.2), "\(rounds) NAKs: \(copies) copies left the sender")
        #expect(intruder.taken.isEmpty, "\(intruder.taken)")
    }

    @Test("Forged NCFs in everybody's name, for everything, all the time: losses are repaired all the same")
    func forgedConfirmations() throws {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        for name in ["r1", "r2"] { try lab.loss(name, percent: 5) }
        let source = try lab.scratch.random("image", megabytes: 8)
        let receivers = try ["r1", "r2"].map { try lab.receive($0) }
        let intruder = try Intruder(lab, "r3", address: here)
        let sending = try lab.send(paced + ["--wait-for", "2", source])
        let header = try intruder.hear(.heartbeat, while: sending).header
        _ = sending.wait {
            for request in [everything(chunks: 8), packets(of: 0..<8)] {
                intruder.say(Packet.ncf(request).datagram(sessionTag: header.sessionTag, transmitter: header.transmitter, isUnicast: false), to: Intruder.group)
            }
            return false
        }
        let sent = sending.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 2, "\(sent.errors)\(sent.text.suffix(900))")
        for (name, receiver) in zip(["r1", "r2"], receivers) { #expect(receiver.wait().status == 0 && lab.has(name, source)) }
    }

    @Test("An ANNOUNCE that is replayed: who has the bundle ignores it, and who believes it does not talk much to whoever it names")
    func replayedAnnouncement() throws {
        let lab = try Laboratory(receivers: 3)
        let source = try lab.scratch.random("image", megabytes: 1)
        let daemon = try lab.receive("r1", ["--json"])
        let intruder = try Intruder(lab, "r3", address: here)
        let sending = try lab.send(["--wait-for", "1", "--min-wait", "0s", source])
        let announcement = try intruder.hear(.announce, while: sending).bytes
        #expect(sending.wait().status == 0)
        #expect(daemon.wait { daemon.says("completed") })
        intruder.take()
        #expect(intruder.bytesTaken == 0)
        let late = try lab.receive("r2", ["--once", "--json", "--timeout", "4s"])
        #expect(late.wait { late.says("listening") })
        intruder.say(announcement, to: Intruder.group)
        let result = late.wait()
        #expect(result.status == 4 && result.text.contains("\"event\":\"began\""), "\(result.status) \(result.errors)")
        intruder.take()
        // 27 kB before receivers took silence for an answer.
        #expect(intruder.bytesTaken < 4_000, "\(announcement.count) bytes brought \(intruder.bytesTaken): \(intruder.taken)")
        #expect(daemon.count("began") == 1 && lab.has("r1", source))
        #expect(!FileManager.default.fileExists(atPath: lab.scratch.path("r2/image")))
        lab.stop(daemon)
    }

    @Test("Questions from a port of 0 and from where no answer can go: nobody's stream is held up")
    func unanswerableSources() throws {
        let lab = try Laboratory(receivers: 3)
        let source = try lab.scratch.random("image", megabytes: 16)
        let receivers = try ["r1", "r2"].map { try lab.receive($0) }
        // A network that the sender has no route to.
        try lab.shell("r3", "ip addr add 192.0.2.9/24 dev eth0")
        let sending = try lab.send(["--json", "--wait-for", "2", "--min-wait", "0s", "--rate", "60M", source])
        #expect(sending.wait { sending.last("bytes_sent_once") > 0 }, "\(sending.errorsSoFar)\(sending.outputSoFar)")
        let intruder = try lab.run("r3", ["python3", "-c", Self.unanswerable], seconds: 60)
        let sent = sending.wait()
        #expect(sent.status == 0 && intruder.process.isRunning, "\(sent.errors)")
        for (name, receiver) in zip(["r1", "r2"], receivers) {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has(name, source), "\(result.errors)")
        }
        intruder.process.terminate()
        // 2.2 s at its rate; held up it takes half a minute.
        let seconds = try #require(sent.text.split(separator: "\n").last { $0.contains("\"finished\"") })
        #expect(Running.last("unanswerable", in: String(seconds)) > 10, "\(seconds)")
        #expect(Running.last("seconds", in: String(seconds)) < 12, "\(seconds)")
    }

    /// 25 solicitations a second from a port of 0, and as many from an address without a route back, until it is ended.
    private static let unanswerable = """
        import socket, struct, time
        solicitation = bytes([0x52, 0x4D, 2, 0x8A]) + bytes(4) + b"odd!" + bytes(700)
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        def datagram(source, port):
            udp = struct.pack("!HHHH", port, 17627, 8 + len(solicitation), 0) + solicitation
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
            return head + socket.inet_aton(source) + socket.inet_aton("10.77.0.1") + udp
        while True:
            for source, port in (("10.77.0.4", 0), ("192.0.2.9", 5000), ("224.1.2.3", 5000), ("255.255.255.255", 5000)):
                raw.sendto(datagram(source, port), ("10.77.0.1", 0))
            time.sleep(0.04)
        """
}
