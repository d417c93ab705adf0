/// What a receiver knows of the table, and how far each chunk has come.
///
/// ```
///   absent ──packet or request──▶ assembling ──all packets──▶ verifying ──stored──▶ done
///     │  ▲                            ▲                           │                  ▲
///     │  └──not on disk── consulting ─┼────── kept ───────────────┼──────────────────┤
///     │                      └─packet▶┤  (kept, if it is the first)                  │
///     │                               └──────── rejected ─────────┘                  │
///     └──the page says zero──▶ verifying ────────────────────────────────────────────┘
/// ```
struct ChunkLedger: Sendable {
    /// Bytes that a record takes.
    static let recordBytes = MemoryLayout<ChunkRecord>.stride

    enum State: UInt8, Sendable {
        case absent = 0
        case assembling
        /// The host looks whether it has the chunk from before.
        case consulting
        case verifying
        case done
    }

    private var states: ContiguousArray<State> = []
    private var records = RecordBlocks()
    private var hasRecord = IndexRangeSet()
    private var pages = IndexRangeSet()
    private var pageDigests: [UInt32: Digest] = [:]
    /// Bound of what there may be of the table.
    private var room = TableRoom.unbounded
    /// There was no room for a page.
    private var hasRefused = false
    private(set) var doneCount: UInt32 = 0
    private(set) var recordedContentLength: UInt64 = 0
    private(set) var recordedEncodedLength: UInt64 = 0
    /// A chunk shorter than the rest, of which there may be one, the last.
    private var shortChunks: [UInt32] = []
    /// No chunk before this is absent.
    private var absentCursor: UInt32 = 0
    /// Every chunk before this is done.
    private var doneCursor: UInt32 = 0
    /// Pages that have been sent, as far as is known.
    private(set) var sentPages: UInt32 = 0
    private var hasSentEnd = false
    /// Signed and taken; nil before.
    var end: EndOfTable?

    subscript(chunk: UInt32) -> State {
        get { Int(chunk) < states.count ? states[Int(chunk)] : .absent }
        set {
            let missing = Int(chunk) + 1 - states.count
            if missing > 0 { states.append(contentsOf: repeatElement(.absent, count: missing)) }
            let old = states[Int(chunk)]
            if old == .done, newValue != .done { doneCount -= 1 }
            if old != .done, newValue == .done { doneCount += 1 }
            if newValue == .absent { absentCursor = min(absentCursor, chunk) }
            states[Int(chunk)] = newValue
            if newValue != .done { doneCursor = min(doneCursor, chunk) }
            while Int(doneCursor) < states.count, states[Int(doneCursor)] == .done { doneCursor += 1 }
        }
    }

    func record(of chunk: UInt32) -> ChunkRecord? { hasRecord.contains(chunk) ? records[Int(chunk)] : nil }
    func hasRecord(of chunk: UInt32) -> Bool { hasRecord.contains(chunk) }
    /// The one field that every packet is held against: a record is a hundred bytes to copy.
    @inline(__always)
    func encodedLength(of chunk: UInt32) -> UInt32? { hasRecord.contains(chunk) ? records.encodedLength(of: Int(chunk)) : nil }
    func hasPage(_ index: UInt32) -> Bool { pages.contains(index) }
    var pageCount: Int { pages.count }
    /// Pages up to the highest that came, those that are missing among them.
    var pageBound: UInt32 { pages.ranges.last?.upperBound ?? 0 }
    /// Chunks up to the highest with a record.
    var recordBound: UInt32 { hasRecord.ranges.last?.upperBound ?? 0 }

    /// The first chunk that is not done, of those that anything is known of.
    var firstUnfinished: UInt32? { Int(doneCursor) < max(states.count, Int(recordBound)) ? doneCursor : nil }

    /// The first absent chunk in `from..<bound`, if any.
    mutating func firstAbsent(from lowerBound: UInt32 = 0, below bound: UInt32) -> UInt32? {
        var chunk = max(absentCursor, lowerBound)
        let scansAll = lowerBound <= absentCursor
        while chunk < bound, Int(chunk) < states.count, states[Int(chunk)] != .absent { chunk += 1 }
        if scansAll { absentCursor = chunk }
        return chunk < bound ? chunk : nil
    }

    /// The first absent chunk in `from..<bound` whose record is known: one that can be asked for whole.
    mutating func firstRequestable(from lowerBound: UInt32 = 0, below bound: UInt32) -> UInt32? {
        var position = lowerBound
        while let recorded = hasRecord.first(from: position), recorded < bound {
            guard let absent = firstAbsent(from: recorded, below: bound) else { return nil }
            if hasRecord.contains(absent) { return absent }
            position = absent + 1
        }
        return nil
    }

