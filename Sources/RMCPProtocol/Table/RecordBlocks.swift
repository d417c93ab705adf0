/// Records of chunks by their index, in blocks that come into being as records come: what a table takes follows from what has come of it,
/// and not from the highest index that somebody has named. Zero chunks that are alike are one record for the whole of their block, since a
/// hundred bytes of anybody's can name 4,096 of them.
struct RecordBlocks: Sendable {
    /// Blocks: empty where nothing has come, one record where all that has come is that record, or whole.
    private var blocks: ContiguousArray<ContiguousArray<ChunkRecord>> = []
    /// The last block of one record, for others that are alike: blocks share its memory.
    private var shared: ContiguousArray<ChunkRecord> = []
    /// Records that there is memory for, a block at a time.
    private(set) var heldCount = 0
    /// Records up to the highest that was set.
    private(set) var count = 0

    /// 7 KiB: a page of ordinary length has thirty records, and two blocks are what a few pages of a stream that was joined late take.
    static let blockLength = 1 << blockShift
    private static let blockShift = 6

    /// A record that was set; one that never was may not be relied on, and may trap.
    subscript(index: Int) -> ChunkRecord {
        get { blocks[Self.block(of: index)][place(of: index)] }
        set { set(index, to: newValue) }
    }

    /// One field of a record that was set, without a copy of the others.
    @inline(__always)
    func encodedLength(of index: Int) -> UInt32 { blocks[Self.block(of: index)][place(of: index)].encodedLength }

    @inline(__always)
    private static func block(of index: Int) -> Int { index >> blockShift }
    /// Place of a record in a block that is whole.
    @inline(__always)
    private static func offset(of index: Int) -> Int { index & (blockLength - 1) }
    @inline(__always)
    private func place(of index: Int) -> Int { blocks[Self.block(of: index)].count == 1 ? 0 : Self.offset(of: index) }

    mutating func append(_ record: ChunkRecord) { set(count, to: record) }

    func slice(_ range: Range<Int>) -> [ChunkRecord] { range.map { self[$0] } }

    /// Records by which `heldCount` would grow with these.
    func growth(with records: [ChunkRecord], from first: Int) -> Int {
        var growth = 0
        var index = first
        while index < first + records.count {
            let block = Self.block(of: index)
            let end = min((block + 1) * Self.blockLength, first + records.count)
            let known = block < blocks.count ? blocks[block].count : 0
            let alike = known == 1 ? blocks[block][0] : records[index - first]
            let isShared = alike.kind == .zero && records[index - first..<end - first].allSatisfy { $0 == alike }
            if known <= 1, !isShared { growth += Self.blockLength }
            index = end
        }
        return growth
    }

    private mutating func set(_ index: Int, to record: ChunkRecord) {
        count = max(count, index + 1)
        let block = Self.block(of: index)
        while blocks.count <= block { blocks.append([]) }
        let isSharable = record.kind == .zero
        switch blocks[block].count {
        case 0 where isSharable:
            if shared.first != record { shared = [record] }
            blocks[block] = shared
            return
        case 0: spread(record, in: block)
        case 1 where blocks[block][0] == record: return
        case 1: spread(blocks[block][0], in: block)
        default: break
        }
        blocks[block][Self.offset(of: index)] = record
    }

    private mutating func spread(_ record: ChunkRecord, in block: Int) {
        blocks[block] = ContiguousArray(repeating: record, count: Self.blockLength)
        heldCount += Self.blockLength
    }
}
