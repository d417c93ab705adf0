import TestSupport
import Testing

@testable import RMCPProtocol

/// Whatever others say, what the sender says of an honest receiver is what that one says itself, and a session is complete only
/// when all of them are.
@Suite struct StrangerTests {
    @Test("What is of another protocol or version is foreign, and what is damaged is malformed, at each end")
    func foreignIsNotMalformed() {
        var session = SessionHarness(signer: NoSigner(), receivers: 1)
        #expect(session.run { $0.receivers[0].engine.chunksDone > 2 })
        let (sender, receiver) = (session.sender.counters, session.receivers[0].engine.counters)
        func tell(_ bend: (inout [UInt8]) -> Void) {
            var up = session.forged(.solicitation)
            bend(&up)
            session.sender.handle(datagram: up.span.bytes, from: .ipv4(10, 0, 0, 9, port: 1), at: session.now)
            var down = session.forged(.heartbeat(.sample()))
            bend(&down)
            session.receivers[0].take(down, at: session.now)
        }
        tell { $0[0] ^= 1 }
        tell { $0[2] = 1 }
        #expect(session.sender.counters.foreign == sender.foreign + 2 && session.sender.counters.malformed == sender.malformed)
        #expect(session.receivers[0].engine.counters.foreign == receiver.foreign + 2)
        #expect(session.receivers[0].engine.counters.malformed == receiver.malformed)
        tell { $0[3] = 0 }
        tell { $0.removeLast($0.count - 17) }
        #expect(session.sender.counters.foreign == sender.foreign + 2 && session.sender.counters.malformed == sender.malformed + 2)
        #expect(session.receivers[0].engine.counters.malformed == receiver.malformed + 2)
    }

    /// A sender of a few holes, honest leaves that get through their states at their own pace, and others.
    private struct Group {
        struct Leaf {
            let id: UInt32
            let address: SocketAddress
            var state = ReceiverState.joined
            var next = Instant.zero
            /// It says the same over and over.
            var isStill = false
        }

        var sender: SenderEngine
        var now = Instant.milliseconds(1)
        var leaves: [Leaf]
        var random: RandomSource
        var outcome: SenderOutcome?
        let pace: Double

        init(seed: UInt64, until: JoiningSettings.Until = .receivers) {
            random = RandomSource(seed: seed)
            var configuration = Configuration()
            configuration.joining.minimumWait = .milliseconds(50)
            configuration.joining.maximumWait = .seconds(2)
            configuration.joining.until = until
            sender = SenderEngine(
                configuration: configuration, announce: RepairHarness.announce, signer: RepairHarness.signer, digest: LaneDigest(), seed: seed, at: now)
            sender.handle(.hole(chunks: 4, contentLength: 4_000), at: now)
            sender.handle(.ended, at: now)
            leaves = (0..<random.int(1...4)).map { Leaf(id: 1_000 + UInt32($0), address: .ipv4(10, 0, 1, UInt8($0), port: 5_000)) }
            pace = random.chance(0.5) ? 0.2 : 0.02
        }

        mutating func tell(_ packet: Packet, as id: UInt32, from address: SocketAddress) {
            let sent = datagram(packet, isUnicast: true, tag: sender.session.tag, transmitter: id)
            sender.handle(datagram: sent.span.bytes, from: address, at: now)
        }

        /// Every few milliseconds.
        mutating func step() {
            now = now + .milliseconds(Int64(random.int(1...15)))
            for index in leaves.indices where now >= leaves[index].next {
                leaves[index].next = now + .milliseconds(50)
                if !leaves[index].isStill, let later = Self.later[leaves[index].state], random.chance(pace) { leaves[index].state = later }
                let status = StatusReport(
                    echo: .none, longestDatagram: 1_400, cookie: sender.cookie(for: leaves[index].address),
                    histogram: StatusHistogram(LeafStatus(state: leaves[index].state, progress: 1, network: nil)))
                tell(.status(status), as: leaves[index].id, from: leaves[index].address)
            }
            drain()
        }

        private static let later: [ReceiverState: ReceiverState] = [
            .joined: .receiving, .receiving: .behind, .behind: .finishing, .finishing: .complete,
        ]

        private mutating func drain() {
            if let due = sender.pollTimeout(at: now), due <= now { sender.handleTimeout(at: now) }
            var said = 0
            while said < 500, sender.pollTransmit(at: now) != nil { said += 1 }
            while let event = sender.pollEvent() { if case .finished(let outcome) = event { self.outcome = outcome } }
        }

