import TestSupport
import Testing

@testable import RMCPProtocol

/// Receivers that change parents are counted by both for a while, and by a dead one for good: what the sender says of
/// them must be right all the same.
@Suite struct RehomedCountTests {
    private func report(_ histogram: StatusHistogram) -> StatusReport {
        StatusReport(echo: .none, longestDatagram: 1_400, histogram: histogram)
    }

    /// A receiver that owes `debt` for former parents.
    private func one(_ state: ReceiverState, debt: [Int64]? = nil) -> StatusHistogram {
        var histogram = StatusHistogram(LeafStatus(state: state, progress: state == .complete ? 10 : 4, network: nil))
        if let debt { histogram.rehomed = debt }
        return histogram
    }

    /// What a repair node says of its children.
    private func sum(_ table: ChildTable, isComplete: Bool = false) -> StatusHistogram {
        var sum = table.summary
        sum.tree.repairNodes &+= 1
        if isComplete { sum.tree.completeRepairNodes &+= 1 }
        return sum
    }

    private func expectReceivers(
        _ table: ChildTable, _ expected: [ReceiverState: UInt64], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for state in ReceiverState.allCases {
            #expect(table.receivers.count(state) == expected[state, default: 0], "\(state)", sourceLocation: sourceLocation)
        }
        #expect(table.receivers.rehomed.allSatisfy { $0 == 0 }, sourceLocation: sourceLocation)
    }

    private let child: UInt32 = 7
    private let node: UInt32 = 50
    private let otherNode: UInt32 = 51

    // MARK: A child that moves

    /// Its former parent is well and lets go of it: nobody is lost at any step, and nobody counted twice at the end.
    @Test(arguments: [true, false]) func aChildMovesFromOneLivingParentToAnother(isNodeFirst: Bool) {
        var sender = ChildTable(configuration: Configuration())
        var region = ChildTable(configuration: Configuration())
        region.update(id: child, report: report(one(.receiving)), at: .zero)
        sender.update(id: node, report: report(sum(region)), at: .zero)
        expectReceivers(sender, [.receiving: 1])
        // The new parent is told first.
        let debt = one(.receiving).debtWhenLost
        sender.update(id: child, report: report(one(.receiving, debt: debt)), at: .milliseconds(10))
        expectReceivers(sender, [.receiving: 1])
        #expect(sender.childCount == 2 && sender.active == 1 && sender.hasDebts)
        region.remove(child, at: .milliseconds(11))
        #expect(region.childCount == 0 && region.summary == StatusHistogram())
        // The sums of the two cross on their way.
        if isNodeFirst {
            sender.update(id: node, report: report(sum(region)), at: .milliseconds(12))
            #expect(sender.receivers.count(.lost) == 0 && sender.population <= 1 && sender.hasDebts)
            sender.update(id: child, report: report(one(.receiving)), at: .milliseconds(13))
        } else {
            sender.update(id: child, report: report(one(.receiving)), at: .milliseconds(12))
            #expect(sender.receivers.count(.lost) == 0 && sender.active >= 1)
            sender.update(id: node, report: report(sum(region)), at: .milliseconds(13))
        }
        expectReceivers(sender, [.receiving: 1])
        #expect(!sender.hasDebts)
        #expect(sender.repairNodes == 1 && sender.incompleteRepairNodes == 1)
    }

    @Test(arguments: [ReceiverState.joined, .receiving, .behind, .finishing]) func aChildLeavesADeadParent(state: ReceiverState) {
        var sender = ChildTable(configuration: Configuration())
        var region = ChildTable(configuration: Configuration())
        region.update(id: child, report: report(one(state)), at: .zero)
        // Another one that is gone for good.
        region.update(id: 8, report: report(one(.receiving)), at: .zero)
        sender.update(id: node, report: report(sum(region)), at: .zero)
        let debt = one(state).debtWhenLost
        // Before the sender takes the parent for lost, and after it.
        sender.update(id: child, report: report(one(.receiving, debt: debt)), at: .milliseconds(1_200))
        expectReceivers(sender, state == .behind ? [.receiving: 2] : state == .joined ? [.receiving: 1, .joined: 1] : [.receiving: 2])
        sender.expire(silentFor: .seconds(5), at: .milliseconds(5_000))
        expectReceivers(sender, [.receiving: 1, .lost: 1])
        #expect(sender.repairNodes == 0)
        sender.update(id: child, report: report(one(.behind, debt: debt)), at: .milliseconds(5_100))
        expectReceivers(sender, [.behind: 1, .lost: 1])
        sender.update(id: child, report: report(one(.complete, debt: debt)), at: .milliseconds(6_000))
        expectReceivers(sender, [.complete: 1, .lost: 1])
        #expect(sender.active == 0)
    }

