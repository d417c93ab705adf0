/// Needs that a NAK states and an NCF confirms: packets of chunks, whole chunks, outlines of chunks, pages, END.
public struct RepairRequest: Hashable, Sendable {
    /// Packets of one chunk; in `outlines`, parts of its outline.
    public struct ChunkPackets: Hashable, Sendable {
        /// Index of the chunk, below `Limits.maximumChunks`; from there on it is malformed.
        public var chunk: UInt32
        /// Indices below `Limits.maximumPacketsPerChunk`, or of parts below 64. Those that no chunk of the session has are
        /// left out where an engine reads them.
        public var packets: PacketSet
        public init(chunk: UInt32, packets: PacketSet) {
            self.chunk = chunk
            self.packets = packets
        }

        /// Bytes on the wire of an entry of packets: runs or a bitmap, whichever is shorter. Nothing is written of an empty one.
        var wireLength: Int { packets.isEmpty ? 0 : RepairRequest.wireLength(of: packets) }
    }

    /// Live needs: packets missing from chunks that are being assembled.
    public var packets: [ChunkPackets] = []
    /// Whole chunks, for latecomers and those far behind (RMTP's immediate-transmission request).
    public var chunks: [Range<UInt32>] = []
    /// Parts of outlines, by their indices, for chunks that are not as they should be.
    public var outlines: [ChunkPackets] = []
    /// Pages by index, below `Limits.maximumChunks`. Ranges may overlap, come in any order, and are not empty as they are read.
    public var pages: [Range<UInt32>] = []
    /// END is wanted: a HEARTBEAT has said that it was sent.
    public var needsEnd = false

    public init() {}

    public var isEmpty: Bool { packets.isEmpty && chunks.isEmpty && outlines.isEmpty && pages.isEmpty && !needsEnd }

    /// What is asked for, in a few words, for traces.
    public var summary: String {
        let live = packets.map { entry in "\(entry.chunk):\(entry.packets.count)@\(entry.packets.first() ?? 0)" }
        let ranges =
            chunks.map { "chunks \($0.lowerBound)-\($0.upperBound - 1)" } + pages.map { "pages \($0.lowerBound)-\($0.upperBound - 1)" }
            + outlines.map { "outline \($0.chunk)" }
        return (live + ranges + (needsEnd ? ["END"] : [])).joined(separator: " ")
    }

    private enum Entry: UInt8 {
        case packetRanges = 1
        case packetBitmap = 2
        case chunks = 3
        case pages = 4
        case end = 5
        case outline = 6
    }

    static let rangeEntryLength = 9
    static let outlineEntryLength = 13
    /// Parts that an outline has at most.
    static let outlineParts = 64
    /// Room that a set of packets is read into: a chunk of 1 MiB has 763, so that the set need not grow run by run.
    private static let usualPackets = 768

    /// Bytes of all entries on the wire.
    var wireLength: Int {
        let sets = packets.reduce(0) { $0 + $1.wireLength } + outlines.count * Self.outlineEntryLength
        return sets + (chunks.count + pages.count) * Self.rangeEntryLength + (needsEnd ? 1 : 0)
    }

    /// Bytes that `packets` takes on the wire: ranges or a bitmap, whichever is shorter.
    static func wireLength(of packets: PacketSet) -> Int {
        min(rangesLength(of: packets), bitmapLength(of: packets))
    }

    private static func rangesLength(of packets: PacketSet) -> Int {
        let runs = packets.runCount
        return runs > 255 ? .max : 6 + 4 * runs
    }

    private static func bitmapLength(of packets: PacketSet) -> Int {
        guard let first = packets.first(), let last = packets.last else { return 0 }
        return 9 + (last - first) / 8 + 1
    }

    func write(to writer: inout ByteWriter) {
        if needsEnd { writer.writeUInt8(Entry.end.rawValue) }
        for (kind, ranges) in [(Entry.pages, pages), (Entry.chunks, chunks)] {
            for range in ranges where !range.isEmpty {
                writer.writeUInt8(kind.rawValue)
                writer.writeUInt32(range.lowerBound)
                writer.writeUInt32(range.upperBound - 1)
            }
        }
        for entry in packets where !entry.packets.isEmpty { Self.write(entry, to: &writer) }
        for entry in outlines where !entry.packets.isEmpty {
            writer.writeUInt8(Entry.outline.rawValue)
            writer.writeUInt32(entry.chunk)
            for byte in 0..<Self.outlineParts / 8 { writer.writeUInt8(entry.packets.bitmapByte(from: byte * 8)) }
        }
    }

