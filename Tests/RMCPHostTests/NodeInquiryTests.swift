import RMCPProtocol
import Testing

@testable import RMCPHost

/// Questions of a sender to its repair nodes.
@Suite struct NodeInquiryTests {
    private static let session = SessionID(high: 0x1234_5678 << 32, low: 9)
    private static let node = SocketAddress.ipv4(10, 0, 0, 2, port: 17_627)

    private static func report(nonce: UInt64, session: SessionID = session, repaired: UInt64 = 7) -> [UInt8] {
        var counts = WatchReport.Counts()
        counts.repairBytes = repaired
        let report = WatchReport(
            nonce: nonce, session: session, phase: .streaming, role: .repair, rate: 1, position: 2, chunkCount: 4, chunksHeld: 3, holes: 0, counts: counts,
            children: 1, nodeCount: 0, firstNode: 0, nodes: [], path: [5], histogram: StatusHistogram())
        return Packet.report(report).datagram(sessionTag: session.tag, transmitter: 77)
    }

    private static func nonce(of question: [UInt8]?) throws -> UInt64 {
        let bytes = try #require(question)
        let (header, packet) = try Packet.parse(bytes.span.bytes)
        guard case .query(let query) = packet else { throw HostError("no QUERY") }
        #expect(header.sessionTag == session.tag && header.transmitter == 5)
        return query.nonce
    }

    private static func take(_ bytes: [UInt8], from source: SocketAddress, _ inquiry: inout NodeInquiry) -> Bool {
        inquiry.take(bytes.span.bytes, from: source)
    }

    @Test("An answer counts when it is the node's, to the last question, of this session")
    func answers() throws {
        var inquiry = NodeInquiry(session: Self.session, identity: 5, at: .zero)
        let early = Self.take(Self.report(nonce: 1), from: Self.node, &inquiry)
        #expect(!early)
        let first = try Self.nonce(of: inquiry.question(to: Self.node))
        let nonce = try Self.nonce(of: inquiry.question(to: Self.node))
        let other = SocketAddress.ipv4(10, 0, 0, 3, port: 17_627)
        for (bytes, source) in [
            (Self.report(nonce: first), Self.node), (Self.report(nonce: nonce), other),
            (Self.report(nonce: nonce, session: SessionID(high: 1, low: 1)), Self.node),
        ] {
            let isTaken = Self.take(bytes, from: source, &inquiry)
            #expect(!isTaken)
        }
        #expect(inquiry.report(of: Self.node) == nil)
        let isTaken = Self.take(Self.report(nonce: nonce), from: Self.node, &inquiry)
        #expect(isTaken)
        #expect(inquiry.report(of: Self.node)?.counts.repairBytes == 7 && inquiry.report(of: Self.node)?.chunksHeld == 3)
        // Words that were said last stay while the next question is under way.
        _ = inquiry.question(to: Self.node)
        #expect(inquiry.report(of: Self.node) != nil)
    }

    @Test("So many nodes are asked, every five seconds, and each second in the end")
    func bounds() {
        var inquiry = NodeInquiry(session: Self.session, identity: 5, at: .zero)
        var asked: [[UInt8]] = []
        for host in 1...200 { if let question = inquiry.question(to: .ipv4(10, 0, 1, UInt8(host), port: 1)) { asked.append(question) } }
        #expect(asked.count == NodeInquiry.limit)
        var due: [Int] = []
        for second in 0..<12 where inquiry.begin(isEnd: false, at: .zero + .seconds(Double(second))) { due.append(second) }
        #expect(due == [0, 5, 10])
        due = []
        for second in 12..<16 where inquiry.begin(isEnd: true, at: .zero + .seconds(Double(second))) { due.append(second) }
        #expect(due == [13, 14, 15])
    }
}
