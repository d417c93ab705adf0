/// The chunks that a parent can send: their table as far as it is known, the front up to which they have been sent once, and where their
/// bytes are. A NAK can be answered with what is behind the front.
struct TransmitWindow: Sendable {
    private(set) var table: TableBuilder
    /// The table has all its records: the source has ended, or END has come from above.
    private(set) var isWhole = false
    /// First transmissions: everything before this has been sent once.
    private(set) var position = StreamPosition.start
    private(set) var recent = RecentSends()
    private(set) var pagesSent: UInt32 = 0
    private(set) var isEndSent = false
    /// Chunks whose bytes the host has in memory.
    var resident: ResidentChunks
    var outlines = MadeOutlines()
    /// At a repair node, chunks that were verified and kept; nil where every chunk can be had again from the source.
    private(set) var held: IndexRangeSet?

    init(table: TableBuilder, isRepairNode: Bool, configuration: Configuration) {
        self.table = table
        held = isRepairNode ? IndexRangeSet() : nil
        resident = ResidentChunks(configuration: configuration)
    }

    var chunkCount: UInt32 { table.chunkCount }
    /// True where the chunks come from above. Asked for each batch, where `SenderEngine.repeater` would be copied to be looked at.
    var isRepairNode: Bool { held != nil }
    subscript(chunk: UInt32) -> ChunkRecord? { table[chunk] }

    // MARK: The table

    mutating func append(_ record: ChunkRecord) { table.append(record) }
    mutating func end() { isWhole = true }

    mutating func adopt(_ page: TablePage, body: [UInt8], signature: Signature) {
        // Zero chunks are here as soon as they are known.
        for chunk in table.adopt(page, body: body, signature: signature) where table[chunk]?.kind == .zero { held?.insert(chunk) }
    }

    mutating func adopt(_ end: EndOfTable, signature: Signature) {
        table.adopt(end, signature: signature)
        isWhole = true
    }

    /// END, signed once every record has its page.
    mutating func finish() -> Packet { table.finish() }

    // MARK: What was sent once

    /// A relay may have END and not all pages yet: more chunks come than it knows of.
    var isEverythingSentOnce: Bool { isWhole && position.chunk >= max(chunkCount, table.end?.chunkCount ?? 0) }

    /// The stream goes on from where it is.
    mutating func noteSend(at now: Instant) { recent.note(position, at: now) }

    /// - Returns: whether that is news.
    @discardableResult
    mutating func advance(to front: StreamPosition) -> Bool {
        guard position < front else { return false }
        position = front
        return true
    }

    /// The stream had not come as far as somebody claimed.
    mutating func retreat(to front: StreamPosition) { position = min(position, front) }

    /// The page that must go before the chunk at the front: who has it can verify what follows.
    mutating func nextPage(datagramLength: Int) -> Packet? {
        if position.chunk >= table.pagedChunkCount { table.closePage(datagramLength: datagramLength) }
        guard let page = table.pageIndex(ofChunk: position.chunk), page >= pagesSent else { return nil }
        pagesSent = page + 1
        return table.packet(forPage: page)
    }

    /// Every page that is known has been sent, here or by whom the children hear.
    mutating func notePagesSent() { pagesSent = table.pageCount }
    mutating func noteEndSent() { isEndSent = true }

    /// The part of a request that was sent once before `time`.
    func sent(of entry: RepairRequest.ChunkPackets, before time: Instant, payloadLength: UInt16) -> RepairRequest.ChunkPackets {
        var result = entry
        let position = recent.front(before: time, now: position)
        guard let record = table[entry.chunk], entry.chunk <= position.chunk else {
            result.packets = PacketSet()
            return result
        }
        let total = ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: payloadLength)
        let sent = entry.chunk < position.chunk ? total : min(total, Int(position.packet))
        if let last = entry.packets.last, last >= sent { result.packets.subtract(PacketSet(sent..<last + 1)) }
        return result
    }

    /// The parts of an outline that there are, of a chunk that has been sent.
    func existing(of entry: RepairRequest.ChunkPackets, payloadLength: UInt16) -> RepairRequest.ChunkPackets {
        var result = entry
        let shape = entry.chunk <= position.chunk ? outlineShape(of: entry.chunk, payloadLength: payloadLength) : nil
        let count = shape?.partCount ?? 0
        if let last = entry.packets.last, last >= count { result.packets.subtract(PacketSet(count..<last + 1)) }
        return result
    }

    /// Nil for a chunk that has no outline.
    func outlineShape(of chunk: UInt32, payloadLength: UInt16) -> OutlineShape? {
        table[chunk].flatMap { OutlineShape(encodedLength: $0.encodedLength, payloadLength: payloadLength) }
    }

    /// Whether anything of a request has been sent.
    func hasSentAny(of request: RepairRequest) -> Bool {
        if request.needsEnd, isEndSent { return true }
        return (request.packets + request.outlines).contains { $0.chunk <= position.chunk } || request.chunks.contains { $0.lowerBound < position.chunk }
            || request.pages.contains { $0.lowerBound < pagesSent }
    }

    // MARK: What can be sent again

    /// Whether the chunk can be had here, from memory or from the host's cache.
    func holds(_ chunk: UInt32) -> Bool { held?.contains(chunk) ?? true }

    /// Whole chunks that can be served: sent once, with a record, and at a repair node, held here. The node gets the others itself, and
    /// children ask for them again. A chunk may be held whose record waits for an earlier page: its bytes can't be had before.
    /// - Parameter limit: pieces at most: one range of a node that has every other chunk comes to thousands.
    func available(in range: Range<UInt32>, pieces limit: Int) -> [Range<UInt32>] {
        let sent = range.clamped(to: 0..<min(position.chunk, chunkCount))
        guard !sent.isEmpty, limit > 0 else { return [] }
        return held.map { $0.overlap(with: sent, pieces: limit) } ?? [sent]
    }

    /// Every chunk before this can be had here.
    var watermark: UInt32 {
        guard let held else { return position.chunk }
        return held.ranges.first.map { $0.lowerBound == 0 ? $0.upperBound : 0 } ?? 0
    }

    mutating func hold(_ chunk: UInt32) { held?.insert(chunk) }

    /// A kept chunk turned out to be damaged, or is gone.
    mutating func lose(_ chunk: UInt32) {
        held?.remove(chunk)
        resident.failFetch(chunk)
    }
}
