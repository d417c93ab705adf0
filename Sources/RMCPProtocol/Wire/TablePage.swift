/// A piece of the chunk table: the records of consecutive chunks, signed, in one packet.
///
/// Pages are numbered without gaps, and so are the chunks in them: page `n + 1` starts where page `n` stops.
public struct TablePage: Hashable, Sendable {
    /// Number of the page, from 0, below `Limits.maximumChunks`.
    public var index: UInt32
    /// Chunk that the first record is of. The chunk behind the last record is `Limits.maximumChunks` at most.
    public var firstChunk: UInt32
    /// Records of consecutive chunks: 1...`maximumRecords`, as many as fit a datagram with the signature. Runs of zero chunks are one entry.
    public var records: [ChunkRecord]

    /// Bytes of a page before its records.
    static let prefixLength = 10
    static let signatureLength = 64
    /// A page describes at most this many chunks, however many holes are run together in it.
    public static let maximumRecords = 4_096

    public init(index: UInt32, firstChunk: UInt32, records: [ChunkRecord]) {
        self.index = index
        self.firstChunk = firstChunk
        self.records = records
    }

    /// Chunks that the page has the records of.
    public var chunkRange: Range<UInt32> { firstChunk..<firstChunk + UInt32(records.count) }

    /// The unsigned part: what is digested for END, and, behind the domain and the session's id, what is signed.
    public var body: [UInt8] {
        var writer = ByteWriter()
        writer.writeUInt32(index)
        writer.writeUInt32(firstChunk)
        let countOffset = writer.count
        writer.writeUInt16(0)
        var entries = 0
        var position = 0
        while position < records.count {
            let run = Self.entryLength(records[position...])
            Self.write(records[position], run: run, to: &writer)
            position += run
            entries += 1
        }
        writer.patchUInt16(UInt16(entries), at: countOffset)
        return writer.bytes
    }

    static func signedMessage(session: SessionID, body: [UInt8]) -> [UInt8] {
        SignedDomain.message(SignedDomain.page, session) { $0.writeArray(body) }
    }

    /// Kinds of an entry, as written.
    private enum EntryKind: UInt8 {
        case compressed = 0
        case stored = 1
        case zero = 2
        case sealedCompressed = 3
        case sealedStored = 4

        init(of record: ChunkRecord) {
            switch record.kind {
            case .compressed: self = record.isSealed ? .sealedCompressed : .compressed
            case .stored: self = record.isSealed ? .sealedStored : .stored
            case .zero: self = .zero
            }
        }

        /// Bytes of an entry, its kind included.
        var length: Int {
            switch self {
            case .zero: 9
            case .stored: 37
            case .compressed: 73
            case .sealedStored: 85
            case .sealedCompressed: 89
            }
        }
    }

    /// How many records at the front of `records` go into one entry: equal zero chunks run together.
    private static func entryLength(_ records: ArraySlice<ChunkRecord>) -> Int {
        guard let first = records.first, first.kind == .zero else { return 1 }
        return records.prefix { $0 == first }.count
    }

    private static func write(_ record: ChunkRecord, run: Int, to writer: inout ByteWriter) {
        let kind = EntryKind(of: record)
        writer.writeUInt8(kind.rawValue)
        writer.writeUInt32(record.contentLength)
        switch kind {
        case .zero: writer.writeUInt32(UInt32(run))
        case .stored: writer.writeDigest(record.contentDigest)
        case .compressed, .sealedCompressed:
            writer.writeUInt32(record.encodedLength)
            writer.writeDigest(record.encodedDigest)
            writer.writeDigest(record.contentDigest)
        case .sealedStored:
            writer.writeDigest(record.encodedDigest)
            writer.writeDigest(record.contentDigest)
        }
        guard record.isSealed else { return }
        writer.writeUInt64(record.tag.high)
        writer.writeUInt64(record.tag.low)
    }

    /// Bytes that one more record takes behind `previous`; 0 when it joins a run of holes.
    static func encodedLength(of record: ChunkRecord, after previous: ChunkRecord?) -> Int {
        record.kind == .zero && record == previous ? 0 : EntryKind(of: record).length
    }