    /// Where the run of chunks that can be asked for ends, which begins at `start`.
    func requestableEnd(from start: UInt32, below bound: UInt32) -> UInt32 {
        var end = start
        while end < bound, self[end] == .absent, hasRecord.contains(end) { end += 1 }
        return end
    }

    /// Somebody says that pages, and END, have been sent.
    mutating func noteSent(pages: UInt32, hasEnd: Bool) {
        sentPages = max(sentPages, pages)
        hasSentEnd = hasSentEnd || hasEnd
    }

    /// The sender says, signed, what it has sent: whoever claimed more has lied.
    /// - Returns: whether somebody had.
    mutating func correct(pages: UInt32, hasEnd: Bool) -> Bool {
        let (claimedPages, claimedEnd) = (sentPages, hasSentEnd)
        sentPages = max(pageBound, pages)
        hasSentEnd = hasEnd
        return sentPages < claimedPages || (claimedEnd && !hasEnd)
    }

    /// Pages for which there is no room are not asked for.
    var lacksPages: Bool { pageCount < Int(sentPages) && !isFull }
    var lacksEnd: Bool { hasSentEnd && end == nil }

    func missingPages(below bound: UInt32) -> [Range<UInt32>] {
        var missing = IndexRangeSet(0..<bound)
        for range in pages.ranges { missing.remove(range) }
        return missing.ranges
    }

    /// Takes a page whose signature is good. False when it contradicts what is known: its sender is broken.
    mutating func insert(_ page: TablePage, digest: Digest, chunkLength: UInt32) -> Bool {
        for (offset, record) in page.records.enumerated() {
            let chunk = page.firstChunk + UInt32(offset)
            guard record.contentLength <= chunkLength, !hasRecord.contains(chunk) else { return false }
            if record.contentLength != chunkLength {
                guard shortChunks.isEmpty else { return false }
                shortChunks.append(chunk)
            }
            records[Int(chunk)] = record
            recordedContentLength += UInt64(record.contentLength)
            recordedEncodedLength += UInt64(record.encodedLength)
        }
        hasRecord.insert(page.chunkRange)
        pages.insert(page.index)
        pageDigests[page.index] = digest
        return true
    }

    // MARK: Room

    /// Size of what is held, in records: pages count as one beside theirs.
    var heldRecords: Int { records.heldCount + pageDigests.count }

    /// Room is left for nothing but what is being sent just now.
    var isFull: Bool { hasRefused || heldRecords >= room.records }

    /// More room, or less: what is here stays.
    mutating func give(_ room: TableRoom) {
        if room.records > self.room.records { hasRefused = false }
        self.room = room
    }

    /// A page was left out.
    mutating func refuse(_ page: TablePage) {
        hasRefused = true
        noteSent(pages: page.index + 1, hasEnd: false)
    }

    /// Room for a page is there.
    /// - Parameter isLive: something of it is being sent or put together now.
    func hasRoom(for page: TablePage, isLive: Bool) -> Bool {
        let bound = isLive ? room.live : room.records
        return bound == .max || heldRecords + records.growth(with: page.records, from: Int(page.firstChunk)) < bound
    }

    /// True when every page that `end` counts is there.
    func hasWholeTable(_ end: EndOfTable) -> Bool {
        pages.count == Int(end.pageCount) && (end.pageCount == 0 || pageBound == end.pageCount)
    }

    /// True when no page that is still to come could make the table agree with `end`: more is here than it counts, or
    /// as many pages with less in them.
    func contradicts(_ end: EndOfTable) -> Bool {
        if pageBound > end.pageCount || recordBound > end.chunkCount { return true }
        if recordedContentLength > end.contentLength || recordedEncodedLength > end.encodedLength { return true }
        guard hasWholeTable(end) else { return false }
        return recordBound < end.chunkCount || recordedContentLength < end.contentLength || recordedEncodedLength < end.encodedLength
    }

    /// Holds the whole table against the signed totals.
    func matches(_ end: EndOfTable, digest: any MessageDigest) -> Bool {
        guard hasRecord.count == Int(end.chunkCount), recordBound == end.chunkCount else { return false }
        guard recordedContentLength == end.contentLength, recordedEncodedLength == end.encodedLength else { return false }
        if let short = shortChunks.first, short + 1 != end.chunkCount { return false }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(pageDigests.count * Bytes32.length)
        for page in 0..<UInt32(pageDigests.count) { bytes.append(contentsOf: pageDigests[page, default: .zero].value.bytes) }
        return digest.digest(of: bytes) == end.tableDigest
    }
}
