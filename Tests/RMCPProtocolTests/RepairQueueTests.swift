import Testing

@testable import RMCPProtocol

@Suite struct RepairQueueTests {
    private let holdOff = Interval.milliseconds(60)

    private func queue(_ change: (inout Configuration) -> Void = { _ in }) -> RepairQueue {
        var configuration = Configuration()
        configuration.repairAggregationDelay = .milliseconds(1)
        change(&configuration)
        return RepairQueue(configuration: configuration)
    }

    private func set(_ packets: [Int]) -> PacketSet {
        var set = PacketSet()
        for packet in packets { set.insert(packet) }
        return set
    }

    private func request(_ queue: inout RepairQueue, _ chunk: UInt32, _ packets: [Int], at milliseconds: Int64) {
        queue.request(chunk: chunk, packets: set(packets), holdOff: holdOff, at: .milliseconds(milliseconds))
    }

    private func take(_ queue: inout RepairQueue, limit: Int = .max, at milliseconds: Int64) -> [Int] {
        var taken: [Int] = []
        queue.takeFirst(limit: limit, at: .milliseconds(milliseconds)) { taken.append($0) }
        return taken
    }

    @Test func manyNAKsAreOneRepair() {
        var queue = queue()
        for child in 0..<50 { request(&queue, 3, [1, 5, 10 + child % 4], at: 0) }
        #expect(queue.needs(3) && !queue.needs(4))
        // They wait for one another first.
        #expect(queue.dueChunk(at: .zero) == nil && queue.nextDue == .milliseconds(1))
        #expect(queue.dueChunk(at: .milliseconds(1)) == 3)
        #expect(take(&queue, at: 1) == [1, 5, 10, 11, 12, 13])
        #expect(queue.isEmpty && !queue.needs(3) && queue.nextDue == nil)
    }

    @Test func oneRepairPerHoldOff() {
        var queue = queue()
        request(&queue, 3, [1, 2], at: 0)
        #expect(take(&queue, at: 10) == [1, 2])
        // These NAKs crossed the repair on its way; packet 7 is news.
        request(&queue, 3, [1], at: 11)
        #expect(queue.isEmpty)
        request(&queue, 3, [1, 2, 7], at: 69)
        #expect(take(&queue, at: 69) == [7])
        // The hold-off has passed: the repair itself was lost.
        var later = self.queue()
        request(&later, 3, [1, 2], at: 0)
        #expect(take(&later, at: 10) == [1, 2])
        request(&later, 3, [2], at: 70)
        #expect(take(&later, at: 71) == [2])
        request(&later, 3, [2], at: 130)
        #expect(later.isEmpty)
    }

    @Test func theHoldOffIsTheChunksOwn() {
        var queue = queue()
        request(&queue, 3, [1], at: 0)
        #expect(take(&queue, at: 0) == [1])
        request(&queue, 4, [1], at: 1)
        #expect(take(&queue, at: 2) == [1])
    }

    @Test func aBatchTakesNoMoreThanItsLimit() {
        var queue = queue()
        request(&queue, 9, Array(0..<100), at: 0)
        request(&queue, 2, [4], at: 0)
        #expect(take(&queue, limit: 46, at: 1) == Array(0..<46))
        // What is asked for meanwhile joins what is pending, in order of the packets.
        request(&queue, 9, [200, 3], at: 1)
        #expect(take(&queue, limit: 46, at: 1) == Array(46..<92))
        #expect(queue.dueChunk(at: .milliseconds(1)) == 9)
        #expect(take(&queue, limit: 46, at: 1) == Array(92..<100) + [200])
        #expect(queue.dueChunk(at: .milliseconds(1)) == 2)
        #expect(take(&queue, limit: 46, at: 1) == [4])
    }

    @Test func chunksAreServedInOrderOfTheirFirstNAK() {
        var queue = queue()
        for (time, chunk) in ([8, 3, 5, 3, 8] as [UInt32]).enumerated() { request(&queue, chunk, [time], at: Int64(time)) }
        #expect(queue.dueChunk(at: .milliseconds(9)) == 8)
        // Its bytes are not in memory: it goes to the back until they are.
        queue.postponeFirst(to: .milliseconds(20))
        #expect(queue.dueChunk(at: .milliseconds(9)) == 3)
        #expect(take(&queue, at: 9) == [1, 3])
        #expect(take(&queue, at: 9) == [2])
        #expect(queue.dueChunk(at: .milliseconds(19)) == nil && queue.nextDue == .milliseconds(20))
        #expect(queue.dueChunk(at: .milliseconds(20)) == 8)
        #expect(take(&queue, at: 20) == [0, 4])
        #expect(queue.isEmpty)
    }

    @Test func pruningForgetsOnlyWhatIsOver() {
        var queue = queue { $0.maximumRepairChunks = 2 }
        request(&queue, 1, [0], at: 0)
        request(&queue, 2, [0], at: 0)
        #expect(queue.isFull)
        #expect(take(&queue, at: 1) == [0])
        queue.prune(holdOff: holdOff, at: .milliseconds(60))
        // Chunk 1 is still held off and chunk 2 still pending.
        #expect(queue.isFull)
        request(&queue, 1, [0], at: 60)
        queue.prune(holdOff: holdOff, at: .milliseconds(61))
        #expect(!queue.isFull && queue.needs(2))
        #expect(take(&queue, at: 61) == [0])
        #expect(queue.isEmpty)
    }

    /// Each step serves everything that is asked for at once; a packet asked for must have been sent, now or within
    /// the hold-off, and nothing is sent that was not asked for.
    @Test func againstAModel() {
        var random = RandomSource(seed: 101)
        var queue = queue()
        var lastSent: [UInt32: [Int: Int64]] = [:]
        // Steps further apart than the hold-off, with two rounds of NAKs in each.
        for step in Int64(0)..<400 {
            let time = 1_000 + step * 100
            var wanted: [UInt32: Set<Int>] = [:]
            for round in Int64(0)..<2 {
                for _ in 0..<random.int(1...6) {
                    let chunk = UInt32(random.int(0...4))
                    let packets = (0..<random.int(1...8)).map { _ in random.int(0...40) }
                    request(&queue, chunk, packets, at: time + round * 20)
                    for packet in packets where time + round * 20 - lastSent[chunk, default: [:]][packet, default: -1_000] >= 60 {
                        wanted[chunk, default: []].insert(packet)
                    }
                }
                while let chunk = queue.dueChunk(at: .milliseconds(time + round * 20 + 1)) {
                    let taken = take(&queue, at: time + round * 20 + 1)
                    #expect(taken == wanted[chunk, default: []].sorted())
                    for packet in taken { lastSent[chunk, default: [:]][packet] = time + round * 20 + 1 }
                    wanted[chunk] = nil
                }
                #expect(wanted.isEmpty)
            }
            queue.prune(holdOff: holdOff, at: .milliseconds(time + 90))
        }
    }
}
