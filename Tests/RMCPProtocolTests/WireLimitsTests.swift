import Testing

@testable import RMCPProtocol

/// Values on both sides of each bound: the last that is taken, the first that is refused.
@Suite struct WireLimitsTests {
    private func announce(_ change: (inout Announce) -> Void) -> [UInt8] {
        var announce = Announce(
            session: SessionID(high: 1, low: 2), kind: .file, chunkLength: 1 << 20, payloadLength: 1_376, creationTime: 0,
            contentLength: 10, allocatedLength: 10, mode: 0o644, modificationTime: nil, name: "n", key: .none)
        change(&announce)
        return datagram(.announce(announce, .none))
    }

    private func body(_ kind: PacketKind, _ write: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter()
        PacketHeader(kind: kind, sessionTag: 1, transmitter: 2, sequence: 3).write(to: &writer)
        write(&writer)
        return writer.bytes
    }

    private func refuses(
        _ field: WireError.StaticName, _ datagram: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(throws: WireError.invalidField(field), sourceLocation: sourceLocation) { try parse(datagram) }
    }

    private func refuses(
        _ field: WireError.StaticName, _ datagram: [UInt8], at offset: Int, becomes byte: UInt8, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var changed = datagram
        changed[offset] = byte
        refuses(field, changed, sourceLocation: sourceLocation)
    }

    private func takes(_ datagram: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(throws: Never.self, sourceLocation: sourceLocation) { try parse(datagram) }
    }

    // MARK: ANNOUNCE

    @Test func payloadLength() {
        for length: UInt16 in [400, 8_948] { takes(announce { $0.payloadLength = length }) }
        for length: UInt16 in [0, 1, 399, 8_949, .max] { refuses("payload length", announce { $0.payloadLength = length }) }
    }

    @Test func chunkLength() {
        for length: UInt32 in [1, 8 << 20] { takes(announce { $0.chunkLength = length }) }
        for length: UInt32 in [0, 8 << 20 + 1, .max] { refuses("chunk length", announce { $0.chunkLength = length }) }
    }

    @Test func nameLength() throws {
        let longest = String(repeating: "n", count: 255)
        guard case .announce(let parsed, _) = try parse(announce { $0.name = longest }).1 else {
            Issue.record("no ANNOUNCE")
            return
        }
        #expect(parsed.name == longest)
        refuses("name length", announce { $0.name = "" })
        // The writer cuts a longer name; a sender that does not is refused.
        var long = announce { $0.name = longest }
        (long[16 + 66], long[16 + 67]) = (0x01, 0x00)
        refuses("name length", long)
        (long[16 + 66], long[16 + 67]) = (0xFF, 0xFF)
        refuses("name length", long)
    }

    /// 256 bytes: the writer leaves out the last character, not half of it, and signs what it writes.
    @Test(arguments: ["é", "名", "🗄"]) func aLongNameIsCutBetweenCharacters(letter: String) throws {
        let size = letter.utf8.count
        let name = String(repeating: letter, count: 256 / size)
        guard case .announce(let parsed, _) = try parse(announce { $0.name = name }).1 else {
            Issue.record("no ANNOUNCE")
            return
        }
        #expect(parsed.name == String(repeating: letter, count: 255 / size))
        var whole = parsed
        whole.name = name
        #expect(whole.signedMessage == parsed.signedMessage)
    }

    @Test func nameIsUTF8() {
        for bad in ["80", "C0AF", "EDA080", "F8888080", "C3"] {
            let bad = bytes(hex: bad)
            var sent = announce { $0.name = String(repeating: "n", count: bad.count) }
            sent.replaceSubrange(16 + 68..<16 + 68 + bad.count, with: bad)
            refuses("name", sent)
        }
    }

    @Test func modeAndKind() {
        takes(announce { $0.mode = 0o777 })
        for mode: UInt16 in [0o1000, 0o2755, 0o4755, .max] { refuses("mode", announce { $0.mode = mode }) }
        // Without the flag there is none to be said.
        refuses("mode", announce { $0.mode = nil }, at: 16 + 61, becomes: 1)
        var sent = announce { _ in }
        sent[16 + 16] = 3
        refuses("bundle kind", sent)
    }

    @Test func modificationTime() {
        for seconds: Int64 in [0, -1, .min, .max, 32_503_680_000] {
            takes(announce { $0.modificationTime = FileTime(seconds: seconds, nanoseconds: 999_999_999) })
        }
        let said = announce { $0.modificationTime = FileTime(seconds: 0, nanoseconds: .max) }
        takes(said)
        // From 0x3B9AC9FF to more than there are in a second.
        refuses("modification time", said, at: 16 + 56, becomes: 0x3C)
        for offset in [48, 55, 56, 59] { refuses("modification time", announce { $0.modificationTime = nil }, at: 16 + offset, becomes: 1) }
        for flags: UInt8 in [5, 8, 0x80, 0xFF] { refuses("flags", announce { _ in }, at: 16 + 17, becomes: flags) }
    }

