import TestSupport
import Testing

@testable import RMCPProtocol

/// Receivers that catch up: how soon they ask for more, and for what they lose meanwhile.
@Suite struct CatchUpTests {
    /// A latecomer that has asked for what was sent before, as many chunks as there are slots.
    private func latecomer(front: UInt32, records: UInt32? = nil, asking chunks: Range<UInt32>) throws -> LoneReceiver {
        var receiver = LoneReceiver()
        receiver.storesAtOnce = true
        receiver.takeHeartbeat(chunk: front, pages: 1)
        receiver.takePage(0, chunks: 0..<(records ?? front))
        // Nothing is asked for before it has settled with a parent.
        let asked = receiver.run(for: .milliseconds(420)).requests.flatMap(\.chunks)
        try #require(asked == [chunks])
        return receiver
    }

    /// Requests while a live chunk and those behind it come, a packet each millisecond, but for one.
    private func asked(_ receiver: inout LoneReceiver, losing lost: Int, of chunk: UInt32) -> [RepairRequest] {
        receiver.takeData(chunk, packets: 0...lost - 1)
        var packet = lost + 1
        return receiver.run(for: .milliseconds(12)) { receiver in
            receiver.takeData(chunk + UInt32(packet / 6), packets: packet % 6...packet % 6)
            packet += 1
        }.requests
    }

    private func names(_ chunk: UInt32, _ requests: [RepairRequest]) -> Bool { requests.contains { $0.chunks.contains { $0.contains(chunk) } } }

    @Test func theNextWindowIsAskedForWhenHalfOfTheLastIsIn() throws {
        var receiver = try latecomer(front: 400, asking: 0..<96)
        var next: UInt32 = 0
        let early = receiver.run(for: .milliseconds(15)) { receiver in
            for _ in 0..<3 {
                receiver.takeData(next, isRepair: true)
                next += 1
            }
        }
        #expect(!names(96, early.requests), "\(early.requests)")
        let renewed = receiver.run(for: .milliseconds(11)) { receiver in
            guard next < 48 else { return }
            for _ in 0..<3 {
                receiver.takeData(next, isRepair: true)
                next += 1
            }
        }
        // A reordering delay and the backoff.
        #expect(next == 48 && renewed.requests.flatMap(\.chunks) == [48..<144], "\(renewed.requests)")
    }

    /// A storage that frees one slot after the other does not lead to a NAK for each of them.
    @Test func aSlowStorageAsksForHalfAWindowAtATime() throws {
        var receiver = try latecomer(front: 400, asking: 0..<96)
        receiver.storesAtOnce = false
        for chunk: UInt32 in 0..<96 { receiver.takeData(chunk, isRepair: true) }
        var waiting = receiver.assembled[...]
        let asked = receiver.run(for: .milliseconds(190)) { receiver in
            guard receiver.now.nanoseconds / 1_000_000 % 2 == 0, let (slot, chunk) = waiting.popFirst() else { return }
            receiver.engine.handle(.stored(slot: slot, chunk: chunk), at: receiver.now)
        }
        let ranges = asked.requests.flatMap(\.chunks)
        #expect(ranges.count == 1 && ranges[0].lowerBound == 96 && (48...60).contains(ranges[0].count), "\(ranges)")
    }

    /// Others lack the same: one that hears that more has been asked for waits for that, too.
    @Test func whatAnotherHasAskedForIsNotAskedForAgain() throws {
        var receiver = try latecomer(front: 400, asking: 0..<96)
        var confirmed = RepairRequest()
        confirmed.chunks = [48..<144]
        receiver.take(.ncf(confirmed))
        let quiet = receiver.run(for: .milliseconds(40)) { receiver in
            let chunk = receiver.engine.chunksDone
            if chunk < 60 { for next in chunk..<chunk + 3 { receiver.takeData(next, isRepair: true) } }
        }
        #expect(receiver.engine.chunksDone == 60 && quiet.requests.isEmpty, "\(quiet.requests)")
        let renewed = receiver.run(for: .milliseconds(40)) { receiver in
            let chunk = receiver.engine.chunksDone
            if chunk < 96 { for next in chunk..<chunk + 3 { receiver.takeData(next, isRepair: true) } }
        }
        #expect(renewed.requests.flatMap(\.chunks) == [96..<192], "\(renewed.requests)")
    }

    /// What others ask for keeps nobody waiting who has it.
    @Test func whatIsHereIsNotWaitedFor() throws {
        var receiver = try latecomer(front: 400, asking: 0..<96)
        for chunk: UInt32 in 200..<296 { receiver.takeData(chunk) }
        var confirmed = RepairRequest()
        confirmed.chunks = [200..<296]
        receiver.take(.ncf(confirmed))
        var next: UInt32 = 0
        let renewed = receiver.run(for: .milliseconds(30)) { receiver in
            guard next < 48 else { return }
            for _ in 0..<3 {
                receiver.takeData(next, isRepair: true)
                next += 1
            }
        }
        #expect(names(96, renewed.requests), "\(renewed.requests)")
    }

