import TestSupport
import Testing

@testable import RMCPProtocol

/// What watchers ask and parents answer.
@Suite struct WatchTests {
    private let home = SocketAddress.ipv4(10, 0, 0, 7, port: 5_000)
    private let watcher: UInt32 = 77

    private func sender(_ change: (inout Configuration) -> Void = { _ in }) -> SenderEngine {
        SessionHarness(signer: LaneSigner(key: 5), receivers: 1, change: change).sender
    }

    private func ask(
        _ sender: inout SenderEngine, nonce: UInt64 = 9, firstNode: UInt32 = 0, tag: UInt32? = nil, id: UInt32 = 77, at now: Instant = .milliseconds(5)
    ) -> WatchReport? {
        let sent = datagram(
            .query(WatchQuery(nonce: nonce, firstNode: firstNode)), isUnicast: true, tag: tag ?? sender.session.tag, transmitter: id)
        sender.handle(datagram: sent.span.bytes, from: home, at: now)
        return answer(at: now) { sender.pollTransmit(at: now) }
    }

    private func answer(at now: Instant, _ poll: () -> Transmit?) -> WatchReport? {
        var found: WatchReport?
        while let transmit = poll() {
            guard case .datagram(let bytes, let destination) = transmit, case .report(let report)? = try? parse(bytes).1 else { continue }
            #expect(destination == .peer(home) && bytes.count <= WatchReport.maximumLength)
            found = report
        }
        return found
    }

    private func longest() -> WatchReport {
        var random = RandomSource(seed: 1)
        guard case .report(var report) = random.packet(of: .report) else { preconditionFailure("no report") }
        report.firstNode = 7
        report.nodeCount = 100
        report.nodes = (1...16).map { ChildNode(transmitter: $0, address: home) }
        report.path = Array(1...16)
        report.histogram = StatusHistogram()
        for index in report.histogram.states.indices { report.histogram.states[index] = 1 }
        for index in report.histogram.progress.indices { report.histogram.progress[index] = 1 }
        for index in report.histogram.loss.indices { report.histogram.loss[index] = 1 }
        for index in report.histogram.pressure.indices { report.histogram.pressure[index] = 1 }
        return report
    }

    // MARK: The wire

    /// In somebody else's name a question brings them no more than it costs.
    @Test func aQueryIsAsLongAsTheLongestReport() throws {
        let question = datagram(.query(WatchQuery(nonce: 7, firstNode: 3)))
        #expect(question.count == WatchReport.maximumLength && question.count == 832)
        #expect(datagram(.report(longest())).count == question.count)
        // Its own fields are all there: what is missing is the padding.
        #expect(throws: WireError.truncated) { try parse(Array(question.dropLast())) }
        #expect(throws: WireError.truncated) { try parse(Array(question.prefix(PacketHeader.length + 12))) }
        #expect(try parse(question + [0]).1 == .query(WatchQuery(nonce: 7, firstNode: 3)))
    }

    @Test func aReportIsBounded() throws {
        let report = longest()
        #expect(try parse(datagram(.report(report))).1 == .report(report))
        func refuses(_ field: WireError.StaticName, at offset: Int, _ bytes: [UInt8]) {
            var sent = datagram(.report(report))
            sent.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            #expect(throws: WireError.invalidField(field), "\(field) \(bytes)") { try parse(sent) }
        }
        refuses("phase", at: 40, [6])
        refuses("role", at: 41, [3])
        for offset in [50, 54, 58, 62] { refuses("chunks", at: offset, [0, 0x10, 0, 1]) }
        refuses("chunks", at: 50, [255, 255, 255, 255])
        refuses("nodes", at: 110, [17])
        // More of them than there are.
        refuses("nodes", at: 106, [0, 0, 0, 85])
        refuses("nodes", at: 106, [255, 255, 255, 255])
        refuses("family", at: 115, [5])
        refuses("depth", at: 495, [17])
        // Unknown is a number of its own.
        var sent = datagram(.report(report))
        sent.replaceSubrange(54..<58, with: [255, 255, 255, 255])
        guard case .report(let parsed) = try parse(sent).1 else { throw WireError.unknownKind }
        #expect(parsed.chunkCount == nil)
    }