    /// The debt is passed up by the new parent's sum, and is still right when that one dies, too.
    @Test func twoParentsDieOneAfterTheOther() {
        var sender = ChildTable(configuration: Configuration())
        var first = ChildTable(configuration: Configuration())
        var second = ChildTable(configuration: Configuration())
        first.update(id: child, report: report(one(.receiving)), at: .zero)
        sender.update(id: node, report: report(sum(first)), at: .zero)
        let firstDebt = one(.receiving).debtWhenLost
        second.update(id: child, report: report(one(.receiving, debt: firstDebt)), at: .milliseconds(1_500))
        sender.update(id: otherNode, report: report(sum(second)), at: .milliseconds(1_510))
        expectReceivers(sender, [.receiving: 1])
        sender.expire(silentFor: .seconds(5), at: .milliseconds(5_000))
        expectReceivers(sender, [.receiving: 1])
        // The second one says what its child owes for the first, and goes on saying so when it is dead.
        sender.expire(silentFor: .seconds(5), at: .milliseconds(6_510))
        expectReceivers(sender, [.lost: 1])
        sender.update(id: child, report: report(one(.receiving, debt: one(.receiving).debtWhenLost)), at: .milliseconds(6_600))
        expectReceivers(sender, [.receiving: 1])
        sender.update(id: child, report: report(one(.complete, debt: one(.receiving).debtWhenLost)), at: .milliseconds(6_700))
        expectReceivers(sender, [.complete: 1])
    }

    /// A repair node dies with children that are done, failed and neither; one of each shows up elsewhere.
    @Test func aRepairNodesCompleteChildrenStayComplete() {
        var sender = ChildTable(configuration: Configuration())
        var region = ChildTable(configuration: Configuration())
        let states: [ReceiverState] = [.complete, .complete, .complete, .failedDiskFull, .receiving, .behind]
        for (index, state) in states.enumerated() {
            region.update(id: UInt32(index), report: report(one(state)), at: .zero)
        }
        sender.update(id: node, report: report(sum(region, isComplete: true)), at: .zero)
        #expect(sender.repairNodes == 1 && sender.incompleteRepairNodes == 0)
        sender.expire(silentFor: .seconds(5), at: .milliseconds(5_000))
        expectReceivers(sender, [.complete: 3, .failedDiskFull: 1, .lost: 2])
        sender.update(id: 100, report: report(one(.complete, debt: one(.complete).debtWhenLost)), at: .milliseconds(5_001))
        expectReceivers(sender, [.complete: 3, .failedDiskFull: 1, .lost: 2])
        sender.update(id: 104, report: report(one(.receiving, debt: one(.receiving).debtWhenLost)), at: .milliseconds(5_002))
        expectReceivers(sender, [.complete: 3, .failedDiskFull: 1, .lost: 1, .receiving: 1])
        sender.update(id: 103, report: report(one(.failedDiskFull, debt: one(.failedDiskFull).debtWhenLost)), at: .milliseconds(5_003))
        expectReceivers(sender, [.complete: 3, .failedDiskFull: 1, .lost: 1, .receiving: 1])
    }

    @Test func whatIsOwedIsWhatAParentGoesOnCounting() {
        let lost = Int(ReceiverState.lost.rawValue)
        for state in ReceiverState.allCases {
            let debt = one(state).debtWhenLost
            #expect(debt.reduce(0, +) == 1 && debt[state.isFinal ? Int(state.rawValue) : lost] == 1, "\(state)")
        }
        // Of a repair node with a child that others count, too, nothing is owed for that one.
        var region = StatusHistogram()
        region.add(one(.receiving, debt: one(.receiving).debtWhenLost))
        region.add(one(.complete))
        #expect(region.debtWhenLost.enumerated().allSatisfy { $1 == ($0 == Int(ReceiverState.complete.rawValue) ? 1 : 0) })
    }

