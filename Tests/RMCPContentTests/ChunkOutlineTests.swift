import RMCPContent
import RMCPProtocol
import Testing

/// Outlines against real trees: what they say is held against the digest of the whole, which published vectors vouch for.
@Suite struct ChunkOutlineTests {
    private static let lengths = [4_097, 5_000, 8_192, 12_288, 12_289, 65_536, 200_001, 1 << 20, 1 << 20 - 1, 1 << 20 + 1, 5_000_000, 8 << 20]
    private static let payloads: [UInt16] = [400, 416, 1_376, 8_948]

    private static func record(_ content: [UInt8]) -> ChunkRecord {
        let digest = digest(content)
        return ChunkRecord(
            kind: .stored, contentLength: UInt32(content.count), encodedLength: UInt32(content.count), encodedDigest: digest, contentDigest: digest)
    }

    private static func sample(_ length: Int, _ payload: UInt16 = 1_376) throws -> (content: [UInt8], shape: OutlineShape, parts: [OutlinePart]) {
        let content = Sample.random.content(length)
        let shape = try #require(OutlineShape(encodedLength: UInt32(length), payloadLength: payload))
        return (content, shape, ChunkOutline.parts(of: content.span.bytes, chunk: 3, shape))
    }

    @Test("Each part alone gives the digest of the whole, and fits a datagram", arguments: lengths, payloads)
    func partsAreTrue(length: Int, payload: UInt16) throws {
        let (content, shape, parts) = try Self.sample(length, payload)
        let record = Self.record(content)
        #expect(parts.count == shape.partCount && parts.count <= 64 && shape.subtreeCount <= 256)
        for (index, part) in parts.enumerated() {
            #expect(Int(part.part) == index && part.chunk == 3 && part.fits(shape))
            #expect(part.isTrue(of: record.encodedDigest, shape, by: BLAKE3Digest()), "part \(index)")
            let datagram = Packet.outline(part).datagram(sessionTag: 1, transmitter: 2)
            #expect(datagram.count <= Int(payload) + DataHeader.length)
        }
        #expect(parts.reduce(0) { $0 + $1.values.count } == shape.subtreeCount)
    }

    @Test("A part with one bit changed, in another's place or of another chunk is not true", arguments: [5_000, 65_536, 1 << 20])
    func forgedPartsAreFound(length: Int) throws {
        let (content, shape, parts) = try Self.sample(length)
        let record = Self.record(content)
        for part in parts {
            for index in part.values.indices {
                var forged = part
                forged.values[index].value.c ^= 1 << 40
                #expect(!forged.isTrue(of: record.encodedDigest, shape, by: BLAKE3Digest()))
            }
            for index in part.siblings.indices {
                var forged = part
                forged.siblings[index].value.a ^= 1
                #expect(!forged.isTrue(of: record.encodedDigest, shape, by: BLAKE3Digest()))
            }
            for other in parts where other.part != part.part {
                var moved = part
                moved.part = other.part
                #expect(!moved.isTrue(of: record.encodedDigest, shape, by: BLAKE3Digest()))
            }
            var short = part
            short.values.removeLast()
            #expect(!short.isTrue(of: record.encodedDigest, shape, by: BLAKE3Digest()))
        }
        var other = record
        other.encodedDigest = digest([1, 2, 3])
        #expect(!parts.contains { $0.isTrue(of: other.encodedDigest, shape, by: BLAKE3Digest()) })
    }

    @Test("Wrong bytes are found where they are", arguments: [5_000, 65_537, 1 << 20])
    func wrongSubtreesAreFound(length: Int) throws {
        let (content, shape, parts) = try Self.sample(length)
        let values = parts.flatMap(\.values)
        for position in [0, 4_095, 4_096, length / 2, length - 1] {
            var spoilt = content
            spoilt[position] ^= 0x10
            var span = spoilt.mutableSpan
            var bytes = span.mutableBytes
            let wrong = ChunkOutline.mend(&bytes, values: values, shape, with: [])
            #expect(wrong == IndexRangeSet(UInt32(position / shape.subtreeLength)..<UInt32(position / shape.subtreeLength + 1)))
        }
    }

    /// The forger's payload came first, the sender's second; where the forger was second as well, nothing is lost.
    @Test("What was kept aside mends what it can") func alternatesMend() throws {
        let payload = 1_376
        let (content, shape, parts) = try Self.sample(1 << 20)
        let values = parts.flatMap(\.values)
        var spoilt = content
        var alternates: [ChunkOutline.Alternate] = []
        func range(_ packet: Int) -> Range<Int> { packet * payload..<min((packet + 1) * payload, content.count) }
        for packet in stride(from: 0, to: 762, by: 31) {
            for index in range(packet) { spoilt[index] = UInt8(truncatingIfNeeded: index &* 7) }
            alternates.append(ChunkOutline.Alternate(offset: packet * payload, bytes: Array(content[range(packet)])))
            // A second forgery, and one of a packet that was right.
            alternates.append(ChunkOutline.Alternate(offset: packet * payload, bytes: Array(repeating: 9, count: payload)))
            alternates.append(ChunkOutline.Alternate(offset: (packet + 1) * payload, bytes: Array(repeating: 8, count: range(packet + 1).count)))
        }
        for index in range(700) { spoilt[index] = 0 }
        var span = spoilt.mutableSpan
        var bytes = span.mutableBytes
        let wrong = ChunkOutline.mend(&bytes, values: values, shape, with: alternates)
        let expected = range(700).lowerBound / 4_096..<(range(700).upperBound - 1) / 4_096 + 1
        #expect(wrong == IndexRangeSet(UInt32(expected.lowerBound)..<UInt32(expected.upperBound)))
        for index in content.indices where !range(700).contains(index) { if spoilt[index] != content[index] { Issue.record("byte \(index)"); break } }
    }

    @Test("Alternates by the hundred for one place are given up, and spoil nothing") func alternatesAreBounded() throws {
        let (content, shape, parts) = try Self.sample(65_536)
        var spoilt = content
        spoilt[100] ^= 1
        let before = spoilt
        let alternates = (0..<500).map { ChunkOutline.Alternate(offset: 0, bytes: Array(repeating: UInt8($0 % 251), count: 1_376)) }
        var span = spoilt.mutableSpan
        var bytes = span.mutableBytes
        let wrong = ChunkOutline.mend(&bytes, values: parts.flatMap(\.values), shape, with: alternates)
        #expect(wrong == IndexRangeSet(0..<1) && spoilt == before)
    }
}
