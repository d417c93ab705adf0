import TestSupport
import Testing

@testable import RMCPProtocol

@Suite struct RepairEngineTests {
    private func asked(_ node: RepairHarness) -> [RepairRequest] {
        node.said.compactMap { if case .nak(let nak) = $0.packet { nak.request } else { nil } }
    }

    // MARK: Down

    @Test func pagesAndChunksGoDown() throws {
        var node = RepairHarness()
        node.beat()
        node.hearPage(0)
        node.hearChunk(0)
        node.hearChunk(1, packets: [0])
        for child: UInt32 in 1...2 { node.join(child) }
        for child: UInt32 in 1...2 { node.ask(child, chunk: 0, packets: 1..<3) }
        var request = RepairRequest()
        request.pages = [0..<1]
        node.hearChild(1, .nak(NegativeAcknowledgement(echo: .none, request: request)))
        node.run(.milliseconds(5))
        // Once for both of them.
        #expect(node.repaired(0) == [1, 2] && node.repairs.allSatisfy { $0.chunk == 0 && $0.to == .group })
        // As the sender signed it.
        let pages = node.passedOn.filter { if case .page = $0.packet { true } else { false } }
        #expect(pages.map(\.packet) == [try #require(RepairHarness.table.packet(forPage: 0))])
        // And kept, to be restored from.
        #expect(try node.kept.map { try parse($0).1 } == [try #require(RepairHarness.table.packet(forPage: 0))])
    }

    @Test func heartbeatsSayWhereTheNodeIs() throws {
        var node = RepairHarness()
        node.hearAll()
        for child: UInt32 in 1...3 { node.join(child) }
        node.forget()
        node.run(.milliseconds(300))
        let places = node.passedOn.compactMap { if case .heartbeat(let heartbeat) = $0.packet { heartbeat.place } else { nil } }
        let place = try #require(places.last)
        #expect(place.path == [RepairHarness.senderID] && place.load == 3 && place.watermark == 4)
        #expect(node.engine.isComplete)
    }

    // MARK: Up

    /// The sender does not start before it knows that its datagrams come whole, and pads an ANNOUNCE now and then: one that came while the cache
    /// was being opened, or before the first HEARTBEAT, counts.
    @Test(arguments: [true, false]) func anAnnounceOfFullLengthCountsThatCameEarly(isBeforeTheEngine: Bool) throws {
        var node = RepairHarness()
        let packet = Packet.announce(RepairHarness.announce, RepairHarness.signer.signature(for: RepairHarness.announce.signedMessage))
        var offer = SessionOffer(
            announce: RepairHarness.announce, signature: .none, source: RepairHarness.sender, transmitter: RepairHarness.senderID)
        let padding = [UInt8](repeating: 0, count: 1_000)
        let padded = datagram(packet, tag: RepairHarness.announce.session.tag, transmitter: RepairHarness.senderID, payload: padding)
        if isBeforeTheEngine { offer.note(padded.span.bytes, from: RepairHarness.sender) }
        node.engine.note(offer)
        if !isBeforeTheEngine { node.hear(packet, payload: padding) }
        node.beat(.waiting)
        node.run(.seconds(1))
        let reports = node.said.compactMap { if case .status(let report) = $0.packet { report } else { nil } }
        #expect(Int(try #require(reports.first).longestDatagram) == padded.count)
    }

    /// An ANNOUNCE of the sender's shows nothing of the path from another node.
    @Test func anOfferIsNotAnotherParents() throws {
        var node = RepairHarness()
        var offer = SessionOffer(announce: RepairHarness.announce, signature: .none, source: RepairHarness.sender, transmitter: 9)
        let packet = Packet.announce(RepairHarness.announce, .none)
        let padded = datagram(packet, tag: RepairHarness.announce.session.tag, transmitter: 9, payload: [UInt8](repeating: 0, count: 1_000))
        offer.note(padded.span.bytes, from: RepairHarness.sender)
        #expect(offer.longestDatagram == padded.count)
        node.engine.note(offer)
        node.beat(.waiting)
        node.run(.seconds(1))
        let reports = node.said.compactMap { if case .status(let report) = $0.packet { report } else { nil } }
        #expect(Int(try #require(reports.first).longestDatagram) < padded.count)
    }

