import TestSupport
import Testing

@testable import RMCPProtocol

func parse(_ datagram: [UInt8]) throws(WireError) -> (PacketHeader, Packet) { try Packet.parse(datagram.span.bytes) }

/// Bytes of a hex literal; whatever is no hex digit merely sets fields apart.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    precondition(digits.count.isMultiple(of: 2), "half a byte")
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

func datagram(
    _ packet: Packet, isUnicast: Bool = false, tag: UInt32 = 0x0102_0304, transmitter: UInt32 = 0x0506_0708,
    sequence: UInt32 = 0x090A_0B0C, payload: [UInt8] = []
) -> [UInt8] {
    packet.datagram(sessionTag: tag, transmitter: transmitter, sequence: sequence, isUnicast: isUnicast) + payload
}

/// Children by their ids alone, all at one host.
extension ChildTable {
    static let host = SocketAddress.ipv4(10, 0, 0, 7, port: 9)
    static func name(_ id: UInt32) -> ChildName { ChildName(id, at: host) }

    @discardableResult
    mutating func update(id: UInt32, report: StatusReport, from address: SocketAddress = Self.host, at now: Instant) -> Bool {
        var echoes = Echoes(configuration: Configuration(), at: .zero)
        return update(id: id, report: report, from: address, into: &echoes, at: now)
    }
    mutating func remove(_ id: UInt32, at now: Instant) { remove(Self.name(id), at: now) }
    mutating func heard(_ id: UInt32, at now: Instant) {
        var echoes = Echoes(configuration: Configuration(), at: .zero)
        _ = hear(Self.name(id), .none, into: &echoes, at: now)
    }
    func contains(_ id: UInt32) -> Bool { contains(Self.name(id)) }
    func isLostOrUnknown(_ id: UInt32) -> Bool { isLostOrUnknown(Self.name(id)) }
}

extension StatusHistogram {
    /// A histogram of one that has a say in the rate.
    init(state: ReceiverState, progress: UInt8, loss: UInt8, pressure: UInt8, arrival: UInt8 = 0) {
        let network = LeafStatus.Network(loss: loss, pressure: pressure, arrival: arrival)
        self.init(LeafStatus(state: state, progress: progress, network: network))
    }
}

// MARK: Random packets

extension RandomSource {
    mutating func bytes32() -> Bytes32 { Bytes32(next(), next(), next(), next()) }
    mutating func signature() -> Signature { Signature(r: bytes32(), s: bytes32()) }
    mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
    mutating func word() -> UInt32 { UInt32(truncatingIfNeeded: next()) }

    mutating func packetSet() -> PacketSet {
        var set = PacketSet()
        // Scattered ones make a bitmap the shorter form, runs make ranges.
        if chance(0.5) {
            let base = int(0...32_000)
            for _ in 0..<int(1...60) { set.insert(base + int(0...200)) }
        } else {
            for _ in 0..<int(1...5) {
                let start = int(0...32_000)
                set.insert(start..<start + int(1...700))
            }
        }
        return set
    }

    mutating func range() -> Range<UInt32> {
        let start = UInt32(int(0...1_000_000))
        return start..<start + UInt32(int(1...40_000))
    }

    mutating func request() -> RepairRequest {
        var request = RepairRequest()
        request.needsEnd = chance(0.5)
        for _ in 0..<int(0...3) { request.pages.append(range()) }
        for _ in 0..<int(0...3) { request.chunks.append(range()) }
        for _ in 0..<int(0...4) {
            request.packets.append(RepairRequest.ChunkPackets(chunk: UInt32(int(0...1_048_575)), packets: packetSet()))
        }
        for _ in 0..<int(0...2) {
            let parts = PacketSet(int(0...30)..<int(31...RepairRequest.outlineParts))
            request.outlines.append(RepairRequest.ChunkPackets(chunk: UInt32(int(0...1_048_575)), packets: parts))
        }
        return request
    }

    mutating func record() -> ChunkRecord {
        let length = UInt32(int(2...Int(Limits.maximumChunkLength)))
        let isSealed = chance(0.3)
        let plain: ChunkRecord
        switch int(0...2) {
        case 0: return .zero(contentLength: length)
        case 1:
            let digest = Digest(bytes32())
            plain = ChunkRecord(
                kind: .stored, contentLength: length, encodedLength: length, encodedDigest: digest, contentDigest: digest)
        default:
            plain = ChunkRecord(
                kind: .compressed, contentLength: length, encodedLength: UInt32(int(1...Int(length) - 1)),
                encodedDigest: Digest(bytes32()), contentDigest: Digest(bytes32()))
        }
        guard isSealed else { return plain }
        return plain.sealed(tag: SealTag(high: next(), low: next()), encodedDigest: Digest(bytes32()), maskedDigest: Digest(bytes32()))
    }

