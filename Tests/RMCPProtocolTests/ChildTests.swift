import TestSupport
import Testing

@testable import RMCPProtocol

/// Which parent a receiver chooses, when it leaves one, and what it then owes.
@Suite struct ChildTests {
    private let node: UInt32 = 20
    private let other: UInt32 = 21
    private let lost = Int(ReceiverState.lost.rawValue)

    private func isBelow(_ id: UInt32) -> (ChildHarness) -> Bool { { $0.engine.link.transmitter == id } }

    /// Below the node, and the sender has confirmed it.
    private func settled(_ change: (inout ChildHarness) -> Void = { _ in }) -> ChildHarness {
        var child = ChildHarness()
        change(&child)
        child.addNode(node, hops: 0)
        let moved = child.run(for: .seconds(1), until: isBelow(node))
        // The former parent is told half a second later, and the new one of that with the next STATUS.
        _ = child.run(for: .seconds(1))
        #expect(moved != nil && child.engine.link.attachment.nextDetach == nil)
        return child
    }

    // MARK: Choosing

    @Test func aNearerRepairNodeIsPreferred() throws {
        var child = ChildHarness(hops: 2)
        child.addNode(node, hops: 1)
        // A first choice is corrected soon: after the jitter of 0.2 s, and not at once with all the others.
        let found = child.run(for: .seconds(2), until: isBelow(node))
        let taken = try #require(found)
        #expect(taken <= .milliseconds(450), "\(taken)")
        #expect(child.engine.counters.parentChanges == 1 && child.events.contains(.parentChanged(depth: 2)))
        #expect(child.engine.path == [ChildHarness.senderID, node])
        #expect(child.parent(node)?.attaches.count == 1 && child.parent(node)?.report?.cookie == child.parent(node)?.cookie)
        // The sender has never heard of it, and need not be told.
        _ = child.run(for: .seconds(1))
        #expect(child.parent(1)?.detaches.isEmpty == true && child.parent(1)?.report == nil)
        #expect(child.parent(node)?.report?.histogram.rehomed.allSatisfy { $0 == 0 } == true)
    }

    @Test func aRepairNodeBesideTheSenderIsPreferredToIt() {
        var child = ChildHarness(hops: 1)
        child.addNode(node, hops: 1)
        let taken = child.run(for: .seconds(2), until: isBelow(node))
        #expect(taken != nil)
    }

    @Test func aRepairNodeFartherThanTheSenderIsNot() {
        var child = ChildHarness(hops: 1)
        child.addNode(node, hops: 2)
        let taken = child.run(for: .seconds(10), until: isBelow(node))
        #expect(taken == nil && child.parent(node)?.attaches.isEmpty == true)
    }

    /// Not again so soon after a change.
    @Test func aChildDoesNotRunBackAndForth() throws {
        var child = settled()
        child.addNode(other, hops: 0)
        child.change(node) { $0.load = 1_000 }
        let found = child.run(for: .seconds(10), until: isBelow(other))
        let moved = try #require(found)
        #expect(moved >= .seconds(4) && moved <= .seconds(5.5), "\(moved)")
        // Now the other one is loaded, but by one power of four only.
        child.change(node) { $0.load = 100 }
        child.change(other) { $0.load = 400 }
        let returned = child.run(for: .seconds(10), until: isBelow(node))
        #expect(returned == nil)
    }

    @Test(arguments: [AttachAnswer.Verdict.full, .noUnicast, nil]) func whoRefusesIsNotAskedAgainSoon(verdict: AttachAnswer.Verdict?) {
        var child = ChildHarness()
        child.addNode(node, hops: 0) { $0.verdict = verdict }
        child.addNode(other, hops: 1)
        let moved = child.run(for: .seconds(3), until: isBelow(other))
        #expect(moved != nil)
        _ = child.run(for: .seconds(5))
        // No answer at all is an ATTACH that was lost, at first.
        #expect(child.parent(node)?.attaches.count == (verdict == nil ? 3 : 1))
    }