    /// A leaf would draw a backoff of up to forty milliseconds. However many children ask, it asks once.
    @Test func theUnionGoesUpWithoutBackoff() throws {
        var node = RepairHarness()
        for child: UInt32 in 1...5 { node.join(child) }
        node.beat()
        node.hearPage(0)
        node.hearChunk(0, packets: [0, 2])
        node.hearChunk(1, packets: [2])
        node.run(.milliseconds(5))
        for child: UInt32 in 1...5 { node.ask(child, chunk: 0, packets: 0..<3) }
        node.run(.milliseconds(10))
        let requests = asked(node)
        #expect(requests.count == 1)
        let packets = try #require(requests.first).packets
        #expect(packets.map(\.chunk) == [0, 1] && packets.map(\.packets) == [PacketSet(1..<2), PacketSet(0..<2)])
        #expect(node.said.allSatisfy { $0.to == RepairHarness.sender })
    }

    @Test func sumsGoUp() throws {
        var node = RepairHarness()
        node.beat()
        node.join(1, .receiving)
        node.join(2, .complete)
        node.join(3, .failedDiskFull)
        node.forget()
        node.run(.milliseconds(100))
        let sums = node.said.compactMap { if case .status(let report) = $0.packet { report.histogram } else { nil } }
        let sum = try #require(sums.last)
        // It is no receiver itself.
        #expect(sum.population == 3 && sum.count(.receiving) == 1 && sum.count(.complete) == 1 && sum.count(.failedDiskFull) == 1)
        #expect(sum.tree.repairNodes == 1 && sum.tree.completeRepairNodes == 0)
        node.hearAll()
        node.forget()
        node.run(.milliseconds(100))
        guard case .status(let report)? = node.said.last(where: { if case .status = $0.packet { true } else { false } })?.packet else {
            throw WireError.unknownKind
        }
        #expect(report.histogram.tree.completeRepairNodes == 1 && report.histogram.population == 3)
    }

    // MARK: What is not here

    @Test func aChunkThatIsNotHeldIsSentWhenItIs() {
        var node = RepairHarness()
        node.beat()
        node.hearPage(0)
        node.hearChunk(0, packets: [0, 1])
        node.hearChunk(1)
        node.join(1)
        node.join(2)
        for child: UInt32 in 1...2 { node.ask(child, chunk: 0, packets: 0..<2) }
        node.run(.milliseconds(500))
        #expect(node.repairs.isEmpty && node.fetched.isEmpty)
        node.hearChunk(0, packets: [2], isRepair: true)
        node.run(.milliseconds(2))
        #expect(node.repaired(0) == [0, 1])
    }

    /// Bytes that are not what the signed record says are neither kept nor passed on, but fetched again.
    @Test func aSpoiltChunkIsAskedForAgain() throws {
        var node = RepairHarness()
        node.beat()
        node.hearPage(0)
        node.hearChunk(0, packets: [0, 1])
        let rest = RepairHarness.chunkLength - 2 * 1_376
        node.hear(.data(DataHeader(chunk: 0, packet: 2, isRepair: false), payloadOffset: 24), payload: Array(repeating: 0xEE, count: rest))
        node.hearChunk(1)
        #expect(node.cache[0] == nil)
        node.run(.milliseconds(20))
        let wanted = asked(node).contains { request in
            request.chunks.contains { $0.contains(0) } || request.packets.contains { $0.chunk == 0 }
        }
        #expect(wanted)
        node.hearChunk(0, isRepair: true)
        #expect(node.cache[0] == RepairHarness.contents[0])
    }

    @Test func aKeptChunkThatIsDamagedIsFetchedAgain() {
        var first = RepairHarness()
        first.hearAll()
        var node = RepairHarness(seed: 4)
        node.cache = first.cache
        for datagram in first.kept {
            let isTaken = node.engine.restore(datagram, at: node.now)
            #expect(isTaken)
        }
        for chunk in 0..<RepairHarness.chunkCount { node.engine.restore(chunk: chunk, at: node.now) }
        node.engine.endRestoring(at: node.now)
        node.beat(.draining, front: 4, pages: 2, hasEnd: true)
        #expect(node.engine.isComplete)
        node.damaged = [2]
        node.join(1)
        node.ask(1, chunk: 2, packets: 0..<1)
        node.run(.milliseconds(400))
        #expect(node.fetched == [2] && node.repairs.isEmpty && !node.engine.isComplete)
        let wanted = asked(node).contains { request in
            request.chunks.contains { $0.contains(2) } || request.packets.contains { $0.chunk == 2 }
        }
        #expect(wanted)
        node.hearChunk(2, isRepair: true)
        node.run(.milliseconds(5))
        #expect(node.engine.isComplete && node.repaired(2, to: .peer(RepairHarness.address(ofChild: 1))) == [0])
    }

    // MARK: Restoring