    // MARK: DETACH

    @Test func whoLeavesAndIsInNoSumIsUnaccounted() {
        var sender = ChildTable(configuration: Configuration())
        var region = ChildTable(configuration: Configuration())
        for id: UInt32 in [child, 8] { sender.update(id: id, report: report(one(.receiving)), at: .zero) }
        // It is counted by both, and then by the node alone: first its debt says so, then it need not.
        region.update(id: child, report: report(one(.receiving, debt: one(.receiving).debtWhenLost)), at: .milliseconds(1))
        sender.update(id: node, report: report(sum(region)), at: .milliseconds(2))
        #expect(sender.unaccounted == 0 && sender.population == 2)
        sender.remove(child, at: .milliseconds(3))
        region.update(id: child, report: report(one(.receiving)), at: .milliseconds(4))
        sender.update(id: node, report: report(sum(region)), at: .milliseconds(5))
        #expect(sender.unaccounted == 0 && sender.population == 2)
        // The other one goes below somebody who says nothing.
        sender.remove(8, at: .milliseconds(6))
        #expect(sender.unaccounted == 1 && sender.population == 1)
        // A node that dies has said what there was below it.
        sender.expire(silentFor: .seconds(5), at: .milliseconds(6_000))
        #expect(sender.unaccounted == 1 && sender.receivers.count(.lost) == 1)
        sender.update(id: child, report: report(one(.receiving, debt: one(.receiving).debtWhenLost)), at: .milliseconds(7_000))
        #expect(sender.unaccounted == 1 && sender.receivers.count(.lost) == 0)
        sender.update(id: 8, report: report(one(.complete)), at: .milliseconds(8_000))
        #expect(sender.unaccounted == 0 && sender.population == 2)
    }

    /// The receivers below it are in the other one's sum, or nobody knows of them.
    @Test func aNodeThatGoesBelowAnotherTakesItsReceiversAlong() {
        var sender = ChildTable(configuration: Configuration())
        var region = ChildTable(configuration: Configuration())
        for id: UInt32 in 1...3 { sender.update(id: id, report: report(one(.receiving)), at: .zero) }
        for id: UInt32 in 1...3 {
            sender.remove(id, at: .milliseconds(1))
            region.update(id: id, report: report(one(.receiving)), at: .milliseconds(1))
        }
        #expect(sender.unaccounted == 3)
        sender.update(id: node, report: report(sum(region)), at: .milliseconds(2))
        #expect(sender.unaccounted == 0)
        sender.remove(node, at: .milliseconds(3))
        #expect(sender.unaccounted == 3, "none of them twice")
        sender.update(id: otherNode, report: report(sum(region)), at: .milliseconds(4))
        #expect(sender.unaccounted == 0 && sender.population == 3)
    }

    @Test func aStatusThatItsDetachOvertookBringsNobodyBack() {
        var table = ChildTable(configuration: Configuration())
        table.update(id: child, report: report(one(.receiving)), at: .zero)
        table.remove(child, at: .milliseconds(100))
        #expect(table.childCount == 0 && !table.contains(child))
        for late: Int64 in [100, 101, 599] {
            let isNew = table.update(id: child, report: report(one(.receiving)), at: .milliseconds(late))
            #expect(!isNew && table.childCount == 0 && table.population == 0)
        }
        // Another one is not meant, and this one may come back.
        let isOtherNew = table.update(id: 8, report: report(one(.joined)), at: .milliseconds(101))
        let isNew = table.update(id: child, report: report(one(.receiving)), at: .milliseconds(600))
        #expect(isOtherNew && isNew && table.childCount == 2)
    }

    /// A sender, and what it acknowledges.
    private struct Acknowledging {
        static let home = SocketAddress.ipv4(10, 0, 0, 7, port: 5_000)
        var sender: SenderEngine
        var now = Instant.milliseconds(5)

