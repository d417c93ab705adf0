import RMCPContent
import RMCPProtocol
import Testing

@Suite struct ChunkRoundTripTests {
    static let levels = [0, 1, 3, 19]

    /// Encodes, checks the record against the content, and gets the content back.
    private func roundTrip(_ content: [UInt8], level: Int, sourceLocation: SourceLocation = #_sourceLocation) throws -> ChunkRecord {
        let (record, encoded) = try ChunkEncoder(level: level).encode(content)
        #expect(Int(record.contentLength) == content.count && Int(record.encodedLength) == encoded.count, sourceLocation: sourceLocation)
        let decoder = try ChunkDecoder()
        switch record.kind {
        case .zero:
            #expect(record == .zero(contentLength: UInt32(content.count)), sourceLocation: sourceLocation)
            #expect(content.allSatisfy { $0 == 0 }, sourceLocation: sourceLocation)
        case .stored:
            #expect(record.contentDigest == digest(content) && record.encodedDigest == record.contentDigest, sourceLocation: sourceLocation)
            try decoder.verify(encoded, record)
        case .compressed:
            #expect(record.contentDigest == digest(content) && record.encodedDigest == digest(encoded), sourceLocation: sourceLocation)
            // Less than it was by the thirty-second part that makes it worth the receivers' time.
            #expect(encoded.count <= content.count - max(1, content.count / 32), sourceLocation: sourceLocation)
            try decoder.verify(encoded, record)
            #expect(try decoder.decode(encoded, record) == content, sourceLocation: sourceLocation)
        }
        #expect(content.withUnsafeBytes { ContentDigester.plain.matches($0, record) }, sourceLocation: sourceLocation)
        return record
    }

    @Test(arguments: levels, Sample.allCases) func everyLength(level: Int, sample: Sample) throws {
        for length in [1, 2, 63, 64, 65, 1_000, 4_096, 65_535, 65_536, 65_537, 300_000] {
            let record = try roundTrip(sample.content(length), level: level)
            switch sample {
            case .zeros: #expect(record.kind == .zero)
            case .random: #expect(record.kind == .stored, "\(length) random bytes")
            case .text: if length >= 1_000 { #expect(record.kind == (level == 0 ? .stored : .compressed)) }
            }
        }
    }

    @Test(arguments: levels, Sample.allCases) func aFullChunk(level: Int, sample: Sample) throws {
        let record = try roundTrip(sample.content(Int(Configuration().packets.chunkLength)), level: level)
        if sample == .text, level > 0 { #expect(record.encodedLength < record.contentLength / 2) }
    }

    /// The longest chunk there may be is within the window that the decoder allows.
    @Test func theLongestChunk() throws {
        let piece = Sample.text.content(1 << 16)
        var content: [UInt8] = []
        for round in UInt8(0)..<128 { content += piece.map { $0 ^ (round & 3) } }
        #expect(content.count == Int(Limits.maximumChunkLength))
        #expect(try roundTrip(content, level: 3).kind == .compressed)
    }

    @Test(arguments: [1, 255] as [UInt8]) func oneByte(value: UInt8) throws {
        for level in Self.levels { #expect(try roundTrip([value], level: level).kind == .stored) }
    }

    /// One byte that is not zero, at each place that the scan could miss.
    @Test func almostZero() throws {
        for length in [1, 63, 64, 65, 200] {
            for place in 0..<length {
                var content = [UInt8](repeating: 0, count: length)
                content[place] = 0x80
                #expect(!content.withUnsafeBytes { ChunkEncoder.isZero($0) }, "\(place) of \(length)")
            }
            #expect([UInt8](repeating: 0, count: length).withUnsafeBytes { ChunkEncoder.isZero($0) })
        }
        // At an odd address, where words are not aligned.
        let bytes = [1] + [UInt8](repeating: 0, count: 129) + [1]
        bytes.withUnsafeBytes { bytes in
            #expect(ChunkEncoder.isZero(UnsafeRawBufferPointer(rebasing: bytes[1..<130])))
            #expect(!ChunkEncoder.isZero(UnsafeRawBufferPointer(rebasing: bytes[1..<131])))
        }
    }

    /// Chunks are encoded again for latecomers: the bytes must be those that were signed, whatever the encoder did
    /// before.
    @Test(arguments: [1, 3, 19]) func encodingAgainGivesTheSameBytes(level: Int) throws {
        let contents = (0..<3).map { Sample.text.content(100_000, seed: $0) }
        let used = try ChunkEncoder(level: level)
        let first = try contents.map { try used.encode($0) }
        _ = try used.encode(Sample.random.content(50_000))
        for (content, expected) in zip(contents, first).reversed() {
            let fresh = try ChunkEncoder(level: level)
            for again in [try used.encode(content), try fresh.encode(content)] {
                #expect(again.0 == expected.0 && again.encoded == expected.encoded)
            }
        }
    }

    /// Where compressing saves less than a thirty-second part the chunk is stored: here a tenth of it, then a hundredth,
    /// is text.
    @Test func savingLittleIsNotWorthIt() throws {
        let random = Sample.random.content(60_000)
        let encoder = try ChunkEncoder(level: 3)
        #expect(try encoder.encode(Sample.text.content(6_000) + random).0.kind == .compressed)
        #expect(try encoder.encode(Sample.text.content(600) + random).0.kind == .stored)
    }

    /// A destination that is too short for a worthwhile frame is not an error, nor written beyond.
    @Test func aShortDestinationStores() throws {
        let content = Sample.text.content(10_000)
        #expect(try ChunkEncoder(level: 3).encode(content, room: 100).0.kind == .stored)
        #expect(try ChunkEncoder(level: 3).encode(content, room: 0).0.kind == .stored)
    }
}
