/// How a chunk's content travels.
public enum ChunkKind: UInt8, Sendable, Hashable {
    /// One zstd frame (RFC 8878).
    case compressed = 0
    /// The content itself, because compressing it did not help.
    case stored = 1
    /// All zero: no bytes on the wire, a hole at the receiver.
    case zero = 2
}

/// Authentication tag of a sealed chunk (AES-GCM, NIST SP 800-38D): 16 bytes.
public struct SealTag: Hashable, Sendable {
    /// The first 8 bytes, big-endian as they travel.
    public var high: UInt64
    /// The last 8 bytes.
    public var low: UInt64
    /// Tag of a chunk that is not sealed.
    public static let none = SealTag(high: 0, low: 0)

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// One chunk's line in the signed table.
public struct ChunkRecord: Hashable, Sendable {
    /// Form of the encoded bytes. Sealing does not change it.
    public var kind: ChunkKind
    /// Whether the encoded bytes are sealed for a group, and `contentDigest` is masked. Never of a zero chunk.
    public private(set) var isSealed = false
    /// Bytes of content, 1...`Limits.maximumChunkLength`.
    public var contentLength: UInt32
    /// Bytes on the wire: 0 for a zero chunk, `contentLength` for a stored one, less than that for a compressed one.
    public var encodedLength: UInt32
    /// BLAKE3 of the encoded bytes as they travel, sealed or not, which a repair node verifies without decompressing. Zero for a zero chunk.
    public var encodedDigest: Digest
    /// BLAKE3 of the content, by which kept chunks are recognised. Equal to `encodedDigest` for a stored chunk that is not
    /// sealed, zero for a zero chunk.
    public var contentDigest: Digest
    /// Tag of a sealed chunk, `.none` of any other. It is here and not behind the encoded bytes, so that a sealed chunk is
    /// as long as it would be otherwise.
    public private(set) var tag = SealTag.none

    public init(kind: ChunkKind, contentLength: UInt32, encodedLength: UInt32, encodedDigest: Digest, contentDigest: Digest) {
        self.kind = kind
        self.contentLength = contentLength
        self.encodedLength = encodedLength
        self.encodedDigest = encodedDigest
        self.contentDigest = contentDigest
    }

    /// The record of a chunk that is not zero, once it is sealed.
    /// - Parameters:
    ///   - encodedDigest: of the sealed bytes.
    ///   - maskedDigest: in place of the digest of the content.
    public func sealed(tag: SealTag, encodedDigest: Digest, maskedDigest: Digest) -> ChunkRecord {
        var record = ChunkRecord(
            kind: kind, contentLength: contentLength, encodedLength: encodedLength, encodedDigest: encodedDigest, contentDigest: maskedDigest)
        record.isSealed = true
        record.tag = tag
        return record
    }

    /// Record of a chunk that is all zeros: no encoded bytes, and digests of zeros.
    public static func zero(contentLength: UInt32) -> ChunkRecord {
        ChunkRecord(
            kind: .zero, contentLength: contentLength, encodedLength: 0, encodedDigest: .zero, contentDigest: .zero)
    }
}
