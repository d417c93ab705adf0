import TestSupport
import Testing

@testable import RMCPProtocol

/// A sender that has sent everything once, with two children that lack something, and what it sends to whoever asks.
private struct Drained: EngineHost {
    static let children = (1...2).map { (id: UInt32($0), address: SocketAddress.ipv4(10, 0, 1, UInt8($0), port: 5_000)) }
    static let stranger = (id: UInt32(99), address: SocketAddress.ipv4(10, 0, 2, 1, port: 9))

    var engine: SenderEngine
    var now = Instant.milliseconds(1)
    let drainLimit = 20_000
    /// Packets of repairs and catch-up, by chunk.
    private(set) var repaired: [UInt32: Int] = [:]
    private(set) var pages = 0
    /// The first child does not hear the group.
    private let isFirstDeaf: Bool

    /// - Parameter holes: chunks without bytes in front of the others.
    init(holes: Int = 0, chunks: Int, of length: UInt32, rate: UInt64, isFirstDeaf: Bool = false) {
        self.isFirstDeaf = isFirstDeaf
        var configuration = Configuration()
        configuration.rate.fixedRate = rate
        configuration.joining.minimumWait = .milliseconds(50)
        engine = SenderEngine(
            configuration: configuration, announce: .sample("drained", chunkLength: length, contentLength: UInt64(holes + chunks) * UInt64(length)),
            signer: LaneSigner(key: 5), digest: LaneDigest(), seed: 7, at: now)
        if holes > 0 { engine.handle(.hole(chunks: holes, contentLength: length), at: now) }
        let record = ChunkRecord(kind: .stored, contentLength: length, encodedLength: length, encodedDigest: .zero, contentDigest: .zero)
        let records = Array(repeating: ChunkRecord.zero(contentLength: length), count: holes) + Array(repeating: record, count: chunks)
        run(.seconds(60), until: { $0.engine.sessionPhase == .draining }) { $0.engine.encode(records, at: $0.now) }
        repaired = [:]
    }

    mutating func answer(_ event: SenderEvent) {
        switch event {
        case .fetch(let chunk): engine.handle(.fetched(chunk: chunk), at: now)
        case .outline(let chunk, let shape):
            guard let record = engine.record(of: chunk) else { return }
            engine.handle(.outlined(chunk: chunk, LaneDigest.outline(of: record, chunk: chunk, shape)), at: now)
        default: break
        }
    }

    mutating func hear(_ transmit: Transmit) {
        switch transmit {
        case .data(let batch): repaired[batch.chunk, default: 0] += batch.count
        case .datagram(let bytes, _): if PacketHeader.kind(of: bytes.span.bytes) == .page { pages += 1 }
        }
    }

    /// Runs, with children that are alive, until a condition holds; answers how long that took.
    @discardableResult
    mutating func run(
        _ limit: Interval, until condition: (Drained) -> Bool = { _ in false }, each millisecond: (inout Drained) -> Void = { _ in }
    ) -> Interval {
        let since = now
        var step = 0
        while now - since < limit, !condition(self) {
            if step % 20 == 0 { for (index, child) in Self.children.enumerated() { report(as: child, isDeaf: isFirstDeaf && index == 0) } }
            step += 1
            millisecond(&self)
            sleep(.milliseconds(1))
        }
        return now - since
    }

    private mutating func report(as child: (id: UInt32, address: SocketAddress), isDeaf: Bool) {
        let histogram = StatusHistogram(LeafStatus(state: .receiving, progress: 1, network: nil))
        let report = StatusReport(echo: .none, longestDatagram: 1_400, isDeaf: isDeaf, cookie: engine.cookie(for: child.address), histogram: histogram)
        tell(.status(report), as: child)
    }

    private mutating func tell(_ packet: Packet, as who: (id: UInt32, address: SocketAddress)) {
        let sent = datagram(packet, isUnicast: true, tag: engine.session.tag, transmitter: who.id)
        engine.handle(datagram: sent.span.bytes, from: who.address, at: now)
    }

