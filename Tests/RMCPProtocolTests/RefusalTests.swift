import TestSupport
import Testing

@testable import RMCPProtocol

/// Receivers that take no part, and say why.
@Suite struct RefusalTests {
    private let home = SocketAddress.ipv4(10, 0, 0, 7, port: 5_000)
    private let elsewhere = SocketAddress.ipv4(10, 0, 0, 8, port: 5_000)
    private let sender = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    private let start = Instant.zero + .seconds(100)
    private let session = SessionID(high: 7 << 32, low: 9)

    // MARK: Those who are told

    /// A sender that nobody has joined, and what it says to `home`.
    private struct Parent {
        var engine: SenderEngine
        var now = Instant.milliseconds(5)
        private(set) var outcome: SenderOutcome?

        init(required: Int? = nil) {
            var configuration = Configuration()
            configuration.joining.waitForReceivers = 2
            configuration.joining.requiredReceivers = required
            configuration.joining.maximumWait = .seconds(3)
            engine = SenderEngine(
                configuration: configuration, announce: .sample("image", contentLength: 0), signer: LaneSigner(key: 5), digest: LaneDigest(), seed: 7, at: now)
            engine.handle(.ended, at: now)
        }

        /// - Parameter cookie: nil shows the address's own.
        mutating func refuse(_ reason: RefusalReason, from source: SocketAddress, id: UInt32 = 1, cookie: UInt64? = nil) -> [Packet] {
            say(.refusal(RefusalNotice(cookie: cookie ?? engine.cookie(for: source), reason: reason)), from: source, id: id)
        }

        mutating func report(_ state: ReceiverState, from source: SocketAddress, id: UInt32 = 1) -> [Packet] {
            let leaf = StatusHistogram(LeafStatus(state: state, progress: 0, network: nil))
            return say(.status(StatusReport(echo: .none, longestDatagram: 1_400, cookie: engine.cookie(for: source), histogram: leaf)), from: source, id: id)
        }

        /// - Returns: what the speaker is answered.
        mutating func say(_ packet: Packet, from source: SocketAddress, id: UInt32) -> [Packet] {
            let bytes = datagram(packet, isUnicast: true, tag: engine.session.tag, transmitter: id)
            engine.handle(datagram: bytes.span.bytes, from: source, at: now)
            var answers: [Packet] = []
            while let transmit = engine.pollTransmit(at: now) {
                if case .datagram(let bytes, .peer(source)) = transmit, let packet = try? parse(bytes).1 { answers.append(packet) }
            }
            return answers
        }

        mutating func run(_ interval: Interval) {
            let end = now + interval
            while now < end, outcome == nil {
                now = now + .milliseconds(20)
                engine.handleTimeout(at: now)
                while engine.pollTransmit(at: now) != nil {}
                while let event = engine.pollEvent() { if case .finished(let outcome) = event { self.outcome = outcome } }
            }
        }

        var refusals: RefusalCounts { engine.receivers.tree.refusals }
    }

