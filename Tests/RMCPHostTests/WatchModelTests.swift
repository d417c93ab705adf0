import RMCPContent
import RMCPProtocol
import RMCPReport
import TestSupport
import Testing

@testable import RMCPHost

/// What a watcher makes of what it hears, and whom it asks.
@Suite struct WatchModelTests {
    private let key = SigningKey()
    private let senderHome = SocketAddress.ipv4(10, 0, 0, 1, port: 17_627)
    private let nodeHome = SocketAddress.ipv4(10, 0, 0, 2, port: 17_627)

    private func announce(_ id: UInt64 = 0x0102_0304_0000_0001, isSigned: Bool = true) -> Announce {
        .sample(
            "image", session: SessionID(high: id, low: 9), chunkLength: 1 << 20, creationTime: 1, contentLength: 100 << 20,
            key: isSigned ? key.publicKey : .none)
    }

    private func model(trusting keys: Set<PublicKey> = []) -> WatchModel { WatchModel(verifier: Ed25519Verifier(), trustedKeys: keys, seed: 4) }

    private func hear(
        _ model: inout WatchModel, _ packet: Packet, of announce: Announce, id: UInt32 = 1, from source: SocketAddress? = nil, at time: Double
    ) {
        let bytes = packet.datagram(sessionTag: announce.session.tag, transmitter: id)
        model.handle(bytes.span.bytes, from: source ?? senderHome, at: .zero + .seconds(time))
    }

    private func say(_ announce: Announce, signature: Signature? = nil) -> Packet {
        .announce(announce, signature ?? (announce.isSigned ? Ed25519Signer(key).signature(for: announce.signedMessage) : .none))
    }

    private func heartbeat(path: [UInt32] = []) -> Packet {
        .heartbeat(
            .sample(rate: 7, place: TreePlace(path: path)))
    }

    private func report(_ announce: Announce, nonce: UInt64, path: [UInt32] = [], first: UInt32 = 0, of count: UInt32 = 0, nodes: [ChildNode] = []) -> Packet {
        .report(
            WatchReport(
                nonce: nonce, session: announce.session, phase: .streaming, role: path.isEmpty ? .sender : .relay, rate: 7, position: 50,
                chunkCount: 100, chunksHeld: 50, holes: 0, counts: WatchReport.Counts(), children: 1, nodeCount: count, firstNode: first,
                nodes: nodes, path: path, histogram: StatusHistogram()))
    }

    private func queries(_ model: inout WatchModel, at time: Double) -> [SocketAddress: WatchQuery] {
        var result: [SocketAddress: WatchQuery] = [:]
        for (bytes, destination) in model.queries(at: .zero + .seconds(time)) {
            if case .query(let query)? = try? Packet.parse(bytes.span.bytes).1 { result[destination] = query }
        }
        return result
    }

    @Test func signaturesAreLookedAt() {
        var forged = announce(0x0000_0002_0000_0000)
        forged.name = "forged"
        let cases: [(keys: Set<PublicKey>, expected: WatchedSignature)] = [
            ([], .signed), ([key.publicKey], .trusted), ([SigningKey().publicKey], .untrusted),
        ]
        for (keys, expected) in cases {
            var model = model(trusting: keys)
            hear(&model, say(announce()), of: announce(), at: 0)
            hear(&model, say(forged, signature: Signature.none), of: forged, at: 0)
            let unsigned = announce(0x0000_0003_0000_0000, isSigned: false)
            hear(&model, say(unsigned), of: unsigned, at: 0)
            #expect(model.snapshot(at: .zero).sessions.map(\.signature) == [expected, .wrong, .unsigned])
            // The good one takes the place of who only uses its tag, and not the other way round.
            hear(&model, say(forged), of: forged, at: 0)
            hear(&model, say(announce(isSigned: false)), of: announce(), at: 0)
            #expect(model.snapshot(at: .zero).sessions.map(\.signature).filter { $0 == expected }.count == 2)
        }
    }

