import TestSupport
import Testing

@testable import RMCPProtocol

/// Records in blocks, and tables that have no more room.
@Suite struct TableRoomTests {
    private func record(_ seed: UInt64) -> ChunkRecord { ChunkRecord.sample(of: randomBytes(20, seed: seed), contentLength: 20) }

    @Test func recordsFollowAModel() {
        var random = RandomSource(seed: 7)
        for _ in 0..<40 {
            var blocks = RecordBlocks()
            var model: [Int: ChunkRecord] = [:]
            var held = 0
            for _ in 0..<60 {
                let first = random.int(0...700)
                let kind = random.int(0...3)
                let records = (0..<random.int(1...100)).map { index -> ChunkRecord in
                    switch kind {
                    case 0: .zero(contentLength: 1_000)
                    case 1: random.chance(0.9) ? .zero(contentLength: 1_000) : .zero(contentLength: 5)
                    default: random.chance(0.3) ? .zero(contentLength: 1_000) : record(UInt64(first + index))
                    }
                }
                // A ledger takes each chunk's once.
                guard (first..<first + records.count).allSatisfy({ model[$0] == nil }) else { continue }
                let growth = blocks.growth(with: records, from: first)
                for (offset, record) in records.enumerated() {
                    blocks[first + offset] = record
                    model[first + offset] = record
                }
                #expect(blocks.heldCount - held <= growth && growth <= records.count + 2 * RecordBlocks.blockLength)
                held = blocks.heldCount
            }
            for (index, record) in model {
                #expect(blocks[index] == record && blocks.encodedLength(of: index) == record.encodedLength)
            }
            #expect(blocks.count == (model.keys.max() ?? -1) + 1)
        }
    }

    /// Each page of a hundred bytes names 4,096 zeros: a table of them takes next to nothing, wherever its pages begin.
    @Test func zerosTakeNoRoom() {
        var receiver = LoneReceiver()
        let zeros = [ChunkRecord](repeating: .zero(contentLength: 8_000), count: TablePage.maximumRecords)
        for index in (0..<256 as Range<UInt32>).reversed() {
            let page = TablePage(index: index, firstChunk: index * UInt32(TablePage.maximumRecords), records: zeros)
            let signed = TablePage.signedMessage(session: receiver.announce.session, body: page.body)
            receiver.take(.page(page, body: page.body, LoneReceiver.signer.signature(for: signed)))
        }
        #expect(receiver.engine.ledger.recordBound == Limits.maximumChunks && receiver.engine.tableRecords == 256)
    }

    /// A page far behind takes the memory of a page.
    @Test func aPageFarBehindTakesLittle() {
        var receiver = LoneReceiver()
        receiver.takePage(900_000, chunks: 1_000_000..<1_000_010)
        #expect(receiver.engine.ledger.hasRecord(of: 1_000_009) && receiver.engine.tableRecords <= RecordBlocks.blockLength + 1)
    }

    /// A repair node keeps pages that came before those in front of them as they came, and not their records.
    @Test func earlyPagesTakeLittle() {
        var table = TableBuilder(session: SessionID(high: 1, low: 1), signer: LaneSigner(key: 1), digest: LaneDigest())
        let zeros = [ChunkRecord](repeating: .zero(contentLength: 8_000), count: TablePage.maximumRecords)
        for index in 1..<256 as Range<UInt32> {
            let page = TablePage(index: index, firstChunk: index * UInt32(TablePage.maximumRecords), records: zeros)
            _ = table.adopt(page, body: page.body, signature: .none)
        }
        #expect(table.chunkCount == 0 && table.heldRecords < 400 && table.isEarly(5_000))
        let first = TablePage(index: 0, firstChunk: 0, records: zeros)
        #expect(table.adopt(first, body: first.body, signature: .none) == 0..<Limits.maximumChunks)
        #expect(table.pageCount == 256 && table.heldRecords < 400)
    }

    /// Pages of what was sent earlier are left out first; those of what is being sent have some room more. There is no use in asking.
    @Test func whatHasNoRoomIsLeftOutAndAskedForLater() {
        var receiver = LoneReceiver()
        receiver.engine.giveTable(TableRoom(records: 300, live: 500), at: receiver.now)
        receiver.takeHeartbeat(chunk: 2_000, pages: 40)
        for index in 0..<20 as Range<UInt32> { receiver.takePage(index, chunks: index * 50..<index * 50 + 50) }
        let bound = receiver.engine.ledger.recordBound
        #expect(bound >= 150 && bound < 300 && receiver.engine.tableRecords <= 300)
        #expect(receiver.run(for: .seconds(2)).requests.allSatisfy { $0.pages.isEmpty })
        receiver.takePage(39, chunks: 1_990..<2_040)
        #expect(receiver.engine.ledger.hasRecord(of: 2_039) && receiver.engine.tableRecords <= 500)
        for index in 40..<60 as Range<UInt32> { receiver.takePage(index, chunks: index * 51..<index * 51 + 51) }
        #expect(receiver.engine.tableRecords <= 500)
        let (requests, _) = receiver.run(for: .seconds(2))
        #expect(requests.allSatisfy { $0.pages.isEmpty })
        receiver.engine.giveTable(.unbounded, at: receiver.now)
        let (later, _) = receiver.run(for: .seconds(2))
        #expect(later.contains { !$0.pages.isEmpty })
    }

    @Test func slotsAreGivenAndTaken() throws {
        var slots = AssemblySlots(count: 4, storageQueue: 2, standstill: .milliseconds(50), packetCapacity: 10)
        let taken = (0..<5 as Range<UInt32>).map { slots.allocate(chunk: $0, isCatchUp: false, at: .zero) }
        #expect(taken.count { $0 != nil } == 4)
        slots.setLimit(6)
        #expect(slots.freeCount == 2)
        for chunk in 4..<6 as Range<UInt32> { #expect(slots.allocate(chunk: chunk, isCatchUp: false, at: .zero) != nil) }
        slots.setLimit(2)
        #expect(slots.freeCount == -4 && slots.allocate(chunk: 9, isCatchUp: false, at: .zero) == nil)
        for slot in taken.prefix(5).compactMap({ $0 }) { slots.release(slot) }
        #expect(slots.freeCount == 0 && slots.allocate(chunk: 9, isCatchUp: false, at: .zero) == nil)
    }

    @Test func moreResidentChunksMayBeHeld() {
        var configuration = Configuration()
        configuration.memory.maximumResidentChunks = 8
        configuration.memory.maximumFetches = 2
        var resident = ResidentChunks(configuration: configuration)
        for chunk in 0..<8 as Range<UInt32> { resident.insert(chunk, at: .milliseconds(Int64(chunk))) }
        resident.insert(8, at: .milliseconds(8))
        #expect(resident.evict(before: 100, unless: { _ in false }) == 0)
        resident.setLimit(48, fetches: 6)
        for chunk in 9..<25 as Range<UInt32> { resident.insert(chunk, at: .milliseconds(Int64(chunk))) }
        #expect(resident.evict(before: 100, unless: { _ in false }) == nil && resident.fetchLimit == 6)
    }
}
