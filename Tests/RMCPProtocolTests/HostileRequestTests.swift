import TestSupport
import Testing

@testable import RMCPProtocol

/// A sender of chunks that are all alike, with two children, and what it says to whoever asks.
private struct AskedSender: EngineHost {
    static let children = (1...2).map { (id: UInt32($0), address: SocketAddress.ipv4(10, 0, 1, UInt8($0), port: 5_000)) }
    static let stranger = SocketAddress.ipv4(10, 0, 2, 1, port: 9)

    var engine: SenderEngine
    var now = Instant.milliseconds(1)
    private(set) var confirmations: [[UInt8]] = []
    private(set) var pages = 0
    private let records: [ChunkRecord]
    private let isDeaf: Bool

    init(chunks: Int, of length: UInt32 = 1 << 20, rate: UInt64, isDeaf: Bool = false) {
        self.isDeaf = isDeaf
        records = (0..<chunks).map { _ in
            ChunkRecord(kind: .stored, contentLength: length, encodedLength: length, encodedDigest: .zero, contentDigest: .zero)
        }
        var configuration = Configuration()
        configuration.rate.fixedRate = rate
        configuration.joining.minimumWait = .milliseconds(50)
        engine = SenderEngine(
            configuration: configuration, announce: .sample("asked", chunkLength: length, contentLength: UInt64(chunks) * UInt64(length)),
            signer: LaneSigner(key: 5), digest: LaneDigest(), seed: 7, at: now)
    }

    mutating func answer(_ event: SenderEvent) { if case .fetch(let chunk) = event { engine.handle(.fetched(chunk: chunk), at: now) } }

    mutating func hear(_ transmit: Transmit) {
        guard case .datagram(let bytes, _) = transmit else { return }
        switch PacketHeader.kind(of: bytes.span.bytes) {
        case .ncf: confirmations.append(bytes)
        case .page: pages += 1
        default: break
        }
    }

    /// Runs, with children that are alive, until the stream has come so far.
    mutating func run(to chunk: UInt32, limit: Interval = .seconds(30), each millisecond: (inout AskedSender) -> Void = { _ in }) {
        let end = now + limit
        var step = 0
        while engine.positionChunk < chunk, now < end {
            if step % 20 == 0 { for child in Self.children { report(as: child.id, from: child.address) } }
            step += 1
            engine.encode(records, at: now)
            sleep(.milliseconds(1))
            millisecond(&self)
        }
    }

    private mutating func report(as id: UInt32, from address: SocketAddress) {
        let report = StatusReport(
            echo: .none, longestDatagram: 1_400, isDeaf: isDeaf, cookie: engine.cookie(for: address),
            histogram: StatusHistogram(LeafStatus(state: .receiving, progress: 1, network: nil)))
        tell(.status(report), as: id, from: address)
    }

    /// - Returns: bytes of the datagram.
    @discardableResult
    mutating func tell(_ packet: Packet, as id: UInt32, from address: SocketAddress) -> Int {
        let sent = datagram(packet, isUnicast: true, tag: engine.session.tag, transmitter: id)
        tell(sent, from: address)
        return sent.count
    }

    mutating func tell(_ bytes: [UInt8], from address: SocketAddress) { engine.handle(datagram: bytes.span.bytes, from: address, at: now) }

    /// Asks as a child, or as a stranger that shows no cookie.
    @discardableResult
    mutating func ask(_ request: RepairRequest, asChild: Bool) -> Int {
        let (id, address) = asChild ? Self.children[0] : (99, Self.stranger)
        let cookie = asChild ? engine.cookie(for: address) : 0
        return tell(.nak(NegativeAcknowledgement(echo: .none, cookie: cookie, request: request)), as: id, from: address)
    }
}

/// Requests by which somebody would have more than the documents promise.
@Suite struct HostileRequestTests {
    // MARK: What children cost

    /// A child that asks for the whole table over and over leaves first transmissions their share, as one that asks for packets does.
    @Test(arguments: [false, true]) func pagesAreRepairsLikeOthers(isDeaf: Bool) {
        var parent = AskedSender(chunks: 2_000, of: 2_000, rate: 10_000_000, isDeaf: isDeaf)
        parent.run(to: 1_000)
        let since = parent.now
        var table = RepairRequest()
        table.pages = [0..<10_000]
        parent.run(to: 1_200) { $0.ask(table, asChild: true) }
        let seconds = (parent.now - since).inSeconds
        // 200 chunks of 2,000 bytes take a third of a second alone.
        #expect(parent.engine.positionChunk >= 1_200 && seconds < (isDeaf ? 0.8 : 3), "\(parent.engine.positionChunk) in \(seconds) s")
    }
}
