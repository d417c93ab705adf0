import TestSupport
import Testing

@testable import RMCPProtocol

/// A repair node's table, which is the same above and below whoever was its parent meanwhile.
@Suite struct RepairTableTests {
    private func asksForTable(_ node: RepairHarness) -> Bool {
        node.said.contains { if case .nak(let nak) = $0.packet { !nak.request.pages.isEmpty || nak.request.needsEnd } else { false } }
    }

    /// A sender that is heard again after a while finds the node as it was.
    @Test func aParentThatComesBackFindsTheTable() throws {
        var node = RepairHarness()
        node.hearAll()
        node.join(1)
        #expect(node.kept.count == 3)
        for _ in 0..<700 {
            node.sleep(.milliseconds(50))
            node.join(1)
        }
        #expect(node.engine.upstream == nil && node.engine.isComplete)
        node.forget()
        node.beat(.draining, front: RepairHarness.chunkCount, pages: 2, hasEnd: true)
        node.run(.milliseconds(200))
        #expect(node.engine.upstream != nil && !asksForTable(node) && node.kept.count == 3)
        // Whoever makes up a HEARTBEAT does not have it read its whole cache.
        #expect(node.consulted == 0)
        let reports = node.said.compactMap { if case .status(let report) = $0.packet { report.histogram } else { nil } }
        #expect(try #require(reports.last).tree.completeRepairNodes == 1)
    }

    /// A node of a session with a long table, of which it has all pages but those that are left out.
    private func node(records: Int, without missing: Set<UInt32> = []) throws -> (engine: RepairEngine, pages: UInt32) {
        let announce = Announce.sample("long", kind: .stream, contentLength: nil, key: RepairHarness.signer.publicKey)
        var table = TableBuilder(session: announce.session, signer: RepairHarness.signer, digest: LaneDigest())
        for number in 0..<UInt64(records) {
            let digest = LaneDigest().digest(of: randomBytes(8, seed: number))
            table.append(ChunkRecord(kind: .stored, contentLength: 8_000, encodedLength: 8_000, encodedDigest: digest, contentDigest: digest))
        }
        while table.pagedChunkCount < table.chunkCount { table.closePage(datagramLength: 1_400) }
        var engine = RepairEngine(
            identity: 500, announce: announce, signature: RepairHarness.signer.signature(for: announce.signedMessage), mode: .repair,
            configuration: Configuration(), verifier: LaneVerifier(), digest: LaneDigest(), seed: 3, at: .milliseconds(1))
        for index in (0..<table.pageCount).reversed() where !missing.contains(index) {
            let page = try #require(table.packet(forPage: index))
            let isTaken = engine.restore(datagram(page, tag: announce.session.tag), at: .milliseconds(1))
            #expect(isTaken)
        }
        return (engine, table.pageCount)
    }

    private func beat(_ engine: inout RepairEngine, pages: UInt32, at now: Instant) {
        let heartbeat = Heartbeat.sample(position: StreamPosition(chunk: 5_000, packet: 0), pageCount: pages, place: TreePlace(timeToLive: 8))
        let bytes = datagram(.heartbeat(heartbeat), tag: engine.session.tag, transmitter: RepairHarness.senderID)
        _ = engine.handle(upstream: bytes.span.bytes, arrival: Arrival(source: RepairHarness.sender, timeToLive: 8, at: now), at: now)
    }

    /// A session that is only a candidate gets no more room for its table. What it has already it need not be sent again.
    @Test func whatIsKeptNeedsNoRoomOnceMore() throws {
        let made = try node(records: 5_000)
        let pages = made.pages
        var engine = made.engine
        #expect(pages > 100)
        let held = engine.tableRecords()
        engine.giveTable(TableRoom(records: 1_000, live: 2_000), at: .milliseconds(2))
        beat(&engine, pages: pages, at: .milliseconds(3))
        #expect(engine.upstream?.ledger.pageCount == Int(pages) && engine.upstream?.ledger.lacksPages == false)
        #expect(engine.tableRecords() < held + 100)
        var asked = 0
        while let event = engine.pollEvent() {
            switch event {
            case .keep: Issue.record("a page is kept once more")
            case .upstream(.consult(let chunks)): asked += chunks.count
            default: break
            }
        }
        #expect(asked == 5_000)
    }

    /// Pages that wait for an earlier one are here as well.
    @Test func pagesBehindAGapAreNotAskedForAgain() throws {
        let made = try node(records: 500, without: [0, 3])
        let pages = made.pages
        var engine = made.engine
        beat(&engine, pages: pages, at: .milliseconds(3))
        #expect(engine.upstream?.ledger.missingPages(below: pages) == [0..<1, 3..<4])
    }
}
