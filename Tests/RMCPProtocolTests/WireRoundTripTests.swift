import Testing

@testable import RMCPProtocol

/// Random packets through the codec, and what happens to them when they are cut, bent or foreign.
@Suite struct WireRoundTripTests {
    /// Payload for DATA, which is not DATA without any.
    private func payload(for kind: PacketKind) -> [UInt8] { kind == .data ? [1, 2, 3, 4, 5] : [] }

    @Test(arguments: PacketKind.allCases) func everyKindComesBackAsItWent(kind: PacketKind) throws {
        var random = RandomSource(seed: 1_000 + UInt64(kind.rawValue))
        for _ in 0..<300 {
            let packet = random.packet(of: kind)
            let isUnicast = random.chance(0.5)
            let (tag, transmitter, sequence) = (random.word(), random.word(), random.word())
            let sent = datagram(
                packet, isUnicast: isUnicast, tag: tag, transmitter: transmitter, sequence: sequence,
                payload: payload(for: kind))
            let (header, parsed) = try parse(sent)
            #expect(parsed == packet)
            #expect(
                header
                    == PacketHeader(
                        kind: kind, isUnicast: isUnicast, sessionTag: tag, transmitter: transmitter, sequence: sequence))
        }
    }

    /// Of these kinds every byte is needed: no prefix is a packet.
    @Test(arguments: [
        PacketKind.announce, .page, .end, .heartbeat, .status, .acknowledgement, .attach, .attached, .detach, .advertisement, .query, .report, .statement,
        .place,
    ])
    func everyPrefixIsTruncated(kind: PacketKind) {
        var random = RandomSource(seed: 2_000 + UInt64(kind.rawValue))
        for _ in 0..<10 {
            let whole = datagram(random.packet(of: kind))
            for length in 0..<whole.count {
                #expect(throws: WireError.truncated, "cut to \(length) of \(whole.count)") { try parse(Array(whole[..<length])) }
            }
        }
    }

    @Test func dataNeedsItsHeadersAndOneByte() throws {
        var random = RandomSource(seed: 3)
        let packet = random.packet(of: .data)
        let whole = datagram(packet, payload: [1, 2, 3])
        for length in 0...24 {
            #expect(throws: WireError.truncated, "cut to \(length)") { try parse(Array(whole[..<length])) }
        }
        // A shorter payload is well formed; that it is too short is found out where the chunk's record is.
        for length in 25...27 { #expect(try parse(Array(whole[..<length])).1 == packet) }
    }

    /// A request is a list without a count, so that a cut between entries is a shorter list. A cut anywhere else is
    /// an error, and no cut makes up an entry.
    @Test(arguments: [PacketKind.nak, .ncf]) func requestsAreCutOnlyBetweenEntries(kind: PacketKind) throws {
        var random = RandomSource(seed: 4_000 + UInt64(kind.rawValue))
        for _ in 0..<30 {
            let packet = random.packet(of: kind)
            let whole = datagram(packet)
            var shorter = 0
            for length in 0..<whole.count {
                let cut = Array(whole[..<length])
                do {
                    let (header, parsed) = try parse(cut)
                    shorter += 1
                    #expect(
                        datagram(
                            parsed, tag: header.sessionTag, transmitter: header.transmitter, sequence: header.sequence) == cut)
                } catch {
                    #expect(error == .truncated)
                }
            }
            let request: RepairRequest
            switch packet {
            case .nak(let nak): request = nak.request
            case .ncf(let confirmed): request = confirmed
            default: continue
            }
            let entries = request.pages.count + request.chunks.count + request.packets.count + request.outlines.count + (request.needsEnd ? 1 : 0)
            #expect(shorter == entries)
        }
    }

    /// One to eight flipped bits. What still parses must survive being written again and read again, with the same
    /// outcome: a parser that lets nonsense through would give an engine something that it cannot even say.
    @Test(arguments: PacketKind.allCases) func flippedBitsNeverCrash(kind: PacketKind) throws {
        var random = RandomSource(seed: 5_000 + UInt64(kind.rawValue))
        var refused = 0
        for _ in 0..<2_000 {
            var sent = datagram(random.packet(of: kind), payload: payload(for: kind))
            for _ in 0..<random.int(1...8) {
                sent[random.int(0...sent.count - 1)] ^= 1 << UInt8(random.int(0...7))
            }
            guard let (header, parsed) = try? parse(sent) else {
                refused += 1
                continue
            }
            let again = datagram(
                parsed, isUnicast: header.isUnicast, tag: header.sessionTag, transmitter: header.transmitter,
                sequence: header.sequence, payload: payload(for: header.kind))
            let second = try parse(again)
            #expect(second.0 == header)
            #expect(second.1 == parsed)
        }
        // Flips in the header's first four bytes alone are found out in more than a few of these.
        #expect(refused > 0)
    }

    @Test func noiseBehindAGoodHeaderNeverCrashes() {
        var random = RandomSource(seed: 6)
        for _ in 0..<20_000 {
            let kind = PacketKind.allCases[random.int(0...PacketKind.allCases.count - 1)].rawValue
            var sent = bytes(hex: "524D 02 00 00000001 00000002 00000003")
            sent[3] = kind
            for _ in 0..<random.int(0...120) { sent.append(random.chance(0.5) ? 0 : UInt8(random.int(0...255))) }
            _ = try? parse(sent)
        }
    }

    @Test func foreignDatagramsAreToldApart() throws {
        let good = datagram(.acknowledgement(sequence: 1))
        for bit in 0..<16 {
            var bent = good
            bent[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: WireError.foreignMagic) { try parse(bent) }
        }
        for version in UInt8.min...UInt8.max where version != 2 {
            var bent = good
            bent[2] = version
            #expect(throws: WireError.foreignVersion) { try parse(bent) }
        }
        for kind in UInt8.min...UInt8.max where PacketKind(rawValue: kind & 0x7F) == nil {
            var bent = good
            bent[3] = kind
            #expect(throws: WireError.unknownKind) { try parse(bent) }
        }
        #expect(throws: WireError.truncated) { try parse([]) }
    }

    @Test func serialNumbersWrap() {
        #expect(SerialNumber.distance(from: 0xFFFF_FFFF, to: 0) == 1)
        #expect(SerialNumber.distance(from: 0, to: 0xFFFF_FFFF) == -1)
        #expect(SerialNumber.distance(from: 0xFFFF_FF00, to: 0x100) == 0x200)
        #expect(SerialNumber.distance(from: 5, to: 5) == 0)
        #expect(SerialNumber.distance(from: 1, to: 0x8000_0000) == 0x7FFF_FFFF)
    }
}
