import TestSupport
import Testing

@testable import RMCPProtocol

@Suite struct ChunkLedgerTests {
    private let chunkLength: UInt32 = 1_000

    private func stored(_ length: UInt32 = 1_000, tag: UInt64 = 1) -> ChunkRecord {
        let digest = Digest(Bytes32(tag, tag, tag, tag))
        return ChunkRecord(
            kind: .stored, contentLength: length, encodedLength: length, encodedDigest: digest, contentDigest: digest)
    }

    private func insert(_ page: TablePage, into ledger: inout ChunkLedger) -> Bool {
        ledger.insert(page, digest: LaneDigest().digest(of: page.body), chunkLength: chunkLength)
    }

    @Test func statesFollowAModel() {
        var random = RandomSource(seed: 81)
        var ledger = ChunkLedger()
        var model: [UInt32: ChunkLedger.State] = [:]
        let states: [ChunkLedger.State] = [.absent, .assembling, .consulting, .verifying, .done, .done, .done]
        for _ in 0..<6_000 {
            let chunk = UInt32(random.int(0...150))
            let state = states[random.int(0...states.count - 1)]
            ledger[chunk] = state
            model[chunk] = state
            #expect(ledger[chunk] == state)
            #expect(Int(ledger.doneCount) == model.values.count { $0 == .done })
            // The cursor that spares the scan must come back when a chunk becomes absent behind it.
            let bound = UInt32(random.int(0...170))
            let lower = random.chance(0.5) ? 0 : UInt32(random.int(0...170))
            let expected = lower < bound ? (lower..<bound).first { model[$0, default: .absent] == .absent } : nil
            let found = ledger.firstAbsent(from: lower, below: bound)
            #expect(found == expected)
        }
        #expect(ledger[.max] == .absent)
    }

    @Test func pagesMayComeInAnyOrder() {
        var random = RandomSource(seed: 82)
        var table = TableBuilder(session: SessionID(high: 1, low: 1), signer: LaneSigner(key: 1), digest: LaneDigest())
        for index in 0..<500 {
            switch random.int(0...2) {
            case 0: table.append(.zero(contentLength: chunkLength))
            case 1: table.append(stored(tag: UInt64(index)))
            default:
                table.append(
                    ChunkRecord(
                        kind: .compressed, contentLength: chunkLength, encodedLength: UInt32(random.int(1...999)),
                        encodedDigest: Digest(random.bytes32()), contentDigest: Digest(random.bytes32())))
            }
        }
        table.append(stored(17))
        while table.pagedChunkCount < table.chunkCount { table.closePage(datagramLength: 508) }
        guard case .end(let end, _) = table.finish() else {
            Issue.record("no END")
            return
        }

        var ledger = ChunkLedger()
        var left = Set(0..<table.pageCount)
        for index in (0..<table.pageCount).shuffled(using: &random) {
            guard case .page(let page, let body, _) = table.packet(forPage: index) else { continue }
            #expect(!ledger.hasPage(index) && !ledger.hasWholeTable(end))
            #expect(ledger.record(of: page.firstChunk) == nil)
            #expect(body == page.body)
            #expect(insert(page, into: &ledger))
            left.remove(index)
            #expect(ledger.hasPage(index) && ledger.pageCount == Int(end.pageCount) - left.count)
            #expect(Set(ledger.missingPages(below: end.pageCount).flatMap { Array($0) }) == left)
        }
        #expect(ledger.hasWholeTable(end) && ledger.pageBound == end.pageCount && ledger.recordBound == 501)
        #expect((0..<501).allSatisfy { ledger.record(of: $0) == table[$0] })
        #expect(ledger.record(of: 501) == nil)
        #expect(ledger.matches(end, digest: LaneDigest()))
        // Every one of the signed totals is held against what came.
        for change in [
            { $0.chunkCount += 1 }, { $0.chunkCount -= 1 }, { $0.contentLength += 1 }, { $0.encodedLength -= 1 },
            { $0.tableDigest.value.d ^= 1 },
        ] as [(inout EndOfTable) -> Void] {
            var other = end
            change(&other)
            #expect(!ledger.matches(other, digest: LaneDigest()))
        }
        var more = end
        more.pageCount += 1
        #expect(!ledger.hasWholeTable(more))
    }

    @Test func anEmptyTableIsWhole() {
        let end = EndOfTable(
            chunkCount: 0, pageCount: 0, contentLength: 0, encodedLength: 0, tableDigest: LaneDigest().digest(of: []))
        let ledger = ChunkLedger()
        #expect(ledger.hasWholeTable(end) && ledger.matches(end, digest: LaneDigest()))
    }

    @Test func contradictionsAreRefused() {
        var ledger = ChunkLedger()
        #expect(insert(TablePage(index: 0, firstChunk: 0, records: [stored(), stored()]), into: &ledger))
        // Another page about the same chunk.
        #expect(!insert(TablePage(index: 1, firstChunk: 1, records: [stored()]), into: &ledger))
        var long = ChunkLedger()
        #expect(!insert(TablePage(index: 0, firstChunk: 0, records: [stored(1_001)]), into: &long))
        // Two short chunks: at most the last may be.
        var short = ChunkLedger()
        #expect(insert(TablePage(index: 1, firstChunk: 5, records: [stored(999)]), into: &short))
        #expect(!insert(TablePage(index: 0, firstChunk: 0, records: [stored(), stored(1)]), into: &short))
    }

    /// A short chunk in the middle would shift what follows; nothing else in the totals need contradict it.
    @Test func onlyTheLastChunkMayBeShort() {
        for records in [[stored(500), stored()], [stored(), stored(500)]] {
            let page = TablePage(index: 0, firstChunk: 0, records: records)
            var ledger = ChunkLedger()
            #expect(insert(page, into: &ledger))
            let end = EndOfTable(
                chunkCount: 2, pageCount: 1, contentLength: 1_500, encodedLength: 1_500,
                tableDigest: LaneDigest().digest(of: LaneDigest().digest(of: page.body).value.bytes))
            #expect(ledger.matches(end, digest: LaneDigest()) == (records[1].contentLength == 500))
        }
    }

    /// Against a look at every chunk: a chunk that is being put together is not done, and one that was done may have to
    /// be fetched again.
    @Test func theFirstUnfinishedIsTheFirstThatIsNotDone() {
        var random = RandomSource(seed: 91)
        var ledger = ChunkLedger()
        #expect(ledger.firstUnfinished == nil)
        var states: [ChunkLedger.State] = []
        for _ in 0..<3_000 {
            let chunk = random.int(0...min(29, states.count + 2))
            let state: ChunkLedger.State = random.chance(0.85) ? .done : [.absent, .assembling, .consulting, .verifying][random.int(0...3)]
            while states.count <= chunk { states.append(.absent) }
            states[chunk] = state
            ledger[UInt32(chunk)] = state
            #expect(ledger.firstUnfinished == states.firstIndex { $0 != .done }.map { UInt32($0) })
        }
    }

    /// A record alone makes a chunk one that is known of.
    @Test func whatHasARecordIsUnfinished() {
        var ledger = ChunkLedger()
        let page = TablePage(index: 0, firstChunk: 0, records: [.zero(contentLength: 8), .zero(contentLength: 8)])
        let isTaken = ledger.insert(page, digest: .zero, chunkLength: 8)
        #expect(isTaken && ledger.firstUnfinished == 0)
        ledger[0] = .done
        #expect(ledger.firstUnfinished == 1)
        ledger[1] = .done
        #expect(ledger.firstUnfinished == nil)
    }
}