    @Test func contentLength() {
        // 2^20 chunks, the last of them full, and one byte more.
        for (chunk, length): (UInt32, UInt64) in [(1, 1 << 20), (1 << 20, 1 << 40), (8 << 20, 8 << 40)] {
            takes(announce { ($0.chunkLength, $0.contentLength) = (chunk, length) })
            refuses("content length", announce { ($0.chunkLength, $0.contentLength) = (chunk, length + 1) })
        }
        refuses("content length", announce { $0.contentLength = .max - 1 })
        takes(
            announce {
                $0.contentLength = 0; $0.allocatedLength = 0
            })
        refuses("allocated length", announce { $0.allocatedLength = 11 })
        takes(
            announce {
                $0.contentLength = nil; $0.allocatedLength = .max
            })
    }

    // MARK: Pages

    private func page(index: UInt32 = 0, first: UInt32 = 0, _ entries: [(ChunkKind, content: UInt32, number: UInt32)]) -> [UInt8] {
        body(.page) { writer in
            writer.writeUInt32(index)
            writer.writeUInt32(first)
            writer.writeUInt16(UInt16(entries.count))
            for entry in entries {
                writer.writeUInt8(entry.0.rawValue)
                writer.writeUInt32(entry.content)
                if entry.0 != .stored { writer.writeUInt32(entry.number) }
                switch entry.0 {
                case .zero: break
                case .stored: writer.writeDigest(.zero)
                case .compressed:
                    writer.writeDigest(.zero)
                    writer.writeDigest(.zero)
                }
            }
            writer.writeSignature(.none)
        }
    }

    @Test func runsOfHoles() {
        takes(page([(.zero, 1, 4_096)]))
        for run: UInt32 in [0, 4_097, .max] { refuses("run of holes", page([(.zero, 1, run)])) }
        takes(page([(.zero, 1, 4_000), (.stored, 1, 0), (.zero, 1, 95)]))
        refuses("run of holes", page([(.zero, 1, 4_000), (.stored, 1, 0), (.zero, 1, 96)]))
        // As many as fit by holes, and one more that is not a hole.
        refuses("page extent", page([(.zero, 1, 4_096), (.stored, 1, 0)]))
    }

    @Test func pageExtent() {
        refuses("page extent", page([]))
        takes(page(index: 1 << 20 - 1, [(.stored, 1, 0)]))
        refuses("page extent", page(index: 1 << 20, [(.stored, 1, 0)]))
        takes(page(first: 1 << 20 - 2, [(.zero, 1, 2)]))
        refuses("page extent", page(first: 1 << 20 - 2, [(.zero, 1, 3)]))
        // firstChunk plus the count would wrap 32 bits.
        refuses("page extent", page(first: .max, [(.stored, 1, 0)]))
    }

    @Test func recordLengths() {
        let longest = Limits.maximumChunkLength
        for kind in [ChunkKind.zero, .stored] {
            takes(page([(kind, longest, 1)]))
            refuses("content length", page([(kind, longest + 1, 1)]))
            refuses("content length", page([(kind, 0, 1)]))
        }
        takes(page([(.compressed, 100, 99)]))
        // A frame that is no shorter than its content would have been stored.
        for length: UInt32 in [0, 100, 101, .max] { refuses("encoded length", page([(.compressed, 100, length)])) }
        var sent = page([(.stored, 1, 0)])
        sent[16 + 10] = 5
        refuses("chunk kind", sent)
    }

    @Test func endAndHeartbeat() {
        func end(_ chunks: UInt32, _ pages: UInt32) -> [UInt8] {
            datagram(
                .end(
                    EndOfTable(chunkCount: chunks, pageCount: pages, contentLength: 0, encodedLength: 0, tableDigest: .zero),
                    .none))
        }
        takes(end(1 << 20, 1 << 20))
        refuses("totals", end(1 << 20 + 1, 1))
        refuses("totals", end(3, 4))
        func heartbeat(_ chunk: UInt32, _ pages: UInt32) -> [UInt8] {
            datagram(
                .heartbeat(
                    Heartbeat(
                        phase: .streaming, timestamp: 1, groupRoundTrip: 1, statusInterval: 1, population: 1,
                        position: StreamPosition(chunk: chunk, packet: 0), pageCount: pages, hasEnd: false, rate: 1,
                        liveLossLimit: 1, livePressureLimit: 1)))
        }
        takes(heartbeat(1 << 20, 1 << 20))
        refuses("position", heartbeat(1 << 20 + 1, 0))
        refuses("position", heartbeat(0, 1 << 20 + 1))
        var bent = heartbeat(0, 0)
        bent[16] = 6
        refuses("phase", bent)
    }

    // MARK: Requests

