import RMCPProtocol
import Testing

/// Somebody forges DATA ahead of the stream, with real packets: each comes before the true one. The simulator has the same in
/// `PoisonScenarios`.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct PoisonTests {
    /// - Parameter hasNode: a repair node has the chunks as well, spoilt as they come there.
    @Test("One packet of DATA in a hundred is forged: every chunk is hit, and hardly anything is sent again", arguments: [false, true])
    func forgedData(hasNode: Bool) throws {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        let source = try lab.scratch.random("image", megabytes: 32)
        let node = hasNode ? try lab.repair("r3") : nil
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let intruder = try Intruder(lab, "r3", address: .ipv4(10, 77, 0, 4, port: 0))
        let sending = try lab.send(["--json", "--wait-for", "2", "--min-wait", "0s", "--rate", "50M", source])
        var heard = 0
        var said: Set<UInt64> = []
        _ = sending.wait {
            for datagram in intruder.listen() {
                guard case .data(let data, let offset)? = try? Packet.parse(datagram.span.bytes).1, !data.isRepair else { continue }
                // Its own come back to it.
                if said.contains(UInt64(data.chunk) << 16 | UInt64(data.packet)) { continue }
                heard += 1
                guard heard % 100 == 0 else { continue }
                var forged = datagram
                // Three chunks further: it is there first.
                forged[DataHeader.length - 5] &+= 3
                for index in offset + 20..<offset + 40 { forged[index] = ~forged[index] }
                said.insert(UInt64(data.chunk + 3) << 16 | UInt64(data.packet))
                intruder.say(forged, to: Intruder.group)
            }
            return false
        }
        let sent = sending.wait()
        #expect(said.count > 50, "\(said.count) of \(heard) were forged")
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 2, "\(sent.errors)\(sent.text.suffix(900))")
        var rejected = 0
        for (node, receiver) in zip(["r1", "r2"], receivers) {
            let ended = receiver.wait()
            #expect(ended.status == 0 && lab.has(node, source))
            rejected += Running.last("rejected_chunks", in: ended.text)
        }
        #expect(rejected > 20, "\(rejected) chunks were wrong, which is no attack")
        // All of each chunk again would be twice as much and more.
        let (content, wire) = (Running.last("bytes_sent_once", in: sent.text), Running.last("wire_bytes", in: sent.text))
        #expect(content == 32 << 20 && Double(wire) < Double(content) * 1.1, "\(wire) bytes for \(content)")
        if let node { lab.stop(node) }
    }
}
