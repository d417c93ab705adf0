/// A parent's side of the chunk table. At the sender it grows by a record for each chunk, and is cut into signed pages as
/// late as possible, so that pages are full when the encoder is ahead and small when the network waits for it. A repair
/// node adopts the pages that its own parent sent, as they were signed.
struct TableBuilder: Sendable {
    private struct Page: Sendable {
        var firstChunk: UInt32
        var recordCount: UInt32
        var signature: Signature
        /// The bytes that were signed, where another implementation has written the same records in other bytes.
        var body: [UInt8]?
    }

    private let session: SessionID
    private let signer: any MessageSigner
    private let digest: any MessageDigest
    private(set) var records = RecordBlocks()
    private var pages: ContiguousArray<Page> = []
    private var pageDigests: [UInt8] = []
    private(set) var contentLength: UInt64 = 0
    private(set) var encodedLength: UInt64 = 0
    private var finished: (EndOfTable, Signature)?
    /// Pages that came before those in front of them, as they were signed: their records are read when it is their turn.
    private var early: [UInt32: (chunks: Range<UInt32>, body: [UInt8], signature: Signature)] = [:]

    private var earlyBytes = 0
    /// Bytes of pages' bodies that are kept as they came.
    private var bodyBytes = 0

    init(session: SessionID, signer: any MessageSigner, digest: any MessageDigest) {
        self.session = session
        self.signer = signer
        self.digest = digest
    }

    var chunkCount: UInt32 { UInt32(records.count) }
    var pageCount: UInt32 { UInt32(pages.count) }
    /// Chunks that have a page already.
    var pagedChunkCount: UInt32 { pages.last.map { $0.firstChunk + $0.recordCount } ?? 0 }

    /// Nil beyond the end of the table.
    subscript(chunk: UInt32) -> ChunkRecord? { chunk < chunkCount ? records[Int(chunk)] : nil }

    /// Chunks at the end, from this one on, that have no bytes: one with bytes ends the count, and costs one look.
    func trailingHoles(from chunk: UInt32) -> Int {
        var index = records.count
        while index > Int(chunk), records.encodedLength(of: index - 1) == 0 { index -= 1 }
        return records.count - index
    }

    func isHole(_ chunk: UInt32) -> Bool { chunk < chunkCount && records.encodedLength(of: Int(chunk)) == 0 }

    /// Chunks at the beginning of a range that have a record and no bytes.
    func holes(in range: Range<UInt32>) -> Range<UInt32> { range.lowerBound..<(range.first { !isHole($0) } ?? range.upperBound) }

    mutating func append(_ record: ChunkRecord) {
        records.append(record)
        contentLength += UInt64(record.contentLength)
        encodedLength += UInt64(record.encodedLength)
    }

    // MARK: A repair node's

    /// Takes an authentic page; those behind a gap wait for it. Answers which chunks have a record now that had none.
    mutating func adopt(_ page: TablePage, body: [UInt8], signature: Signature) -> Range<UInt32> {
        let before = chunkCount
        guard page.index >= pageCount else { return before..<before }
        guard page.index == pageCount else {
            if early[page.index] == nil { earlyBytes += body.count }
            early[page.index] = (page.chunkRange, body, signature)
            return before..<before
        }
        guard add(page, body: body, signature: signature) else { return before..<before }
        while let (_, body, signature) = early.removeValue(forKey: pageCount) {
            earlyBytes -= body.count
            var reader = unsafe ByteReader(body.span.bytes)
            guard let next = try? TablePage(reading: &reader), add(next, body: body, signature: signature) else { break }
        }
        return before..<chunkCount
    }

    /// False where the page does not go on from the one before it: such a table is refused by the receiver in front of this.
    private mutating func add(_ page: TablePage, body: [UInt8], signature: Signature) -> Bool {
        guard page.firstChunk == chunkCount else { return false }
        let isCanonical = page.body == body
        pages.append(
            Page(firstChunk: page.firstChunk, recordCount: UInt32(page.records.count), signature: signature, body: isCanonical ? nil : body))
        if !isCanonical { bodyBytes += body.count }
        for record in page.records { append(record) }
        return true
    }

