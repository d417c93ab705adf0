import TestSupport
import Testing

@testable import RMCPProtocol

@Suite struct TableBuilderTests {
    private let session = SessionID(high: 0x0102_0304_0506_0708, low: 9)
    private let signer = LaneSigner(key: 77)

    private func builder() -> TableBuilder { TableBuilder(session: session, signer: signer, digest: LaneDigest()) }

    /// Records with runs of holes among them, as a sparse image has.
    private func records(_ count: Int, _ random: inout RandomSource) -> [ChunkRecord] {
        var result: [ChunkRecord] = []
        while result.count < count {
            let record = random.record()
            let run = record.kind == .zero ? random.int(1...40) : 1
            result.append(contentsOf: repeatElement(record, count: min(run, count - result.count)))
        }
        return result
    }

    private func pageOfPacket(_ packet: Packet?) throws -> (TablePage, body: [UInt8], Signature, wire: [UInt8]) {
        let wire = datagram(try #require(packet))
        guard case .page(let page, let body, let signature) = try parse(wire).1 else { throw WireError.unknownKind }
        return (page, body, signature, wire)
    }

    @Test(arguments: [508, 1_000, 1_400, 8_972]) func pagesFitAreContiguousAndVerify(datagramLength: Int) throws {
        var random = RandomSource(seed: UInt64(datagramLength))
        let all = records(1_500, &random)
        var table = builder()
        // Appended and cut as on the run: sometimes the encoder is ahead, sometimes the network.
        var appended = 0
        while appended < all.count || table.pagedChunkCount < table.chunkCount {
            for record in all[appended..<min(all.count, appended + random.int(0...200))] {
                table.append(record)
                appended += 1
            }
            for _ in 0..<random.int(0...3) { table.closePage(datagramLength: datagramLength) }
        }
        var next: UInt32 = 0
        var seen: [ChunkRecord] = []
        var digests: [UInt8] = []
        for index in 0..<table.pageCount {
            let (page, body, signature, wire) = try pageOfPacket(table.packet(forPage: index))
            #expect(wire.count <= datagramLength)
            #expect(page.index == index && page.firstChunk == next && !page.records.isEmpty)
            let message = Array("rmcp page v2\n".utf8) + bytes(hex: "0102030405060708 0000000000000009") + body
            #expect(LaneVerifier().isValid(signature, for: message, by: signer.publicKey))
            for chunk in page.chunkRange { #expect(table.pageIndex(ofChunk: chunk) == index) }
            next = page.chunkRange.upperBound
            seen.append(contentsOf: page.records)
            digests.append(contentsOf: LaneDigest().digest(of: body).value.bytes)
        }
        #expect(seen == all && next == 1_500)
        #expect(table.pageIndex(ofChunk: next) == nil && table.packet(forPage: table.pageCount) == nil)

        guard case .end(let end, let signature) = table.finish() else { throw WireError.unknownKind }
        #expect(
            end
                == EndOfTable(
                    chunkCount: 1_500, pageCount: table.pageCount,
                    contentLength: all.reduce(0) { $0 + UInt64($1.contentLength) },
                    encodedLength: all.reduce(0) { $0 + UInt64($1.encodedLength) },
                    tableDigest: LaneDigest().digest(of: digests)))
        #expect(LaneVerifier().isValid(signature, for: end.signedMessage(session: session), by: signer.publicKey))
    }

    /// A page is full: the record that opens the next one would not have fitted.
    @Test func pagesAreAsFullAsTheDatagramAllows() throws {
        var random = RandomSource(seed: 31)
        var table = builder()
        for _ in 0..<200 {
            let digest = Digest(random.bytes32())
            table.append(
                ChunkRecord(kind: .stored, contentLength: 9, encodedLength: 9, encodedDigest: digest, contentDigest: digest))
        }
        // 16 of header, 10 of prefix, 64 of signature; 37 a record.
        for length in [90 + 37, 90 + 37 * 2 - 1, 90 + 37 * 2, 1_400] {
            let first = table.pagedChunkCount
            table.closePage(datagramLength: length)
            #expect(Int(table.pagedChunkCount - first) == (length - 90) / 37)
            #expect(try pageOfPacket(table.packet(forPage: table.pageCount - 1)).wire.count == 90 + (length - 90) / 37 * 37)
        }
    }

    @Test func aPageOfHolesStopsAtItsLimit() throws {
        var table = builder()
        for _ in 0..<10_000 { table.append(.zero(contentLength: 1 << 20)) }
        while table.pagedChunkCount < table.chunkCount { table.closePage(datagramLength: 508) }
        #expect(table.pageCount == 3)
        let (page, _, _, wire) = try pageOfPacket(table.packet(forPage: 0))
        #expect(page.records.count == 4_096 && wire.count == 16 + 10 + 9 + 64)
    }

    @Test func nothingIsCutFromNothing() throws {
        var table = builder()
        table.closePage(datagramLength: 1_400)
        #expect(table.pageCount == 0 && table.packet(forPage: 0) == nil && table[0] == nil)
        guard case .end(let end, _) = table.finish() else { throw WireError.unknownKind }
        #expect(end.chunkCount == 0 && end.pageCount == 0 && end.contentLength == 0)
        #expect(end.tableDigest == LaneDigest().digest(of: []))
    }
}
