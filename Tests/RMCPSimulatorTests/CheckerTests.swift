import RMCPProtocol
import Testing

@testable import RMCPSimulator

/// A checker that cannot fail proves nothing: each is shown something wrong.
@Suite struct CheckerTests {
    private func world(loss: Double = 0) -> World {
        let world = World(seed: 4)
        Setting.plain(world, receivers: 2, megabytes: 1, downlink: Setting.lossy(.random(loss)))
        return world
    }

    @Test func aCompleteRunHasNothingWrong() {
        let world = world()
        world.run(limit: .seconds(20))
        #expect(Expect.allComplete(world).isEmpty && world.violations.isEmpty)
    }

    @Test func aReceiverThatGetsNothingIsNoticed() {
        let world = world()
        world.after(.milliseconds(100)) { $0.setLinks(ofReceiver: 1, up: false) }
        world.run(limit: .seconds(3))
        #expect(Expect.allComplete(world).contains { $0.contains("receiver 1") })
    }

    @Test func aWrongChunkIsNoticed() {
        let world = world()
        let session = world.session(ofSender: 0)
        // The source is not what was sent: what the receivers present is wrong by comparison.
        world.safety.contents[session]?.seed ^= 1
        world.run(limit: .seconds(20))
        #expect(world.violations.contains { $0.contains("wrong chunk") })
    }

    @Test func aBundleThatNobodySentIsNoticed() {
        let world = world()
        world.safety.contents.removeAll()
        world.run(limit: .seconds(20))
        #expect(world.violations.contains { $0.contains("nobody sent") })
    }

    /// The sender is told that a receiver is complete that is not, by somebody who knows what only the receiver was told.
    @Test func successThatIsSaidEarlyIsNoticed() {
        let world = World(seed: 4)
        Setting.plain(world, receivers: 1, megabytes: 1) { $0.rate.fixedRate = 4_000_000 }
        world.after(.milliseconds(900)) { world in
            let engine = world.senders[0].engine
            // The receiver falls silent, and its last words are not its own.
            world.setLinks(ofReceiver: 0, up: false)
            guard let identity = world.receivers[0].record.identities[engine.session], let cookie = world.givenCookies[world.address(ofReceiver: 0)] else {
                return
            }
            let report = StatusReport(
                echo: .none, longestDatagram: 1_400, cookie: cookie, histogram: StatusHistogram(LeafStatus(state: .complete, progress: 10, network: nil)))
            world.inject(
                Packet.status(report).datagram(sessionTag: engine.session.tag, transmitter: identity), toSender: 0, from: world.address(ofReceiver: 0))
        }
        world.run(limit: .seconds(60))
        #expect(world.outcome(ofSender: 0)?.kind == .complete)
        #expect(world.violations.contains { $0.contains("says complete, and receiver 0") }, "\(world.violations)")
    }

    @Test func aReceiverThatSpeaksTooSoonIsNoticed() {
        let world = World(seed: 4)
        // Its disk takes a while to flush, and its host does not wait for that.
        world.addReceiver(
            configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(disk: DiskModel(rate: 1e6)))
        world.addSender(content: Setting.content(world, megabytes: 1), configuration: Setting.configuration, egress: Setting.gigabit)
        for step in 0..<400 {
            world.after(.milliseconds(10 * Int64(step))) { world in
                guard let session = world.receivers[0].first, session.engine.state == .finishing else { return }
                session.engine.handle(.committed, at: world.now)
            }
        }
        world.run(limit: .seconds(20))
        #expect(world.violations.contains { $0.contains("before its bundle is durable") })
    }

    @Test func manyCopiesAreNoticed() {
        let world = world(loss: 0.3)
        world.run(limit: .seconds(20))
        #expect(!Expect.copies(world, atMost: 1.05).isEmpty)
    }
}

@Suite struct LinkTests {
    @Test func aLinkTakesAsLongAsItsRateSays() throws {
        var link = Link(model: LinkModel(latency: .milliseconds(5), rate: 8_000_000, queueLimit: 10_000))
        let now = Instant(nanoseconds: 0)
        // 1000 bytes at 1 MB/s are 1 ms, and the second train waits for the first.
        #expect(link.pass(bytes: 1_000, datagrams: 1, at: now) == now + .milliseconds(6))
        #expect(link.pass(bytes: 1_000, datagrams: 1, at: now) == now + .milliseconds(7))
    }

    @Test func aFullQueueDropsTheTail() {
        var link = Link(model: LinkModel(latency: .zero, rate: 8_000_000, queueLimit: 2_500))
        let passed = (0..<5).map { _ in link.pass(bytes: 1_000, datagrams: 1, at: .zero) != nil }
        #expect(passed == [true, true, false, false, false])
    }

    @Test func randomLossHasItsProbability() {
        var link = Link(model: LinkModel(loss: .random(0.1)))
        var random = RandomSource(seed: 3)
        let lost = (0..<50_000).filter { _ in link.loses(kind: .data, length: 1_400, using: &random) }.count
        #expect((4_700...5_300).contains(lost))
    }

    @Test func burstsAreLongerThanChance() {
        var link = Link(model: LinkModel(loss: .gilbertElliott(toBad: 0.01, toGood: 0.1, lossGood: 0, lossBad: 1)))
        var random = RandomSource(seed: 3)
        let losses = (0..<200_000).map { _ in link.loses(kind: .data, length: 1_400, using: &random) }
        let lost = losses.filter { $0 }.count
        let bursts = zip(losses, losses.dropFirst()).filter { !$0 && $1 }.count
        // In the bad state 1 of 11 times; a burst lasts 10 datagrams on average.
        #expect((15_000...21_500).contains(lost))
        #expect((8.0...12.0).contains(Double(lost) / Double(bursts)))
    }
}