    @Test func anAnswerThatWasNotAskedForIsNone() throws {
        var child = ChildHarness()
        child.addNode(node, hops: 0) { $0.verdict = nil }
        let asked = child.run(for: .seconds(1)) { $0.parent(20)?.attaches.isEmpty == false }
        #expect(asked != nil)
        let nonce = try #require(child.engine.link.attachment.attempt?.nonce)
        let sender = try #require(child.parent(ChildHarness.senderID))
        let asking = try #require(child.parent(node))
        // Another nonce, and another parent.
        child.say(.attached(AttachAnswer(nonce: nonce &+ 1, verdict: .accepted, cookie: 5)), from: asking, isUnicast: true)
        child.say(.attached(AttachAnswer(nonce: nonce, verdict: .accepted, cookie: 5)), from: sender, isUnicast: true)
        #expect(child.engine.link.transmitter == ChildHarness.senderID && child.engine.link.attachment.attempt != nil)
        child.say(.attached(AttachAnswer(nonce: nonce, verdict: .accepted, cookie: 5)), from: asking, isUnicast: true)
        #expect(child.engine.link.transmitter == node && child.engine.link.current?.cookie == 5)
    }

    /// A parent that was announced and has not said yet where it is has done nothing wrong.
    @Test func aParentThatHasNotSpokenYetIsNotAvoided() {
        var child = ChildHarness(hops: 0)
        child.change(ChildHarness.senderID) { $0.speaks = false }
        child.addNode(node, hops: 3)
        _ = child.run(for: .milliseconds(300))
        #expect(child.engine.link.transmitter == ChildHarness.senderID)
        child.change(ChildHarness.senderID) { $0.speaks = true }
        _ = child.run(for: .seconds(3))
        #expect(child.engine.link.transmitter == ChildHarness.senderID && child.parent(node)?.attaches.isEmpty == true)
    }

    // MARK: Loops

    @Test func nobodyBelowItselfIsItsParent() {
        for id in [ChildHarness.identity, 500] {
            var child = ChildHarness(role: .repairNode(transmitter: 500, .group))
            child.addNode(node, hops: 0) { $0.path = [ChildHarness.senderID, id] }
            let moved = child.run(for: .seconds(10), until: isBelow(node))
            #expect(moved == nil && child.parent(node)?.attaches.isEmpty == true, "with \(id) in its path")
        }
    }

    /// Its parent's path shows that it is above itself: a loop that was not seen coming is left.
    @Test func aLoopIsLeft() throws {
        var child = ChildHarness(role: .repairNode(transmitter: 500, .group))
        child.addNode(node, hops: 0)
        let moved = child.run(for: .seconds(2), until: isBelow(node))
        #expect(moved != nil)
        child.change(node) { $0.path = [ChildHarness.senderID, 500] }
        let found = child.run(for: .seconds(2), until: isBelow(ChildHarness.senderID))
        let left = try #require(found)
        #expect(left <= .milliseconds(350), "\(left)")
    }

    @Test func aPathAsLongAsPathsMayBeIsLongEnough() {
        for depth in [15, 16] {
            var child = ChildHarness()
            child.addNode(node, hops: 0) { $0.path = [1] + (1..<depth).map { 100 + UInt32($0) } }
            let moved = child.run(for: .seconds(3), until: isBelow(node))
            #expect((moved != nil) == (depth == 15))
        }
    }

    /// A repair node hears its own region's HEARTBEATs where multicast comes back to who sent it.
    @Test func aRepairNodesOtherHalfIsNobodyAbove() {
        var child = ChildHarness(role: .repairNode(transmitter: 20, .group))
        child.addNode(node, hops: 0)
        child.change(ChildHarness.senderID) { $0.speaks = false }
        _ = child.run(for: .seconds(5))
        #expect(child.engine.link.candidates[node] == nil && child.engine.counters.foreign > 0)
        // It is not the sender that is heard.
        #expect(child.now - child.engine.lastHeardFromSender >= .seconds(4))
    }

    // MARK: Leaving

    @Test func aSilentParentIsLeftWithinASecondAndTheJitter() throws {
        var child = settled()
        child.change(node) { $0.speaks = false }
        let found = child.run(for: .seconds(5), until: isBelow(ChildHarness.senderID))
        let left = try #require(found)
        #expect(left >= .milliseconds(900) && left <= .milliseconds(1_000 + 200 + 250 + 10), "\(left)")
        #expect(child.parent(ChildHarness.senderID)?.report?.histogram.rehomed[lost] == 1)
    }

