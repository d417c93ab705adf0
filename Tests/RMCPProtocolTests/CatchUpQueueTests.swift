import Testing

@testable import RMCPProtocol

@Suite struct CatchUpQueueTests {
    private let holdOff = Interval.milliseconds(60)

    private func queue(_ change: (inout Configuration) -> Void = { _ in }) -> CatchUpQueue {
        var configuration = Configuration()
        change(&configuration)
        return CatchUpQueue(configuration: configuration)
    }

    /// Serves a whole chunk of `packets` packets.
    private func serve(_ queue: inout CatchUpQueue, at milliseconds: Int64, packets: Int = 1) -> UInt32? {
        let chunk = queue.select()
        if chunk != nil { queue.advance(to: packets, of: packets, at: .milliseconds(milliseconds)) }
        return chunk
    }

    @Test func servesInRisingOrderFromTheCursorAndGoesRound() {
        var queue = queue()
        queue.request(10..<13, holdOff: holdOff, at: .zero)
        #expect(serve(&queue, at: 0) == 10)
        // Behind the cursor, ahead of it, and in between.
        queue.request(2..<4, holdOff: holdOff, at: .zero)
        queue.request(20..<21, holdOff: holdOff, at: .zero)
        #expect(queue.upcoming(limit: 10) == [11, 12, 20, 2, 3])
        #expect(queue.upcoming(limit: 2) == [11, 12])
        #expect(queue.count == 5)
        var served: [UInt32] = []
        while let chunk = serve(&queue, at: 0) { served.append(chunk) }
        #expect(served == [11, 12, 20, 2, 3])
        #expect(queue.isEmpty && queue.count == 0 && queue.upcoming(limit: 5).isEmpty)
    }

    @Test func whatWasServedLatelyIsNotServedAgain() {
        var queue = queue()
        queue.request(0..<2, holdOff: holdOff, at: .zero)
        #expect(serve(&queue, at: 0) == 0)
        #expect(serve(&queue, at: 30) == 1)
        // The request of another latecomer crossed both; chunk 2 is news.
        queue.request(0..<3, holdOff: holdOff, at: .milliseconds(59))
        #expect(queue.upcoming(limit: 9) == [2])
        // The hold-off of chunk 0 has passed, that of chunk 1 has not.
        queue.request(0..<3, holdOff: holdOff, at: .milliseconds(60))
        #expect(queue.upcoming(limit: 9) == [2, 0])
        queue.request(0..<3, holdOff: holdOff, at: .milliseconds(90))
        #expect(queue.upcoming(limit: 9) == [2, 0, 1])
    }

    @Test func theChunkUnderWayIsNotQueuedTwice() {
        var queue = queue()
        queue.request(5..<7, holdOff: holdOff, at: .zero)
        #expect(queue.select() == 5)
        queue.advance(to: 3, of: 10, at: .zero)
        #expect(queue.current?.chunk == 5 && queue.current?.nextPacket == 3)
        queue.request(5..<7, holdOff: holdOff, at: .zero)
        #expect(queue.select() == 5 && queue.count == 2 && queue.needs(5) && queue.needs(6))
        queue.advance(to: 10, of: 10, at: .zero)
        #expect(queue.current == nil && !queue.needs(5))
        #expect(serve(&queue, at: 1) == 6)
        #expect(queue.isEmpty)
    }

    @Test func removedChunksAreNotServed() {
        var queue = queue()
        queue.request(0..<4, holdOff: holdOff, at: .zero)
        queue.remove(1)
        #expect(queue.select() == 0)
        queue.remove(0)
        #expect(queue.current == nil)
        #expect(serve(&queue, at: 0) == 2)
        #expect(serve(&queue, at: 0) == 3)
        #expect(queue.isEmpty)
    }

    @Test func requestsBeyondTheLimitOfFragmentsAreDropped() {
        var queue = queue { $0.maximumCatchUpRanges = 3 }
        for chunk: UInt32 in [0, 2, 4, 6] { queue.request(chunk..<chunk + 1, holdOff: holdOff, at: .zero) }
        #expect(queue.upcoming(limit: 9) == [0, 2, 4])
        #expect(serve(&queue, at: 0) == 0)
        queue.request(6..<7, holdOff: holdOff, at: .zero)
        #expect(queue.upcoming(limit: 9) == [2, 4, 6])
    }

    @Test func againstAModel() {
        var random = RandomSource(seed: 111)
        var queue = queue()
        var wanted: Set<UInt32> = []
        var servedAt: [UInt32: Int64] = [:]
        var cursor: UInt32 = 0
        for time in Int64(100)..<3_000 {
            if random.chance(0.3) {
                let start = UInt32(random.int(0...80))
                let range = start..<start + UInt32(random.int(1...12))
                queue.request(range, holdOff: holdOff, at: .milliseconds(time))
                // A chunk that waits already goes on waiting: only what was done can be held off.
                for chunk in range where time - servedAt[chunk, default: -1_000] >= 60 { wanted.insert(chunk) }
            } else {
                let expected = wanted.filter { $0 >= cursor }.min() ?? wanted.min()
                #expect(queue.upcoming(limit: 1).first == expected)
                #expect(serve(&queue, at: time, packets: 3) == expected)
                if let expected {
                    wanted.remove(expected)
                    servedAt[expected] = time
                    cursor = expected + 1
                }
            }
            #expect(queue.count == wanted.count && queue.isEmpty == wanted.isEmpty)
        }
    }
}
