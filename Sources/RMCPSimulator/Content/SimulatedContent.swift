public import RMCPProtocol

/// A bundle without bytes: each chunk's record follows from a seed, and its bytes are stood for by fingerprints, one a
/// packet. So a terabyte costs no more memory than its table.
public struct SimulatedContent: Sendable, Hashable {
    public var seed: UInt64
    public var length: UInt64
    public var chunkLength: UInt32
    /// Share of chunks that are zero (0...1).
    public var zeroShare: Double
    /// Encoded length over content length (0...1]; 1 stores.
    public var ratio: Double

    public init(seed: UInt64, length: UInt64, chunkLength: UInt32 = 64 << 10, zeroShare: Double = 0, ratio: Double = 1) {
        self.seed = seed
        self.length = length
        self.chunkLength = chunkLength
        self.zeroShare = zeroShare
        self.ratio = ratio
    }

    public var chunkCount: UInt32 {
        UInt32(clamping: (length + UInt64(chunkLength) - 1) / UInt64(chunkLength))
    }

    public func record(of chunk: UInt32) -> ChunkRecord {
        let start = UInt64(chunk) * UInt64(chunkLength)
        let contentLength = UInt32(min(UInt64(chunkLength), length - start))
        let draw = Double(Hash.mix(seed, UInt64(chunk), 1) >> 11) * 0x1p-53
        if draw < zeroShare { return .zero(contentLength: contentLength) }
        let content = Digest(Hash.wide(seed, UInt64(chunk)))
        guard ratio < 1, contentLength > 64 else {
            return ChunkRecord(
                kind: .stored, contentLength: contentLength, encodedLength: contentLength, encodedDigest: content,
                contentDigest: content)
        }
        return ChunkRecord(
            kind: .compressed, contentLength: contentLength,
            encodedLength: min(contentLength - 1, max(1, UInt32(Double(contentLength) * ratio))),
            encodedDigest: Digest(Hash.wide(seed ^ 0xE0, UInt64(chunk))), contentDigest: content)
    }

    /// What the payload of one packet of a chunk looks like, to somebody who compares it with what it should be.
    static func fingerprint(of record: ChunkRecord, packet: Int) -> UInt64 {
        Hash.mix(record.encodedDigest.value.a, UInt64(packet), 7)
    }

    /// The value of a subtree of a chunk's outline.
    static func value(ofSubtree subtree: Int, of encoded: Digest) -> Digest { Digest(Hash.wide(encoded.value.a ^ 0x0071, UInt64(subtree))) }

    static func outline(of record: ChunkRecord, chunk: UInt32, _ shape: OutlineShape) -> [OutlinePart] {
        (0..<shape.partCount).map { part in
            OutlinePart(
                chunk: chunk, part: UInt8(part), values: shape.subtrees(ofPart: part).map { value(ofSubtree: $0, of: record.encodedDigest) },
                siblings: Array(repeating: .zero, count: shape.siblingCount(ofPart: part)))
        }
    }
}