    /// Calls `take` for each page whose earlier ones are here.
    func forEachInOrder(_ take: (Packet) -> Void) { for index in 0..<pageCount { if let packet = packet(forPage: index) { take(packet) } } }

    /// Calls `take` for each page that waits for an earlier one, and for END.
    func forEachEarly(_ take: (Packet) -> Void) {
        for index in early.keys.sorted() {
            guard let (_, body, signature) = early[index] else { continue }
            var reader = unsafe ByteReader(body.span.bytes)
            if let page = try? TablePage(reading: &reader) { take(.page(page, body: body, signature)) }
        }
        if let (end, signature) = finished { take(.end(end, signature)) }
    }

    /// Size of the table, in records.
    var heldRecords: Int { records.heldCount + pages.count + early.count + (earlyBytes + bodyBytes) / ChunkLedger.recordBytes }

    /// Whether the chunk's record is in a page that waits for one before it.
    func isEarly(_ chunk: UInt32) -> Bool { early.values.contains { $0.chunks.contains(chunk) } }

    mutating func adopt(_ end: EndOfTable, signature: Signature) { finished = (end, signature) }

    /// END, once it is known or made.
    var end: EndOfTable? { finished?.0 }

    // MARK: The sender's

    /// Cuts the next page from the records that have none: as many as fit in `datagramLength` bytes.
    mutating func closePage(datagramLength: Int) {
        let first = pagedChunkCount
        guard first < chunkCount else { return }
        let room = datagramLength - PacketHeader.length - TablePage.prefixLength - TablePage.signatureLength
        var used = 0
        var end = Int(first)
        while end < records.count, end - Int(first) < TablePage.maximumRecords {
            let previous = end > Int(first) ? records[end - 1] : nil
            used += TablePage.encodedLength(of: records[end], after: previous)
            guard used <= room || end == Int(first) else { break }
            end += 1
        }
        let body = self.body(index: pageCount, firstChunk: first, count: UInt32(end) - first)
        let signature = signer.signature(for: TablePage.signedMessage(session: session, body: body))
        pages.append(Page(firstChunk: first, recordCount: UInt32(end) - first, signature: signature))
        pageDigests.append(contentsOf: digest.digest(of: body).value.bytes)
    }

    private func body(index: UInt32, firstChunk: UInt32, count: UInt32) -> [UInt8] {
        page(index: index, firstChunk: firstChunk, count: count).body
    }

    private func page(index: UInt32, firstChunk: UInt32, count: UInt32) -> TablePage {
        TablePage(index: index, firstChunk: firstChunk, records: records.slice(Int(firstChunk)..<Int(firstChunk + count)))
    }

    /// The page as a packet; its body is made again from the records, which are kept anyway.
    func packet(forPage index: UInt32) -> Packet? {
        guard index < pageCount else { return nil }
        let page = pages[Int(index)]
        let content = self.page(index: index, firstChunk: page.firstChunk, count: page.recordCount)
        return .page(content, body: page.body ?? content.body, page.signature)
    }

    /// The page that holds the record of `chunk`; nil while it has none.
    func pageIndex(ofChunk chunk: UInt32) -> UInt32? {
        guard chunk < pagedChunkCount else { return nil }
        var low = 0
        var high = pages.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if pages[middle].firstChunk <= chunk { low = middle } else { high = middle - 1 }
        }
        return UInt32(low)
    }

    /// Signs the totals, once every record has its page.
    mutating func finish() -> Packet {
        if let (end, signature) = finished { return .end(end, signature) }
        let end = EndOfTable(
            chunkCount: chunkCount, pageCount: pageCount, contentLength: contentLength, encodedLength: encodedLength,
            tableDigest: digest.digest(of: pageDigests))
        let signature = signer.signature(for: end.signedMessage(session: session))
        finished = (end, signature)
        return .end(end, signature)
    }
}
