import TestSupport
import Testing

@testable import RMCPProtocol

/// A receiver, and a parent whose every packet is made by hand.
struct LoneReceiver: EngineHost {
    static let source = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    static let signer = LaneSigner(key: 5)
    let announce: Announce
    var engine: ReceiverEngine
    var now = Instant.milliseconds(1)
    private var requests: [RepairRequest] = []
    private var reports: [StatusReport] = []

    init(chunkLength: UInt32 = 8_000, payloadLength: UInt16 = 1_376, change: (inout Configuration) -> Void = { _ in }) {
        var configuration = Configuration()
        change(&configuration)
        announce = .sample(
            "lone", kind: .stream, chunkLength: chunkLength, payloadLength: payloadLength, contentLength: nil, key: Self.signer.publicKey)
        engine = ReceiverEngine(
            identity: 1_000, configuration: configuration, announce: announce, source: Self.source, transmitter: 7, isResumable: false,
            verifier: LaneVerifier(), digest: LaneDigest(), seed: 3, at: now)
    }

    mutating func take(_ packet: Packet, isUnicast: Bool = true) {
        let bytes = datagram(packet, isUnicast: isUnicast, tag: announce.session.tag, transmitter: 7, sequence: 0)
        _ = engine.handle(datagram: bytes.span.bytes, arrival: Arrival(source: Self.source, at: now), at: now)
    }

    func record(_ chunk: UInt32) -> ChunkRecord {
        let digest = LaneDigest().digest(of: [UInt8(truncatingIfNeeded: chunk)])
        return ChunkRecord(
            kind: .stored, contentLength: announce.chunkLength, encodedLength: announce.chunkLength, encodedDigest: digest,
            contentDigest: digest)
    }

    mutating func takePage(_ index: UInt32, chunks: Range<UInt32>) {
        let page = TablePage(index: index, firstChunk: chunks.lowerBound, records: chunks.map(record))
        let signature = Self.signer.signature(for: TablePage.signedMessage(session: announce.session, body: page.body))
        take(.page(page, body: page.body, signature))
    }

    mutating func takeEnd(chunks: UInt32, pages: UInt32) {
        let length = UInt64(chunks) * UInt64(announce.chunkLength)
        let end = EndOfTable(chunkCount: chunks, pageCount: pages, contentLength: length, encodedLength: length, tableDigest: .zero)
        take(.end(end, Self.signer.signature(for: end.signedMessage(session: announce.session))))
    }

    mutating func takeHeartbeat(chunk: UInt32, pages: UInt32, hasEnd: Bool = false) {
        take(
            .heartbeat(
                .sample(
                    timestamp: UInt64(now.nanoseconds / 1_000), groupRoundTrip: 2_000, statusInterval: 10,
                    position: StreamPosition(chunk: chunk, packet: 0), pageCount: pages, hasEnd: hasEnd)))
    }

    /// What is asked for and reported until `limit` has passed; every millisecond `meanwhile` may say something.
    mutating func run(
        for limit: Interval, meanwhile: (inout LoneReceiver) -> Void = { _ in }
    ) -> (requests: [RepairRequest], reports: [StatusReport]) {
        (requests, reports) = ([], [])
        let end = now + limit
        while now < end {
            now = now + .milliseconds(1)
            meanwhile(&self)
            handleTimers()
        }
        return (requests, reports)
    }

    mutating func answer(_ event: ReceiverEvent) {}

    mutating func hear(_ speech: ReceiverEngine.Speech) {
        switch try? parse(speech.bytes).1 {
        case .nak(let nak)?: requests.append(nak.request)
        case .status(let report)?: reports.append(report)
        case .attach(let request)?: take(.attached(AttachAnswer(nonce: request.nonce, verdict: .accepted, cookie: 9)))
        default: break
        }
    }

    func fail(_ message: String) { Issue.record("\(message)") }
}