        /// Of anybody but a leaf at its own address, in anybody's name, with a cookie of its own or without.
        mutating func attack() {
            let host = UInt8(random.int(0...3))
            let source = SocketAddress.ipv4(10, 0, 2, host, port: UInt16(random.int(1...3)))
            let id = random.chance(0.5) ? leaves[random.int(0...leaves.count - 1)].id : UInt32(random.int(1...6))
            let cookies = [sender.cookie(for: source), sender.cookie(for: source), sender.cookie(for: source), 0, random.next()]
            let cookie = cookies[random.int(0...cookies.count - 1)]
            switch random.int(0...9) {
            case 0: tell(.detach(cookie: cookie), as: id, from: source)
            case 1: tell(.attach(AttachRequest(nonce: random.next(), wantsStream: random.chance(0.5))), as: id, from: source)
            case 2: tell(.nak(NegativeAcknowledgement(echo: .none, cookie: cookie, request: random.request())), as: id, from: source)
            case 3: tell(.detach(cookie: random.next()), as: id, from: leaves[0].address)
            default:
                let status = StatusReport(
                    echo: TimestampEcho(timestamp: random.next(), delay: random.word()), longestDatagram: UInt16(random.int(0...9_000)),
                    isDeaf: random.chance(0.2), wantsStream: random.chance(0.2), cookie: cookie, histogram: claim())
                tell(.status(status), as: id, from: source)
            }
        }

        /// What is worth saying to end a session before its time, and anything else.
        private mutating func claim() -> StatusHistogram {
            var claim: StatusHistogram
            switch random.int(0...3) {
            case 0: claim = random.histogram()
            case 1:
                claim = StatusHistogram(LeafStatus(state: .complete, progress: 10, network: nil))
                claim.tree.repairNodes = 1
                claim.tree.completeRepairNodes = 1
            default: claim = StatusHistogram(LeafStatus(state: ReceiverState.allCases[random.int(0...13)], progress: 10, network: nil))
            }
            for state in ReceiverState.allCases where random.chance(0.2) {
                claim.rehomed[Int(state.rawValue)] = Int64(random.int(-3...5))
            }
            if random.chance(0.3) { claim.rehomed[Int(ReceiverState.lost.rawValue)] = Int64(StatusHistogram.maximumCount) }
            return claim
        }
    }

    /// All honest leaves that have reported are counted in the states that they say.
    private func expectHonest(_ group: Group, _ reported: Set<UInt32>) -> Bool {
        let said = group.sender.receivers
        for state in ReceiverState.allCases {
            let honest = group.leaves.count { $0.state == state && reported.contains($0.id) }
            guard said.count(state) >= UInt64(honest) else { return false }
        }
        let active = group.leaves.count { $0.state.isActive && reported.contains($0.id) }
        return group.sender.children.active >= active && group.sender.children.saidToBeActive >= UInt64(active)
    }