    /// A second of silence makes it true.
    @Test func aParentThatGoesIsLeftASecondLater() throws {
        var child = settled()
        child.change(node) { $0.phase = .aborted }
        let found = child.run(for: .seconds(5), until: isBelow(ChildHarness.senderID))
        let left = try #require(found)
        #expect(left >= .milliseconds(900) && left <= .milliseconds(1_000 + 200 + 60), "\(left)")
    }

    /// Somebody says so over and over, while the parent is there.
    @Test func aParentThatIsThereIsNotLeftWhateverIsSaidOfIt() throws {
        var child = settled()
        let parent = try #require(child.parent(node))
        let heartbeat = Heartbeat.sample(.leaving, place: TreePlace(path: parent.path, timeToLive: 8))
        for _ in 0..<600 {
            child.say(.heartbeat(heartbeat), from: parent, timeToLive: 8)
            child.step()
        }
        #expect(child.engine.link.transmitter == node && child.engine.counters.parentChanges == 1 && !child.engine.isFinished)
        #expect(child.engine.sessionPhase == .streaming)
    }

    /// It says that it has what is asked for, and does not send it; or it does not have it, which takes three times as
    /// long.
    @Test(arguments: [(UInt32(10), 3.0), (0, 9.0)]) func aUselessParentIsLeft(watermark: UInt32, seconds: Double) throws {
        var child = settled()
        let records = (0..<10).map { _ in
            ChunkRecord(kind: .stored, contentLength: 8_000, encodedLength: 8_000, encodedDigest: .zero, contentDigest: .zero)
        }
        let page = TablePage(index: 0, firstChunk: 0, records: records)
        let sender = try #require(child.parent(ChildHarness.senderID))
        child.say(.page(page, body: page.body, .none), from: sender)
        for id in [node, ChildHarness.senderID] {
            child.change(id) { ($0.pageCount, $0.position, $0.watermark) = (1, StreamPosition(chunk: 4, packet: 0), watermark) }
        }
        let asked = child.run(for: .seconds(1)) { $0.parent(20)?.naks.isEmpty == false }
        #expect(asked != nil)
        let found = child.run(for: .seconds(20), until: isBelow(ChildHarness.senderID))
        let left = try #require(found)
        #expect(left >= .seconds(seconds - 0.05) && left <= .seconds(seconds + 0.5), "\(left)")
        // Its place is better, but it is not asked again so soon.
        let again = child.run(for: .seconds(20), until: isBelow(node))
        #expect(again == nil && child.parent(ChildHarness.senderID)?.naks.isEmpty == false)
    }

    /// A better parent that falls silent before the jitter is over leaves nothing to be done over and over.
    @Test func aParentThatGoesBeforeItIsAskedIsForgotten() {
        var child = ChildHarness { $0.tree.parentJitter = .seconds(30) }
        child.addNode(node, hops: 0)
        // As long as the jitter: a first choice is not corrected sooner.
        let isChosen = child.run(for: .seconds(31)) { $0.engine.link.attachment.moveAt != nil }
        #expect(isChosen != nil)
        child.change(node) { $0.speaks = false }
        child.change(ChildHarness.senderID) { $0.speaks = false }
        // `step` finds out when the engine wants to be called without end.
        _ = child.run(for: .seconds(6))
        #expect(child.engine.link.transmitter == ChildHarness.senderID && child.parent(node)?.attaches.isEmpty == true)
    }

    /// Multicast ends, so that it asks its dead parent for a cookie. That must not keep it
    /// from another one that it hears of later.
    @Test func aDeafChildOfADeadParentFindsAnother() {
        var child = ChildHarness()
        _ = child.run(for: .milliseconds(200))
        child.change(ChildHarness.senderID) { $0.speaks = false }
        _ = child.run(for: .seconds(4))
        // Unicast brings nothing that says that the parent is there.
        #expect(!child.events.contains(.deaf) && child.parent(ChildHarness.senderID)?.attaches.isEmpty == false)
        child.addNode(node, hops: 0)
        let moved = child.run(for: .seconds(3), until: isBelow(node))
        #expect(moved != nil)
    }

    // MARK: What is owed

    @Test func aDetachIsRepeatedAndThenOwedForGood() {
        var child = settled()
        child.change(node) { ($0.speaks, $0.confirmsDetach) = (false, false) }
        let left = child.run(for: .seconds(5), until: isBelow(ChildHarness.senderID))
        #expect(left != nil)
        _ = child.run(for: .seconds(10))
        #expect(child.parent(node)?.detaches.count == 5 && child.engine.link.attachment.nextDetach == nil)
        #expect(child.parent(ChildHarness.senderID)?.report?.histogram.rehomed[lost] == 1)
    }

