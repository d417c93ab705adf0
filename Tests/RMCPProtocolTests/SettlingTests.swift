import Testing

@testable import RMCPProtocol

/// Whom a newcomer tells first, and what happens to what it said of itself before.
@Suite struct SettlingTests {
    private let node: UInt32 = 20
    private let lost = Int(ReceiverState.lost.rawValue)

    private func isBelow(_ id: UInt32) -> (ChildHarness) -> Bool { { $0.engine.link.transmitter == id } }

    private func hasReported(to id: UInt32) -> (ChildHarness) -> Bool { { $0.parent(id)?.report != nil } }

    /// Told the sender, heard of a node, and went there; the sender answers no DETACH.
    private func deserter() -> ChildHarness {
        var child = ChildHarness()
        _ = child.run(for: .milliseconds(300))
        child.change(ChildHarness.senderID) { $0.confirmsDetach = false }
        child.addNode(node, hops: 0)
        let moved = child.run(for: .seconds(1), until: isBelow(node))
        #expect(moved != nil && child.engine.link.attachment.debt?[lost] == 1)
        return child
    }

    @Test func withoutRepairNodesTheSenderIsToldAtOnce() {
        var child = ChildHarness()
        let told = child.run(for: .seconds(1), until: hasReported(to: ChildHarness.senderID))
        #expect(told.map { $0 <= .milliseconds(10) } == true)
    }

    @Test(arguments: [false, true]) func aRepairNodeThatIsHeardIsToldFirst(isExpected: Bool) {
        var child = ChildHarness(expectsRepairNodes: isExpected)
        child.addNode(node, hops: 0)
        let told = child.run(for: .seconds(2)) { $0.parent(20)?.report != nil || $0.parent(ChildHarness.senderID)?.report != nil }
        #expect(child.parent(ChildHarness.senderID)?.report == nil && told.map { $0 <= .milliseconds(450) } == true)
        #expect(child.parent(node)?.report?.histogram.hasRehomed == false)
    }

    @Test func whoExpectsARepairNodeThatDoesNotComeTellsTheSender() throws {
        var child = ChildHarness(expectsRepairNodes: true)
        let found = child.run(for: .seconds(2), until: hasReported(to: ChildHarness.senderID))
        let told = try #require(found)
        #expect(told >= .milliseconds(395) && told <= .milliseconds(410), "\(told)")
    }

    /// One that does not answer is waited for, but not for long.
    @Test func aRepairNodeThatDoesNotAnswerIsNotWaitedForLong() throws {
        var child = ChildHarness(expectsRepairNodes: true)
        child.addNode(node, hops: 0) { $0.verdict = nil }
        let found = child.run(for: .seconds(3), until: hasReported(to: ChildHarness.senderID))
        let told = try #require(found)
        #expect(told <= .milliseconds(1_100), "\(told)")
    }

    /// What is final is said at once: nobody gets better by waiting.
    @Test func whoFailsBeforeItHasSettledSaysSo() {
        var child = ChildHarness(expectsRepairNodes: true)
        _ = child.run(for: .milliseconds(20))
        child.engine.handle(.failed(.failedDiskFull), at: child.now)
        let told = child.run(for: .seconds(1), until: hasReported(to: ChildHarness.senderID))
        #expect(told.map { $0 <= .milliseconds(10) } == true)
    }

    // MARK: Distance

    /// Two repair nodes as far from the sender go by depth and id; one that is nearer is taken whatever its id.
    @Test(arguments: [(1, 700, true), (2, 700, false), (2, 400, true), (3, 400, false)] as [(UInt8, UInt32, Bool)])
    func aRepairNodeGoesBelowOneThatIsNearerToTheSender(distance: UInt8, id: UInt32, isTaken: Bool) {
        var child = ChildHarness(hops: 2, role: .repairNode(transmitter: 500, .group))
        child.addNode(id, hops: 1) { $0.distance = distance }
        let moved = child.run(for: .seconds(3), until: isBelow(id))
        #expect((moved != nil) == isTaken)
    }

    // MARK: Letting go