    @Test func whoIsNamedIsAskedAndStandsBelow() throws {
        var model = model()
        hear(&model, say(announce()), of: announce(), at: 0)
        #expect(queries(&model, at: 0).isEmpty)
        hear(&model, heartbeat(), of: announce(), at: 0)
        let first = try #require(queries(&model, at: 0)[senderHome])
        #expect(queries(&model, at: 0.4).isEmpty)
        // Not the nonce, and not from where it was asked.
        hear(&model, report(announce(), nonce: first.nonce ^ 1), of: announce(), at: 0.1)
        hear(&model, report(announce(), nonce: first.nonce), of: announce(), from: nodeHome, at: 0.1)
        #expect(model.snapshot(at: .zero).sessions[0].nodes[0].report == nil)
        hear(&model, report(announce(), nonce: first.nonce, of: 1, nodes: [ChildNode(transmitter: 500, address: nodeHome)]), of: announce(), at: 0.1)
        let second = try #require(queries(&model, at: 0.1)[nodeHome])
        hear(&model, report(announce(), nonce: second.nonce, path: [1]), of: announce(), id: 7, from: nodeHome, at: 0.2)
        let nodes = model.snapshot(at: .zero + .seconds(0.3)).sessions[0].nodes
        #expect(nodes.map(\.transmitter) == [1, 7] && nodes.map(\.level) == [0, 1] && nodes[1].role == .relay && nodes[1].share == 0.5)
    }

    @Test func allPagesAreAskedFor() throws {
        var model = model()
        hear(&model, say(announce()), of: announce(), at: 0)
        hear(&model, heartbeat(), of: announce(), at: 0)
        var time = 0.0
        var asked: [UInt32] = []
        for _ in 0..<6 {
            let query = try #require(queries(&model, at: time)[senderHome])
            asked.append(query.firstNode)
            let named = min(16, 40 - query.firstNode)
            let nodes = (0..<named).map { ChildNode(transmitter: $0 + query.firstNode, address: .ipv4(10, 0, 1, UInt8($0 + query.firstNode), port: 9)) }
            hear(&model, report(announce(), nonce: query.nonce, first: query.firstNode, of: 40, nodes: nodes), of: announce(), at: time)
            time += asked.count < 3 ? 0.101 : 0.501
        }
        #expect(asked == [0, 16, 32, 0, 16, 32])
        #expect(queries(&model, at: time).count == 41)
    }

    @Test func theSilentGo() {
        var model = model()
        hear(&model, say(announce()), of: announce(), at: 0)
        hear(&model, heartbeat(), of: announce(), at: 0)
        var asked = 0
        for step in 0..<58 {
            model.expire(at: .zero + .seconds(Double(step) / 10))
            asked += queries(&model, at: Double(step) / 10).count
        }
        #expect(asked < 12)
        #expect(model.snapshot(at: .zero + .seconds(2.9)).sessions[0].nodes[0].isGone == false)
        #expect(model.snapshot(at: .zero + .seconds(3)).sessions[0].nodes[0].isGone)
        model.expire(at: .zero + .seconds(6))
        #expect(model.isEmpty && queries(&model, at: 7).isEmpty)
    }

    /// Hears a HEARTBEAT five times a second, as they come at their rarest, and answers no question.
    private func listen(_ model: inout WatchModel, to source: SocketAddress, from begin: Double, until end: Double) {
        for step in 0..<Int(((end - begin) * 5).rounded()) {
            let time = begin + Double(step) / 5
            hear(&model, heartbeat(), of: announce(), from: source, at: time)
            model.expire(at: .zero + .seconds(time))
        }
    }

