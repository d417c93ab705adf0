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
    /// Chunks that are whole are stored at once; else what the host is asked is kept in `events`, and it answers nothing.
    var storesAtOnce = false
    private(set) var events: [ReceiverEvent] = []
    private var requests: [RepairRequest] = []
    private var reports: [StatusReport] = []
    /// Sequence of the next datagram to the group.
    private var sequence: UInt32 = 0

    init(
        chunkLength: UInt32 = 8_000, payloadLength: UInt16 = 1_376, isResumable: Bool = false, change: (inout Configuration) -> Void = { _ in }
    ) {
        var configuration = Configuration()
        change(&configuration)
        announce = .sample(
            "lone", kind: .stream, chunkLength: chunkLength, payloadLength: payloadLength, contentLength: nil, key: Self.signer.publicKey)
        engine = ReceiverEngine(
            identity: 1_000, configuration: configuration, announce: announce, source: Self.source, transmitter: 7, isResumable: isResumable,
            verifier: LaneVerifier(), digest: LaneDigest(), seed: 3, at: now)
    }

    mutating func take(_ packet: Packet, isUnicast: Bool = true) {
        let bytes = datagram(packet, isUnicast: isUnicast, tag: announce.session.tag, transmitter: 7, sequence: 0)
        _ = engine.handle(datagram: bytes.span.bytes, arrival: Arrival(source: Self.source, at: now), at: now)
    }

    /// Packets of a chunk come by multicast; all of them where it is not said which.
    mutating func takeData(_ chunk: UInt32, packets: ClosedRange<Int>? = nil, isRepair: Bool = false) {
        let full = Int(announce.payloadLength)
        let total = ChunkGeometry.packetCount(encodedLength: announce.chunkLength, payloadLength: announce.payloadLength)
        for packet in packets ?? 0...total - 1 {
            let payload = [UInt8](repeating: 0, count: min(full, Int(announce.chunkLength) - packet * full))
            let header = DataHeader(chunk: chunk, packet: UInt16(packet), isRepair: isRepair)
            let bytes = datagram(
                .data(header, payloadOffset: DataHeader.length), tag: announce.session.tag, transmitter: 7, sequence: sequence, payload: payload)
            sequence += 1
            _ = engine.handle(datagram: bytes.span.bytes, arrival: Arrival(source: Self.source, at: now), at: now)
            drain()
        }
    }

    /// The sender says that it sends nothing new any more.
    mutating func takeDraining(_ serial: UInt32, chunks: UInt32, pages: UInt32) {
        let statement = Statement(
            serial: serial, transmitter: 7, sequence: sequence, phase: .draining, hasEnd: true, position: StreamPosition(chunk: chunks, packet: 0),
            pageCount: pages, horizon: chunks, pace: StatedPace(groupRoundTrip: 2_000, statusInterval: 10))
        take(.statement(statement, Self.signer.signature(for: statement.signedMessage(session: announce.session))))
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

    /// A table of one page, and the END that goes with it.
    mutating func takeTable(chunks: UInt32) {
        var table = TableBuilder(session: announce.session, signer: Self.signer, digest: LaneDigest())
        for chunk in 0..<chunks { table.append(record(chunk)) }
        table.closePage(datagramLength: Int(chunks) * 100)
        if let page = table.packet(forPage: 0) { take(page) }
        take(table.finish())
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

    mutating func answer(_ event: ReceiverEvent) {
        guard storesAtOnce, case .assembled(let slot, let chunk, _) = event else { return events.append(event) }
        engine.handle(.stored(slot: slot, chunk: chunk), at: now)
    }

    /// Slots of chunks that the host has been given, in order.
    var assembled: [(slot: Int, chunk: UInt32)] {
        events.compactMap { if case .assembled(let slot, let chunk, _) = $0 { (slot, chunk) } else { nil } }
    }

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
