/// Packs needs into as few requests as their datagrams' room allows. What finds no room in the last of them is not taken,
/// and is to be said another time.
struct NAKComposer {
    private let limit: Int
    private let datagrams: Int
    private var current = RepairRequest()
    private var used = 0
    private var done: [RepairRequest] = []

    /// - Parameters:
    ///   - limit: bytes of entries in one datagram.
    ///   - datagrams: how many there may be, 1 or more.
    init(limit: Int, datagrams: Int = .max) {
        self.limit = limit
        self.datagrams = datagrams
    }

    /// True when the last of so many datagrams is more than half full: hardly worth looking for what still fits.
    func isFull(datagrams: Int) -> Bool { done.count >= datagrams - 1 && used * 2 > limit }

    /// False when there is no room left.
    private mutating func reserve(_ length: Int) -> Bool {
        if used + length > limit, !current.isEmpty {
            guard done.count + 1 < datagrams else { return false }
            done.append(current)
            current = RepairRequest()
            used = 0
        }
        used += length
        return true
    }

    @discardableResult
    mutating func addEnd() -> Bool {
        guard reserve(1) else { return false }
        current.needsEnd = true
        return true
    }

    @discardableResult
    mutating func add(pages range: Range<UInt32>) -> Bool {
        guard reserve(RepairRequest.rangeEntryLength) else { return false }
        current.pages.append(range)
        return true
    }

    @discardableResult
    mutating func add(chunks range: Range<UInt32>) -> Bool {
        if let last = current.chunks.last, last.upperBound == range.lowerBound {
            current.chunks[current.chunks.count - 1] = last.lowerBound..<range.upperBound
            return true
        }
        guard reserve(RepairRequest.rangeEntryLength) else { return false }
        current.chunks.append(range)
        return true
    }

    @discardableResult
    mutating func add(outlineOf chunk: UInt32, parts: PacketSet) -> Bool {
        guard reserve(RepairRequest.outlineEntryLength) else { return false }
        current.outlines.append(RepairRequest.ChunkPackets(chunk: chunk, packets: parts))
        return true
    }

    /// A set that does not fit a datagram at all is cut: the rest is asked for after the hold-off.
    @discardableResult
    mutating func add(chunk: UInt32, packets: PacketSet) -> Bool {
        var packets = packets
        var length = RepairRequest.wireLength(of: packets)
        while length > limit, let last = packets.last, let first = packets.first() {
            let middle = first + (last - first) / 2
            packets.subtract(PacketSet(middle..<last + 1))
            length = RepairRequest.wireLength(of: packets)
        }
        guard reserve(length) else { return false }
        current.packets.append(RepairRequest.ChunkPackets(chunk: chunk, packets: packets))
        return true
    }

    consuming func finish() -> [RepairRequest] {
        current.isEmpty ? done : done + [current]
    }
}