    /// Chunks that are caught up with while the stream goes on come slowly. What has not come of one is on its way as long as no other has
    /// begun, and is asked for when nothing has come for a hold-off.
    @Test func theRestOfASlowChunkIsNotAskedFor() throws {
        var receiver = try latecomer(front: 10, asking: 0..<10)
        receiver.takeData(0, packets: 0...2, isRepair: true)
        let paused = receiver.run(for: .milliseconds(100)).requests
        receiver.takeData(0, packets: 3...3, isRepair: true)
        let pausedAgain = receiver.run(for: .milliseconds(250)).requests
        #expect(!(paused + pausedAgain).contains { !$0.packets.isEmpty }, "\(paused) \(pausedAgain)")
        let silent = receiver.run(for: .milliseconds(100)).requests
        #expect(silent.contains { $0.packets.contains { $0.chunk == 0 && $0.packets == PacketSet(4..<6) } }, "\(silent)")
    }

    @Test func theRestIsLostWhenAnotherChunkBegins() throws {
        var receiver = try latecomer(front: 10, asking: 0..<10)
        receiver.takeData(0, packets: 0...2, isRepair: true)
        receiver.takeData(1, packets: 0...0, isRepair: true)
        let requests = receiver.run(for: .milliseconds(24)).requests
        let packets = requests.flatMap(\.packets)
        #expect(packets.contains { $0.chunk == 0 && $0.packets == PacketSet(3..<6) } && !packets.contains { $0.chunk == 1 }, "\(requests)")
    }

    /// What comes behind the live stream keeps nobody from asking for what is lost of that.
    @Test func aLiveLossIsAskedForWhileChunksAreComing() throws {
        var receiver = try latecomer(front: 10, records: 20, asking: 0..<10)
        let requests = asked(&receiver, losing: 2, of: 10)
        #expect(requests.contains { $0.packets.contains { $0.chunk == 10 && $0.packets.contains(2) } }, "\(requests)")
    }

    /// So is one packet of a chunk that was caught up with.
    @Test func aLossOfWhatIsCaughtUpIsAskedForSoon() throws {
        var receiver = try latecomer(front: 10, asking: 0..<10)
        receiver.takeData(0, packets: 0...2, isRepair: true)
        receiver.takeData(0, packets: 4...5, isRepair: true)
        receiver.takeData(1, isRepair: true)
        // Repairs are waited for, 4 ms, and then a backoff is drawn twice.
        let requests = receiver.run(for: .milliseconds(24)).requests
        #expect(requests.contains { $0.packets.contains { $0.chunk == 0 && $0.packets == PacketSet(3..<4) } }, "\(requests)")
    }

    /// END that somebody has made up is asked for in vain, less and less often; what is lost meanwhile is not kept back by that.
    @Test func whatDoesNotExistKeepsNothingBack() {
        var receiver = LoneReceiver()
        receiver.storesAtOnce = true
        receiver.takePage(0, chunks: 0..<20)
        receiver.takeData(0)
        receiver.takeHeartbeat(chunk: 1, pages: 1, hasEnd: true)
        let vain = receiver.run(for: .seconds(2)).requests
        #expect(vain.count > 6 && vain.allSatisfy { $0.needsEnd })
        let requests = asked(&receiver, losing: 2, of: 1)
        #expect(requests.contains { $0.packets.contains { $0.chunk == 1 && $0.packets.contains(2) } }, "\(requests)")
    }

    @Test func aWindowCountsWhatIsStillToCome() {
        var window = CatchUpWindow()
        #expect(!window.isRenewable(from: 0, freeSlots: 96))
        window.begin(8)
        window.add(10..<13)
        window.add(20..<25)
        #expect(window.lack == 0 && !window.isRenewable(from: 10, freeSlots: 12))
        for _ in 0..<4 { window.noteChunk() }
        // The fourth chunk is 20.
        #expect(!window.isRenewable(from: 20, freeSlots: 8) && window.isRenewable(from: 21, freeSlots: 8) && !window.isRenewable(from: 21, freeSlots: 7))
        #expect(window.news(in: 0..<5, below: 40).isEmpty && window.news(in: 22..<27, below: 40) == 25..<27 && window.news(in: 22..<27, below: 24).isEmpty)
        window.confirm(25..<27)
        #expect(!window.isRenewable(from: 21, freeSlots: 9) && window.isRenewable(from: 21, freeSlots: 10))
        #expect(window.news(in: 22..<27, below: 40).isEmpty)
    }
}
