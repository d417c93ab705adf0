import Testing

@testable import RMCPProtocol

@Suite struct RepairQueueTests {
    private let holdOff = Interval.milliseconds(60)

    private func queue(_ change: (inout Configuration) -> Void = { _ in }) -> RepairQueue {
        var configuration = Configuration()
        configuration.repairs.repairAggregationDelay = .milliseconds(1)
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
        queue.takeFirst(limit: limit, holdOff: holdOff, at: .milliseconds(milliseconds)) { taken.append($0) }
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
        // Two hold-offs have passed since the repair at 10: it was lost itself.
        var later = self.queue()
        request(&later, 3, [1, 2], at: 0)
        #expect(take(&later, at: 10) == [1, 2])
        for time: Int64 in [69, 70] { request(&later, 3, [1], at: time) }
        #expect(later.isEmpty)
        request(&later, 3, [2], at: 130)
        #expect(take(&later, at: 131) == [2])
        request(&later, 3, [2], at: 190)
        #expect(later.isEmpty)
    }

    /// Two generations of a hold-off each could let go of a packet that was repaired at the end of one: whenever it
    /// goes out, and however often its chunk is asked about meanwhile, it is held off for one hold-off at the least and
    /// for two at the most.
    @Test(arguments: [1, 7, 20, 59, 60, 61, 200] as [Int64]) func eachPacketIsHeldOff(spacing: Int64) {
        for repaired in stride(from: Int64(0), through: 130, by: 1) {
            var queue = queue()
            // An older repair of the chunk starts the first generation, at any distance from this one.
            request(&queue, 3, [50], at: 0)
            #expect(take(&queue, at: 0) == [50])
            request(&queue, 3, [1], at: repaired)
            #expect(take(&queue, at: repaired) == [1])
            var time = repaired
            while queue.isEmpty {
                time += spacing
                guard time < repaired + 1_000 else { break }
                request(&queue, 3, [1], at: time)
                if time - repaired < 60 { #expect(queue.isEmpty, "repaired at \(repaired), again at \(time)") }
                if time - repaired >= 120 { #expect(!queue.isEmpty, "repaired at \(repaired), not again at \(time)") }
            }
        }
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
        var queue = queue { $0.repairs.maximumRepairChunks = 2 }
        request(&queue, 1, [0], at: 0)
        request(&queue, 2, [0], at: 0)
        #expect(queue.isFull)
        #expect(take(&queue, at: 1) == [0])
        for time: Int64 in [60, 119] {
            queue.prune(holdOff: holdOff, at: .milliseconds(time))
            // Chunk 1 may be held off still, and chunk 2 is pending.
            #expect(queue.isFull)
        }
        queue.prune(holdOff: holdOff, at: .milliseconds(120))
        #expect(!queue.isFull && queue.needs(2))
        #expect(take(&queue, at: 121) == [0])
        #expect(queue.isEmpty)
    }

    /// At random times: a packet asked for goes out unless it went out within one to two hold-offs, and nothing goes
    /// out that was not asked for.
    @Test func againstAModel() {
        var random = RandomSource(seed: 101)
        var queue = queue()
        var lastSent: [UInt32: [Int: Int64]] = [:]
        var time: Int64 = 1_000
        for _ in 0..<4_000 {
            time += Int64(random.int(0...40))
            var must: [UInt32: Set<Int>] = [:]
            var may: [UInt32: Set<Int>] = [:]
            for _ in 0..<random.int(1...4) {
                let chunk = UInt32(random.int(0...4))
                let packets = (0..<random.int(1...8)).map { _ in random.int(0...40) }
                request(&queue, chunk, packets, at: time)
                for packet in packets {
                    let age = time - lastSent[chunk, default: [:]][packet, default: -1_000]
                    if age >= 120 { must[chunk, default: []].insert(packet) }
                    if age >= 60 { may[chunk, default: []].insert(packet) }
                }
            }
            time += 1
            while let chunk = queue.dueChunk(at: .milliseconds(time)) {
                let taken = take(&queue, at: time)
                #expect(taken == taken.sorted() && !taken.isEmpty)
                #expect(must[chunk, default: []].isSubset(of: taken) && may[chunk, default: []].isSuperset(of: taken))
                for packet in taken { lastSent[chunk, default: [:]][packet] = time }
                must[chunk] = nil
            }
            #expect(must.isEmpty && queue.isEmpty)
            if random.chance(0.1) { queue.prune(holdOff: holdOff, at: .milliseconds(time)) }
        }
    }
}