    mutating func fileTime() -> FileTime { FileTime(seconds: Int64(bitPattern: next()), nanoseconds: UInt32(int(0...999_999_999))) }

    mutating func announce() -> Announce {
        let chunkLength = UInt32(int(1...Int(Limits.maximumChunkLength)))
        let contentLength: UInt64? = chance(0.2) ? nil : UInt64(int(0...1_000_000)) * UInt64(chunkLength)
        let letters = ["a", "é", "名", "🗄", "/", ".", "\0"]
        let isSealed = chance(0.3)
        let name = (0..<int(1...63)).map { _ in letters[int(0...letters.count - 1)] }.joined()
        var announce = Announce(
            session: SessionID(high: next(), low: next()), kind: BundleKind(rawValue: UInt8(int(0...2))) ?? .file,
            chunkLength: chunkLength, payloadLength: UInt16(int(400...8_948)), creationTime: next(),
            contentLength: contentLength, allocatedLength: contentLength.map { $0 / 3 } ?? next(),
            mode: chance(0.2) ? nil : UInt16(int(0...0o777)), modificationTime: chance(0.2) ? nil : fileTime(), epoch: chance(0.5) ? 0 : word(), name: name,
            key: PublicKey(bytes32()))
        if isSealed { announce.secrecy = .sealed(sealedDetails()) }
        return announce.asSent
    }

    mutating func sealedDetails() -> SealedDetails {
        SealedDetails(salt: bytes32(), bytes: (0..<SealedDetails.sealedLength).map { _ in UInt8(int(0...255)) })
    }

    /// What may be said on the wire, and no more.
    mutating func histogram() -> StatusHistogram {
        var histogram = StatusHistogram()
        func count(_ random: inout RandomSource) -> UInt64 { UInt64(random.int(0...1 << 20)) }
        for index in histogram.states.indices where chance(0.5) { histogram.states[index] = count(&self) }
        for index in histogram.progress.indices where chance(0.5) { histogram.progress[index] = count(&self) }
        for index in histogram.loss.indices where chance(0.5) { histogram.loss[index] = count(&self) }
        for index in histogram.pressure.indices where chance(0.5) { histogram.pressure[index] = count(&self) }
        for index in histogram.arrival.indices where chance(0.1) { histogram.arrival[index] = count(&self) }
        for state in ReceiverState.allCases where state.isFinal && chance(0.3) {
            histogram.rehomed[Int(state.rawValue)] = Int64(count(&self)) * (chance(0.5) ? 1 : -1)
        }
        if chance(0.5) {
            histogram.tree.repairNodes = count(&self)
            histogram.tree.completeRepairNodes = UInt64(int(0...Int(histogram.tree.repairNodes)))
            for reason in RefusalReason.allCases where chance(0.2) { histogram.tree.refusals[reason] = count(&self) }
        }
        histogram.chunksDone = next() % (StatusHistogram.maximumChunksDone + 1)
        return histogram
    }

    mutating func place() -> TreePlace {
        TreePlace(
            path: (0..<int(0...TreePlace.maximumDepth)).map { _ in word() }, timeToLive: UInt8(int(0...255)),
            distance: UInt8(int(0...255)), load: word(), watermark: word())
    }

    mutating func region() -> SocketAddress {
        let port = UInt16(int(1...65_535))
        if chance(0.5) { return SocketAddress(family: .ipv6, high: next() | 0xFF << 56, low: next(), port: port) }
        return .ipv4(UInt8(int(224...239)), UInt8(int(0...255)), UInt8(int(0...255)), UInt8(int(0...255)), port: port)
    }

    mutating func statement() -> Statement {
        Statement(
            serial: word(), transmitter: word(), sequence: word(), phase: SessionPhase.allCases[int(0...5)], hasEnd: chance(0.5),
            position: StreamPosition(chunk: UInt32(int(0...1_048_576)), packet: UInt16(int(0...65_535))), pageCount: UInt32(int(0...1_048_576)),
            horizon: UInt32(int(0...1_048_576)), pace: StatedPace(groupRoundTrip: word(), statusInterval: UInt16(int(0...65_535))))
    }

    mutating func nodePlace() -> NodePlace {
        var place = place()
        if place.path.isEmpty { place.path = [word()] }
        return NodePlace(
            key: PublicKey(bytes32()), serial: word(), statement: word(), child: word(), transmitter: word(), phase: SessionPhase.allCases[int(0...5)],
            pace: StatedPace(groupRoundTrip: word(), statusInterval: UInt16(int(0...65_535))), place: place)
    }

