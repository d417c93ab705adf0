import TestSupport
import Testing

@testable import RMCPProtocol

/// A repair node's table: pages as another signed them.
@Suite struct TableAdoptionTests {
    private let session = SessionID(high: 0x0102_0304_0506_0708, low: 9)

    private struct SignedPage {
        var page: TablePage
        var body: [UInt8]
        var signature: Signature
    }

    private func builder(key: UInt64) -> TableBuilder {
        TableBuilder(session: session, signer: LaneSigner(key: key), digest: LaneDigest())
    }

    /// The sender's table of `count` chunks in pages of a few.
    private func source(_ count: Int, seed: UInt64) throws -> (table: TableBuilder, pages: [SignedPage], end: EndOfTable, signature: Signature) {
        var random = RandomSource(seed: seed)
        var table = builder(key: 77)
        while Int(table.chunkCount) < count {
            table.append(random.record())
            if random.chance(0.3) { table.closePage(datagramLength: 1_400) }
        }
        while table.pagedChunkCount < table.chunkCount { table.closePage(datagramLength: 1_400) }
        let pages = try (0..<table.pageCount).map { index in
            guard case .page(let page, let body, let signature)? = table.packet(forPage: index) else { throw WireError.unknownKind }
            return SignedPage(page: page, body: body, signature: signature)
        }
        guard case .end(let end, let signature) = table.finish() else { throw WireError.unknownKind }
        return (table, pages, end, signature)
    }

    private func adopt(_ page: SignedPage, into table: inout TableBuilder) -> Range<UInt32> {
        table.adopt(page.page, body: page.body, signature: page.signature)
    }

    private func expectSame(_ table: TableBuilder, as source: TableBuilder) {
        #expect(table.records.slice(0..<table.records.count) == source.records.slice(0..<source.records.count) && table.pageCount == source.pageCount)
        #expect(table.contentLength == source.contentLength && table.encodedLength == source.encodedLength)
        for index in 0..<source.pageCount { #expect(table.packet(forPage: index) == source.packet(forPage: index)) }
        for chunk in 0..<source.chunkCount { #expect(table.pageIndex(ofChunk: chunk) == source.pageIndex(ofChunk: chunk)) }
    }

    @Test func pagesGoOnAsTheyCame() throws {
        let (sender, pages, end, signature) = try source(60, seed: 1)
        var table = builder(key: 5)
        for page in pages {
            #expect(adopt(page, into: &table) == page.page.chunkRange)
            #expect(table.pagedChunkCount == page.page.chunkRange.upperBound)
        }
        #expect(table.end == nil)
        table.adopt(end, signature: signature)
        #expect(table.end == end && table.finish() == .end(end, signature))
        expectSame(table, as: sender)
    }

    /// Each page counts when those in front of it are there, and once.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func inAnyOrderAndTwice(seed: UInt64) throws {
        let (sender, pages, _, _) = try source(60, seed: seed)
        var random = RandomSource(seed: seed + 100)
        var table = builder(key: 5)
        var order = Array(pages.indices) + Array(pages.indices)
        order.shuffle(using: &random)
        var known: Set<Int> = []
        var added: [UInt32] = []
        for index in order {
            added.append(contentsOf: adopt(pages[index], into: &table))
            known.insert(index)
            let inFront = pages.indices.prefix { known.contains($0) }.count
            #expect(Int(table.pageCount) == inFront)
            #expect(table.chunkCount == (inFront == 0 ? 0 : pages[inFront - 1].page.chunkRange.upperBound))
            #expect(table.packet(forPage: UInt32(inFront)) == nil)
        }
        // Which chunks have a record now was said of each once, in order.
        #expect(added == Array(0..<60))
        expectSame(table, as: sender)
    }

    /// Another implementation may write the same records in other bytes: what was signed goes on, not what this one
    /// would have written.
    @Test func aBodyOfForeignMakeIsKept() throws {
        var body = bytes(hex: "00000000 00000000 0002 02 00001000 00000001 02 00001000 00000001")
        var reader = ByteReader(body.span.bytes)
        let page = try TablePage(reading: &reader)
        #expect(page.records == [.zero(contentLength: 4_096), .zero(contentLength: 4_096)] && page.body != body)
        let signer = LaneSigner(key: 77)
        let signature = signer.signature(for: TablePage.signedMessage(session: session, body: body))
        var table = builder(key: 5)
        #expect(adopt(SignedPage(page: page, body: body, signature: signature), into: &table) == 0..<2)
        guard case .page(_, let kept, let mark)? = table.packet(forPage: 0) else { throw WireError.unknownKind }
        #expect(kept == body && mark == signature)
        #expect(LaneVerifier().isValid(mark, for: TablePage.signedMessage(session: session, body: kept), by: signer.publicKey))
        // Behind a gap, too.
        let next = TablePage(index: 1, firstChunk: 2, records: page.records)
        body.replaceSubrange(0..<8, with: bytes(hex: "00000001 00000002"))
        var late = builder(key: 5)
        #expect(adopt(SignedPage(page: next, body: body, signature: signature), into: &late).isEmpty)
        #expect(adopt(SignedPage(page: page, body: page.body, signature: signature), into: &late) == 0..<4)
        guard case .page(_, let second, _)? = late.packet(forPage: 1) else { throw WireError.unknownKind }
        #expect(second == body)
    }

    /// The receiver in front of it refuses such a table; this must not take it either.
    @Test func aPageThatDoesNotFollowIsNotTaken() {
        var table = builder(key: 5)
        let first = TablePage(index: 0, firstChunk: 0, records: [.zero(contentLength: 1)])
        let gap = TablePage(index: 1, firstChunk: 5, records: [.zero(contentLength: 1)])
        #expect(adopt(SignedPage(page: gap, body: gap.body, signature: .none), into: &table).isEmpty)
        #expect(adopt(SignedPage(page: first, body: first.body, signature: .none), into: &table) == 0..<1)
        #expect(table.pageCount == 1 && table.chunkCount == 1 && table[5] == nil)
    }

    /// Signed words contradict each other: nothing that is still to come can help, so nothing is waited for.
    @Test(arguments: [(5, 1), (10, 1), (5, 2), (15, 2), (12, 3), (30, 2)] as [(UInt32, UInt32)], [true, false])
    func anEndThatContradictsItsPagesFailsAtOnce(totals: (chunks: UInt32, pages: UInt32), endComesFirst: Bool) {
        var receiver = LoneReceiver()
        receiver.takeHeartbeat(chunk: 20, pages: 2)
        receiver.takePage(0, chunks: 0..<10)
        if endComesFirst { receiver.takeEnd(chunks: totals.chunks, pages: totals.pages) }
        receiver.takePage(1, chunks: 10..<20)
        if !endComesFirst { receiver.takeEnd(chunks: totals.chunks, pages: totals.pages) }
        #expect(receiver.engine.state == .failedVerification)
    }

    @Test func anEndWhosePagesAreNotAllHereIsWaitedFor() {
        var receiver = LoneReceiver()
        receiver.takeHeartbeat(chunk: 30, pages: 2)
        receiver.takePage(0, chunks: 0..<10)
        receiver.takeEnd(chunks: 30, pages: 3)
        receiver.takePage(1, chunks: 10..<20)
        #expect(receiver.engine.state == .receiving)
    }
}
