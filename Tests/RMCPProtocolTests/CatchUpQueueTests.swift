import Testing

@testable import RMCPProtocol

@Suite struct CatchUpQueueTests {
    private let holdOff = Interval.milliseconds(60)

    private func queue(_ change: (inout Configuration) -> Void = { _ in }) -> CatchUpQueue {
        var configuration = Configuration()
        change(&configuration)
        return CatchUpQueue(configuration: configuration)
    }

    private func request(
        _ queue: inout CatchUpQueue, _ chunks: Range<UInt32>, at milliseconds: Int64 = 0, isTaken expected: Bool = true,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let isTaken = queue.request(chunks, holdOff: holdOff, at: .milliseconds(milliseconds))
        #expect(isTaken == expected, sourceLocation: sourceLocation)
    }

    /// Serves a whole chunk of `packets` packets.
    private func serve(_ queue: inout CatchUpQueue, at milliseconds: Int64, packets: Int = 1) -> UInt32? {
        let chunk = queue.select()
        if chunk != nil { queue.advance(to: packets, of: packets, at: .milliseconds(milliseconds)) }
        return chunk
    }

    @Test func servesInRisingOrderFromTheCursorAndGoesRound() {
        var queue = queue()
        request(&queue, 10..<13)
        #expect(serve(&queue, at: 0) == 10)
        // Behind the cursor, ahead of it, and in between.
        request(&queue, 2..<4)
        request(&queue, 20..<21)
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
        request(&queue, 0..<2)
        #expect(serve(&queue, at: 0) == 0)
        #expect(serve(&queue, at: 30) == 1)
        // The request of another latecomer crossed both; chunk 2 is news.
        request(&queue, 0..<3, at: 59)
        #expect(queue.upcoming(limit: 9) == [2])
        // The hold-off of chunk 0 has passed, that of chunk 1 has not.
        request(&queue, 0..<3, at: 60)
        #expect(queue.upcoming(limit: 9) == [2, 0])
        request(&queue, 0..<3, at: 90)
        #expect(queue.upcoming(limit: 9) == [2, 0, 1])
    }

    @Test func theChunkUnderWayIsNotQueuedTwice() {
        var queue = queue()
        request(&queue, 5..<7)
        #expect(queue.select() == 5)
        queue.advance(to: 3, of: 10, at: .zero)
        #expect(queue.current?.chunk == 5 && queue.current?.nextPacket == 3)
        request(&queue, 5..<7)
        #expect(queue.select() == 5 && queue.count == 2 && queue.needs(5) && queue.needs(6))
        queue.advance(to: 10, of: 10, at: .zero)
        #expect(queue.current == nil && !queue.needs(5))
        #expect(serve(&queue, at: 1) == 6)
        #expect(queue.isEmpty)
    }

    @Test func removedChunksAreNotServed() {
        var queue = queue()
        request(&queue, 0..<4)
        queue.remove(1)
        #expect(queue.select() == 0)
        queue.remove(0)
        #expect(queue.current == nil)
        #expect(serve(&queue, at: 0) == 2)
        #expect(serve(&queue, at: 0) == 3)
        #expect(queue.isEmpty)
    }

    @Test func requestsBeyondTheLimitOfFragmentsAreDropped() {
        var queue = queue { $0.repairs.maximumCatchUpRanges = 3 }
        // Who asks is told whether it was noted: what was not must not be confirmed to the group.
        for chunk: UInt32 in [0, 2, 4, 6] { request(&queue, chunk..<chunk + 1, isTaken: chunk < 6) }
        request(&queue, 1..<2, isTaken: false)
        #expect(queue.upcoming(limit: 9) == [0, 2, 4])
        #expect(serve(&queue, at: 0) == 0)
        request(&queue, 6..<7)
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
                request(&queue, range, at: time)
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
