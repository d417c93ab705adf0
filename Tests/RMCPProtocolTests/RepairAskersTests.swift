import Testing

@testable import RMCPProtocol

/// To whom a repair goes, and chunks whose bytes a repair node does not have.
@Suite struct RepairAskersTests {
    private let holdOff = Interval.milliseconds(60)

    private func queue() -> RepairQueue {
        var configuration = Configuration()
        configuration.repairs.repairAggregationDelay = .milliseconds(1)
        return RepairQueue(configuration: configuration)
    }

    private func request(_ queue: inout RepairQueue, _ chunk: UInt32, _ packets: Range<Int>, by asker: UInt32?, at milliseconds: Int64) {
        queue.request(chunk: chunk, packets: PacketSet(packets), by: asker.map { ChildTable.name($0) }, holdOff: holdOff, at: .milliseconds(milliseconds))
    }

    private func take(_ queue: inout RepairQueue, to recipient: UInt32? = nil, limit: Int = .max, at milliseconds: Int64) -> [Int] {
        var taken: [Int] = []
        queue.takeFirst(limit: limit, to: recipient.map { ChildTable.name($0) }, holdOff: holdOff, at: .milliseconds(milliseconds)) { taken.append($0) }
        return taken
    }

    // MARK: Alone, or for all

    @Test func whoAsksAloneIsToldApart() {
        var queue = queue()
        #expect(queue.loneAsker(of: 3) == nil)
        request(&queue, 3, 0..<2, by: 7, at: 0)
        request(&queue, 3, 4..<5, by: 7, at: 0)
        #expect(queue.loneAsker(of: 3)?.transmitter == 7 && queue.loneAsker(of: 4) == nil)
        // It concerns this chunk only.
        request(&queue, 4, 0..<1, by: 8, at: 0)
        #expect(queue.loneAsker(of: 3)?.transmitter == 7 && queue.loneAsker(of: 4)?.transmitter == 8)
        // A second one, even with other packets, and it stays shared.
        request(&queue, 3, 9..<10, by: 8, at: 0)
        #expect(queue.loneAsker(of: 3) == nil)
        request(&queue, 3, 11..<12, by: 7, at: 0)
        #expect(queue.loneAsker(of: 3) == nil)
        #expect(take(&queue, at: 1) == [0, 1, 4, 9, 11])
        // The next need is a new one.
        request(&queue, 3, 20..<21, by: 8, at: 2)
        #expect(queue.loneAsker(of: 3)?.transmitter == 8)
    }

    @Test func whoCannotBeAnsweredAloneAsksForAll() {
        var queue = queue()
        request(&queue, 3, 0..<1, by: nil, at: 0)
        request(&queue, 3, 1..<2, by: 7, at: 0)
        #expect(queue.loneAsker(of: 3) == nil)
        var other = self.queue()
        request(&other, 3, 0..<1, by: 7, at: 0)
        request(&other, 3, 1..<2, by: nil, at: 0)
        #expect(other.loneAsker(of: 3) == nil)
    }

    @Test func aRepairForAllHoldsEverybodyOff() {
        var queue = queue()
        request(&queue, 3, 0..<2, by: 7, at: 0)
        request(&queue, 3, 0..<2, by: 8, at: 0)
        #expect(take(&queue, at: 1) == [0, 1])
        for asker in [7, 8, 9, nil] as [UInt32?] {
            request(&queue, 3, 0..<2, by: asker, at: 20)
            #expect(queue.isEmpty)
        }
    }

    /// What one child was sent at its own address has not come to anybody else.
    @Test func aRepairForOneHoldsOnlyThatOneOff() {
        var queue = queue()
        request(&queue, 3, 0..<2, by: 7, at: 0)
        #expect(take(&queue, to: 7, at: 1) == [0, 1])
        request(&queue, 3, 0..<2, by: 7, at: 20)
        #expect(queue.isEmpty)
        request(&queue, 3, 1..<3, by: 8, at: 21)
        #expect(queue.loneAsker(of: 3)?.transmitter == 8 && queue.dueChunk(at: .milliseconds(22)) == 3)
        #expect(take(&queue, to: 8, at: 22) == [1, 2])
        // By now it is not known any more who got what: nobody is held off for what may not have come.
        request(&queue, 3, 0..<1, by: 7, at: 23)
        #expect(take(&queue, to: 7, at: 24) == [0])
        request(&queue, 3, 0..<3, by: nil, at: 25)
        #expect(take(&queue, at: 26) == [0, 1, 2])
        for asker in [7, 8, nil] as [UInt32?] { request(&queue, 3, 0..<3, by: asker, at: 27) }
        #expect(queue.isEmpty)
    }