    /// Whoever is named will be asked: that must be one host.
    @Test func nodesAreHosts() {
        var report = longest()
        let wrong: [SocketAddress] = [
            .ipv4(10, 0, 0, 7, port: 0), .ipv4(239, 255, 76, 27, port: 9), .ipv4(255, 255, 255, 255, port: 9), .ipv4(0, 0, 0, 0, port: 9),
            SocketAddress(family: .ipv6, high: 0xFF15 << 48, low: 1, port: 9), SocketAddress(family: .ipv6, high: 0, low: 0, port: 9),
            SocketAddress(family: .ipv4, high: 1, low: 7, port: 9), SocketAddress(family: .ipv4, high: 0, low: 1 << 32, port: 9),
        ]
        for address in wrong {
            report.nodes[3].address = address
            #expect(throws: WireError.invalidField("node"), "\(address)") { try parse(datagram(.report(report))) }
        }
    }

    /// What is of no use to a watcher is neither sent nor taken: it would not fit.
    @Test func arrivalIsLeftOut() throws {
        var report = longest()
        for index in report.histogram.arrival.indices { report.histogram.arrival[index] = 1 }
        report.histogram.rehomed[5] = 1
        #expect(datagram(.report(report)).count == WatchReport.maximumLength)
        guard case .report(let parsed) = try parse(datagram(.report(report))).1 else { throw WireError.unknownKind }
        #expect(parsed.histogram.arrival.allSatisfy { $0 == 0 } && parsed.histogram.rehomed.allSatisfy { $0 == 0 })
        var writer = ByteWriter()
        writer.writeArray(datagram(.report(longest())).prefix(16 + 95 + 16 * 24 + 1 + 64))
        report.histogram.write(to: &writer)
        #expect(throws: WireError.invalidField("histogram")) { try parse(writer.bytes) }
    }

    // MARK: At the parent

    @Test func aParentSaysHowItFares() throws {
        var sender = sender()
        let status = StatusReport(
            echo: .none, longestDatagram: 1_400, cookie: sender.cookie(for: home),
            histogram: StatusHistogram(state: .receiving, progress: 1, loss: 3, pressure: 0))
        let told = datagram(.status(status), isUnicast: true, tag: sender.session.tag, transmitter: 1_000)
        sender.handle(datagram: told.span.bytes, from: home, at: .milliseconds(5))
        let answered = ask(&sender, nonce: 4_711)
        let report = try #require(answered)
        #expect(report.nonce == 4_711 && report.session == sender.session && report.role == .sender && report.phase == .waiting)
        #expect(report.chunkCount == 40 && report.position == 0 && report.holes == 0 && report.path.isEmpty)
        #expect(report.children == 1 && report.nodeCount == 0 && report.nodes.isEmpty)
        #expect(report.histogram.count(.receiving) == 1 && report.histogram.loss[3] == 1)
        // A watcher is nobody's child.
        #expect(sender.childCount == 1)
        // Of another session, or in the parent's own name.
        let foreign = [ask(&sender, tag: 1), ask(&sender, id: sender.transmitterID)]
        #expect(foreign == [nil, nil])
    }

    @Test func soManyAreAnsweredInASecond() {
        var sender = sender()
        var answered = 0
        for step in 0..<100 where ask(&sender, at: .milliseconds(5 + Int64(step) * 10)) != nil { answered += 1 }
        #expect(answered == 20)
        // Those of the first tenths are a second ago now.
        let further = [ask(&sender, at: .milliseconds(1_005)), ask(&sender, at: .milliseconds(1_005))]
        #expect(further[0] != nil && further[1] == nil)
        answered = 0
        for _ in 0..<30 where ask(&sender, at: .milliseconds(9_000)) != nil { answered += 1 }
        #expect(answered == 20)
    }

