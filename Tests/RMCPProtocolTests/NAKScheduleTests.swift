import Testing

@testable import RMCPProtocol

/// When a receiver asks for what it lacks, and when it lets others ask.
@Suite struct NAKScheduleTests {
    /// A window of one chunk has no half: its chunk is asked for again when the hold-off has passed, and not before.
    @Test func theHoldOffCountsForAWindowOfOneChunk() {
        var receiver = LoneReceiver { $0.memory.assemblySlots = 1 }
        receiver.takeHeartbeat(chunk: 10, pages: 1)
        receiver.takePage(0, chunks: 0..<10)
        // Nothing before it has settled with a parent, 0.4 s.
        let asked = receiver.run(for: .milliseconds(1_100)).requests.flatMap(\.chunks)
        #expect((2...3).contains(asked.count) && asked.allSatisfy { $0 == 0..<1 }, "\(asked.count) requests")
    }

    /// Whoever forges NCFs without end can only delay what a receiver asks for.
    @Test func forgedConfirmationsKeepNobodyFromAsking() {
        var everything = RepairRequest()
        everything.needsEnd = true
        everything.pages = [0..<1_000]
        everything.chunks = [0..<1_000]
        everything.packets = [RepairRequest.ChunkPackets(chunk: 11, packets: PacketSet(0..<6))]

        var receiver = LoneReceiver()
        receiver.takeHeartbeat(chunk: 10, pages: 1)
        receiver.takePage(0, chunks: 0..<12)
        // Chunk 11 is of the live stream and nothing of it has come; page 1 and END are missing.
        receiver.takeHeartbeat(chunk: 12, pages: 2, hasEnd: true)
        let asked = receiver.run(for: .seconds(3)) { $0.take(.ncf(everything)) }.requests
        #expect(asked.contains { !$0.pages.isEmpty } && asked.contains { $0.needsEnd })
        #expect(asked.contains { !$0.chunks.isEmpty } && asked.contains { !$0.packets.isEmpty })
    }

    /// Packets that may not exist are asked for less and less often, and again at once as soon as some of them have come.
    @Test func requestsInVainGrowApart() {
        var hold = RequestHold()
        var now = Instant.zero
        var holds: [Int64] = []
        for _ in 0..<20 {
            hold.ask(for: .milliseconds(12), at: now)
            holds.append((hold.until - now).nanoseconds / 1_000_000)
            now = hold.until
        }
        #expect(holds.prefix(9) == [12, 12, 12, 12, 12, 12, 24, 48, 96] && holds.last == 5_000)
        hold.noteProgress()
        hold.ask(for: .milliseconds(12), at: now)
        #expect(hold.until == now + .milliseconds(12))
        var packets = PacketHold()
        for _ in 0..<20 { packets.ask(for: .milliseconds(12), isCertain: false, at: now) }
        #expect(packets.until == now + .seconds(5))
        packets.noteRepair(until: now)
        packets.cutShort(at: now)
        packets.ask(for: .milliseconds(12), isCertain: false, at: now)
        #expect(packets.until == now + .milliseconds(12))
    }

    /// Chunks of the table are asked for as long as they do not come: where a third of all datagrams is lost, that is chance.
    @Test func requestsForWhatExistsDoNotGrowFarApart() {
        var (chunks, packets) = (RequestHold(), PacketHold())
        for _ in 0..<20 {
            chunks.ask(for: .milliseconds(12), isCertain: true, at: .zero)
            packets.ask(for: .milliseconds(12), isCertain: true, at: .zero)
        }
        #expect(chunks.until == .milliseconds(500) && packets.until == .milliseconds(500))
        packets.askWhole(for: .milliseconds(12), isCertain: true, at: .zero)
        #expect(packets.until == .milliseconds(500))
        // Paths that are longer than that have the plain hold.
        packets.ask(for: .seconds(2), isCertain: true, at: .zero)
        #expect(packets.until == .milliseconds(2_000))
    }

    /// An NCF in time still spares a request, and so do the next ones for a while.
    @Test func aConfirmationIsBelieved() {
        var end = RepairRequest()
        end.needsEnd = true
        var receiver = LoneReceiver()
        receiver.takeHeartbeat(chunk: 1, pages: 0, hasEnd: true)
        // A hold-off is 6 times 2 ms and 1 ms.
        let asked = receiver.run(for: .milliseconds(35)) { $0.take(.ncf(end)) }.requests
        #expect(asked.isEmpty)
    }
}