    @Test func whoProvesItsAddressIsCountedOnceByItsLastReason() {
        var parent = Parent()
        let other = parent.engine.cookie(for: home)
        #expect(parent.refuse(.outdated, from: home, cookie: 0).isEmpty && parent.refuse(.outdated, from: elsewhere, cookie: other).isEmpty)
        #expect(parent.refusals.total == 0 && parent.engine.counters.unproven == 2)
        for _ in 0..<3 { #expect(parent.refuse(.busy, from: home) == [.acknowledgement(sequence: 0x090A_0B0C)]) }
        #expect(parent.refusals[.busy] == 1 && parent.refusals.total == 1)
        _ = parent.refuse(.outdated, from: home)
        _ = parent.refuse(.untrusted, from: elsewhere)
        #expect(parent.refusals[.busy] == 0 && parent.refusals[.outdated] == 1 && parent.refusals[.untrusted] == 1)
        // It is no child, and nobody has come.
        #expect(parent.engine.childCount == 0 && parent.engine.receivers.population == 0)
    }

    @Test(
        "Fewer complete than are required is a partial success, whoever came",
        arguments: [(nil, .complete), (1, .complete), (2, .partial)] as [(Int?, SenderOutcome.Kind)])
    func required(number: Int?, kind: SenderOutcome.Kind) {
        var parent = Parent(required: number)
        _ = parent.report(.joined, from: home)
        parent.run(.seconds(4))
        _ = parent.report(.complete, from: home)
        parent.run(.seconds(60))
        #expect(parent.outcome?.kind == kind && parent.outcome?.receivers.count(.complete) == 1)
    }

    @Test func whoTakesPartAfterAllRefusesNoMore() {
        var parent = Parent()
        _ = parent.refuse(.busy, from: home)
        _ = parent.report(.joined, from: home)
        #expect(parent.refusals.total == 0 && parent.engine.receivers.population == 1)
        // And who takes no part any more is off the books.
        _ = parent.refuse(.busy, from: home)
        #expect(parent.refusals[.busy] == 1 && parent.engine.receivers.population == 0 && parent.engine.childCount == 0)
    }

    @Test func nothingWaitsForThemNorBeginsByThem() {
        var parent = Parent()
        _ = parent.refuse(.outdated, from: home)
        _ = parent.refuse(.untrusted, from: elsewhere)
        parent.run(.seconds(2.5))
        #expect(parent.engine.sessionPhase == .waiting && parent.outcome == nil)
        parent.run(.seconds(2))
        #expect(parent.outcome?.kind == .refused && parent.outcome?.receivers.tree.refusals.total == 2)
    }

    @Test(arguments: [(RefusalReason.untrusted, SenderOutcome.Kind.complete), (.outdated, .partial)])
    func whoBelievesTheSenderLacksTheBundle(reason: RefusalReason, kind: SenderOutcome.Kind) {
        var parent = Parent()
        for id: UInt32 in 1...2 { _ = parent.report(.receiving, from: home, id: id) }
        _ = parent.refuse(reason, from: elsewhere, id: 3)
        parent.run(.seconds(2.2))
        for id: UInt32 in 1...2 { _ = parent.report(.complete, from: home, id: id) }
        parent.run(.seconds(5))
        #expect(parent.outcome?.kind == kind)
    }

    @Test func theTableHasALimit() {
        var table = RefusalTable(limit: 2)
        for id: UInt32 in 1...3 {
            let noted = table.note(ChildName(id, at: home), .busy)
            #expect(noted.isCounted == (id < 3) && noted.former == nil)
        }
        #expect(table.count == 2)
        let again = table.note(ChildName(2, at: home), .outdated)
        #expect(again.isCounted && again.former == .busy)
    }

    @Test func aRepairNodeSumsThem() throws {
        var node = RepairHarness()
        node.beat()
        for id: UInt32 in 1...200 {
            let cookie = node.engine.downstream.cookie(for: RepairHarness.address(ofChild: id))
            node.hearChild(id, .refusal(RefusalNotice(cookie: cookie, reason: id % 4 == 0 ? .untrusted : .outdated)))
        }
        node.join(201, .complete)
        node.forget()
        node.run(.milliseconds(300))
        let sums = node.said.compactMap { if case .status(let report) = $0.packet { report.histogram } else { nil } }
        #expect(sums.last?.population == 1 && sums.last?.tree.refusals[.outdated] == 150 && sums.last?.tree.refusals[.untrusted] == 50)
        // The sender above adds it up, and keeps it when the node is lost.
        var parent = Parent()
        let sum = try #require(sums.last)
        _ = parent.say(.status(StatusReport(echo: .none, longestDatagram: 1_400, cookie: parent.engine.cookie(for: home), histogram: sum)), from: home, id: 9)
        #expect(parent.refusals.total == 200)
        parent.run(.seconds(2.9))
        #expect(parent.refusals.total == 200)
    }

    // MARK: Those who tell

    private func reporter() -> RefusalReporter { RefusalReporter(seed: 3, at: start) }

    /// Everything that is said until then, an ANNOUNCE each 100 ms.
    private func run(
        _ reporter: inout RefusalReporter, for interval: Interval, announcing sessions: [SessionID], from sources: [SocketAddress]? = nil,
        answer: (Packet, PacketHeader) -> Packet? = { _, _ in nil }
    ) -> [(packet: Packet, to: SocketAddress, at: Interval)] {
        var said: [(Packet, SocketAddress, Interval)] = []
        for step in 0..<Int(interval.inSeconds * 100) {
            let now = start + .milliseconds(Int64(step) * 10)
            if step % 10 == 0 {
                for (index, session) in sessions.enumerated() {
                    reporter.note(session, .outdated, from: sources.map { $0[(step / 10 + index) % $0.count] } ?? sender, identity: 5, at: now)
                }
            }
            while let (bytes, destination) = reporter.pollTransmit(at: now) {
                guard let (header, packet) = try? parse(bytes) else { continue }
                #expect(bytes.count <= 33)
                said.append((packet, destination, now - start))
                guard let reply = answer(packet, header) else { continue }
                let bytes = datagram(reply, isUnicast: true, tag: header.sessionTag, transmitter: 1)
                guard let header = try? PacketHeader(of: bytes.span.bytes) else { continue }
                let isAnswer = reporter.handle(bytes.span.bytes, header, at: now)
                #expect(isAnswer)
            }
        }
        return said
    }

    @Test func theReasonIsToldToWhoAnswersAndOnce() {
        var reporter = reporter()
        let said = run(&reporter, for: .seconds(20), announcing: [session]) { packet, header in
            switch packet {
            case .attach(let request): .attached(AttachAnswer(nonce: request.nonce, verdict: .accepted, cookie: 77))
            case .refusal: .acknowledgement(sequence: header.sequence)
            default: nil
            }
        }
        #expect(said.count == 2 && said.last?.packet == .refusal(RefusalNotice(cookie: 77, reason: .outdated)) && said.allSatisfy { $0.to == sender })
        #expect(said.allSatisfy { $0.at <= .milliseconds(520) })
        // A change is told again.
        reporter.note(session, .busy, from: sender, identity: 5, at: start + .seconds(20))
        #expect(reporter.nextDue(at: start + .seconds(20)) != nil)
        let identity = reporter.withdraw(session)
        #expect(identity == 5 && reporter.nextDue(at: start + .seconds(20)) == nil)
    }

    @Test func anAddressThatDoesNotAnswerIsAskedAFewTimes() {
        var reporter = reporter()
        let said = run(&reporter, for: .seconds(90), announcing: [session])
        #expect(said.count == 6 && said.allSatisfy { if case .attach = $0.packet { true } else { false } })
        #expect(zip(said, said.dropFirst()).allSatisfy { $1.at - $0.at >= .milliseconds(500) })
    }

    @Test func aForgedAnswerIsNone() {
        var reporter = reporter()
        let said = run(&reporter, for: .seconds(3), announcing: [session]) { packet, _ in
            guard case .attach(let request) = packet else { return nil }
            return .attached(AttachAnswer(nonce: request.nonce ^ 1, verdict: .accepted, cookie: 77))
        }
        #expect(!said.isEmpty && said.allSatisfy { if case .attach = $0.packet { true } else { false } })
    }

    @Test func anAddressThatWasMadeUpGivesWayToTheTrueOne() {
        var reporter = reporter()
        let said = run(&reporter, for: .seconds(20), announcing: [session], from: [elsewhere, sender, sender, sender]) { packet, header in
            switch packet {
            case .refusal: .acknowledgement(sequence: header.sequence)
            default: nil
            }
        }
        #expect(Set(said.map(\.to)) == [elsewhere, sender])
    }

    /// An ANNOUNCE can name a victim's address, and a key costs nothing where nobody looks at the signature.
    @Test func aFloodOfSessionsBringsNobodyMoreThanItCost() {
        var reporter = reporter()
        let made = (1...UInt64(200)).map { SessionID(high: $0 << 32, low: 1) }
        var said = 0
        for step in 0..<1_000 {
            let now = start + .milliseconds(Int64(step) * 10)
            for number in 0..<2 { reporter.note(made[(step * 2 + number) % made.count], .untrusted, from: elsewhere, identity: nil, at: now) }
            while reporter.pollTransmit(at: now) != nil { said += 1 }
        }
        // Eight, and one in each second.
        #expect(said <= 19, "\(said)")
        // A session whose signature was verified finds a place all the same.
        let after = start + .seconds(10)
        reporter.note(session, .outdated, from: sender, identity: 5, at: after)
        let identity = reporter.withdraw(session)
        #expect(identity == 5)
    }

    @Test func anEndpointTellsOfWhatItRefuses() {
        let signer = LaneSigner(key: 1)
        let directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [signer.publicKey], allowsUnsigned: false), verifier: LaneVerifier(), sessionLimit: 1, silence: .seconds(1))
        func announce(_ tag: UInt64, by signer: LaneSigner, forged: Bool = false) -> [UInt8] {
            let announce = Announce.sample("n\(tag)", session: SessionID(high: tag << 32, low: 1), contentLength: 5, key: signer.publicKey)
            let signature = forged ? Signature(r: Bytes32(1, 2, 3, 4), s: Bytes32(5, 6, 7, 8)) : signer.signature(for: announce.signedMessage)
            return datagram(.announce(announce, signature), tag: announce.session.tag, transmitter: 77)
        }
        func asked(_ bytes: [UInt8]) -> Bool {
            var endpoint = ReceiverEndpoint(directory: directory, group: nil, refusals: reporter())
            for _ in 0..<2 { _ = endpoint.handle(bytes.span.bytes, from: sender, at: start, lastHeard: { _ in start }) }
            return endpoint.refusals?.pollTransmit(at: start + .seconds(1)) != nil
        }
        #expect(asked(announce(1, by: LaneSigner(key: 2))))
        // A forger of a trusted key's name is not told anything; nor is who is believed.
        #expect(!asked(announce(2, by: signer, forged: true)) && !asked(announce(3, by: signer)))
    }
}