    /// What was kept is all that is needed to serve, without anybody above.
    @Test func whatWasKeptIsServedWithoutASender() {
        var first = RepairHarness()
        first.hearAll()
        #expect(first.kept.count == 3)
        var node = RepairHarness(seed: 4)
        node.cache = first.cache
        // In whatever order they lie on the disk.
        for datagram in first.kept.reversed() {
            let isTaken = node.engine.restore(datagram, at: node.now)
            #expect(isTaken)
        }
        for chunk in 0..<RepairHarness.chunkCount { node.engine.restore(chunk: chunk, at: node.now) }
        #expect(node.engine.isComplete)
        node.engine.endRestoring(at: node.now)
        #expect(node.engine.upstream == nil)
        node.join(1)
        node.ask(1, chunk: 3, packets: 0..<3)
        node.run(.milliseconds(50))
        #expect(node.fetched == [3] && node.repaired(3, to: .peer(RepairHarness.address(ofChild: 1))) == [0, 1, 2])
    }

    @Test func whatIsNotAuthenticIsNotRestored() throws {
        var node = RepairHarness()
        guard case .page(let page, var body, let signature)? = RepairHarness.table.packet(forPage: 0) else { throw WireError.unknownKind }
        body[body.count - 1] ^= 1
        let stranger = LaneSigner(key: 6).signature(for: TablePage.signedMessage(session: RepairHarness.announce.session, body: page.body))
        let forged: [Packet] = [
            .page(page, body: body, signature), .page(page, body: page.body, stranger), .page(page, body: page.body, .none),
            .acknowledgement(sequence: 1),
        ]
        for packet in forged {
            let isTaken = node.engine.restore(datagram(packet), at: node.now)
            #expect(!isTaken)
        }
        for garbage in [[], [1, 2, 3], Array(repeating: 0, count: 1_400)] as [[UInt8]] {
            let isTaken = node.engine.restore(garbage, at: node.now)
            #expect(!isTaken)
        }
        #expect(node.engine.record(of: 0) == nil && !node.engine.isComplete)
    }

    // MARK: Final statuses

    private func isAcknowledged(_ node: RepairHarness, _ child: UInt32) -> Bool {
        node.passedOn.contains { entry in
            if case .acknowledgement = entry.packet { entry.to == .peer(RepairHarness.address(ofChild: child)) } else { false }
        }
    }

    /// Who is done goes when that is acknowledged. A node that died then would take it for lost with it.
    @Test func aFinalStatusIsAcknowledgedWhenTheParentHasBeenTold() {
        var node = RepairHarness()
        node.beat()
        node.join(1)
        node.run(.milliseconds(30))
        node.forget()
        node.join(1, .complete)
        #expect(!isAcknowledged(node, 1))
        node.run(.milliseconds(30))
        let told = node.said.contains { entry in if case .status(let report) = entry.packet { report.histogram.count(.complete) == 1 } else { false } }
        #expect(told && isAcknowledged(node, 1))
    }

    /// The sender goes as soon as it may: what the node has not said yet is said all the same, and before its child is let go.
    @Test func theLastStatusIsSaidAfterTheSenderHasLeft() {
        var node = RepairHarness()
        node.hearAll()
        node.join(1)
        node.run(.milliseconds(30))
        node.forget()
        node.join(1, .complete)
        let statement = Statement(
            serial: 1, transmitter: RepairHarness.senderID, sequence: 1, phase: .leaving, hasEnd: true,
            position: StreamPosition(chunk: RepairHarness.chunkCount, packet: 0), pageCount: 2, horizon: RepairHarness.chunkCount,
            pace: StatedPace(groupRoundTrip: 2_000, statusInterval: 10))
        node.hear(.statement(statement, RepairHarness.signer.signature(for: statement.signedMessage(session: RepairHarness.announce.session))))
        node.handleTimers()
        #expect(node.engine.upstream == nil && isAcknowledged(node, 1))
        let told = node.said.contains { entry in if case .status(let report) = entry.packet { report.histogram.count(.complete) == 1 } else { false } }
        #expect(told, "\(node.said)")
    }

    @Test func withoutAParentAFinalStatusIsAcknowledgedAtOnce() {
        var node = RepairHarness()
        node.join(1, .complete)
        #expect(isAcknowledged(node, 1))
    }

    // MARK: Going

    /// Children are told, so that they find another parent at once.
    @Test func aNodeThatRetiresSaysSo() {
        var node = RepairHarness()
        node.hearAll()
        node.join(1)
        node.forget()
        node.engine.retire(at: node.now)
        node.run(.milliseconds(200))
        let phases = node.passedOn.compactMap { if case .heartbeat(let heartbeat) = $0.packet { heartbeat.phase } else { nil } }
        #expect(phases == [.aborted, .aborted, .aborted, .aborted] && node.engine.downstream.isFinished)
    }