    private static func write(_ entry: ChunkPackets, to writer: inout ByteWriter) {
        if rangesLength(of: entry.packets) <= bitmapLength(of: entry.packets) {
            writer.writeUInt8(Entry.packetRanges.rawValue)
            writer.writeUInt32(entry.chunk)
            writer.writeUInt8(UInt8(entry.packets.runCount))
            entry.packets.forEachRun { run in
                writer.writeUInt16(UInt16(run.lowerBound))
                writer.writeUInt16(UInt16(run.upperBound - 1))
            }
        } else if let first = entry.packets.first(), let last = entry.packets.last {
            writer.writeUInt8(Entry.packetBitmap.rawValue)
            writer.writeUInt32(entry.chunk)
            writer.writeUInt16(UInt16(first))
            let byteCount = (last - first) / 8 + 1
            writer.writeUInt16(UInt16(byteCount))
            for byte in 0..<byteCount { writer.writeUInt8(entry.packets.bitmapByte(from: first + byte * 8)) }
        }
    }

    /// - Parameter most: packets that a chunk can have. Of those beyond nothing is kept: entries of ten bytes would take 4 KiB each.
    init(reading reader: inout ByteReader, packetsOfChunk most: Int = Limits.maximumPacketsPerChunk) throws(WireError) {
        while reader.remaining > 0 {
            guard let kind = Entry(rawValue: try reader.readUInt8()) else { throw .invalidField("entry kind") }
            switch kind {
            case .end: needsEnd = true
            case .pages: pages.append(try Self.readRange(from: &reader))
            case .chunks: chunks.append(try Self.readRange(from: &reader))
            case .packetRanges:
                let chunk = try Self.readChunk(from: &reader)
                packets.append(ChunkPackets(chunk: chunk, packets: try Self.readRuns(from: &reader, below: most)))
            case .packetBitmap:
                let chunk = try Self.readChunk(from: &reader)
                packets.append(ChunkPackets(chunk: chunk, packets: try Self.readBitmap(from: &reader, below: most)))
            case .outline:
                let chunk = try Self.readChunk(from: &reader)
                var parts = PacketSet(capacity: Self.outlineParts)
                for byte in 0..<Self.outlineParts / 8 { parts.insert(bitmapByte: try reader.readUInt8(), from: byte * 8) }
                outlines.append(ChunkPackets(chunk: chunk, packets: parts))
            }
        }
    }

    private static func readChunk(from reader: inout ByteReader) throws(WireError) -> UInt32 {
        let chunk = try reader.readUInt32()
        guard chunk < Limits.maximumChunks else { throw .invalidField("chunk index") }
        return chunk
    }

    private static func readRange(from reader: inout ByteReader) throws(WireError) -> Range<UInt32> {
        let first = try reader.readUInt32()
        let last = try reader.readUInt32()
        guard first <= last, last < Limits.maximumChunks else { throw .invalidField("range") }
        return first..<last + 1
    }

    private static func readRuns(from reader: inout ByteReader, below most: Int) throws(WireError) -> PacketSet {
        var set = PacketSet(capacity: min(most, Self.usualPackets))
        for _ in 0..<(try reader.readUInt8()) {
            let first = Int(try reader.readUInt16())
            let last = Int(try reader.readUInt16())
            guard first <= last, last < Limits.maximumPacketsPerChunk else { throw .invalidField("packet range") }
            if first < most { set.insert(first..<min(last + 1, most)) }
        }
        return set
    }

    private static func readBitmap(from reader: inout ByteReader, below most: Int) throws(WireError) -> PacketSet {
        let first = Int(try reader.readUInt16())
        let byteCount = Int(try reader.readUInt16())
        guard first + byteCount * 8 <= Limits.maximumPacketsPerChunk + 8 else { throw .invalidField("packet bitmap") }
        guard reader.remaining >= byteCount else { throw .truncated }
        var set = PacketSet(capacity: min(most, first + byteCount * 8))
        for byte in 0..<byteCount {
            let bits = try reader.readUInt8()
            guard bits != 0 else { continue }
            let start = first + byte * 8
            guard start + 7 - bits.trailingZeroBitCount < Limits.maximumPacketsPerChunk else { throw .invalidField("packet bitmap") }
            if start < most { set.insert(bitmapByte: bits & ~(start + 8 > most ? .max >> UInt8(most - start) : 0), from: start) }
        }
        return set
    }
}