    private func request(_ hex: String) -> [UInt8] { body(.ncf) { $0.writeArray(bytes(hex: hex)) } }

    @Test func chunkAndPageRanges() {
        for kind in ["03", "04"] {
            takes(request(kind + "00000000 000FFFFF"))
            refuses("range", request(kind + "00000000 00100000"))
            refuses("range", request(kind + "00000002 00000001"))
            // The end of the half-open range would wrap.
            refuses("range", request(kind + "00000000 FFFFFFFF"))
            refuses("range", request(kind + "FFFFFFFF FFFFFFFF"))
        }
        for kind in ["00", "07", "FF"] { refuses("entry kind", request(kind)) }
    }

    @Test func outlines() {
        takes(request("06 000FFFFF 8000000000000001"))
        takes(request("06 00000000 0000000000000000"))
        refuses("chunk index", request("06 00100000 8000000000000001"))
    }

    @Test func outlineParts() {
        func part(_ hex: String, values: Int) -> [UInt8] {
            body(.outline) {
                $0.writeArray(bytes(hex: hex))
                $0.writeArray(Array(repeating: 7, count: values * 32))
            }
        }
        takes(part("000FFFFF FF 02 01 00", values: 3))
        takes(part("00000000 00 01 00 00", values: 1))
        refuses("chunk index", part("00100000 00 01 00 00", values: 1))
        refuses("values", part("00000000 00 00 03 00", values: 3))
    }

    @Test func packetRanges() throws {
        takes(request("01 000FFFFF 01 0000 7FFF"))
        refuses("chunk index", request("01 00100000 01 0000 0000"))
        refuses("packet range", request("01 00000000 01 0000 8000"))
        refuses("packet range", request("01 00000000 01 0005 0004"))
        refuses("packet range", request("01 00000000 02 0000 0000 FFFF FFFF"))
        // Overlapping ranges are a set like any other.
        guard case .ncf(let parsed) = try parse(request("01 00000000 02 0000 0005 0003 0009")).1 else {
            Issue.record("no NCF")
            return
        }
        #expect(parsed.packets.first?.packets == PacketSet(0..<10))
    }

    @Test func packetBitmaps() throws {
        takes(request("02 000FFFFF 7FFF 0001 80"))
        refuses("chunk index", request("02 00100000 0000 0001 80"))
        takes(request("02 00000000 0000 1000" + String(repeating: "FF", count: 4_096)))
        refuses("packet bitmap", request("02 00000000 0000 1002" + String(repeating: "00", count: 4_098)))
        refuses("packet bitmap", request("02 00000000 FFFF 0001 80"))
        // The last byte may reach beyond the limit, its bits may not.
        takes(request("02 00000000 7FF9 0001 FE"))
        for bits in ["01", "FF"] { refuses("packet bitmap", request("02 00000000 7FF9 0001" + bits)) }
        refuses("packet bitmap", request("02 00000000 7FFF 0001 40"))
        refuses("packet bitmap", request("02 00000000 8000 0001 80"))
        takes(request("02 00000000 0000 1001" + String(repeating: "FF", count: 4_096) + "00"))
        refuses("packet bitmap", request("02 00000000 0000 1001" + String(repeating: "FF", count: 4_096) + "80"))
        refuses("packet bitmap", request("02 00000000 0000 1001" + String(repeating: "00", count: 4_096) + "01"))
        refuses("packet bitmap", request("02 00000000 0000 FFFF"))
        #expect(throws: WireError.truncated) { try parse(self.request("02 00000000 0000 0003 FF FF")) }
        guard case .ncf(let parsed) = try parse(request("02 00000000 0064 0002 81 40")).1 else {
            Issue.record("no NCF")
            return
        }
        var expected = PacketSet()
        for packet in [100, 107, 109] { expected.insert(packet) }
        #expect(parsed.packets == [RepairRequest.ChunkPackets(chunk: 0, packets: expected)])
    }

    @Test func histogramBuckets() {
        func status(_ hex: String) -> [UInt8] {
            body(.status) { $0.writeArray(bytes(hex: "0000000000000000 00000000 0000 00 0000000000000000" + hex + "00000000 00000000 0000000000000000")) }
        }
        takes(status("01 0E 00000001 01 0A 00000001 01 0F 00000001 01 07 00000001 01 9F 00000001 01 0E 00000001"))
        refuses("histogram bucket", status("01 0F 00000001 00 00 00 00 00"))
        refuses("histogram bucket", status("00 01 0B 00000001 00 00 00 00"))
        refuses("histogram bucket", status("00 00 01 10 00000001 00 00 00"))
        refuses("histogram bucket", status("00 00 00 01 08 00000001 00 00"))
        refuses("histogram bucket", status("00 00 00 00 01 A0 00000001 00"))
        refuses("histogram bucket", status("00 00 00 00 00 01 0F 00000001"))
    }
}
