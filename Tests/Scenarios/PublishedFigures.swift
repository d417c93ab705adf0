import RMCPProtocol
import RMCPSimulator
import Testing

/// Figures from the literature that the engines must reproduce (docs/benchmarks.md has the tables).
@Suite struct PublishedFigures {
    /// With independent loss p at R receivers and ideal feedback, each packet is sent E[M] times:
    /// the sum over m >= 0 of 1 - (1 - p^m)^R.
    private func bound(loss: Double, receivers: Int) -> Double {
        var sum = 0.0
        var power = 1.0
        for _ in 0..<60 {
            var none = 1.0
            for _ in 0..<receivers { none *= 1 - power }
            sum += 1 - none
            power *= loss
        }
        return sum
    }

    @Test("A flat group's repairs stay within a tenth of the bound", arguments: [(0.01, 16), (0.05, 16), (0.01, 100)])
    func flatBound(loss: Double, receivers: Int) {
        let world = World(seed: 11)
        var configuration = Configuration()
        configuration.joining.minimumWait = .milliseconds(300)
        configuration.rate.fixedRate = 300_000_000
        var link = LinkModel(latency: .microseconds(200), rate: 1e9)
        link.loss = .random(loss)
        for _ in 0..<receivers { world.addReceiver(configuration: configuration, downlink: link) }
        world.addSender(
            content: SimulatedContent(seed: 1, length: 8 << 20, chunkLength: 256 << 10), configuration: configuration,
            egress: LinkModel(rate: 1e9))
        world.run(limit: .seconds(60))
        let counters = world.counters(ofSender: 0)
        let copies = Double(counters.firstBytes + counters.repairBytes + counters.catchUpBytes) / Double(counters.firstBytes)
        #expect(world.outcome(ofSender: 0)?.kind == .complete)
        #expect(copies <= bound(loss: loss, receivers: receivers) * 1.1, "\(copies) copies")
        #expect(copies >= 1 + loss / 2, "loss without repairs cannot be: \(copies) copies")
    }

    @Test("Twenty times the receivers are a few times the NAKs (RFC 5401, 3.2.3: 1.64 for 10, 2.6 for 200)")
    func boundedFeedback() {
        func datagrams(receivers: Int) -> UInt64 {
            let world = World(seed: 5)
            var configuration = Configuration()
            configuration.joining.minimumWait = .milliseconds(300)
            configuration.rate.fixedRate = 100_000_000
            // All lose the same packets: ideal suppression lets one of them ask.
            for _ in 0..<receivers { world.addReceiver(configuration: configuration) }
            var egress = LinkModel(rate: 1e9)
            egress.loss = .random(0.01)
            world.addSender(content: SimulatedContent(seed: 1, length: 16 << 20), configuration: configuration, egress: egress)
            world.run(limit: .seconds(60))
            #expect(world.outcome(ofSender: 0)?.kind == .complete)
            return world.counters(ofSender: 0).naksReceived
        }
        let few = datagrams(receivers: 10)
        let many = datagrams(receivers: 200)
        #expect(many < few * 8, "\(few) NAKs from 10 receivers, \(many) from 200")
    }
}
