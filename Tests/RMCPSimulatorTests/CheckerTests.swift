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

    // MARK: Safety

    @Test func aWrongNumberOfChunksIsNoticed() {
        let world = world()
        world.safety.contents[world.session(ofSender: 0)]?.length += 1 << 20
        world.run(limit: .seconds(20))
        #expect(world.violations.contains { $0.contains("chunks of") }, "\(world.violations)")
    }

    @Test func aSenderThatSendsWhatItDoesNotHoldIsNoticed() {
        let world = world()
        // The engine is told of a chunk more than its host has.
        world.senders[0].engine.handle(.encoded(world.senders[0].content.record(of: 0)), at: world.now)
        world.run(limit: .seconds(20))
        #expect(world.violations.contains { $0.hasPrefix("sender 0 sends chunk") }, "\(world.violations)")
    }

    @Test func aRepairNodeThatSendsWhatItDoesNotHoldIsNoticed() {
        let world = tree()
        for step in 0..<400 {
            world.after(.milliseconds(800 + 10 * Int64(step))) { world in
                for session in world.repairNodes[0].sessions { session.resident.removeAll() }
            }
        }
        world.run(limit: .seconds(20))
        #expect(world.violations.contains { $0.hasPrefix("repair node 0 sends chunk") }, "\(world.violations)")
    }

    @Test func aKeptPageThatIsNotAuthenticIsNoticed() {
        let world = tree()
        world.after(.milliseconds(1_400)) { world in
            world.killRepairNode(0)
            for session in world.repairNodes[0].cache.keys {
                guard let page = world.repairNodes[0].cache[session]?.table.first else { continue }
                world.repairNodes[0].cache[session]?.table[0][page.count / 2] ^= 1
            }
            world.restartRepairNode(0)
        }
        world.run(limit: .seconds(20))
        #expect(world.violations.contains { $0.contains("not authentic") }, "\(world.violations)")
    }

    @Test func anInstantThatNeverEndsIsNoticed() {
        let world = world()
        func again(_ world: World) { world.after(world.now - World.start, again) }
        world.after(.milliseconds(100), again)
        world.run(limit: .seconds(20))
        #expect(world.violations.contains { $0.contains("the same instant never ends") })
    }

    // MARK: Expectations

    /// Two receivers below a repair node, and two seconds of stream.
    private func tree() -> World {
        let world = World(seed: 4)
        Tree.build(world, subnets: 1, receivers: 2, megabytes: 2, downlink: Setting.lossy(.random(0.05))) { $0.rate.fixedRate = 6_000_000 }
        return world
    }

    @Test func whoIsLateOrNeverDoneIsNoticed() {
        let world = world()
        world.after(.milliseconds(100)) { $0.setLinks(ofReceiver: 1, up: false) }
        world.run(limit: .seconds(3))
        #expect(Expect.finish(world, receivers: [0], within: 2).isEmpty)
        #expect(Expect.finish(world, receivers: [0], within: 0.001).count == 1)
        #expect(Expect.finish(world, receivers: [0, 1], within: 2) == ["receiver 1 did not finish"])
    }

    @Test func anotherOutcomeIsNoticed() {
        let world = world()
        #expect(Expect.outcome(world, .complete).contains { $0.contains("is not done") } && Expect.ended(world).count == 1)
        world.run(limit: .seconds(20))
        #expect(Expect.outcome(world, .complete).isEmpty && Expect.ended(world).isEmpty)
        #expect(Expect.outcome(world, .partial).contains { $0.contains("expected partial") })
    }

    @Test func anotherFailureIsNoticed() {
        let world = World(seed: 4)
        Setting.plain(world, receivers: 1, megabytes: 1)
        world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(disk: DiskModel(capacity: 1_000)))
        world.run(limit: .seconds(20))
        #expect(Expect.failed(world, receiver: 1, as: .failedDiskFull).isEmpty)
        #expect(Expect.failed(world, receiver: 1, as: .failedStorage).count == 2)
        #expect(!Expect.failed(world, receiver: 0, as: .failedDiskFull).isEmpty)
    }

    @Test func anotherRefusalIsNoticed() {
        let world = World(seed: 4)
        world.addReceiver(configuration: Setting.configuration)
        world.addSender(content: Setting.content(world), configuration: Setting.configuration, isSigned: false)
        world.run(limit: .seconds(20))
        #expect(Expect.refused(world, receiver: 0, as: [.unsigned]).isEmpty)
        #expect(!Expect.refused(world, receiver: 0, as: []).isEmpty && !Expect.refused(world, receiver: 0, as: [.unsigned, .unsigned]).isEmpty)
    }

    @Test func aPlaceInTheTreeThatIsAnotherIsNoticed() {
        let (flat, below) = (world(), tree())
        flat.run(limit: .seconds(20))
        below.run(limit: .seconds(20))
        #expect(Expect.everybodyBelowARepairNode(flat).count == 2 && Expect.everybodyBelowARepairNode(below).isEmpty)
        #expect(Expect.everybodyListens(flat, toOneOf: 0...0).count == 2 && Expect.everybodyListens(below, toOneOf: 0...0).isEmpty)
        #expect(Expect.depths(below, ofRepairNodes: [1]).isEmpty && Expect.depths(below, ofRepairNodes: [2]).count == 1)
        #expect(Expect.parent(below, of: 2, each: 0...0).isEmpty && Expect.parent(below, of: 3, each: 0...0).count == 1)
    }

    @Test func whatIsFetchedTwiceIsNoticed() {
        let world = World(seed: 4)
        Setting.plain(world, receivers: 1, megabytes: 2) { $0.rate.fixedRate = 10_000_000 }
        world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(disk: DiskModel(tornShare: 1)))
        world.after(.seconds(1)) { $0.killReceiver(1) }
        world.after(.seconds(1.1)) { $0.restartReceiver(1) }
        world.run(limit: .seconds(20))
        #expect(Expect.allComplete(world).isEmpty)
        #expect(Expect.nobodyStartedAgain(world).count == 1, "\(Expect.nobodyStartedAgain(world))")
    }

    @Test func whatCrossesARelaysLinkTwiceIsNoticed() {
        let world = World(seed: 4)
        Tree.build(world, subnets: 0, receivers: 1, megabytes: 1)
        Tree.addRelay(world, receivers: 2, downlink: Setting.gigabit)
        world.run(limit: .seconds(20))
        #expect(Expect.crossed(world, relay: 0, atMost: 1.5).isEmpty && Expect.crossed(world, relay: 0, atMost: 0.9).count == 1)
    }

    @Test func aKindThatDoesNotFlyIsNoticed() {
        let world = world()
        for kind in [PacketKind.end, .outline] { world.drop(kind, count: 1, ofReceiver: 0) }
        world.run(limit: .seconds(20))
        #expect(Expect.lost(world, .end, of: 1).isEmpty && Expect.lost(world, .outline, of: 1).count == 1)
    }

    @Test func whoIsHeardWhileCutOffIsNoticed() {
        for isCut in [false, true] {
            let world = tree()
            world.heardFrom = [:]
            if isCut { world.cutOff(subnet: 1, from: .seconds(1.2), until: .seconds(2)) } else { world.after(.seconds(1.2)) { $0.setSubnet(1, up: false) } }
            world.after(.seconds(2)) { $0.setSubnet(1, up: true) }
            world.run(limit: .seconds(20))
            #expect(Expect.nothingHeard(world.timesHeard(fromSubnet: 1), between: 1.21, and: 2).isEmpty == isCut)
            #expect(Expect.nothingHeard(world.timesHeard(fromSubnet: 2), between: 1.21, and: 2).count == 2)
        }
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

    /// The way of nearly all datagrams: whole trains where no loss is due, and otherwise what is left of one.
    @Test func randomLossOfTrainsHasItsProbability() {
        for length in [1, 10, 64] {
            var link = Link(model: LinkModel(loss: .random(0.1)))
            var random = RandomSource(seed: 3)
            let mask: UInt64 = length == 64 ? .max : 1 << UInt64(length) - 1
            let trains = 64_000 / length
            var lost = 0
            for _ in 0..<trains where link.passWhole(bytes: 1_400 * length, datagrams: length, at: .zero) == nil {
                lost += length - link.survivors(of: mask, using: &random) { _ in 1_400 }.nonzeroBitCount
            }
            #expect((6_050...6_750).contains(lost), "\(lost) of \(trains * length) in trains of \(length)")
            #expect(Int(link.dropped) == lost)
        }
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
