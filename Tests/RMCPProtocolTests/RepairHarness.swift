import TestSupport
import Testing

@testable import RMCPProtocol

/// A repair node's engine with a cache that is a dictionary, a sender above that says what a test has it say, and
/// children.
struct RepairHarness: EngineHost {
    static let chunkLength = 4_000
    static let chunkCount: UInt32 = 4
    static let senderID: UInt32 = 1
    static let sender = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    static let signer = LaneSigner(key: 5)
    static let announce = Announce.sample(
        "region", chunkLength: UInt32(chunkLength), contentLength: UInt64(chunkCount) * UInt64(chunkLength), key: signer.publicKey)
    static let contents = (0..<UInt64(chunkCount)).map { randomBytes(chunkLength, seed: $0) }
    /// The sender's table, a page for each two chunks.
    static let table: TableBuilder = {
        var table = TableBuilder(session: announce.session, signer: signer, digest: LaneDigest())
        for content in contents {
            table.append(.sample(of: content, contentLength: chunkLength))
            if table.chunkCount % 2 == 0 { table.closePage(datagramLength: 1_400) }
        }
        return table
    }()
    static var end: Packet {
        var table = table
        return table.finish()
    }

    var engine: RepairEngine
    var now = Instant.milliseconds(1)
    var cache: [UInt32: [UInt8]] = [:]
    var kept: [[UInt8]] = []
    /// Chunks that the cache turns out not to have when they are fetched.
    var damaged: Set<UInt32> = []
    private(set) var fetched: [UInt32] = []
    /// Chunks that the cache was asked for.
    private(set) var consulted = 0
    private(set) var said: [(packet: Packet, to: SocketAddress)] = []
    private(set) var passedOn: [(packet: Packet, to: Destination)] = []
    private(set) var repairs: [(chunk: UInt32, packets: [UInt16], to: Destination)] = []
    private var memory: SlotMemory

    /// Packets of a chunk that were repaired, in order, in however many batches.
    func repaired(_ chunk: UInt32, to destination: Destination = .group) -> [UInt16] {
        repairs.filter { $0.chunk == chunk && $0.to == destination }.flatMap(\.packets)
    }

    init(mode: RepairEngine.Mode = .repair, signer: LaneSigner? = nil, seed: UInt64 = 3) {
        engine = RepairEngine(
            identity: 500, announce: Self.announce, signature: Self.signer.signature(for: Self.announce.signedMessage), mode: mode,
            configuration: Configuration(), signer: signer, verifier: LaneVerifier(), digest: LaneDigest(), seed: seed, at: now)
        memory = SlotMemory(slots: Configuration().memory.assemblySlots, chunkLength: Self.chunkLength)
    }

    // MARK: What comes

    mutating func hear(_ packet: Packet, payload: [UInt8] = []) {
        let sent = datagram(packet, tag: Self.announce.session.tag, transmitter: Self.senderID, payload: payload)
        if let placement = engine.handle(upstream: sent.span.bytes, arrival: Arrival(source: Self.sender, timeToLive: 8, at: now), at: now) {
            memory.place(placement, of: sent)
        }
        drain()
    }

    mutating func beat(_ phase: SessionPhase = .streaming, front: UInt32 = 0, pages: UInt32 = 0, hasEnd: Bool = false, rate: UInt64 = 1_000_000) {
        hear(
            .heartbeat(
                .sample(
                    phase, position: StreamPosition(chunk: front, packet: 0), pageCount: pages, hasEnd: hasEnd, rate: rate,
                    place: TreePlace(timeToLive: 8))))
    }

    mutating func hearPage(_ index: UInt32) {
        guard let page = Self.table.packet(forPage: index) else { return }
        hear(page)
    }

    mutating func hearChunk(_ chunk: UInt32, packets: [UInt16] = [0, 1, 2], isRepair: Bool = false) {
        for packet in packets {
            let start = Int(packet) * 1_376
            let payload = Array(Self.contents[Int(chunk)][start..<min(start + 1_376, Self.chunkLength)])
            hear(.data(DataHeader(chunk: chunk, packet: packet, isRepair: isRepair), payloadOffset: 24), payload: payload)
        }
    }

    /// Everything, so that the node is complete.
    mutating func hearAll() {
        beat()
        for page: UInt32 in 0..<2 { hearPage(page) }
        for chunk in 0..<Self.chunkCount { hearChunk(chunk) }
        hear(Self.end)
        beat(.draining, front: Self.chunkCount, pages: 2, hasEnd: true)
    }

