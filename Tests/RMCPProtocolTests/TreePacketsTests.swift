import TestSupport
import Testing

@testable import RMCPProtocol

/// What a tree adds to the wire, at its limits.
@Suite struct TreePacketsTests {
    private func body(_ kind: PacketKind, _ hex: String) -> [UInt8] {
        var writer = ByteWriter()
        PacketHeader(kind: kind, isUnicast: true, sessionTag: 1, transmitter: 2, sequence: 3).write(to: &writer)
        writer.writeArray(bytes(hex: hex))
        return writer.bytes
    }

    private func heartbeat(_ place: TreePlace) -> [UInt8] {
        datagram(
            .heartbeat(
                Heartbeat(
                    phase: .streaming, timestamp: 1, groupRoundTrip: 1, statusInterval: 1, population: 1, position: .start, pageCount: 0,
                    hasEnd: false, rate: 1, liveLossLimit: 1, livePressureLimit: 1, place: place)))
    }

    private static let kinds: [PacketKind] = [.heartbeat, .status, .attach, .attached, .detach, .advertisement, .query, .report, .refusal]

    /// What comes behind a packet's end is for those who come later, and is left alone.
    @Test(arguments: kinds) func bytesBehindTheEndAreIgnored(kind: PacketKind) throws {
        var random = RandomSource(seed: 700 + UInt64(kind.rawValue))
        for _ in 0..<50 {
            let packet = random.packet(of: kind)
            #expect(try parse(datagram(packet) + [0xFF, 0, 7]).1 == packet)
        }
    }

    @Test(arguments: kinds + [.solicitation]) func aShorterPacketIsRefused(kind: PacketKind) {
        var random = RandomSource(seed: 800 + UInt64(kind.rawValue))
        for _ in 0..<20 {
            let whole = datagram(random.packet(of: kind))
            for length in [PacketHeader.length, (PacketHeader.length + whole.count) / 2, whole.count - 1] {
                #expect(throws: WireError.truncated, "\(length) of \(whole.count)") { try parse(Array(whole[..<length])) }
            }
        }
    }

    // MARK: HEARTBEAT

    @Test func aPathHasALimit() throws {
        let longest = TreePlace(path: Array(1...16), timeToLive: 255, distance: 255, load: .max, watermark: .max)
        guard case .heartbeat(let parsed) = try parse(heartbeat(longest)).1 else { throw WireError.unknownKind }
        #expect(parsed.place == longest && parsed.place.depth == 16)
        var deeper = heartbeat(longest)
        let count = deeper.count - 16 * 4 - 11
        #expect(deeper[count] == 16)
        deeper[count] = 17
        #expect(throws: WireError.invalidField("depth")) { try parse(deeper + [0, 0, 0, 1]) }
        deeper[count] = 255
        #expect(throws: WireError.invalidField("depth")) { try parse(deeper) }
        // One id less than it says.
        deeper[count] = 16
        #expect(throws: WireError.truncated) { try parse(Array(deeper.dropLast(4))) }
    }

    @Test func theSenderHasNoPath() throws {
        guard case .heartbeat(let parsed) = try parse(heartbeat(TreePlace())).1 else { throw WireError.unknownKind }
        #expect(parsed.place.depth == 0 && parsed.place.path.isEmpty)
    }

    // MARK: SOLICITATION

    /// Whoever is made to answer one must not be made to send more than came.
    @Test func aSolicitationIsAsLongAsTheLongestAnswer() throws {
        var announce = Announce.sample(String(repeating: "n", count: 255), contentLength: 10)
        let plain = datagram(.announce(announce, .none))
        announce.secrecy = .opened(SealedDetails(salt: .zero, bytes: [UInt8](repeating: 0, count: SealedDetails.sealedLength)))
        let answer = datagram(.announce(announce, .none))
        let solicitation = datagram(.solicitation, isUnicast: true)
        #expect(solicitation.count == answer.count && answer.count > plain.count)
        #expect(throws: WireError.truncated) { try parse(Array(solicitation.dropLast())) }
        #expect(throws: WireError.truncated) { try parse(Array(solicitation.prefix(PacketHeader.length))) }
        #expect(try parse(solicitation + [0]).1 == .solicitation)
    }