    /// In the order of their ids, 16 at a time; those alone whose address is proven.
    @Test func childNodesAreNamedByPages() throws {
        var sender = sender()
        var histogram = StatusHistogram()
        histogram.tree.repairNodes = 1
        func tell(_ id: UInt32, proven: Bool = true, _ histogram: StatusHistogram) {
            let source = SocketAddress.ipv4(10, 0, 1, UInt8(id), port: 6_000)
            let status = StatusReport(echo: .none, longestDatagram: 1_400, cookie: proven ? sender.cookie(for: source) : 0, histogram: histogram)
            let sent = datagram(.status(status), isUnicast: true, tag: sender.session.tag, transmitter: id)
            sender.handle(datagram: sent.span.bytes, from: source, at: .milliseconds(5))
        }
        for id in (UInt32(1)...40).reversed() { tell(id, histogram) }
        tell(50, proven: false, histogram)
        tell(51, StatusHistogram(state: .receiving, progress: 0, loss: 0, pressure: 0))
        func page(_ first: UInt32) throws -> [UInt32] {
            let answered = ask(&sender, firstNode: first)
            let report = try #require(answered)
            #expect(report.firstNode == first && report.nodes.allSatisfy { $0.address == .ipv4(10, 0, 1, UInt8($0.transmitter), port: 6_000) })
            #expect(report.children == 41)
            return report.nodes.map(\.transmitter)
        }
        let pages = [try page(0), try page(16), try page(32), try page(40), try page(.max)]
        #expect(pages == [Array(1...16), Array(17...32), Array(33...40), [], []])
        // One that shows no cookie is not heard, and one has gone.
        tell(5, proven: false, histogram)
        let gone = datagram(.detach(cookie: sender.cookie(for: .ipv4(10, 0, 1, 7, port: 6_000))), isUnicast: true, tag: sender.session.tag, transmitter: 7)
        sender.handle(datagram: gone.span.bytes, from: .ipv4(10, 0, 1, 7, port: 6_000), at: .milliseconds(6))
        let answered = ask(&sender)
        let left = try #require(answered)
        #expect(left.nodeCount == 39 && left.nodes.map(\.transmitter).prefix(6) == [1, 2, 3, 4, 5, 6])
    }

    @Test func theSilentAreNotNamed() {
        var table = ChildTable(configuration: Configuration())
        var histogram = StatusHistogram()
        histogram.tree.repairNodes = 1
        table.update(id: 3, report: StatusReport(echo: .none, longestDatagram: 1, histogram: histogram), from: home, at: .zero)
        #expect(table.nodes(from: 0, limit: 16) == [ChildNode(transmitter: 3, address: home)])
        table.expire(silentFor: .seconds(5), at: .milliseconds(5_000))
        #expect(table.nodeCount == 0 && table.nodes(from: 0, limit: 16).isEmpty)
    }

    /// A parent knows a child repair node by the socket of its upper half: who asks there is answered from there.
    @Test(arguments: [RepairEngine.Mode.repair, .relay]) func aRepairNodeAnswersAtBothSockets(mode: RepairEngine.Mode) throws {
        var engine = RepairHarness(mode: mode).engine
        let question = datagram(.query(WatchQuery(nonce: 3)), isUnicast: true, tag: engine.session.tag, transmitter: watcher)
        let now = Instant.milliseconds(5)
        let placement = engine.handle(upstream: question.span.bytes, arrival: Arrival(source: home, at: now), at: now)
        #expect(placement == nil)
        // What all of a group hear none of them answers.
        for timeToLive in [1, nil] as [UInt8?] {
            let arrival = Arrival(source: .ipv4(10, 0, 0, 9, port: 1), toGroup: true, timeToLive: timeToLive, at: now)
            _ = engine.handle(upstream: question.span.bytes, arrival: arrival, at: now)
        }
        let polled = engine.pollUpstream(at: now)
        let (bytes, destination) = try #require(polled)
        #expect(destination == home)
        guard case .report(let above) = try parse(bytes).1 else { throw WireError.unknownKind }
        #expect(above.role == (mode == .relay ? .relay : .repair) && above.nonce == 3)
        #expect(try parse(bytes).0.transmitter == engine.downstream.transmitterID)
        engine.handle(child: question.span.bytes, from: home, at: now)
        let below = answer(at: now) { engine.pollDownstream(at: now) }
        #expect(below == above)
        // Both count.
        for _ in 0..<18 { _ = engine.handle(upstream: question.span.bytes, arrival: Arrival(source: home, at: now), at: now) }
        engine.handle(child: question.span.bytes, from: home, at: now)
        let further = answer(at: now) { engine.pollDownstream(at: now) }
        #expect(further == nil)
    }
}