    @Test func aDetachThatIsConfirmedLateSettlesTheDebt() {
        var child = settled()
        child.change(node) { ($0.phase, $0.confirmsDetach) = (.leaving, false) }
        let left = child.run(for: .seconds(2), until: isBelow(ChildHarness.senderID))
        #expect(left != nil && child.engine.link.attachment.debt?[lost] == 1)
        _ = child.run(for: .milliseconds(500))
        child.change(node) { $0.confirmsDetach = true }
        _ = child.run(for: .milliseconds(500))
        #expect(child.engine.link.attachment.debt?.allSatisfy { $0 == 0 } ?? true)
        #expect(child.parent(ChildHarness.senderID)?.report?.histogram.rehomed[lost] == 0)
    }

    /// It has been forgotten meanwhile, since there are many others, and lets go all the same.
    @Test func aFormerParentLetsGoThatIsNoCandidateAnyMore() {
        var child = settled()
        child.addNode(other, hops: 0)
        for id in 22...26 as ClosedRange<UInt32> { child.addNode(id, hops: 1) }
        _ = child.run(for: .milliseconds(200))
        child.change(node) { $0.speaks = false }
        let left = child.run(for: .seconds(5), until: isBelow(other))
        child.addNode(27, hops: 1)
        _ = child.run(for: .milliseconds(200))
        #expect(left != nil && child.engine.link.candidates[node] == nil && child.engine.link.attachment.debt?[lost] == 1)
        child.change(node) { $0.speaks = true }
        _ = child.run(for: .seconds(2))
        #expect(child.engine.link.candidates[node] == nil && child.parent(node)?.detaches.isEmpty == false)
        #expect(child.engine.link.attachment.debt?.allSatisfy { $0 == 0 } ?? true)
        #expect(child.parent(other)?.report?.histogram.rehomed.allSatisfy { $0 == 0 } == true)
    }

    /// It comes back to a parent that still counts it from before: what is owed for that one is owed no more, since the
    /// next STATUS takes the place of what it counted.
    @Test func nothingIsOwedForTheParentItself() {
        var child = settled()
        child.change(node) { ($0.speaks, $0.confirmsDetach) = (false, false) }
        let left = child.run(for: .seconds(5), until: isBelow(ChildHarness.senderID))
        _ = child.run(for: .seconds(3))
        #expect(left != nil && child.engine.link.attachment.debt?[lost] == 1)
        child.change(node) { ($0.speaks, $0.confirmsDetach) = (true, true) }
        let returned = child.run(for: .seconds(20), until: isBelow(node))
        _ = child.run(for: .seconds(1))
        #expect(returned != nil && child.parent(ChildHarness.senderID)?.report == nil)
        #expect(child.parent(node)?.report?.histogram.rehomed.allSatisfy { $0 == 0 } == true)
    }

    /// Parents fall silent and come back, and DETACHes are lost. When everything has settled, all that parents count of
    /// the child, less what it says that others count, is one.
    @Test(arguments: 1...30 as ClosedRange<UInt64>) func aChildIsCountedOnceWhateverItsParentsDo(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var child = ChildHarness { ($0.tree.parentHysteresis, $0.tree.parentAvoidance) = (.milliseconds(500), .seconds(1)) }
        let ids = [ChildHarness.senderID, node, other, 22]
        for id in ids.dropFirst() { child.addNode(id, hops: 1) }
        _ = child.run(for: .milliseconds(300))
        for _ in 0..<random.int(1...8) {
            for id in ids {
                child.change(id) {
                    ($0.speaks, $0.confirmsDetach, $0.hops) = (random.chance(0.5), random.chance(0.5), UInt8(random.int(0...3)))
                }
            }
            _ = child.run(for: .milliseconds(Int64(random.int(200...4_000))))
        }
        // One of them is there in the end.
        let last = ids[random.int(0...3)]
        for id in ids { child.change(id) { ($0.speaks, $0.hops) = (id == last, 0) } }
        let settled = child.run(for: .seconds(20)) { $0.engine.link.transmitter == last && $0.engine.link.attachment.nextDetach == nil }
        _ = child.run(for: .seconds(1))
        #expect(settled != nil && child.engine.link.attachment.nextDetach == nil)
        var sum = StatusHistogram()
        for parent in child.parents {
            guard var histogram = parent.report?.histogram else { continue }
            if parent.id != last { (histogram.states[lost], histogram.states[0]) = (histogram.states[0], 0) }
            sum.add(histogram)
        }
        #expect(sum.withoutRehomed.population == 1 && sum.withoutRehomed.count(.joined) == 1, "\(sum.states) less \(sum.rehomed)")
    }

