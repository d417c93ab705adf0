/// How a chunk's content travels.
public enum ChunkKind: UInt8, Sendable, Hashable {
    /// One zstd frame (RFC 8878).
    case compressed = 0
    /// The content itself, because compressing it did not help.
    case stored = 1
    /// All zero: no bytes on the wire, a hole at the receiver.
    case zero = 2
}

/// One chunk's line in the signed table.
public struct ChunkRecord: Hashable, Sendable {
    public var kind: ChunkKind
    /// Bytes of content, 1...`Limits.maximumChunkLength`.
    public var contentLength: UInt32
    /// Bytes on the wire: 0 for a zero chunk, `contentLength` for a stored one, less than that for a compressed one.
    public var encodedLength: UInt32
    /// BLAKE3 of the encoded bytes, which a repair node verifies without decompressing. Zero for a zero chunk.
    public var encodedDigest: Digest
    /// BLAKE3 of the content, by which kept chunks are recognised. Equal to `encodedDigest` for a stored chunk, zero
    /// for a zero chunk.
    public var contentDigest: Digest

    public init(kind: ChunkKind, contentLength: UInt32, encodedLength: UInt32, encodedDigest: Digest, contentDigest: Digest) {
        self.kind = kind
        self.contentLength = contentLength
        self.encodedLength = encodedLength
        self.encodedDigest = encodedDigest
        self.contentDigest = contentDigest
    }

    public static func zero(contentLength: UInt32) -> ChunkRecord {
        ChunkRecord(
            kind: .zero, contentLength: contentLength, encodedLength: 0, encodedDigest: .zero, contentDigest: .zero)
    }
}