    @Test func anAttachIsAsLongAsItsAnswer() throws {
        let request = datagram(.attach(AttachRequest(nonce: 7, wantsStream: true)))
        #expect(request.count == datagram(.attached(AttachAnswer(nonce: 7, verdict: .accepted, cookie: 9))).count)
        // Its own fields are all there: what is missing is the padding.
        #expect(throws: WireError.truncated) { try parse(Array(request.prefix(PacketHeader.length + 9))) }
        #expect(throws: WireError.truncated) { try parse(Array(request.dropLast())) }
    }

    // MARK: The rest

    @Test func unknownVerdictsAreRefused() throws {
        for verdict in AttachAnswer.Verdict.allCases {
            let sent = AttachAnswer(nonce: 1, verdict: verdict, cookie: 2)
            #expect(try parse(datagram(.attached(sent))).1 == .attached(sent))
        }
        for verdict in ["05", "80", "FF"] {
            #expect(throws: WireError.invalidField("verdict")) {
                try parse(self.body(.attached, "0000000000000001" + verdict + "0000000000000002"))
            }
        }
    }

    /// Flags of those who come later are let through.
    @Test func unknownFlagsAreIgnored() throws {
        let padding = String(repeating: "00", count: 8)
        let request = AttachRequest(nonce: 1, wantsStream: true)
        #expect(try parse(body(.attach, "0000000000000001 FF" + padding)).1 == .attach(request))
        #expect(try parse(body(.attach, "0000000000000001 FE" + padding)).1 == .attach(AttachRequest(nonce: 1, wantsStream: false)))
        let histogram = "00 00 00 00 00 00 00000000 00000000 0000000000000000"
        for (flags, isDeaf, wantsStream) in [("00", false, false), ("01", true, false), ("02", false, true), ("FB", true, true), ("F8", false, false)] {
            guard case .status(let report) = try parse(body(.status, "0000000000000000 00000000 0000" + flags + "0000000000000005" + histogram)).1
            else { throw WireError.unknownKind }
            #expect(report.isDeaf == isDeaf && report.wantsStream == wantsStream && report.cookie == 5)
        }
    }

    /// A region is a group, or one could be made to listen to any address.
    @Test func aRegionIsAMulticastAddress() throws {
        func advertisement(_ hex: String) -> [UInt8] { body(.advertisement, hex + String(repeating: "00", count: 8 + 32 + 64)) }
        let good = [
            "04 00 0001 0000000000000000 00000000E0000000", "04 FF FFFF 0000000000000000 00000000EFFFFFFF",
            "06 00 0001 FF00000000000000 0000000000000000", "06 00 0001 FFFFFFFFFFFFFFFF FFFFFFFFFFFFFFFF",
        ]
        for hex in good { #expect(throws: Never.self) { try parse(advertisement(hex)) } }
        let bad = [
            // Unicast, broadcast.
            "04 00 0001 0000000000000000 000000000A000001", "04 00 0001 0000000000000000 00000000DFFFFFFF",
            "04 00 0001 0000000000000000 00000000F0000000", "04 00 0001 0000000000000000 00000000FFFFFFFF",
            "06 00 0001 FEFFFFFFFFFFFFFF 0000000000000001", "06 00 0001 0000000000000000 00000000EF000001",
            // No port.
            "04 00 0000 0000000000000000 00000000EF000001", "06 00 0000 FF02000000000000 0000000000000001",
            // An IPv4 address of more than four bytes.
            "04 00 0001 0000000000000000 00000001EF000001", "04 00 0001 0000000000000001 00000000EF000001",
        ]
        for hex in bad { #expect(throws: WireError.invalidField("region"), "\(hex)") { try parse(advertisement(hex)) } }
        for family in ["00", "05", "07", "FF"] {
            #expect(throws: WireError.invalidField("family")) {
                try parse(advertisement(family + "00 0001 0000000000000000 00000000EF000001"))
            }
        }
    }
}