    /// Asks as one of the children, or as a stranger, who shows no cookie.
    mutating func ask(as number: Int?, _ fill: (inout RepairRequest) -> Void) {
        var request = RepairRequest()
        fill(&request)
        let who = number.map { Self.children[$0] } ?? Self.stranger
        let cookie = number == nil ? 0 : engine.cookie(for: who.address)
        tell(.nak(NegativeAcknowledgement(echo: .none, cookie: cookie, request: request)), as: who)
    }
}

/// Requests by which somebody would keep all others from what they asked for.
@Suite struct StarvationTests {
    // MARK: Chunks without bytes

    /// A sparse image of which somebody wants everything: what lies behind its holes is sent as if they were not there.
    @Test func holesAreNotWaitedFor() {
        var parent = Drained(holes: 10_000, chunks: 1, of: 4_000, rate: 10_000_000)
        parent.ask(as: nil) { $0.chunks = [0..<10_001] }
        parent.ask(as: 0) { $0.chunks = [10_000..<10_001] }
        let taken = parent.run(.milliseconds(100)) { $0.repaired[10_000] == 3 }
        #expect(parent.repaired[10_000] == 3, "\(taken)")
        // Nor do they push out what was served lately.
        parent.ask(as: 0) { $0.chunks = [0..<10_001] }
        parent.run(.milliseconds(5))
        #expect(parent.repaired[10_000] == 3)
    }

    /// The same for a child that is served at its own address.
    @Test func holesAreNotWaitedForByUnicast() {
        var parent = Drained(holes: 10_000, chunks: 1, of: 4_000, rate: 10_000_000, isFirstDeaf: true)
        parent.ask(as: 0) { $0.chunks = [0..<10_001] }
        let taken = parent.run(.milliseconds(100)) { $0.repaired[10_000] == 3 }
        #expect(parent.repaired[10_000] == 3, "\(taken)")
    }

    /// A relay of which every other chunk is a hole sends on as fast as its rate lets it.
    @Test func aRelayGoesOnBehindAHole() {
        let length: UInt32 = 4_000
        let record = ChunkRecord(kind: .stored, contentLength: length, encodedLength: length, encodedDigest: .zero, contentDigest: .zero)
        let page = TablePage(index: 0, firstChunk: 0, records: (0..<40).map { $0 % 2 == 0 ? record : .zero(contentLength: length) })
        var configuration = Configuration()
        configuration.rate.fixedRate = 10_000_000
        var now = Instant.milliseconds(1)
        var engine = SenderEngine(
            repeating: .sample("holes", chunkLength: length, contentLength: 40 * UInt64(length)), signature: .none, isRelay: true, configuration: configuration,
            digest: LaneDigest(), seed: 7, secret: CookieSecret(of: 7), at: now)
        engine.adopt(page, body: page.body, signature: .none, at: now)
        for chunk in 0..<UInt32(40) { engine.hold(chunk, isResident: true, at: now) }
        engine.follow(phase: .streaming, front: nil, path: [1], distance: 1, rate: 0, at: now)
        let since = now
        while engine.positionChunk < 39, let due = engine.pollTimeout(at: now), now - since < .seconds(1) {
            now = max(now, due)
            engine.handleTimeout(at: now)
            while engine.pollTransmit(at: now) != nil {}
        }
        // 20 chunks of 4,000 bytes take 69 ms with their headers.
        #expect(engine.positionChunk >= 39 && now - since < .milliseconds(80), "\(engine.positionChunk) after \(now - since)")
    }

    // MARK: Whoever asks for everything over and over

    private static func packets(_ chunks: Range<UInt32>, _ packets: Range<Int>) -> [RepairRequest.ChunkPackets] {
        chunks.map { RepairRequest.ChunkPackets(chunk: $0, packets: PacketSet(packets)) }
    }