    @Test func aDetachIsRepeatedAsLongAsTheFormerParentIsThere() {
        var child = deserter()
        _ = child.run(for: .seconds(8))
        #expect(child.parent(ChildHarness.senderID).map { $0.detaches.count >= 6 } == true && child.engine.link.attachment.debt?[lost] == 1)
        child.change(ChildHarness.senderID) { $0.confirmsDetach = true }
        let settled = child.run(for: .seconds(6)) { $0.engine.link.attachment.debt == nil }
        _ = child.run(for: .milliseconds(100))
        #expect(settled != nil && child.parent(node)?.report?.histogram.hasRehomed == false)
    }

    @Test func whatIsAcknowledgedMustBeADetach() throws {
        var child = deserter()
        _ = child.run(for: .seconds(1))
        let sender = try #require(child.parent(ChildHarness.senderID))
        #expect(!sender.detaches.isEmpty)
        // Of a STATUS that it had sent there before, or of nothing at all.
        for sequence: UInt32 in [0, 1, .max] { child.say(.acknowledgement(sequence: sequence), from: sender, isUnicast: true) }
        #expect(child.engine.link.attachment.debt?[lost] == 1)
    }

    @Test func anAcknowledgementOfAnEarlierStatusIsNotOfTheFinalOne() throws {
        var child = ChildHarness()
        _ = child.run(for: .milliseconds(200))
        child.engine.handle(.failed(.failedDiskFull), at: child.now)
        _ = child.run(for: .milliseconds(20))
        let sender = try #require(child.parent(ChildHarness.senderID))
        guard case .final(_, _, let sequences) = child.engine.phase else {
            Issue.record("it waits for no acknowledgement")
            return
        }
        let final = try #require(sequences.first)
        child.say(.acknowledgement(sequence: final &- 1), from: sender, isUnicast: true)
        #expect(!child.engine.isFinished)
        child.say(.acknowledgement(sequence: final), from: sender, isUnicast: true)
        #expect(child.engine.isFinished)
    }

    /// The node has heard how it ended.
    private func acknowledgeEnd(of child: inout ChildHarness) throws {
        let parent = try #require(child.parent(node))
        child.say(.acknowledgement(sequence: parent.reportSequence), from: parent, isUnicast: true)
    }

    /// The sender would count as lost who is done right after a move, though everybody is complete.
    @Test func whoIsDoneLetsGoOfItsFormerParentFirst() throws {
        var child = deserter()
        child.change(ChildHarness.senderID) { $0.confirmsDetach = true }
        child.engine.handle(.failed(.failedDiskFull), at: child.now)
        _ = child.run(for: .milliseconds(20))
        #expect(child.parent(ChildHarness.senderID)?.detaches.isEmpty == true, "it is too early for that")
        try acknowledgeEnd(of: &child)
        #expect(!child.engine.isFinished && child.parent(node)?.report?.histogram.hasRehomed == true)
        _ = child.run(for: .milliseconds(200)) { $0.parent(20)?.report?.histogram.hasRehomed == false }
        #expect(child.parent(ChildHarness.senderID)?.detaches.count == 1 && !child.engine.isFinished)
        try acknowledgeEnd(of: &child)
        #expect(child.engine.isFinished)
    }

    // MARK: A changed address

    @Test func whoIsToldThatItsAddressHasChangedProvesTheNewOne() throws {
        var child = ChildHarness()
        child.addNode(node, hops: 0)
        let moved = child.run(for: .seconds(1), until: isBelow(node))
        let parent = try #require(child.parent(node))
        #expect(moved != nil && parent.attaches.count == 1)
        // Somebody who does not know the cookie.
        child.say(.attached(AttachAnswer(nonce: parent.cookie ^ 2, verdict: .moved, cookie: 0)), from: parent, isUnicast: true)
        child.say(.attached(AttachAnswer(nonce: 0, verdict: .moved, cookie: 0)), from: parent, isUnicast: true)
        #expect(child.engine.link.attachment.attempt == nil && child.engine.link.current?.cookie == parent.cookie)
        child.say(.attached(AttachAnswer(nonce: parent.cookie, verdict: .moved, cookie: 0)), from: parent, isUnicast: true)
        _ = child.run(for: .milliseconds(100))
        #expect(child.parent(node)?.attaches.count == 2 && child.engine.link.current?.cookie == parent.cookie)
        #expect(child.engine.link.transmitter == node && child.engine.counters.parentChanges == 1)
    }
}
