import RMCPContent
import RMCPProtocol

/// Chunks that come before the catalog is whole: nobody knows yet to which files they belong. The catalog is the beginning of the stream, so
/// that few wait, and not for long.
struct CatalogSpool: ~Copyable {
    private let spool: SpoolFile
    private let map: ChunkMap
    private let contentLength: UInt64
    private let digester: ContentDigester
    /// Chunks that are here.
    private(set) var ready: [UInt32: ChunkRecord] = [:]
    /// Bytes of the catalog; nil until its first chunk is here.
    private var catalogLength: UInt64?
    /// Chunks of the catalog that are missing.
    private var missing: UInt64 = .max

    init(spool: SpoolFile, map: ChunkMap, contentLength: UInt64, digester: ContentDigester) {
        self.spool = spool
        self.map = map
        self.contentLength = contentLength
        self.digester = digester
    }

    var isWhole: Bool { missing == 0 }

    /// - Parameter content: nil for a chunk of zeros.
    /// - Throws: where the first chunk is not the beginning of a catalog, or the disk is full.
    mutating func add(_ chunk: UInt32, _ record: ChunkRecord, _ content: RawSpan?, label: String) throws(HostError) {
        guard ready[chunk] == nil else { return }
        if let content { try spool.write(content, at: map.offset(of: chunk)) }
        ready[chunk] = record
        if chunk == 0 {
            var bytes = [UInt8](repeating: 0, count: min(CatalogHeader.length, Int(record.contentLength)))
            if let content { for index in bytes.indices { bytes[index] = unsafe content.unsafeLoad(fromByteOffset: index, as: UInt8.self) } }
            let header: CatalogHeader
            do { header = try CatalogHeader(parsing: bytes) } catch { throw HostError("\(label): \(error.text)") }
            let length = UInt64(header.catalogLength)
            guard length <= contentLength else { throw HostError("\(label): its catalog is longer than all of it") }
            catalogLength = length
            let chunks = map.chunkCount(for: length)
            missing = chunks - UInt64(ready.keys.count { UInt64($0) < chunks })
        } else if let catalogLength, map.offset(of: chunk) < catalogLength {
            missing -= 1
        }
    }

    /// The catalog, once it is whole.
    func catalog() throws(HostError) -> [UInt8] {
        let length = catalogLength ?? 0
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(length))
        for chunk in 0..<UInt32(map.chunkCount(for: length)) { bytes += try content(of: chunk) }
        bytes.removeLast(bytes.count - Int(length))
        return bytes
    }

    /// Gives back the room of a chunk that is not needed any more.
    func drop(_ chunk: UInt32) {
        if let record = ready[chunk] { spool.drop(at: map.offset(of: chunk), count: Int(record.contentLength)) }
    }

    /// Content of a chunk, verified once more: a disk may have lost it without a word.
    func content(of chunk: UInt32) throws(HostError) -> [UInt8] {
        guard let record = ready[chunk] else { return [] }
        var bytes = [UInt8](repeating: 0, count: Int(record.contentLength))
        if record.kind == .zero { return bytes }
        try spool.read(into: &bytes, at: map.offset(of: chunk))
        guard unsafe digester.matches(bytes.span.bytes, record) else { throw SpoolFile.lost }
        return bytes
    }
}
