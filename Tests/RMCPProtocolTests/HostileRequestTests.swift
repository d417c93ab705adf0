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
    private func request(_ chunks: Range<UInt32>, _ packets: PacketSet) -> RepairRequest {
        var request = RepairRequest()
        request.packets = chunks.map { RepairRequest.ChunkPackets(chunk: $0, packets: packets) }
        return request
    }

    private var everyOther: PacketSet {
        var set = PacketSet()
        for packet in stride(from: 0, to: 762, by: 2) { set.insert(packet) }
        return set
    }

    // MARK: Confirmations

    /// A run of which every other packet is on the books leaves a bitmap of ten times its bytes.
    @Test func aConfirmationFitsADatagram() throws {
        var parent = AskedSender(chunks: 60, rate: 2_000_000_000)
        parent.run(to: 45)
        for start in stride(from: UInt32(0), to: 40, by: 10) { parent.ask(request(start..<start + 10, everyOther), asChild: true) }
        let length = parent.ask(request(0..<40, PacketSet(0..<763)), asChild: true)
        parent.drain()
        #expect(parent.confirmations.count == 5 && parent.confirmations.allSatisfy { $0.count <= parent.engine.datagramLength })
        let last = try #require(parent.confirmations.last)
        #expect(length < 500 && last.count <= length, "\(length) \(last.count)")
        guard case .ncf(let confirmed) = try parse(last).1 else {
            Issue.record("no NCF")
            return
        }
        #expect(confirmed.packets.count == 40 && confirmed.packets.allSatisfy { $0.packets == PacketSet(0..<763) })
    }

    /// Where there is room, news is told as such: others may lack the rest.
    @Test func whatIsOnTheBooksIsNotConfirmedTwice() throws {
        var parent = AskedSender(chunks: 10, rate: 2_000_000_000)
        parent.run(to: 3)
        parent.ask(request(0..<1, PacketSet(0..<100)), asChild: true)
        parent.ask(request(0..<1, PacketSet(50..<200)), asChild: true)
        parent.drain()
        guard case .ncf(let confirmed) = try parse(#require(parent.confirmations.last)).1 else {
            Issue.record("no NCF")
            return
        }
        #expect(confirmed.packets.map(\.packets) == [PacketSet(100..<200)])
    }

    /// One range of chunks at a node that has every other one.
    @Test func chunksOfANodeWithHolesFitAConfirmation() {
        var window = TransmitWindow(
            table: TableBuilder(session: RepairHarness.announce.session, signer: LaneSigner(key: 5), digest: LaneDigest()), isRepairNode: true,
            configuration: Configuration())
        for chunk in 0..<4_000 as Range<UInt32> {
            window.append(.zero(contentLength: 4_000))
            if chunk % 2 == 0 { window.hold(chunk) }
        }
        window.advance(to: StreamPosition(chunk: 4_000, packet: 0))
        var pending = PendingNAKs(configuration: Configuration())
        var terms = PendingNAKs.Terms(child: nil, payloadLength: 1_376, since: .zero, holdOff: .milliseconds(10), now: .milliseconds(5))
        var request = RepairRequest()
        request.chunks = Array(repeating: 0..<4_000, count: 100)
        let confirmed = pending.accept(request, of: window, on: &terms)
        #expect(datagram(.ncf(confirmed)).count <= 1_400)
        // What is not confirmed is not queued either, and is asked for again.
        #expect(confirmed.chunks.count == 153 && pending.catchUp.count == 153, "\(confirmed.chunks.count) \(pending.catchUp.count)")
        // A few pieces are all confirmed.
        request.chunks = [3_000..<3_100]
        #expect(pending.accept(request, of: window, on: &terms).chunks.count == 50)
    }

    // MARK: What is read of them

    /// Entries of no kind: whoever reads them finds that they are malformed.
    private func garbage(_ kind: PacketKind, tag: UInt32, transmitter: UInt32, cookie: UInt64, at offset: Int, length: Int = 200) -> [UInt8] {
        var writer = ByteWriter()
        PacketHeader(kind: kind, isUnicast: true, sessionTag: tag, transmitter: transmitter, sequence: 1).write(to: &writer)
        writer.pad(to: PacketHeader.length + offset)
        writer.writeUInt64(cookie)
        while writer.count < length { writer.writeUInt8(0xFE) }
        return writer.bytes
    }

    @Test(arguments: [(PacketKind.nak, 12), (.status, 15)]) func listsOfStrangersAreNotRead(kind: PacketKind, offset: Int) {
        var parent = AskedSender(chunks: 10, rate: 100_000_000)
        parent.run(to: 1)
        let (tag, child) = (parent.engine.session.tag, AskedSender.children[0])
        let own = parent.engine.cookie(for: child.address)
        let before = parent.engine.counters
        func tell(tag: UInt32, transmitter: UInt32 = 99, cookie: UInt64, from source: SocketAddress = AskedSender.stranger) {
            parent.tell(garbage(kind, tag: tag, transmitter: transmitter, cookie: cookie, at: offset), from: source)
        }
        tell(tag: tag ^ 1, cookie: own, from: child.address)
        tell(tag: tag, transmitter: parent.engine.transmitterID, cookie: own, from: child.address)
        #expect(parent.engine.counters.foreign == before.foreign + 2 && parent.engine.counters.malformed == before.malformed)
        // Another address's cookie is none. Some NAKs of strangers are answered, and read.
        for number in 0..<100 { tell(tag: tag, cookie: number % 2 == 0 ? own : 0) }
        let answered: UInt64 = kind == .nak ? 20 : 0
        #expect(parent.engine.counters.unproven == before.unproven + 100 - answered)
        #expect(parent.engine.counters.malformed == before.malformed + answered)
        tell(tag: tag, transmitter: child.id, cookie: own, from: child.address)
        #expect(parent.engine.counters.malformed == before.malformed + answered + 1)
    }

    @Test func confirmationsOfNobodyAreNotRead() {
        var session = SessionHarness(signer: LaneSigner(key: 5), receivers: 1)
        #expect(session.run { $0.receivers[0].engine.chunksDone > 5 })
        let (tag, parent) = (session.sender.session.tag, session.sender.transmitterID)
        let before = session.receivers[0].engine.counters
        func tell(_ kind: PacketKind, tag: UInt32, transmitter: UInt32, length: Int = 200) {
            session.receivers[0].take(garbage(kind, tag: tag, transmitter: transmitter, cookie: 0, at: 0, length: length), at: session.now)
        }
        tell(.ncf, tag: tag ^ 1, transmitter: parent)
        tell(.ncf, tag: tag, transmitter: parent ^ 1)
        for kind in [PacketKind.nak, .status, .report] { tell(kind, tag: tag, transmitter: parent) }
        #expect(session.receivers[0].engine.counters.foreign == before.foreign + 5)
        #expect(session.receivers[0].engine.counters.malformed == before.malformed && session.receivers[0].engine.counters.datagrams == before.datagrams)
        tell(.ncf, tag: tag, transmitter: parent)
        #expect(session.receivers[0].engine.counters.malformed == before.malformed + 1)
        // No parent's is longer than the session's datagrams, however well formed.
        var long = RepairRequest()
        long.chunks = Array(repeating: 0..<1, count: 200)
        session.receivers[0].take(session.forged(.ncf(long)), at: session.now)
        #expect(session.receivers[0].engine.counters.malformed == before.malformed + 2)
        long.chunks = Array(long.chunks.prefix(100))
        session.receivers[0].take(session.forged(.ncf(long)), at: session.now)
        #expect(session.receivers[0].engine.counters.malformed == before.malformed + 2)
    }

    /// An entry of ten bytes names 32,768 packets, of which a chunk of 1 MiB has 763.
    @Test func noMorePacketsAreKeptThanAChunkHas() throws {
        func packets(_ hex: String, of most: Int) throws -> PacketSet {
            let entry = bytes(hex: hex)
            var reader = ByteReader(entry.span.bytes)
            return try #require(try RepairRequest(reading: &reader, packetsOfChunk: most).packets.first).packets
        }
        #expect(try packets("01 00000000 01 0000 7FFF", of: 763) == PacketSet(0..<763))
        #expect(try packets("01 00000000 02 02F9 7FFF 0001 0001", of: 763).count == 3)
        #expect(try packets("01 00000000 01 02FB 7FFF", of: 763).isEmpty)
        #expect(try packets("02 00000000 02F4 0002 FFFF", of: 763) == PacketSet(756..<763))
        #expect(try packets("02 00000000 02F3 0001 FF", of: 763) == PacketSet(755..<763))
        #expect(try packets("02 00000000 7000 0002 FFFF", of: 763).isEmpty)
        #expect(try packets("02 00000000 7FFF 0000", of: 763).isEmpty)
        // What no chunk has is malformed all the same.
        #expect(throws: WireError.self) { try packets("01 00000000 01 0000 8000", of: 763) }
        #expect(throws: WireError.self) { try packets("02 00000000 7FFF 0001 40", of: 763) }
    }

    // MARK: What strangers cost

    /// Twenty times a second somebody without a cookie asks for all packets of all chunks.
    @Test func strangersHaveAHundredthOfTheRate() {
        var parent = AskedSender(chunks: 60, rate: 200_000_000)
        parent.run(to: 4)
        let (before, since) = (parent.engine.counters, parent.now)
        parent.run(to: 59) { parent in
            let sent = parent.engine.positionChunk
            for _ in 0..<2 { parent.ask(request(max(sent, 100) - 100..<sent, PacketSet(0..<763)), asChild: false) }
        }
        let seconds = (parent.now - since).inSeconds
        let repaired = Double(parent.engine.counters.repairBytes - before.repairBytes)
        // A second's worth is there at the beginning.
        #expect(repaired > 0 && repaired <= 0.01 * 25_000_000 * (seconds + 1) + 1_400, "\(repaired) in \(seconds) s")
        #expect(parent.engine.positionChunk >= 59 && seconds < 2.6)
        #expect(parent.confirmations.allSatisfy { $0.count <= parent.engine.datagramLength })
        #expect(parent.engine.counters.naksReceived - before.naksReceived > 1_000)
    }

    /// Who lost a packet before it had a cookie gets it at once.
    @Test func aStrangerIsHelpedWithWhatItLost() {
        var parent = AskedSender(chunks: 10, rate: 100_000_000)
        parent.run(to: 3)
        let before = parent.engine.counters.repairBytes
        var lost = request(1..<2, PacketSet(10..<20))
        lost.pages = [0..<1]
        parent.ask(lost, asChild: false)
        let pages = parent.pages
        parent.sleep(.milliseconds(5))
        #expect(parent.engine.counters.repairBytes == before + 14_000 && parent.pages > pages && parent.confirmations.count == 1)
    }

    /// Pages and outlines are no more than packets to them.
    @Test func strangersHaveNoMorePagesThanPackets() {
        var parent = AskedSender(chunks: 2_000, of: 2_000, rate: 10_000_000)
        parent.run(to: 1_000)
        let (before, since) = (parent.pages, parent.now)
        var everything = RepairRequest()
        everything.pages = [0..<10_000]
        everything.needsEnd = true
        parent.run(to: 1_800) { $0.ask(everything, asChild: false) }
        let (seconds, pages) = ((parent.now - since).inSeconds, parent.pages - before)
        // First transmissions have some.
        #expect(pages < 100 && seconds < 1.5, "\(pages) pages in \(seconds) s")
    }

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