    @Test(arguments: 1...60 as ClosedRange<UInt64>) func nobodyElseChangesWhatIsSaidOfALeaf(seed: UInt64) {
        var group = Group(seed: seed)
        group.step()
        let reported = Set(group.leaves.map(\.id))
        for _ in 0..<300 where group.outcome == nil {
            for _ in 0..<group.random.int(0...4) { group.attack() }
            #expect(expectHonest(group, reported))
            group.step()
            #expect(expectHonest(group, reported))
            if group.outcome?.kind == .complete { #expect(group.leaves.allSatisfy { $0.state == .complete }) }
        }
        // When they fall silent they are lost, and the session ends with whatever they said.
        // 48 s: until they are lost, and as long again, and 20 s after somebody who said that he went below a node.
        for _ in 0..<6_000 where group.outcome == nil { group.step() }
        #expect(group.outcome != nil)
        #expect(group.outcome.map { $0.receivers.count(.complete) >= UInt64(group.leaves.count { $0.state == .complete }) } ?? false)
    }

    /// Without a cookie there is nobody: neither to begin with, nor to wait for, nor to end with.
    @Test func whoHasNotProvenItsAddressDoesNotCount() {
        var group = Group(seed: 1)
        let home = SocketAddress.ipv4(10, 0, 2, 1, port: 1)
        for state in [ReceiverState.complete, .receiving, .finishing, .failedHook] {
            let status = StatusReport(
                echo: TimestampEcho(timestamp: 1, delay: 0), longestDatagram: 9, histogram: StatusHistogram(state: state, progress: 0, loss: 15, pressure: 7))
            group.tell(.status(status), as: 4, from: home)
        }
        #expect(group.sender.childCount == 0 && group.sender.receivers == StatusHistogram() && group.sender.counters.unproven == 4)
        // And no answer is longer than what it answers, nor is there one to who shows nothing.
        #expect(group.sender.control.peerCount == 0)
        group.leaves = []
        for _ in 0..<400 where group.outcome == nil { group.step() }
        #expect(group.outcome?.kind == .nobodyCame)
    }

    /// Whoever takes receivers away and says nothing of them does not make a session of which they never were.
    @Test(arguments: [true, false]) func whoGoesBelowSomebodyThatNeverReportsIsNotForgotten(hasStarted: Bool) {
        var group = Group(seed: 5)
        group.leaves = (1...2).map { Group.Leaf(id: $0, address: .ipv4(10, 0, 1, UInt8($0), port: 1), state: .receiving, isStill: true) }
        group.step()
        if hasStarted { while group.sender.sessionPhase == .waiting { group.step() } }
        let left = group.leaves
        group.leaves = []
        for leaf in left { group.tell(.detach(cookie: group.sender.cookie(for: leaf.address)), as: leaf.id, from: leaf.address) }
        #expect(group.sender.childCount == 0)
        let since = group.now
        for _ in 0..<20_000 where group.outcome == nil { group.step() }
        #expect(group.outcome?.kind == .partial && group.outcome?.unaccounted == 2)
        // They have the time to find out that nothing comes of it.
        #expect(group.now - since >= .seconds(20) && group.now - since < .seconds(25), "\(group.now - since)")
    }

    /// A sender that leaves receivers to the repair nodes need not know what becomes of those who went below one: it has everything.
    @Test func whoGoesBelowANodeThatIsWholeIsLeftToIt() {
        var group = Group(seed: 5, until: .repairNodes)
        group.leaves = (1...2).map { Group.Leaf(id: $0, address: .ipv4(10, 0, 1, UInt8($0), port: 1), state: .receiving, isStill: true) }
        let node = SocketAddress.ipv4(10, 0, 3, 1, port: 1)
        func report(_ group: inout Group, isWhole: Bool) {
            var histogram = StatusHistogram()
            histogram.tree.repairNodes = 1
            histogram.tree.completeRepairNodes = isWhole ? 1 : 0
            let status = StatusReport(echo: .none, longestDatagram: 1_400, cookie: group.sender.cookie(for: node), histogram: histogram)
            group.tell(.status(status), as: 9, from: node)
        }
        group.step()
        while group.sender.sessionPhase == .waiting {
            report(&group, isWhole: false)
            group.step()
        }
        let left = group.leaves
        group.leaves = []
        for leaf in left { group.tell(.detach(cookie: group.sender.cookie(for: leaf.address)), as: leaf.id, from: leaf.address) }
        let since = group.now
        // The node says nothing of them, and lacks something for as long as they might be awaited, and longer.
        while group.now - since < .seconds(25) {
            report(&group, isWhole: false)
            group.step()
        }
        #expect(group.outcome == nil && group.sender.children.unaccounted == 2)
        for _ in 0..<1_000 where group.outcome == nil {
            report(&group, isWhole: true)
            group.step()
        }
        #expect(group.outcome?.kind == .complete && group.outcome?.unaccounted == 2, "\(String(describing: group.outcome))")
    }

    /// One that only asks holds nobody up for ever.
    @Test(arguments: [true, false]) func askingIsNotProgress(isProven: Bool) {
        var group = Group(seed: 3)
        group.leaves = [Group.Leaf(id: 1, address: .ipv4(10, 0, 1, 1, port: 1), state: isProven ? .receiving : .joined, isStill: isProven)]
        var request = RepairRequest()
        request.needsEnd = true
        let asker = isProven ? group.leaves[0].address : SocketAddress.ipv4(10, 0, 2, 1, port: 1)
        var steps = 0
        while group.outcome == nil, steps < 100_000 {
            steps += 1
            group.step()
            group.now = group.now + .milliseconds(40)
            let cookie = isProven ? group.sender.cookie(for: asker) : 0
            group.tell(.nak(NegativeAcknowledgement(echo: .none, cookie: cookie, request: request)), as: 1, from: asker)
        }
        #expect(group.outcome?.kind == (isProven ? .partial : .complete))
        let limit: Interval = isProven ? .seconds(610) : .seconds(60)
        #expect(group.now - Instant.zero < limit, "\(group.now - Instant.zero)")
    }

    /// However long it takes: a sender that left would say of who is alive that it is lost.
    @Test func whoFinishesIsWaitedFor() {
        var group = Group(seed: 5)
        group.leaves = [Group.Leaf(id: 1, address: .ipv4(10, 0, 1, 1, port: 1), state: .finishing, isStill: true)]
        while group.now - Instant.zero < .seconds(3_000) {
            group.step()
            group.now = group.now + .milliseconds(500)
        }
        #expect(group.outcome == nil && group.sender.receivers.count(.finishing) == 1)
        group.leaves[0].state = .complete
        for _ in 0..<2_000 where group.outcome == nil { group.step() }
        #expect(group.outcome?.kind == .complete)
        // One that dies over it is lost like any other.
        var other = Group(seed: 6)
        other.leaves = [Group.Leaf(id: 1, address: .ipv4(10, 0, 1, 1, port: 1), state: .finishing, isStill: true)]
        for _ in 0..<20 { other.step() }
        other.leaves = []
        for _ in 0..<2_000 where other.outcome == nil { other.step() }
        #expect(other.outcome?.kind == .noProgress && other.outcome?.receivers.count(.lost) == 1)
    }

    /// A child that has come some way further, if only by a chunk of a million, is not given up.
    @Test func aSlowReceiverIsNotGivenUp() {
        var group = Group(seed: 7)
        group.leaves = []
        let home = SocketAddress.ipv4(10, 0, 1, 1, port: 1)
        for step in 0..<4_000 {
            let leaf = LeafStatus(state: .behind, progress: 3, network: nil, chunksDone: UInt32(step / 1_000))
            group.tell(
                .status(StatusReport(echo: .none, longestDatagram: 1_400, cookie: group.sender.cookie(for: home), histogram: StatusHistogram(leaf))),
                as: 1, from: home)
            group.step()
            group.now = group.now + .milliseconds(500)
        }
        // Four chunks in 2,000 seconds.
        #expect(group.outcome == nil && group.now - Instant.zero > .seconds(1_900))
    }

    // MARK: At the receiver

    /// Anybody can say that the sender leaves. It does not, and receivers stay.
    @Test(arguments: [SessionPhase.leaving, .aborted]) func whoIsSaidToLeaveAndDoesNotIsNotGivenUp(phase: SessionPhase) {
        var session = SessionHarness(signer: NoSigner(), receivers: 2) { $0.rate.fixedRate = 1_000_000 }
        var isOver = false
        for step in 0..<40_000 where !isOver {
            session.advance()
            if step % 5 == 0 {
                var heartbeat = session.sender.heartbeat(at: session.now, timeToLive: 1)
                heartbeat.phase = phase
                for number in session.receivers.indices { session.receivers[number].take(session.forged(.heartbeat(heartbeat)), at: session.now) }
            }
            isOver = session.outcome != nil && session.receivers.allSatisfy { $0.outcome != nil }
        }
        #expect(isOver && session.outcome?.kind == .complete && session.isWhole)
    }

    /// A receiver that is not done when its sender stops ends about a second later where nothing is signed, and at once where the sender signs it.
    @Test(arguments: [false, true]) func silenceOrASignatureMakesItTrue(isSigned: Bool) {
        var session = SessionHarness(signer: isSigned ? LaneSigner(key: 5) : NoSigner(), receivers: 1) { $0.rate.fixedRate = 1_000_000 }
        #expect(session.run { $0.receivers[0].engine.chunksDone > 4 })
        session.sender.stop(at: session.now)
        let stopped = session.now
        #expect(session.run { $0.receivers[0].outcome != nil })
        #expect(session.receivers[0].outcome == .failedSender)
        let expected: Range<Interval> = isSigned ? .zero..<(.milliseconds(100)) : .seconds(1)..<(.seconds(2))
        #expect(expected.contains(session.now - stopped), "\(session.now - stopped)")
    }
}