    @Test("A parent that has another address is asked there, as soon as nothing comes from the former one")
    func aParentThatMoves() {
        var model = model()
        hear(&model, say(announce()), of: announce(), at: 0)
        listen(&model, to: senderHome, from: 0, until: 2)
        #expect(queries(&model, at: 2).keys.sorted { $0.low < $1.low } == [senderHome])
        listen(&model, to: nodeHome, from: 2, until: 2.8)
        #expect(queries(&model, at: 2.8)[nodeHome] == nil)
        listen(&model, to: nodeHome, from: 2.8, until: 4)
        #expect(queries(&model, at: 4).keys.sorted { $0.low < $1.low } == [nodeHome])
        #expect(model.snapshot(at: .zero + .seconds(4)).sessions[0].nodes.map(\.address) == [nodeHome])
    }

    @Test("Somebody else's HEARTBEAT beside a parent's own changes nothing, and one before them not for long")
    func aStrangersAddress() {
        var model = model()
        hear(&model, say(announce()), of: announce(), at: 0)
        hear(&model, heartbeat(), of: announce(), from: nodeHome, at: 0)
        listen(&model, to: senderHome, from: 0.2, until: 2)
        #expect(queries(&model, at: 2)[senderHome] != nil && queries(&model, at: 2)[nodeHome] == nil)
        hear(&model, heartbeat(), of: announce(), from: nodeHome, at: 2)
        #expect(model.snapshot(at: .zero + .seconds(2)).sessions[0].nodes.map(\.address) == [senderHome])
    }

    @Test("A parent that answers no more has a row without numbers after a while")
    func reportsAge() throws {
        var model = model()
        hear(&model, say(announce()), of: announce(), at: 0)
        hear(&model, heartbeat(), of: announce(), at: 0)
        for time in [0, 1] as [Double] {
            let query = try #require(queries(&model, at: time)[senderHome])
            hear(&model, report(announce(), nonce: query.nonce), of: announce(), at: time)
        }
        listen(&model, to: senderHome, from: 1, until: 6.8)
        let early = model.snapshot(at: .zero + .seconds(6.8)).sessions[0].nodes[0]
        #expect(early.report != nil && early.sending != nil)
        listen(&model, to: senderHome, from: 6.8, until: 7.4)
        let late = model.snapshot(at: .zero + .seconds(7.4)).sessions[0].nodes[0]
        #expect(late.report == nil && late.sending == nil && !late.isGone && late.rate == 7)
    }

    @Test func thereIsRoomForSoMuch() {
        var model = model()
        for number in UInt64(1)...100 {
            let announce = announce(number << 32)
            hear(&model, say(announce, signature: Signature.none), of: announce, at: 0)
        }
        for id in UInt32(1)...2_000 {
            let address = SocketAddress.ipv4(10, 0, UInt8(id >> 8), UInt8(id & 255), port: 9)
            hear(&model, heartbeat(), of: announce(1 << 32), id: id, from: address, at: 0)
        }
        let snapshot = model.snapshot(at: .zero)
        #expect(snapshot.sessions.count == 64 && snapshot.sessions[0].nodes.count == 1_024 && snapshot.omitted == 36 + 976)
        #expect(queries(&model, at: 0).count == 1_024)
    }

    /// What strangers say may make a ring, or a path to nowhere: all are shown, once.
    @Test func treesOfStrangers() {
        var model = model()
        hear(&model, say(announce()), of: announce(), at: 0)
        for (id, path) in [(1, []), (2, [1]), (3, [1, 2]), (4, [1, 5]), (5, [1, 4]), (6, [6]), (7, [99])] as [(UInt32, [UInt32])] {
            hear(&model, heartbeat(path: path), of: announce(), id: id, from: .ipv4(10, 0, 0, UInt8(id), port: 9), at: 0)
        }
        let nodes = model.snapshot(at: .zero).sessions[0].nodes
        #expect(nodes.map(\.transmitter) == [1, 2, 3, 6, 7, 4, 5] && nodes.map(\.level) == [0, 1, 2, 0, 0, 0, 1])
    }
}
