import Foundation
import RMCPProtocol
import Testing

/// Strangers that play repair nodes, and repair nodes that prove themselves.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct NodeTrustTests {
    private let sender = SocketAddress.ipv4(10, 77, 0, 1, port: 17_627)
    /// Where the intruder is, at `r3`.
    private let here = SocketAddress.ipv4(10, 77, 0, 4, port: 0)
    private let paced = ["--json", "--min-wait", "2s", "--rate", "40M", "--wait-for", "2"]

    /// A key of its own, and its public line.
    private func makeKey(_ lab: Laboratory, _ name: String) throws -> (file: String, line: String) {
        let file = lab.scratch.path(name)
        let made = try lab.run("s", [Program.path, "keygen", "-o", file]).wait()
        try #require(made.status == 0, "\(made.errors)")
        return (file, try #require((made.text + made.errors).split(separator: "\n").first { $0.hasPrefix("rmcp-ed25519 ") }.map(String.init)))
    }

    /// Says, as ever new repair nodes that are near and have everything, that it is there, takes whoever asks, and gives nothing, until
    /// the sender is done; how many have asked.
    private func play(_ intruder: Intruder, while sending: Running) throws -> Int {
        let (header, packet, _) = try intruder.hear(.heartbeat, while: sending)
        guard case .heartbeat(var heartbeat) = packet else { return 0 }
        heartbeat.place = TreePlace(path: [header.transmitter], timeToLive: 1, watermark: Limits.maximumChunks)
        heartbeat.position = .start
        heartbeat.pageCount = 0
        let ids = 5 as UInt32
        var first: UInt32 = 0xBAD0
        var rounds = 0
        var asked = 0
        // A round is two milliseconds at least.
        _ = sending.wait {
            if rounds % 500 == 0 { first += 1 }
            for id in first..<first + ids where rounds % 50 == 0 {
                let bytes = Packet.heartbeat(heartbeat).datagram(sessionTag: header.sessionTag, transmitter: id, isUnicast: false)
                intruder.say(bytes, to: Intruder.group)
            }
            rounds += 1
            for (bytes, child) in intruder.take() {
                guard case .attach(let attach)? = try? Packet.parse(bytes.span.bytes).1 else { continue }
                asked += 1
                // It does not hear which of its ids was asked.
                for id in first - 1..<first + ids {
                    let answer = Packet.attached(AttachAnswer(nonce: attach.nonce, verdict: .accepted, cookie: 7))
                    intruder.say(answer.datagram(sessionTag: header.sessionTag, transmitter: id), to: child)
                }
            }
            return false
        }
        return asked
    }

    @Test("A stranger plays ever new repair nodes: receivers are complete all the same, and nobody says that nobody came")
    func phantoms() throws {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        for name in ["r1", "r2"] { try lab.loss(name, percent: 2) }
        let source = try lab.scratch.random("image", megabytes: 32)
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let intruder = try Intruder(lab, "r3", address: here)
        let sending = try lab.send(paced + [source])
        let asked = try play(intruder, while: sending)
        let sent = sending.wait()
        #expect(asked > 0, "nobody asked the stranger")
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 2, "\(sent.errors)\(sent.text.suffix(900))")
        for (name, receiver) in zip(["r1", "r2"], receivers) {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has(name, source), "\(name): \(result.errors)")
        }
    }

    @Test("With trusted repair nodes alone the same stranger is not asked anything, and whose node is trusted goes below it")
    func trusted() throws {
        let lab = try Laboratory(receivers: 4, options: ["--split"])
        for name in ["r1", "r2"] { try lab.loss(name, percent: 2) }
        let (file, line) = try makeKey(lab, "node")
        let source = try lab.scratch.random("image", megabytes: 32)
        // The node is a child as well.
        let node = try lab.repair("r4", ["--key", file, "--trust-repair", line])
        #expect(node.errorsSoFar.contains("this node is \(line)"), "\(node.errorsSoFar)")
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json", "--trust-repair", line]) }
        let intruder = try Intruder(lab, "r3", address: here)
        let sending = try lab.send(paced + ["--trust-repair", line, source])
        let asked = try play(intruder, while: sending)
        let sent = sending.wait()
        #expect(asked == 0 && intruder.taken.isEmpty, "\(intruder.taken)")
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 2, "\(sent.errors)\(sent.text.suffix(900))")
        for (name, receiver) in zip(["r1", "r2"], receivers) {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has(name, source), "\(name): \(result.errors)")
            #expect(Running.last("parent_depth", in: result.text) == 1, "\(name): \(result.text.suffix(600))")
        }
        lab.stop(node)
    }

    @Test("A repair node whose key is not trusted is not used: receivers and the sender say so, and do without it")
    func untrusted() throws {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        try lab.loss("r1", percent: 2)
        let (file, line) = try makeKey(lab, "node")
        let other = try makeKey(lab, "other").line
        let source = try lab.scratch.random("image", megabytes: 16)
        let node = try lab.repair("r3", ["--key", file])
        let careful = try lab.receive("r1", ["--once", "--json", "--trust-repair", other])
        let sending = try lab.send(["--json", "--min-wait", "2s", "--rate", "40M", "--wait-for", "1", "--trust-repair", other, source])
        let sent = sending.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 1, "\(sent.errors)\(sent.text.suffix(900))")
        let result = careful.wait()
        #expect(result.status == 0 && lab.has("r1", source), "\(result.errors)")
        #expect(Running.last("parent_depth", in: result.text) <= 0, "\(result.text.suffix(600))")
        #expect(node.wait { (node.outputSoFar + node.errorsSoFar).contains("key is not trusted there") }, "\(node.errorsSoFar)\(node.outputSoFar.suffix(900))")
        // In the region it is heard, too.
        #expect(!(result.errors + result.text).contains(line) || (result.errors + result.text).contains("is not trusted, and not used"))
        lab.stop(node)
    }
}