    /// A chunk of a megabyte that a latecomer wants takes a fifth of the rate at the least, which is 0.42 s, whoever asks for packets meanwhile: by
    /// multicast, or at an address of its own.
    @Test(arguments: [false, true]) func packetsKeepNoLatecomerWaiting(isFirstDeaf: Bool) {
        var parent = Drained(chunks: 12, of: 1 << 20, rate: 100_000_000, isFirstDeaf: isFirstDeaf)
        parent.ask(as: 1) { $0.chunks = [9..<10] }
        let taken = parent.run(.seconds(2), until: { $0.repaired[9] == 763 }) { parent in
            parent.ask(as: 0) { $0.packets = Self.packets(0..<3, 0..<763) }
        }
        #expect(taken < .milliseconds(550), "\(taken), \(parent.repaired)")
        #expect(parent.repaired[0, default: 0] + parent.repaired[1, default: 0] + parent.repaired[2, default: 0] > 763, "\(parent.repaired)")
    }

    /// The same for who is served at its own address.
    @Test func packetsKeepNoUnicastChildWaiting() {
        var parent = Drained(chunks: 12, of: 1 << 20, rate: 100_000_000, isFirstDeaf: true)
        parent.ask(as: 0) { $0.packets = Self.packets(9..<10, 0..<763) }
        let taken = parent.run(.seconds(2), until: { $0.repaired[9] == 763 }) { parent in
            parent.ask(as: 1) { $0.packets = Self.packets(0..<3, 0..<763) }
        }
        #expect(taken < .milliseconds(550), "\(taken), \(parent.repaired)")
    }

    /// 80 packets take a tenth of a second at half the rate.
    @Test func pagesKeepNoPacketsWaiting() {
        var parent = Drained(chunks: 2_000, of: 2_000, rate: 10_000_000)
        parent.ask(as: 1) { $0.packets = Self.packets(1_500..<1_540, 0..<2) }
        let taken = parent.run(.seconds(1), until: { $0.repaired.count == 40 }) { parent in parent.ask(as: 0) { $0.pages = [0..<10_000] } }
        #expect(taken < .milliseconds(250), "\(taken), \(parent.repaired.count)")
    }

    /// 76 packets take 0.35 s at half the rate.
    @Test func outlinesKeepNoPacketsWaiting() {
        var parent = Drained(chunks: 12, of: 1 << 20, rate: 5_000_000)
        parent.ask(as: 1) { $0.packets = Self.packets(5..<6, 0..<76) }
        let taken = parent.run(.seconds(2), until: { $0.repaired[5] == 76 }) { parent in
            parent.ask(as: 0) { request in
                request.outlines = (0..<10).map { RepairRequest.ChunkPackets(chunk: $0, packets: PacketSet(0..<RepairRequest.outlineParts)) }
            }
        }
        #expect(taken < .milliseconds(500), "\(taken), \(parent.repaired)")
    }

    /// Packets wait for half the rate at most, and pages for no more.
    @Test func packetsKeepNoPagesWaiting() {
        var parent = Drained(chunks: 2_000, of: 2_000, rate: 10_000_000)
        let before = parent.pages
        parent.ask(as: 1) { $0.pages = [0..<50] }
        let taken = parent.run(.seconds(1), until: { $0.pages >= before + 50 }) { parent in
            parent.ask(as: 0) { $0.packets = Self.packets(0..<200, 0..<2) }
        }
        #expect(taken < .milliseconds(200), "\(taken)")
    }

    /// Somebody without a cookie gets what others leave.
    @Test func strangersHaveNoShareAfterTheStream() {
        var parent = Drained(chunks: 12, of: 1 << 20, rate: 100_000_000)
        // One NAK of a stranger each tenth of a second, all of which are answered.
        var step = 0
        parent.run(
            .milliseconds(500),
            each: { parent in
                step += 1
                parent.ask(as: 0) { $0.packets = Self.packets(0..<3, 0..<763) }
                if step % 100 == 1 { parent.ask(as: nil) { $0.chunks = [0..<12] } }
            })
        // A fifth would be a million.
        #expect(parent.engine.counters.repairBytes > 5_000_000 && parent.engine.counters.catchUpBytes < 300_000, "\(parent.engine.counters)")
    }
}