    @Test func aHoldOffForOneEnds() {
        var queue = queue()
        request(&queue, 3, 0..<1, by: 7, at: 1_000)
        #expect(take(&queue, to: 7, at: 1_001) == [0])
        for time: Int64 in [1_002, 1_030, 1_060] {
            request(&queue, 3, 0..<1, by: 7, at: time)
            #expect(queue.isEmpty, "\(time)")
        }
        request(&queue, 3, 0..<1, by: 7, at: 1_121)
        #expect(take(&queue, to: 7, at: 1_122) == [0])
    }

    // MARK: Bytes that are not here

    @Test func aParkedChunkWaitsOutsideTheQueue() {
        var queue = queue()
        request(&queue, 3, 0..<2, by: 7, at: 0)
        request(&queue, 4, 0..<1, by: 7, at: 0)
        queue.parkFirst()
        #expect(queue.dueChunk(at: .milliseconds(1)) == 4 && queue.needs(3))
        #expect(take(&queue, at: 1) == [0])
        #expect(queue.isEmpty && queue.nextDue == nil)
        // What is asked for meanwhile is kept with it, and does not put it back.
        request(&queue, 3, 5..<6, by: 8, at: 10)
        #expect(queue.isEmpty && queue.needs(3) && queue.loneAsker(of: 3) == nil)
        queue.unpark(3, at: .milliseconds(500))
        // It has waited long enough.
        #expect(queue.nextDue == .milliseconds(500) && queue.dueChunk(at: .milliseconds(500)) == 3)
        #expect(take(&queue, at: 500) == [0, 1, 5])
        #expect(queue.isEmpty && !queue.needs(3))
    }

    @Test func unparkingWhatIsNotParkedIsNothing() {
        var queue = queue()
        queue.unpark(3, at: .zero)
        #expect(queue.isEmpty)
        request(&queue, 3, 0..<1, by: 7, at: 0)
        queue.unpark(3, at: .zero)
        // Once in the queue, not twice.
        #expect(queue.nextDue == .milliseconds(1))
        #expect(take(&queue, at: 1) == [0])
        #expect(queue.isEmpty)
        queue.parkFirst()
        #expect(queue.isEmpty)
    }

    @Test func parkedChunksAreNotForgottenWhileSomebodyWaits() {
        var configuration = Configuration()
        configuration.repairs.maximumRepairChunks = 2
        var queue = RepairQueue(configuration: configuration)
        request(&queue, 3, 0..<1, by: 7, at: 0)
        queue.parkFirst()
        queue.prune(holdOff: holdOff, at: .milliseconds(100_000))
        #expect(queue.needs(3))
        queue.unpark(3, at: .milliseconds(100_000))
        #expect(take(&queue, at: 100_000) == [0])
        queue.prune(holdOff: holdOff, at: .milliseconds(100_120))
        request(&queue, 4, 0..<1, by: 7, at: 100_121)
        #expect(!queue.isFull)
    }

    /// Parked again and again, as when a kept chunk turns out to be damaged.
    @Test func aChunkCanBeParkedTwice() {
        var queue = queue()
        request(&queue, 3, 0..<3, by: 7, at: 0)
        queue.parkFirst()
        queue.unpark(3, at: .milliseconds(5))
        #expect(take(&queue, limit: 1, at: 5) == [0])
        queue.parkFirst()
        #expect(queue.isEmpty && queue.needs(3))
        queue.unpark(3, at: .milliseconds(9))
        #expect(take(&queue, at: 9) == [1, 2])
    }
}