    /// Its parent died before it was done, and knows nothing of that: it will count the child as lost, not as done.
    @Test func whatADeadParentHasNotHeardIsNotOwed() {
        var child = settled()
        child.change(node) { $0.speaks = false }
        _ = child.run(for: .milliseconds(300))
        child.engine.handle(.failed(.failedDiskFull), at: child.now)
        let left = child.run(for: .seconds(5), until: isBelow(ChildHarness.senderID))
        _ = child.run(for: .milliseconds(100))
        let said = child.parent(ChildHarness.senderID)?.report?.histogram
        #expect(left != nil && said?.count(.failedDiskFull) == 1)
        #expect(said?.rehomed[lost] == 1 && said?.rehomed.reduce(0, +) == 1)
    }

    // MARK: Who may be at the other end

    /// A parent counts only who has proven its address: nothing is reported before that.
    @Test(arguments: [ReceiverRole.repairNode(transmitter: 500, .group), .leaf]) func aChildProvesItsAddressToTheParentThatItHas(role: ReceiverRole) {
        var child = ChildHarness(role: role)
        child.change(ChildHarness.senderID) { $0.verdict = nil }
        _ = child.run(for: .milliseconds(100))
        #expect(child.parent(ChildHarness.senderID)?.attaches.isEmpty == false && child.parent(ChildHarness.senderID)?.report == nil)
        child.change(ChildHarness.senderID) { $0.verdict = .accepted }
        _ = child.run(for: .seconds(2))
        // Answered once, it does not ask again.
        let asked = child.parent(ChildHarness.senderID)?.attaches.count ?? 0
        #expect(asked > 1 && asked < 6)
        #expect(child.parent(ChildHarness.senderID)?.report?.cookie == child.parent(ChildHarness.senderID)?.cookie)
    }

    /// Where an ANNOUNCE came from there may be nobody who wants to know.
    @Test func littleIsSaidToAParentThatIsSilent() {
        var child = ChildHarness()
        child.change(ChildHarness.senderID) { $0.speaks = false }
        _ = child.run(for: .seconds(29))
        let asked = child.parent(ChildHarness.senderID)?.attaches.count ?? 0
        #expect(asked > 10 && asked < 60 && child.engine.counters.statusesSent == 0, "\(asked) times in 29 s")
        // It is heard: within a second it is asked again, and then everything is as ever, a status each 20 ms.
        child.change(ChildHarness.senderID) { $0.speaks = true }
        _ = child.run(for: .seconds(2))
        let said = child.engine.counters.statusesSent
        #expect(said > 35, "\(said) statuses in a second")
        // Silent again, with a cookie from before.
        child.change(ChildHarness.senderID) { $0.speaks = false }
        _ = child.run(for: .seconds(29))
        let further = child.engine.counters.statusesSent - said
        #expect(further > 10 && further < 60, "\(further) statuses in 29 s")
    }

    /// What children say to parents says nothing of a parent, even in its name.
    @Test func whatNoParentSaysIsNotHeardFromIt() throws {
        var child = settled()
        let parent = try #require(child.parent(node))
        let (datagrams, foreign, heard) = (child.engine.counters.datagrams, child.engine.counters.foreign, child.engine.lastHeardFromSender)
        let header = PacketHeader(
            kind: .nak, isUnicast: true, sessionTag: ChildHarness.announce.session.tag, transmitter: node, sequence: 1)
        let nak = Packet.nak(NegativeAcknowledgement(echo: .none, request: RepairRequest()))
        child.engine.handle(nak, header, length: 100, arrival: Arrival(source: parent.address, at: child.now + .seconds(1)), at: child.now + .seconds(1))
        #expect(child.engine.counters.datagrams == datagrams && child.engine.counters.foreign == foreign + 1)
        #expect(child.engine.lastHeardFromSender == heard)
    }
}