    /// It does not begin again with whoever is heard next: chunks of before may be with its host still.
    @Test func aNodeWhoseSenderLeftTooEarlyGoes() {
        var node = RepairHarness()
        node.beat()
        node.hearPage(0)
        node.hearChunk(0)
        node.beat(.leaving, front: 1, pages: 1)
        #expect(node.engine.upstream != nil)
        node.run(.milliseconds(1_001))
        #expect(node.engine.upstream == nil)
        node.beat(front: 1, pages: 1)
        node.hearChunk(1)
        #expect(node.engine.upstream == nil && node.cache[1] == nil)
        node.run(.milliseconds(200))
        #expect(node.engine.downstream.isFinished)
    }

    // MARK: Forgeries

    /// HEARTBEATs are not signed: no number in one may stop a node.
    @Test(arguments: [.max, .max - 1, 1 << 63, 0] as [UInt64]) func aForgedRateStopsNoNode(rate: UInt64) {
        var node = RepairHarness()
        node.hearAll()
        node.beat(.draining, front: 4, pages: 2, hasEnd: true, rate: rate)
        node.join(1)
        node.run(.milliseconds(200))
        node.ask(1, chunk: 0, packets: 0..<1)
        node.run(.milliseconds(10))
        #expect(node.repairs.count == 1)
    }

    @Test func aForgedSumStopsNoNode() {
        var node = RepairHarness()
        node.beat()
        var absurd = StatusHistogram()
        absurd.states = absurd.states.map { _ in .max }
        absurd.rehomed = absurd.rehomed.map { _ in 1 << 31 }
        (absurd.tree.repairNodes, absurd.tree.completeRepairNodes) = (.max, .max)
        node.hearChild(1, .status(StatusReport(echo: .none, longestDatagram: 0, histogram: absurd)))
        node.hearAll()
        node.run(.milliseconds(100))
        #expect(node.engine.isComplete)
    }

    /// Nothing is repaired before the session begins, and the engine does not ask to be called for it either.
    @Test func requestsBeforeTheBeginningWait() {
        var node = RepairHarness()
        node.beat(.waiting)
        node.hearPage(0)
        node.hearChunk(0)
        node.hearChunk(1)
        node.join(1)
        node.ask(1, chunk: 0, packets: 0..<1)
        var request = RepairRequest()
        request.pages = [0..<1]
        node.hearChild(1, .nak(NegativeAcknowledgement(echo: .none, request: request)))
        // `run` finds out when it wants to be called without end.
        node.run(.milliseconds(20))
        #expect(node.repairs.isEmpty)
        node.beat()
        node.run(.milliseconds(20))
        #expect(node.repairs.count == 1)
    }

    /// A page may come before an earlier one, and its chunks may be stored before that: they are held all the same.
    @Test func chunksWhosePageCameEarlyAreHeld() {
        var node = RepairHarness()
        node.beat()
        node.hearPage(1)
        for chunk: UInt32 in 2...3 { node.hearChunk(chunk) }
        node.hearPage(0)
        for chunk: UInt32 in 0...1 { node.hearChunk(chunk) }
        node.hear(RepairHarness.end)
        node.beat(.draining, front: RepairHarness.chunkCount, pages: 2, hasEnd: true)
        #expect(node.engine.isComplete && node.engine.downstream.heldCount == RepairHarness.chunkCount)
        node.join(1)
        node.ask(1, chunk: 3, packets: 0..<1)
        node.run(.milliseconds(500))
        #expect(node.fetched == [3] && node.repairs.contains { $0.chunk == 3 && $0.packets == [0] }, "\(node.repairs)")
    }

    /// A latecomer may ask for such a chunk before its record is known. It is not sent then, and keeps nobody from what comes later.
    @Test func chunksWhosePageCameEarlyAreSentToLatecomers() {
        var node = RepairHarness()
        node.beat(rate: 10_000_000)
        node.hearPage(1)
        node.hearChunk(2)
        node.hear(RepairHarness.end)
        node.beat(.draining, front: RepairHarness.chunkCount, pages: 2, hasEnd: true, rate: 10_000_000)
        node.join(1)
        node.ask(1, chunks: 2..<3)
        node.run(.milliseconds(20))
        #expect(node.fetched.isEmpty && node.repairs.isEmpty)
        node.hearPage(0)
        for chunk: UInt32 in 0...1 { node.hearChunk(chunk) }
        for chunk: UInt32 in [2, 0] {
            node.ask(1, chunks: chunk..<chunk + 1)
            node.run(.milliseconds(100))
            #expect(node.repaired(chunk) == [0, 1, 2], "\(chunk): \(node.repairs)")
        }
    }
}