        init(change: (inout Configuration) -> Void = { _ in }) { sender = SessionHarness(signer: NoSigner(), receivers: 1, change: change).sender }

        /// - Returns: whether the packet was acknowledged.
        mutating func tell(_ packet: Packet, as id: UInt32 = 7) -> Bool {
            let sent = datagram(packet, isUnicast: true, tag: sender.session.tag, transmitter: id)
            sender.handle(datagram: sent.span.bytes, from: Self.home, at: now)
            var isAcknowledged = false
            while let transmit = sender.pollTransmit(at: now) {
                guard case .datagram(let bytes, .peer(Self.home)) = transmit, case .acknowledgement? = try? parse(bytes).1 else { continue }
                isAcknowledged = true
            }
            return isAcknowledged
        }

        mutating func report(_ state: ReceiverState, as id: UInt32 = 7) -> Bool {
            let histogram = StatusHistogram(LeafStatus(state: state, progress: 0, network: nil))
            return tell(.status(StatusReport(echo: .none, longestDatagram: 1_400, cookie: sender.cookie(for: Self.home), histogram: histogram)), as: id)
        }
    }

    /// A child that heard of it would go, and its parent would wait for it, and miss it, though it has everything.
    @Test func aFinalStatusThatIsNotCountedIsNotAcknowledged() {
        var parent = Acknowledging()
        let isEarly = parent.report(.receiving)
        let isDetached = parent.tell(.detach(cookie: parent.sender.cookie(for: Acknowledging.home)))
        #expect(!isEarly && isDetached && parent.sender.children.unaccounted == 1)
        parent.now = parent.now + .milliseconds(100)
        let isTooSoon = parent.report(.complete)
        #expect(!isTooSoon && parent.sender.childCount == 0)
        parent.now = parent.now + .milliseconds(400)
        let isCounted = parent.report(.complete)
        #expect(isCounted && parent.sender.children.unaccounted == 0 && parent.sender.receivers.count(.complete) == 1)
    }

    /// Nothing comes of saying it again where there is no room.
    @Test func aFinalStatusThatThereIsNoRoomForIsAcknowledged() {
        var parent = Acknowledging { $0.memory.maximumChildren = 1 }
        let isFirst = parent.report(.complete)
        let isSecond = parent.report(.complete, as: 8)
        #expect(isFirst && isSecond && parent.sender.childCount == 1)
    }

    @Test func whoIsUnknownOrLostCanBeTakenOffTheBooks() {
        var table = ChildTable(configuration: Configuration())
        table.remove(99, at: .zero)
        table.update(id: child, report: report(one(.receiving)), at: .zero)
        table.expire(silentFor: .seconds(1), at: .milliseconds(1_000))
        #expect(table.receivers.count(.lost) == 1)
        table.remove(child, at: .milliseconds(1_001))
        #expect(table.summary == StatusHistogram() && table.isLostOrUnknown(child))
    }

    /// Only so many are remembered: a flood of DETACHes must not take memory.
    @Test func detachesAreForgottenInOrder() {
        var table = ChildTable(configuration: Configuration())
        for id: UInt32 in 1...257 {
            table.update(id: id, report: report(one(.receiving)), at: .zero)
            table.remove(id, at: .milliseconds(1))
        }
        let isFirstBack = table.update(id: 1, report: report(one(.receiving)), at: .milliseconds(2))
        let isSecondBack = table.update(id: 2, report: report(one(.receiving)), at: .milliseconds(2))
        #expect(isFirstBack && !isSecondBack)
    }

