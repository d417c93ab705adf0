import Testing

@testable import RMCPProtocol

/// The wire format as bytes written down by hand: a change of either side of the codec that the other follows would
/// pass a round trip, but not this.
@Suite struct WireGoldenTests {
    private static let header = "524D 02"
    private static let ids = "01020304 05060708 090A0B0C"
    private static let digestA = Digest(Bytes32(0x0001_0203_0405_0607, 0x0809_0A0B_0C0D_0E0F, 0x1011_1213_1415_1617, 0x1819_1A1B_1C1D_1E1F))
    private static let digestB = Digest(Bytes32(0xA0A1_A2A3_A4A5_A6A7, 0xA8A9_AAAB_ACAD_AEAF, 0xB0B1_B2B3_B4B5_B6B7, 0xB8B9_BABB_BCBD_BEBF))
    private static let hexA = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
    private static let hexB = "A0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF"
    private static let signature = Signature(r: digestA.value, s: digestB.value)
    private static let hexSignature = hexA + hexB

    private func expect(
        _ packet: Packet, isUnicast: Bool = false, kindByte: String, body: String, payload: [UInt8] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let golden = bytes(hex: Self.header + kindByte + Self.ids + body)
        #expect(
            datagram(packet, isUnicast: isUnicast, payload: payload) == golden, sourceLocation: sourceLocation)
        let (header, parsed) = try parse(golden)
        #expect(parsed == packet, sourceLocation: sourceLocation)
        #expect(
            header
                == PacketHeader(
                    kind: PacketKind(of: packet), isUnicast: isUnicast, sessionTag: 0x0102_0304, transmitter: 0x0506_0708,
                    sequence: 0x090A_0B0C), sourceLocation: sourceLocation)
    }

    @Test func headerIsSixteenBytesInNetworkOrder() throws {
        var writer = ByteWriter()
        PacketHeader(kind: .status, isUnicast: true, sessionTag: 0xDEAD_BEEF, transmitter: 1, sequence: 0xFFFF_FFFE)
            .write(to: &writer)
        #expect(writer.bytes == bytes(hex: "524D 02 88 DEADBEEF 00000001 FFFFFFFE"))
        let header = try PacketHeader(of: writer.bytes.span.bytes)
        #expect(header.kind == .status && header.isUnicast)
        #expect(header.sessionTag == 0xDEAD_BEEF && header.transmitter == 1 && header.sequence == 0xFFFF_FFFE)
    }

    @Test func announceOfAFile() throws {
        let announce = Announce(
            session: SessionID(high: 0x1111_2222_3333_4444, low: 0x5555_6666_7777_8888), kind: .file,
            chunkLength: 1 << 20, payloadLength: 1_376, creationTime: 0x0000_0199_0000_0001,
            contentLength: 0x0000_0001_0000_0000, allocatedLength: 0x0000_0000_8000_0000, mode: 0o644,
            modificationTime: FileTime(seconds: 0x1700_0000_0000_0002, nanoseconds: 999_999_999), epoch: 0x0102_0304, name: "dé.img",
            key: PublicKey(Self.digestB.value))
        #expect(announce.session.tag == 0x1111_2222)
        try expect(
            .announce(announce, Self.signature), kindByte: "01",
            body: "1111222233334444 5555666677778888 00 03 0560 00100000 0000019900000001 0000000100000000"
                + "0000000080000000 1700000000000002 3B9AC9FF 01A4 01020304 0007 64C3A92E696D67" + Self.hexB + Self.hexSignature)
    }

    @Test func announceOfAStreamHasNoLength() throws {
        let announce = Announce(
            session: SessionID(high: 1, low: 2), kind: .stream, chunkLength: 8 << 20, payloadLength: 400, creationTime: 3,
            contentLength: nil, allocatedLength: 0, mode: nil, modificationTime: nil, name: "-", key: .none)
        #expect(!announce.isSigned)
        try expect(
            .announce(announce, .none), kindByte: "01",
            body: "0000000000000001 0000000000000002 02 00 0190 00800000 0000000000000003 FFFFFFFFFFFFFFFF"
                + "0000000000000000 0000000000000000 00000000 0000 00000000 0001 2D" + String(repeating: "00", count: 96))
    }

    /// A mode of 0 and the first moment of 1970 are values like others.
    @Test func announceOfAFileThatNobodyMayRead() throws {
        let announce = Announce(
            session: SessionID(high: 1, low: 2), kind: .file, chunkLength: 8 << 20, payloadLength: 400, creationTime: 3,
            contentLength: 0, allocatedLength: 0, mode: 0, modificationTime: FileTime(seconds: 0, nanoseconds: 0), name: "-", key: .none)
        let head = "0000000000000001 0000000000000002 00 03 0190 00800000 0000000000000003 0000000000000000 0000000000000000"
        try expect(
            .announce(announce, .none), kindByte: "01", body: head + "0000000000000000 00000000 0000 00000000 0001 2D" + String(repeating: "00", count: 96))
        var old = announce
        old.modificationTime = FileTime(seconds: -2, nanoseconds: 500_000_000)
        try expect(.announce(old, .none), kindByte: "01", body: head + "FFFFFFFFFFFFFFFE 1DCD6500 0000 00000000 0001 2D" + String(repeating: "00", count: 96))
    }

    @Test func announceOfWhatIsSealed() throws {
        let details = SealedDetails(salt: Self.digestA.value, bytes: (0..<SealedDetails.sealedLength).map { UInt8(truncatingIfNeeded: $0) })
        var announce = Announce(
            session: SessionID(high: 1, low: 2), kind: .file, chunkLength: 1 << 20, payloadLength: 1_376, creationTime: 3,
            contentLength: 5, allocatedLength: 4, mode: 0o644, modificationTime: FileTime(seconds: 6, nanoseconds: 7), name: "secret", key: .none)
        announce.secrecy = .opened(details)
        let sealed = details.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        try expect(
            .announce(announce.asSent, .none), kindByte: "01",
            body: "0000000000000001 0000000000000002 00 04 0560 00100000 0000000000000003 FFFFFFFFFFFFFFFF"
                + "0000000000000000 0000000000000000 00000000 0000 00000000 014F" + Self.hexA + sealed + String(repeating: "00", count: 96))
        #expect(announce.signedMessage == announce.asSent.signedMessage)
        #expect(!announce.asSent.isOpen && announce.isOpen && announce.asSent.name == Announce.sealedName && announce.asSent.mode == nil)
        let plain = announce.plainDetails
        #expect(
            Array(plain.prefix(38)) == bytes(hex: "03 06 01A4 0000000000000005 0000000000000004 0000000000000006 00000007 736563726574")
                && plain.count == 287 && plain.dropFirst(38).allSatisfy { $0 == 0 })
    }

    @Test func pageOfWhatIsSealed() throws {
        let tag = SealTag(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
        let stored = ChunkRecord(kind: .stored, contentLength: 0x10_0000, encodedLength: 0x10_0000, encodedDigest: .zero, contentDigest: .zero)
        let compressed = ChunkRecord(kind: .compressed, contentLength: 0x10_0000, encodedLength: 0x1234, encodedDigest: .zero, contentDigest: .zero)
        let page = TablePage(
            index: 0, firstChunk: 0,
            records: [stored, compressed].map { $0.sealed(tag: tag, encodedDigest: Self.digestA, maskedDigest: Self.digestB) })
        let hexTag = "0102030405060708 090A0B0C0D0E0F10"
        let body =
            "00000000 00000000 0002 04 00100000" + Self.hexA + Self.hexB + hexTag + "03 00100000 00001234" + Self.hexA + Self.hexB + hexTag
        try expect(.page(page, body: bytes(hex: body), Self.signature), kindByte: "02", body: body + Self.hexSignature)
    }

    @Test func pageRunsEqualHolesTogether() throws {
        let page = TablePage(
            index: 2, firstChunk: 7,
            records: [
                .zero(contentLength: 0x10_0000), .zero(contentLength: 0x10_0000), .zero(contentLength: 0x10_0000),
                ChunkRecord(
                    kind: .stored, contentLength: 0x10_0000, encodedLength: 0x10_0000, encodedDigest: Self.digestA,
                    contentDigest: Self.digestA),
                ChunkRecord(
                    kind: .compressed, contentLength: 0x10_0000, encodedLength: 0x1234, encodedDigest: Self.digestA,
                    contentDigest: Self.digestB),
                .zero(contentLength: 5),
            ])
        let body =
            "00000002 00000007 0004 02 00100000 00000003 01 00100000" + Self.hexA + "00 00100000 00001234"
            + Self.hexA + Self.hexB + "02 00000005 00000001"
        #expect(page.body == bytes(hex: body))
        #expect(page.chunkRange == 7..<13)
        try expect(
            .page(page, body: bytes(hex: body), Self.signature), kindByte: "02", body: body + Self.hexSignature)
    }

    @Test func dataHasAnEightByteHeader() throws {
        try expect(
            .data(DataHeader(chunk: 0x0001_0203, packet: 0x0405, isRepair: true), payloadOffset: 24), kindByte: "03",
            body: "00010203 0405 0001 FEED", payload: [0xFE, 0xED])
        try expect(
            .data(DataHeader(chunk: 9, packet: 0, isRepair: false), payloadOffset: 24), isUnicast: true, kindByte: "83",
            body: "00000009 0000 0000 FE", payload: [0xFE])
    }

    /// The send path writes headers in place, past the control packets' writer: both must agree.
    @Test func headersWrittenInPlaceAreTheSame() throws {
        var batch = DataBatch(
            chunk: 0x0001_0203, isRepair: true, destination: .group, sessionTag: 0x0102_0304, transmitter: 0x0506_0708,
            firstSequence: 0xFFFF_FFFF, encodedLength: 1_000, payloadLength: 400)
        batch.append(1)
        batch.append(2)
        // The second is the chunk's last packet: 1000 - 2 * 400 bytes. The sequence wraps.
        #expect(batch.byteCount == 24 + 400 + 24 + 200)
        #expect(batch.payloadRange(at: 0) == 400..<800 && batch.payloadRange(at: 1) == 800..<1_000)
        for (index, golden) in [
            "524D 02 03 01020304 05060708 FFFFFFFF 00010203 0001 0001", "524D 02 03 01020304 05060708 00000000 00010203 0002 0001",
        ].enumerated() {
            var storage = [UInt8](repeating: 0xEE, count: DataHeader.length)
            storage.withUnsafeMutableBytes { buffer in
                var span = buffer.mutableBytes
                batch.writeHeader(at: index, into: &span)
            }
            #expect(storage == bytes(hex: golden))
        }
    }

    @Test func end() throws {
        try expect(
            .end(
                EndOfTable(
                    chunkCount: 0x10_0000, pageCount: 0x1_0000, contentLength: 0x0102_0304_0506_0708,
                    encodedLength: 0x0807_0605_0403_0201, tableDigest: Self.digestB), Self.signature), kindByte: "04",
            body: "00100000 00010000 0102030405060708 0807060504030201" + Self.hexB + Self.hexSignature)
    }

    @Test func heartbeat() throws {
        try expect(
            .heartbeat(
                Heartbeat(
                    phase: .draining, timestamp: 0x0102_0304_0506_0708, groupRoundTrip: 0x1112_1314, statusInterval: 0x2122_2324,
                    population: 0x3132_3334, position: StreamPosition(chunk: 0x000F_4243, packet: 0x5152),
                    pageCount: 0x000F_6263, hasEnd: true, rate: 0x7172_7374_7576_7778, liveLossLimit: 12,
                    livePressureLimit: 5, nakInterval: 0xD1D2,
                    place: TreePlace(path: [0x8182_8384, 0x9192_9394], timeToLive: 0xA1, distance: 0xE1, load: 0xB1B2_B3B4, watermark: 0xC1C2_C3C4))),
            kindByte: "05",
            body: "02 01 0C 05 0102030405060708 11121314 21222324 31323334 000F4243 5152 000F6263 7172737475767778"
                + "D1D2 A1 02 E1 00 B1B2B3B4 C1C2C3C4 81828384 91929394")
        // The sender's path is empty.
        try expect(
            .heartbeat(
                Heartbeat(
                    phase: .waiting, timestamp: 1, groupRoundTrip: 2, statusInterval: 3, population: 4, position: .start, pageCount: 5,
                    hasEnd: false, rate: 6, liveLossLimit: 7, livePressureLimit: 8)), kindByte: "05",
            body: "00 00 07 08 0000000000000001 00000002 00000003 00000004 00000000 0000 00000005 0000000000000006"
                + "0000 00 00 00 00 00000000 00000000")
    }

    @Test func requestsUseRangesOrABitmapWhicheverIsShorter() throws {
        var request = RepairRequest()
        request.needsEnd = true
        request.pages = [3..<5]
        request.chunks = [0..<1, 0x0F_0000..<0x10_0000]
        var scattered = PacketSet()
        for packet in [258, 260, 266, 273] { scattered.insert(packet) }
        request.packets = [
            RepairRequest.ChunkPackets(chunk: 6, packets: PacketSet(0..<0x8000)),
            RepairRequest.ChunkPackets(chunk: 7, packets: scattered),
        ]
        let body =
            "05 04 00000003 00000004 03 00000000 00000000 03 000F0000 000FFFFF 01 00000006 01 0000 7FFF"
            // Four runs would take 22 bytes. Bits from 258 on: 258 and 260, 266, 273.
            + "02 00000007 0102 0002 A0 81"
        try expect(.ncf(request), kindByte: "07", body: body)
        try expect(
            .nak(
                NegativeAcknowledgement(
                    echo: TimestampEcho(timestamp: 0x0102_0304_0506_0708, delay: 0x0A0B_0C0D), cookie: 0xC1C2_C3C4_C5C6_C7C8, request: request)),
            isUnicast: true, kindByte: "86", body: "0102030405060708 0A0B0C0D C1C2C3C4C5C6C7C8" + body)
        #expect(RepairRequest.wireLength(of: PacketSet(0..<0x8000)) == 10)
        #expect(RepairRequest.wireLength(of: scattered) == 11)
    }

    @Test func statusOfALeafIsSparse() throws {
        let network = LeafStatus.Network(loss: 2, pressure: 7, arrival: 159)
        let histogram = StatusHistogram(LeafStatus(state: .complete, progress: 10, network: network, chunksDone: 0xA_BCDE))
        try expect(
            .status(
                StatusReport(
                    echo: TimestampEcho(timestamp: 5, delay: 6), longestDatagram: 1_400, isDeaf: true, cookie: 0xD1D2_D3D4_D5D6_D7D8,
                    histogram: histogram)), isUnicast: true, kindByte: "88",
            body: "0000000000000005 00000006 0578 01 D1D2D3D4D5D6D7D8 01 04 00000001 01 0A 00000001 01 02 00000001 01 07 00000001"
                + "01 9F 00000001 00 00000000 00000000 00000000000ABCDE")
        // Who has no say in the rate leaves those three empty.
        try expect(
            .status(
                StatusReport(
                    echo: .none, longestDatagram: 0,
                    histogram: StatusHistogram(LeafStatus(state: .behind, progress: 4, network: nil)))), isUnicast: true,
            kindByte: "88",
            body: "0000000000000000 00000000 0000 00 0000000000000000 01 02 00000001 01 04 00000001 00 00 00 00 00000000 00000000 0000000000000000")
    }

    /// A repair node behind a link without multicast, with a child of its own that another parent counts as lost.
    @Test func statusOfARepairNodeCountsTheTree() throws {
        var sum = StatusHistogram(LeafStatus(state: .receiving, progress: 4, network: nil, isRehomed: true))
        sum.rehomed[4] = -2
        sum.tree.repairNodes = 0x0002_0304
        sum.tree.completeRepairNodes = 0x0001_0708
        sum.chunksDone = 0x0123_4567_89AB
        try expect(
            .status(StatusReport(echo: .none, longestDatagram: 1_400, wantsStream: true, cookie: 1, histogram: sum)), isUnicast: true,
            kindByte: "88",
            body: "0000000000000000 00000000 0578 02 0000000000000001 01 01 00000001 01 04 00000001 00 00 00"
                + "02 04 FFFFFFFE 0D 00000001 00020304 00010708 00000123456789AB")
    }

    /// Receivers below it that take no part: an entry for each reason that somebody has, their number in the highest bits.
    @Test func statusOfARepairNodeCountsRefusals() throws {
        var sum = StatusHistogram()
        sum.tree.repairNodes = 3
        sum.tree.completeRepairNodes = 1
        sum.tree.refusals[.outdated] = 0x0102_0304 >> 4
        sum.tree.refusals[.busy] = 2
        try expect(
            .status(StatusReport(echo: .none, longestDatagram: 1_400, cookie: 1, histogram: sum)), isUnicast: true, kindByte: "88",
            body: "0000000000000000 00000000 0578 00 0000000000000001 00 00 00 00 00 00 20000003 00000001 01 00102030 02 00000002 0000000000000000")
        // Nobody but a repair node sums them, and each reason is said once, with somebody who has it.
        for wrong in [
            "10000000 00000000 01 00000001", "20000001 00000000 01 00000001 01 00000001", "10000001 00000000 01 00000000", "10000001 00000000 04 00000001",
        ] {
            let body = "0000000000000000 00000000 0578 00 0000000000000001 00 00 00 00 00 00" + wrong + "0000000000000000"
            #expect(throws: WireError.self) { try parse(bytes(hex: Self.header + "88" + Self.ids + body)) }
        }
    }

    @Test func refusal() throws {
        for (reason, byte) in zip(RefusalReason.allCases, ["00", "01", "02", "03"]) {
            try expect(
                .refusal(RefusalNotice(cookie: 0x0102_0304_0506_0708, reason: reason)), isUnicast: true, kindByte: "94", body: "0102030405060708" + byte)
        }
        #expect(throws: WireError.invalidField("refusal")) { try parse(bytes(hex: Self.header + "94" + Self.ids + "0102030405060708 04")) }
    }

    @Test func acknowledgement() throws {
        try expect(.acknowledgement(sequence: 0xCAFE_F00D), isUnicast: true, kindByte: "89", body: "CAFEF00D")
    }

    // MARK: The tree

    @Test func solicitationIsPaddedWithZeros() throws {
        // 16 of header, 68 of ANNOUNCE before its name, 335 of sealed details, 32 of key, 64 of signature.
        try expect(.solicitation, isUnicast: true, kindByte: "8A", body: String(repeating: "00", count: 515 - 16))
    }

    @Test func attachIsAsLongAsItsAnswer() throws {
        let padding = String(repeating: "00", count: 8)
        try expect(
            .attach(AttachRequest(nonce: 0x0102_0304_0506_0708, wantsStream: true)), isUnicast: true, kindByte: "8B",
            body: "0102030405060708 01" + padding)
        try expect(.attach(AttachRequest(nonce: .max, wantsStream: false)), isUnicast: true, kindByte: "8B", body: "FFFFFFFFFFFFFFFF 00" + padding)
    }

    @Test func attached() throws {
        for (verdict, byte) in [(AttachAnswer.Verdict.accepted, "00"), (.full, "01"), (.noUnicast, "02"), (.moved, "03"), (.untrusted, "04")] {
            try expect(
                .attached(AttachAnswer(nonce: 0x0102_0304_0506_0708, verdict: verdict, cookie: 0x1112_1314_1516_1718)), isUnicast: true,
                kindByte: "8C", body: "0102030405060708" + byte + "1112131415161718")
        }
    }

    @Test func detach() throws {
        try expect(.detach(cookie: 0x0102_0304_0506_0708), isUnicast: true, kindByte: "8D", body: "0102030405060708")
    }

    @Test func advertisement() throws {
        try expect(
            .advertisement(Advertisement(region: .ipv4(239, 255, 76, 28, port: 17_627)), .none), kindByte: "0E",
            body: "04 00 44DB 0000000000000000 00000000EFFF4C1C" + String(repeating: "00", count: 8 + 32 + 64))
        let region = SocketAddress(family: .ipv6, high: 0xFF15_0000_0000_0000, low: 0x7627, port: 9)
        let signed = Advertisement(region: region, time: 0x0102_0304_0506_0708, key: PublicKey(Self.digestA.value))
        let body = "06 00 0009 FF15000000000000 0000000000007627 0102030405060708" + Self.hexA
        try expect(.advertisement(signed, Self.signature), kindByte: "0E", body: body + Self.hexSignature)
        #expect(signed.signedMessage == Array("rmcp advertisement v2\n".utf8) + bytes(hex: body))
    }

    @Test func place() throws {
        let place = NodePlace(
            key: PublicKey(Self.digestA.value), serial: 0x0102_0304, statement: 0x0506_0708, child: 0x090A_0B0C, transmitter: 0x0D0E_0F10,
            phase: .draining, pace: StatedPace(groupRoundTrip: 0x1112_1314, statusInterval: 0x1516),
            place: TreePlace(path: [0x2122_2324, 0x2526_2728], timeToLive: 8, distance: 3, load: 7, watermark: 9))
        let body = Self.hexA + "01020304 05060708 090A0B0C 0D0E0F10 02 00 1516 11121314 08 02 03 00 00000007 00000009 21222324 25262728"
        try expect(.place(place, Self.signature), kindByte: "12", body: body + Self.hexSignature)
        let session = SessionID(high: 1, low: 2)
        #expect(
            place.signedMessage(session: session, cookie: 0x3132_3334_3536_3738)
                == Array("rmcp place v2\n".utf8) + bytes(hex: "0000000000000001 0000000000000002" + body + "3132333435363738"))
        // Nobody but the sender is at the top.
        let atTop = body.replacing("08 02 03 00", with: "08 00 03 00").dropLast(18)
        #expect(throws: WireError.invalidField("depth")) { try parse(bytes(hex: Self.header + "12" + Self.ids + atTop + Self.hexSignature)) }
    }

    @Test func statement() throws {
        let statement = Statement(
            serial: 0x0102_0304, transmitter: 0x0506_0708, sequence: 0xFFFF_FFFE, phase: .draining, hasEnd: true,
            position: StreamPosition(chunk: 0x000A_0B0C, packet: 0x0D0E), pageCount: 0x000F_1011, horizon: 0x0010_0000,
            pace: StatedPace(groupRoundTrip: 0x1213_1415, statusInterval: 0x1617))
        let body = "01020304 05060708 FFFFFFFE 02 01 000A0B0C 0D0E 000F1011 00100000 12131415 1617 0000"
        try expect(.statement(statement, Self.signature), kindByte: "11", body: body + Self.hexSignature)
        let session = SessionID(high: 1, low: 2)
        #expect(
            statement.signedMessage(session: session)
                == Array("rmcp statement v2\n".utf8) + bytes(hex: "0000000000000001 0000000000000002" + body))
        // Beyond what a bundle can have.
        #expect(throws: WireError.invalidField("position")) {
            try parse(bytes(hex: Self.header + "11" + Self.ids + body.replacing("00100000", with: "00100001") + Self.hexSignature))
        }
    }

    /// Each signature starts with what it signs, so that a page cannot be replayed as an END.
    @Test func signedMessagesCarryTheirDomainAndSession() {
        let session = SessionID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718)
        let sessionBytes = bytes(hex: "0102030405060708 1112131415161718")
        #expect(
            TablePage.signedMessage(session: session, body: [1, 2, 3]) == Array("rmcp page v2\n".utf8) + sessionBytes + [1, 2, 3])
        let end = EndOfTable(chunkCount: 1, pageCount: 1, contentLength: 2, encodedLength: 3, tableDigest: Self.digestA)
        #expect(
            end.signedMessage(session: session)
                == Array("rmcp end v2\n".utf8) + sessionBytes
                + bytes(hex: "00000001 00000001 0000000000000002 0000000000000003" + Self.hexA))
        let announce = Announce(
            session: session, kind: .tree, chunkLength: 1, payloadLength: 400, creationTime: 0, contentLength: 0,
            allocatedLength: 0, mode: 0o777, modificationTime: nil, name: "t", key: PublicKey(Self.digestA.value))
        let wire = datagram(.announce(announce, Self.signature))
        #expect(announce.signedMessage == Array("rmcp announce v2\n".utf8) + wire[16..<wire.count - 64])
    }
}
