public import RMCPProtocol

/// A stretch of a bundle's content.
public struct ContentExtent: Sendable, Hashable {
    /// Bytes before it.
    public var offset: UInt64
    /// Bytes.
    public var length: UInt64

    public init(offset: UInt64, length: UInt64) {
        self.offset = offset
        self.length = length
    }

    /// Bytes up to its end.
    public var end: UInt64 { offset + length }
}

/// Where each chunk of a bundle lies in its content: nothing else knows how content is cut.
///
/// Every chunk but the last is as long as ANNOUNCE says, so that its place follows from its number. Encoded bytes, which
/// are never longer than the content, are kept in the same places: in a repair node's cache and in a sender's spool file.
public struct ChunkMap: Sendable, Hashable {
    /// Bytes of each chunk but the last, above 0.
    public let chunkLength: UInt32

    public init(chunkLength: UInt32) { self.chunkLength = chunkLength }
    public init(_ announce: Announce) { self.init(chunkLength: announce.chunkLength) }

    /// Where the chunk begins.
    public func offset(of chunk: UInt32) -> UInt64 { UInt64(chunk) * UInt64(chunkLength) }

    /// Extent of the content that the chunk is, by its record.
    public func extent(of chunk: UInt32, _ record: ChunkRecord) -> ContentExtent {
        ContentExtent(offset: offset(of: chunk), length: UInt64(record.contentLength))
    }

    /// Extent of the chunk in a content of `contentLength` bytes; nil behind its end.
    public func extent(of chunk: UInt32, in contentLength: UInt64) -> ContentExtent? {
        let offset = offset(of: chunk)
        guard offset < contentLength else { return nil }
        return ContentExtent(offset: offset, length: min(UInt64(chunkLength), contentLength - offset))
    }

    /// Each of consecutive chunks that have `contentLength` bytes together.
    public func extents(of chunks: Range<UInt32>, contentLength: UInt64) -> [ContentExtent] {
        let end = offset(of: chunks.lowerBound) + contentLength
        return chunks.compactMap { extent(of: $0, in: end) }
    }

    /// How many chunks the first `length` bytes are in, the last of them perhaps in part.
    public func chunkCount(for length: UInt64) -> UInt64 { length / UInt64(chunkLength) + (length % UInt64(chunkLength) == 0 ? 0 : 1) }

    /// How many chunks end within the first `length` bytes.
    public func wholeChunks(within length: UInt64) -> UInt64 { length / UInt64(chunkLength) }
}