    init(reading reader: inout ByteReader, chunkLengthLimit: UInt32 = Limits.maximumChunkLength) throws(WireError) {
        index = try reader.readUInt32()
        firstChunk = try reader.readUInt32()
        records = []
        let entries = try reader.readUInt16()
        for _ in 0..<entries {
            guard let kind = EntryKind(rawValue: try reader.readUInt8()) else { throw .invalidField("chunk kind") }
            let contentLength = try reader.readUInt32()
            guard contentLength > 0, contentLength <= chunkLengthLimit else { throw .invalidField("content length") }
            try readEntry(kind: kind, contentLength: contentLength, from: &reader)
        }
        guard index < Limits.maximumChunks, !records.isEmpty, records.count <= Self.maximumRecords,
            UInt64(firstChunk) + UInt64(records.count) <= UInt64(Limits.maximumChunks)
        else { throw .invalidField("page extent") }
    }

    /// Goes over a page without making its records, and tells its index.
    static func skip(in reader: inout ByteReader) throws(WireError) -> UInt32 {
        let index = try reader.readUInt32()
        guard index < Limits.maximumChunks else { throw .invalidField("page extent") }
        _ = try reader.readUInt32()
        for _ in 0..<(try reader.readUInt16()) {
            guard let kind = EntryKind(rawValue: try reader.readUInt8()) else { throw .invalidField("chunk kind") }
            try reader.skip(kind.length - 1)
        }
        return index
    }

    private mutating func readEntry(kind: EntryKind, contentLength: UInt32, from reader: inout ByteReader) throws(WireError) {
        switch kind {
        case .zero:
            let run = Int(try reader.readUInt32())
            guard run > 0, records.count + run <= Self.maximumRecords else { throw .invalidField("run of holes") }
            records.append(contentsOf: repeatElement(.zero(contentLength: contentLength), count: run))
        case .stored, .sealedStored:
            let encodedDigest = try reader.readDigest()
            let contentDigest = kind == .stored ? encodedDigest : try reader.readDigest()
            let record = ChunkRecord(
                kind: .stored, contentLength: contentLength, encodedLength: contentLength, encodedDigest: encodedDigest, contentDigest: contentDigest)
            records.append(kind == .stored ? record : try Self.readTag(of: record, from: &reader))
        case .compressed, .sealedCompressed:
            let encodedLength = try reader.readUInt32()
            guard encodedLength > 0, encodedLength < contentLength else { throw .invalidField("encoded length") }
            let record = ChunkRecord(
                kind: .compressed, contentLength: contentLength, encodedLength: encodedLength, encodedDigest: try reader.readDigest(),
                contentDigest: try reader.readDigest())
            records.append(kind == .compressed ? record : try Self.readTag(of: record, from: &reader))
        }
    }

    private static func readTag(of record: ChunkRecord, from reader: inout ByteReader) throws(WireError) -> ChunkRecord {
        let tag = SealTag(high: try reader.readUInt64(), low: try reader.readUInt64())
        return record.sealed(tag: tag, encodedDigest: record.encodedDigest, maskedDigest: record.contentDigest)
    }
}

/// The signed totals, without which nothing is committed.
public struct EndOfTable: Hashable, Sendable {
    /// Chunks in all, at most `Limits.maximumChunks`; 0 for an empty bundle.
    public var chunkCount: UInt32
    /// Pages in all, at most one for each chunk: more are malformed.
    public var pageCount: UInt32
    /// Bytes of content, summed over all records. It must be that of the ANNOUNCE where that says one.
    public var contentLength: UInt64
    /// Bytes of all encoded chunks, summed over all records; zero chunks have none.
    public var encodedLength: UInt64
    /// BLAKE3 over the BLAKE3 of every page's body, in order of the pages.
    public var tableDigest: Digest

    public init(chunkCount: UInt32, pageCount: UInt32, contentLength: UInt64, encodedLength: UInt64, tableDigest: Digest) {
        self.chunkCount = chunkCount
        self.pageCount = pageCount
        self.contentLength = contentLength
        self.encodedLength = encodedLength
        self.tableDigest = tableDigest
    }

    private func writeBody(to writer: inout ByteWriter) {
        writer.writeUInt32(chunkCount)
        writer.writeUInt32(pageCount)
        writer.writeUInt64(contentLength)
        writer.writeUInt64(encodedLength)
        writer.writeDigest(tableDigest)
    }

    func signedMessage(session: SessionID) -> [UInt8] {
        SignedDomain.message(SignedDomain.end, session) { writeBody(to: &$0) }
    }

    func write(signature: Signature, to writer: inout ByteWriter) {
        writeBody(to: &writer)
        writer.writeSignature(signature)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        chunkCount = try reader.readUInt32()
        pageCount = try reader.readUInt32()
        contentLength = try reader.readUInt64()
        encodedLength = try reader.readUInt64()
        tableDigest = try reader.readDigest()
        guard chunkCount <= Limits.maximumChunks, pageCount <= chunkCount else { throw .invalidField("totals") }
    }
}
