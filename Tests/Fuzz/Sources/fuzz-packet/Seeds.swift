import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// A packet of every kind, and of every form that a kind has.
func seeds() -> [(name: String, bytes: [UInt8])] {
    let samples = samples()
    require(Set(samples.map { PacketKind(of: $0.1) }) == Set(PacketKind.allCases), "a kind has no sample")
    return samples.map { name, packet in
        var writer = ByteWriter()
        PacketHeader(
            kind: PacketKind(of: packet), isUnicast: false, sessionTag: 0x0102_0304, transmitter: 0x0506_0708, sequence: 0x090A_0B0C
        ).write(to: &writer)
        writer.write(packet)
        if case .data = packet { writer.writeArray(Array(repeating: 0xA5, count: 40)) }
        return (name, writer.bytes)
    }
}

private let digest = Digest(Bytes32(1, 2, 3, 4))
private let records = [
    ChunkRecord.zero(contentLength: 8_000), .zero(contentLength: 8_000),
    ChunkRecord(kind: .stored, contentLength: 8_000, encodedLength: 8_000, encodedDigest: digest, contentDigest: digest),
    ChunkRecord(kind: .compressed, contentLength: 700, encodedLength: 300, encodedDigest: digest, contentDigest: digest),
]

private func announce(kind: BundleKind, contentLength: UInt64?, key: PublicKey) -> Packet {
    .announce(
        Announce(
            session: SessionID(high: 0x0102_0304_0506_0708, low: 9), kind: kind, chunkLength: 8_000, payloadLength: 1_376,
            creationTime: 1_700_000_000_000, contentLength: contentLength, allocatedLength: contentLength ?? 0, mode: 0o644,
            modificationTime: FileTime(seconds: 1_700_000_000, nanoseconds: 0), name: "größe.img", key: key), MarkSigner.mark)
}