    /// An id is anybody's to say. Who says it at another host is another child; one that is started again is the same.
    @Test func aChildIsItsIDAtItsHost() {
        var table = ChildTable(configuration: Configuration())
        let (home, elsewhere) = (SocketAddress.ipv4(10, 0, 0, 7, port: 9), SocketAddress.ipv4(10, 0, 0, 8, port: 9))
        table.update(id: child, report: report(one(.receiving)), from: home, at: .zero)
        table.update(id: child, report: report(one(.complete)), from: elsewhere, at: .zero)
        expectReceivers(table, [.receiving: 1, .complete: 1])
        #expect(table.childCount == 2 && table.address(of: ChildName(child, at: home)) == home)
        let again = SocketAddress.ipv4(10, 0, 0, 7, port: 10)
        table.update(id: child, report: report(one(.behind)), from: again, at: .zero)
        expectReceivers(table, [.behind: 1, .complete: 1])
        #expect(table.address(of: ChildName(child, at: home)) == again)
        // The one goes, and the other is found all the same.
        table.remove(ChildName(child, at: home), at: .zero)
        expectReceivers(table, [.complete: 1])
        #expect(table.contains(ChildName(child, at: elsewhere)) && !table.contains(ChildName(child, at: home)))
        table.update(id: child, report: report(one(.failedHook)), from: elsewhere, at: .zero)
        expectReceivers(table, [.failedHook: 1])
    }

    // MARK: The histogram

    private func histogram(_ states: [ReceiverState: UInt64], rehomed: [ReceiverState: Int64] = [:]) -> StatusHistogram {
        var histogram = StatusHistogram()
        for (state, count) in states { histogram.states[Int(state.rawValue)] = count }
        for (state, count) in rehomed { histogram.rehomed[Int(state.rawValue)] = count }
        return histogram
    }

    @Test func nobodyIsTakenOffWhereNobodyMoved() {
        var random = RandomSource(seed: 61)
        var histogram = random.histogram()
        histogram.rehomed = Array(repeating: 0, count: StatusHistogram.stateCount)
        #expect(histogram.withoutRehomed == histogram)
    }

    @Test func theLostAreTakenOffFirstThenThoseUnderWay() {
        func expect(_ from: [ReceiverState: UInt64], _ rehomed: [ReceiverState: Int64], _ to: [ReceiverState: UInt64]) {
            #expect(histogram(from, rehomed: rehomed).withoutRehomed == histogram(to), "\(from) less \(rehomed)")
        }
        expect([.lost: 3, .receiving: 2], [.lost: 2], [.lost: 1, .receiving: 2])
        expect([.lost: 1, .receiving: 2], [.lost: 2], [.receiving: 1])
        expect([.joined: 1, .receiving: 1, .behind: 1], [.lost: 2], [.joined: 1])
        expect([.joined: 2, .complete: 5], [.lost: 1], [.joined: 1, .complete: 5])
        // Never those who are done: that they are is certain.
        expect([.complete: 5], [.lost: 2], [.complete: 5])
        expect([.complete: 5, .failedHook: 2, .lost: 1], [.complete: 2, .failedHook: 1, .lost: 1], [.complete: 3, .failedHook: 1])
        // A sum from which more was taken than is in it: wrapped, and right in the end.
        expect([.lost: 1], [.lost: -1], [.lost: 2])
    }

    @Test func absurdDebtsDoNotTrap() {
        for count in [Int64.min, -1, .max] {
            var absurd = StatusHistogram()
            absurd.states = absurd.states.map { _ in .max }
            absurd.rehomed = absurd.rehomed.map { _ in count }
            let result = absurd.withoutRehomed
            #expect(result.rehomed.allSatisfy { $0 == 0 })
            absurd.states = absurd.states.map { _ in 0 }
            _ = (absurd.withoutRehomed.population, absurd.leaf, absurd.debtWhenLost)
        }
    }

    @Test func aRehomedLeafIsALeaf() {
        let leaf = LeafStatus(state: .behind, progress: 3, network: nil, isRehomed: true)
        let one = StatusHistogram(leaf)
        #expect(one.leaf == leaf && one.withoutRehomed.population == 0)
        var twice = one
        twice.rehomed[Int(ReceiverState.lost.rawValue)] = 2
        #expect(twice.leaf == nil)
        var elsewhere = StatusHistogram(LeafStatus(state: .complete, progress: 10, network: nil))
        elsewhere.rehomed[Int(ReceiverState.complete.rawValue)] = 1
        #expect(elsewhere.leaf == nil)
        // A repair node with one child is no leaf.
        var node = StatusHistogram(LeafStatus(state: .complete, progress: 10, network: nil))
        node.tree.repairNodes = 1
        #expect(node.leaf == nil)
    }
}