    static func address(ofChild id: UInt32) -> SocketAddress { .ipv4(10, 0, 1, UInt8(id), port: 5_000) }

    /// It shows its cookie.
    mutating func hearChild(_ id: UInt32, _ packet: Packet) {
        let cookie = engine.downstream.cookie(for: Self.address(ofChild: id))
        var packet = packet
        if case .status(var report) = packet {
            report.cookie = cookie
            packet = .status(report)
        } else if case .nak(var nak) = packet {
            nak.cookie = cookie
            packet = .nak(nak)
        }
        let sent = datagram(packet, isUnicast: true, tag: Self.announce.session.tag, transmitter: id)
        engine.handle(child: sent.span.bytes, from: Self.address(ofChild: id), at: now)
        drain()
    }

    /// - Parameter state: of the child, which says so.
    mutating func join(_ id: UInt32, _ state: ReceiverState = .receiving) {
        let leaf = StatusHistogram(LeafStatus(state: state, progress: 1, network: nil))
        hearChild(id, .status(StatusReport(echo: .none, longestDatagram: 1_400, histogram: leaf)))
    }

    mutating func ask(_ id: UInt32, chunk: UInt32, packets: Range<Int>) {
        var request = RepairRequest()
        request.packets = [RepairRequest.ChunkPackets(chunk: chunk, packets: PacketSet(packets))]
        hearChild(id, .nak(NegativeAcknowledgement(echo: .none, request: request)))
    }

    /// Asks for chunks as a latecomer does.
    mutating func ask(_ id: UInt32, chunks: Range<UInt32>) {
        var request = RepairRequest()
        request.chunks = [chunks]
        hearChild(id, .nak(NegativeAcknowledgement(echo: .none, request: request)))
    }

    mutating func run(_ interval: Interval) {
        let end = now + interval
        while now < end {
            sleep(.milliseconds(1))
        }
    }

    mutating func forget() {
        consulted = 0
        said = []
        passedOn = []
        repairs = []
    }

    // MARK: What it asks and says

    mutating func hear(_ speech: RepairSpeech) {
        switch speech {
        case .up(let bytes, let to):
            guard let packet = try? parse(bytes).1 else { return }
            said.append((packet, to))
            guard case .attach(let request) = packet else { return }
            let answer = datagram(
                .attached(AttachAnswer(nonce: request.nonce, verdict: .accepted, cookie: 9)), isUnicast: true, tag: Self.announce.session.tag,
                transmitter: Self.senderID)
            _ = engine.handle(upstream: answer.span.bytes, arrival: Arrival(source: Self.sender, at: now), at: now)
        case .down(.datagram(let bytes, let to)): if let packet = try? parse(bytes).1 { passedOn.append((packet, to)) }
        case .down(.data(let batch)):
            #expect(cache[batch.chunk] != nil, "sends chunk \(batch.chunk), which is not there")
            repairs.append((batch.chunk, (0..<batch.count).map { batch[$0] }, batch.destination))
        }
    }

    func fail(_ message: String) { Issue.record("\(message)") }

    mutating func answer(_ event: RepairEvent) {
        switch event {
        case .keep(let datagram): kept.append(datagram)
        case .upstream(.assembled(let slot, let chunk, let record)):
            let bytes = memory.takeBack(slot, record)
            let isGood = LaneDigest().digest(of: bytes) == record.encodedDigest
            if isGood { cache[chunk] = bytes }
            engine.handle(isGood ? .stored(slot: slot, chunk: chunk) : .rejected(slot: slot, chunk: chunk), at: now)
        case .upstream(.examine(let slot, let chunk, let shape, _)):
            engine.handle(.examined(slot: slot, chunk: chunk, wrong: .all(of: shape)), at: now)
        case .downstream(.outline(let chunk, let shape)):
            guard let record = engine.record(of: chunk) else { break }
            engine.handle(.outlined(chunk: chunk, LaneDigest.outline(of: record, chunk: chunk, shape)), at: now)
        case .upstream(.consult(let chunks)):
            consulted += chunks.count
            for chunk in chunks { engine.handle(cache[chunk] == nil ? .absent(chunk: chunk) : .kept(chunk: chunk), at: now) }
        case .downstream(.fetch(let chunk)):
            guard engine.record(of: chunk) != nil else { return fail("fetches chunk \(chunk), of which no record is known") }
            fetched.append(chunk)
            if damaged.remove(chunk) != nil { cache[chunk] = nil }
            engine.handle(cache[chunk] == nil ? .damaged(chunk: chunk) : .fetched(chunk: chunk), at: now)
        case .upstream, .downstream: break
        }
    }
}
