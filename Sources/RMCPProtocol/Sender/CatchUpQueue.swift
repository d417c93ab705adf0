import DequeModule

/// Whole chunks that latecomers and far-behind children asked for. They are served in rising order from a cursor that
/// goes round, so that those who ask at different times share what is sent (as in Frisbee).
struct CatchUpQueue: Sendable {
    private var wanted = IndexRangeSet()
    private var cursor: UInt32 = 0
    /// The chunk under way and its next packet.
    private(set) var current: (chunk: UInt32, nextPacket: Int)?
    /// Chunks that were served lately, oldest first: a request for one of them crossed it on its way.
    private var served: Deque<(chunk: UInt32, at: Instant)> = []
    private let rangeLimit: Int
    private static let servedLimit = 256

    init(configuration: Configuration) { rangeLimit = configuration.repairs.maximumCatchUpRanges }

    var isEmpty: Bool { current == nil && wanted.isEmpty }
    var count: Int { wanted.count + (current == nil ? 0 : 1) }

    func needs(_ chunk: UInt32) -> Bool { current?.chunk == chunk || wanted.contains(chunk) }

    /// False when there is no room for more ranges: it will have to be asked for again.
    mutating func request(_ chunks: Range<UInt32>, holdOff: Interval, at now: Instant) -> Bool {
        guard wanted.ranges.count < rangeLimit else { return false }
        while let first = served.first, now - first.at >= holdOff { served.removeFirst() }
        wanted.insert(chunks)
        for entry in served where chunks.contains(entry.chunk) { wanted.remove(entry.chunk) }
        if let current { wanted.remove(current.chunk) }
        return true
    }

    mutating func remove(_ chunk: UInt32) {
        wanted.remove(chunk)
        if current?.chunk == chunk { current = nil }
    }

    /// Chunk that is served now, or next.
    var first: UInt32? { current?.chunk ?? nextRun?.lowerBound }

    /// Chunks in a row that are next; nil while one is under way.
    var nextRun: Range<UInt32>? { current == nil ? wanted.run(from: cursor) ?? wanted.run(from: 0) : nil }

    /// Takes chunks out for which nothing is sent. They are not served: those that were are remembered, and others would push them out.
    mutating func skip(_ chunks: Range<UInt32>) {
        wanted.remove(chunks)
        cursor = chunks.upperBound
    }

    /// Chunks that will be needed next, for fetching them ahead.
    func upcoming(limit: Int) -> [UInt32] {
        var result: [UInt32] = []
        if let current { result.append(current.chunk) }
        var position = wanted.first(from: cursor) ?? wanted.first
        let start = position
        while let chunk = position, result.count < limit {
            result.append(chunk)
            position = wanted.first(from: chunk + 1) ?? wanted.first
            if position == start { break }
        }
        return result
    }

    /// The chunk to serve now: the one under way, or the next behind the cursor.
    mutating func select() -> UInt32? {
        if let current { return current.chunk }
        guard let chunk = wanted.first(from: cursor) ?? wanted.first else { return nil }
        wanted.remove(chunk)
        cursor = chunk + 1
        current = (chunk, 0)
        return chunk
    }

    /// Notes that packets before `nextPacket` of the current chunk went out; the chunk is done at `packetCount`.
    mutating func advance(to nextPacket: Int, of packetCount: Int, at now: Instant) {
        guard let chunk = current?.chunk else { return }
        guard nextPacket >= packetCount else {
            current = (chunk, nextPacket)
            return
        }
        current = nil
        served.append((chunk, now))
        if served.count > Self.servedLimit { served.removeFirst() }
    }
}