private func samples() -> [(String, Packet)] {
    let page = TablePage(index: 3, firstChunk: 40, records: records)
    let end = EndOfTable(chunkCount: 44, pageCount: 4, contentLength: 344_700, encodedLength: 8_300, tableDigest: digest)
    let heartbeat = Heartbeat(
        phase: .streaming, timestamp: 1_000_000, groupRoundTrip: 10_000, statusInterval: 10, population: 3,
        position: StreamPosition(chunk: 41, packet: 2), pageCount: 4, hasEnd: true, rate: 20_000_000, liveLossLimit: 10,
        livePressureLimit: 6)
    var repairing = heartbeat
    repairing.place = TreePlace(path: [0x0506_0708, 0x1112_1314], timeToLive: 8, load: 12, watermark: 40)
    var ranges = RepairRequest()
    ranges.packets = [RepairRequest.ChunkPackets(chunk: 42, packets: PacketSet(1..<4)), .init(chunk: 43, packets: PacketSet(0..<600))]
    ranges.chunks = [0..<3, 10..<11]
    ranges.pages = [0..<1]
    ranges.needsEnd = true
    var scattered = PacketSet()
    for packet in stride(from: 5, to: 100, by: 3) { scattered.insert(packet) }
    var bitmap = RepairRequest()
    bitmap.packets = [RepairRequest.ChunkPackets(chunk: 7, packets: scattered)]
    let echo = TimestampEcho(timestamp: 1_000_000, delay: 300)
    var sum = StatusHistogram(LeafStatus(state: .complete, progress: 10, network: nil))
    let leaf = StatusHistogram(LeafStatus(state: .receiving, progress: 4, network: .init(loss: 3, pressure: 1, arrival: 80)))
    sum.add(leaf)
    var region = sum
    region.add(LeafStatus(state: .receiving, progress: 4, network: nil, isRehomed: true))
    region.tree.repairNodes = 2
    region.tree.completeRepairNodes = 1
    var failures = StatusHistogram(LeafStatus(state: .failedDiskFull, progress: 0, network: nil))
    failures.add(LeafStatus(state: .failedHook, progress: 10, network: nil))
    let labels = [FailureLabel("lab-07", .failedDiskFull), FailureLabel("h\u{f6}rsaal 3", .failedHook)].compactMap { $0 }
    var counts = WatchReport.Counts()
    (counts.firstBytes, counts.repairBytes, counts.catchUpBytes, counts.naks) = (8_000, 1_400, 0, 3)
    var report = WatchReport(
        nonce: 5, session: SessionID(high: 0x0102_0304_0506_0708, low: 9), phase: .streaming, role: .sender, rate: 20_000_000, position: 41,
        chunkCount: nil, chunksHeld: 41, holes: 0, counts: counts, children: 3, nodeCount: 0, firstNode: 0, nodes: [], path: [],
        histogram: StatusHistogram(LeafStatus(state: .receiving, progress: 4, network: nil)))
    let reportOfSender = report
    report.role = .relay
    (report.chunkCount, report.holes, report.nodeCount, report.firstNode) = (44, 2, 20, 17)
    report.nodes = [
        ChildNode(transmitter: 0x2122_2324, address: .ipv4(10, 0, 0, 7, port: 17_627)),
        ChildNode(transmitter: 0x2122_2325, address: SocketAddress(family: .ipv6, high: 0xFD77 << 48, low: 7, port: 9)),
    ]
    report.path = [0x0506_0708, 0x1112_1314]
    report.histogram.tree.repairNodes = 2
    let pace = StatedPace(groupRoundTrip: 10_000, statusInterval: 10)
    let statement = Statement(
        serial: 7, transmitter: 0x0506_0708, sequence: 900, phase: .streaming, hasEnd: true, position: StreamPosition(chunk: 41, packet: 2), pageCount: 4,
        horizon: 44, pace: pace)
    let place = NodePlace(
        key: MarkSigner.key, serial: 3, statement: 7, child: 0x2122_2324, transmitter: 0x1112_1314, phase: .streaming, pace: pace, place: repairing.place)
    let outline = OutlinePart(chunk: 42, part: 1, values: [digest, Digest(Bytes32(5, 6, 7, 8))], siblings: [digest])
    return [
        ("announce-file", announce(kind: .file, contentLength: 344_700, key: MarkSigner.key)),
        ("announce-stream", announce(kind: .stream, contentLength: nil, key: .none)),
        ("page", .page(page, body: page.body, MarkSigner.mark)),
        ("data", .data(DataHeader(chunk: 42, packet: 1, isRepair: false), payloadOffset: DataHeader.length)),
        ("data-repair", .data(DataHeader(chunk: 42, packet: 5, isRepair: true), payloadOffset: DataHeader.length)),
        ("end", .end(end, MarkSigner.mark)),
        ("heartbeat", .heartbeat(heartbeat)),
        ("heartbeat-repair-node", .heartbeat(repairing)),
        ("nak-ranges", .nak(NegativeAcknowledgement(echo: echo, request: ranges))),
        ("nak-bitmap", .nak(NegativeAcknowledgement(echo: echo, request: bitmap))),
        ("ncf-ranges", .ncf(ranges)),
        ("ncf-bitmap", .ncf(bitmap)),
        ("status-leaf", .status(StatusReport(echo: echo, longestDatagram: 1_400, histogram: leaf))),
        ("status-deaf", .status(StatusReport(echo: .none, longestDatagram: 0, isDeaf: true, histogram: leaf))),
        ("status-labels", .status(StatusReport(echo: echo, longestDatagram: 1_400, cookie: 9, histogram: failures, labels: labels))),
        ("status-sum", .status(StatusReport(echo: echo, longestDatagram: 1_400, histogram: sum))),
        ("status-region", .status(StatusReport(echo: echo, longestDatagram: 1_400, wantsStream: true, cookie: 9, histogram: region))),
        ("acknowledgement", .acknowledgement(sequence: 12)),
        ("solicitation", .solicitation),
        ("attach", .attach(AttachRequest(nonce: 0x0102_0304_0506_0708, wantsStream: false))),
        ("attach-stream", .attach(AttachRequest(nonce: 0x0102_0304_0506_0708, wantsStream: true))),
        ("attached", .attached(AttachAnswer(nonce: 0x0102_0304_0506_0708, verdict: .accepted, cookie: 9))),
        ("attached-full", .attached(AttachAnswer(nonce: 0x0102_0304_0506_0708, verdict: .full, cookie: 0))),
        ("detach", .detach(cookie: 9)),
        ("advertisement", .advertisement(Advertisement(region: .ipv4(239, 255, 76, 28, port: 17_627)), .none)),
        ("advertisement-ipv6", .advertisement(Advertisement(region: SocketAddress(family: .ipv6, high: 0xFF15 << 48, low: 7, port: 9)), .none)),
        ("query", .query(WatchQuery(nonce: 5, firstNode: 16))),
        ("report", .report(reportOfSender)),
        ("report-nodes", .report(report)),
        ("statement", .statement(statement, MarkSigner.mark)),
        ("place", .place(place, MarkSigner.mark)),
        ("outline", .outline(outline)),
        ("refusal", .refusal(RefusalNotice(cookie: 9, reason: .untrusted))),
    ]
}