    mutating func report() -> WatchReport {
        var counts = WatchReport.Counts()
        (counts.firstBytes, counts.repairBytes, counts.catchUpBytes, counts.naks) = (next(), next(), next(), next())
        var histogram = histogram()
        histogram.arrival = StatusHistogram().arrival
        histogram.rehomed = StatusHistogram().rehomed
        histogram.tree.refusals = RefusalCounts()
        let first = UInt32(int(0...1_000))
        let nodes = (0..<int(0...WatchReport.maximumNodes)).map { _ in
            ChildNode(transmitter: word(), address: .ipv4(10, UInt8(int(0...255)), UInt8(int(0...255)), UInt8(int(1...255)), port: UInt16(int(1...65_535))))
        }
        return WatchReport(
            nonce: next(), session: SessionID(high: next(), low: next()), phase: SessionPhase.allCases[int(0...5)],
            role: ParentRole.allCases[int(0...2)], rate: next(), position: UInt32(int(0...1_048_576)),
            chunkCount: chance(0.3) ? nil : UInt32(int(0...1_048_576)), chunksHeld: UInt32(int(0...1_048_576)), holes: UInt32(int(0...1_048_576)),
            counts: counts, children: word(), nodeCount: first + UInt32(nodes.count + int(0...20)), firstNode: first, nodes: nodes,
            path: place().path, histogram: histogram)
    }

    mutating func packet(of kind: PacketKind) -> Packet {
        switch kind {
        case .announce: return .announce(announce(), signature())
        case .page:
            let records = (0..<int(1...12)).map { _ in record() }
            let page = TablePage(index: UInt32(int(0...1_000)), firstChunk: UInt32(int(0...1_000_000)), records: records)
            return .page(page, body: page.body, signature())
        case .data:
            return .data(DataHeader(chunk: word(), packet: UInt16(int(0...65_535)), isRepair: chance(0.5)), payloadOffset: 24)
        case .end:
            let chunks = int(0...1_048_576)
            return .end(
                EndOfTable(
                    chunkCount: UInt32(chunks), pageCount: UInt32(int(0...chunks)), contentLength: next(),
                    encodedLength: next(), tableDigest: Digest(bytes32())), signature())
        case .heartbeat:
            return .heartbeat(
                Heartbeat(
                    phase: SessionPhase(rawValue: UInt8(int(0...5))) ?? .waiting, timestamp: next(), groupRoundTrip: word(),
                    statusInterval: max(1, word()), population: word(),
                    position: StreamPosition(chunk: UInt32(int(0...1_048_576)), packet: UInt16(int(0...65_535))),
                    pageCount: UInt32(int(0...1_048_576)), hasEnd: chance(0.5), rate: next(),
                    liveLossLimit: UInt8(int(0...255)), livePressureLimit: UInt8(int(0...255)),
                    nakInterval: UInt16(int(0...65_535)), place: place()))
        case .nak:
            return .nak(
                NegativeAcknowledgement(echo: TimestampEcho(timestamp: next(), delay: word()), request: request()))
        case .ncf: return .ncf(request())
        case .status:
            return .status(
                StatusReport(
                    echo: TimestampEcho(timestamp: next(), delay: word()), longestDatagram: UInt16(int(0...65_535)),
                    // A cookie that is not the parent's own is dropped.
                    isDeaf: chance(0.3), wantsStream: chance(0.3), cookie: chance(0.97) ? 0 : next(), histogram: histogram()))
        case .acknowledgement: return .acknowledgement(sequence: word())
        case .solicitation: return .solicitation
        case .attach: return .attach(AttachRequest(nonce: next(), wantsStream: chance(0.5)))
        case .attached:
            return .attached(AttachAnswer(nonce: next(), verdict: AttachAnswer.Verdict.allCases[int(0...2)], cookie: next()))
        case .detach: return .detach(cookie: next())
        case .advertisement: return .advertisement(Advertisement(region: region(), time: next(), key: PublicKey(bytes32())), signature())
        case .query: return .query(WatchQuery(nonce: next(), firstNode: word()))
        case .report: return .report(report())
        case .statement: return .statement(statement(), signature())
        case .outline:
            let values = (0..<int(1...32)).map { _ in Digest(bytes32()) }
            return .outline(OutlinePart(chunk: UInt32(int(0...40)), part: UInt8(int(0...8)), values: values, siblings: values.suffix(int(0...3))))
        case .refusal: return .refusal(RefusalNotice(cookie: next(), reason: RefusalReason.allCases[int(0...3)]))
        case .place: return .place(nodePlace(), signature())
        }
    }
}
