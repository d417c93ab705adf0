import DequeModule

/// Outlines that were asked for: the host makes them, since hashing a chunk takes as long as sending hundreds of packets. A few are kept, for
/// children that ask again.
struct MadeOutlines: Sendable {
    private var made: [UInt32: [OutlinePart]] = [:]
    /// In the order in which they were made.
    private var order: Deque<UInt32> = []
    private var making: Set<UInt32> = []

    /// Outlines of 8 KiB that are kept: half a megabyte.
    private static let limit = 64
    /// Chunks that are hashed at one time: more than encoding threads, and far fewer than would keep these from encoding.
    private static let makingLimit = 8

    subscript(chunk: UInt32) -> [OutlinePart]? { made[chunk] }
    func isMaking(_ chunk: UInt32) -> Bool { making.contains(chunk) }
    var mayMake: Bool { making.count < Self.makingLimit }

    mutating func begin(_ chunk: UInt32) { making.insert(chunk) }

    /// - Returns: false for one that was not asked for.
    mutating func finish(_ chunk: UInt32, _ parts: [OutlinePart]) -> Bool {
        guard making.remove(chunk) != nil else { return false }
        if made.updateValue(parts, forKey: chunk) == nil { order.append(chunk) }
        if order.count > Self.limit, let oldest = order.popFirst() { made[oldest] = nil }
        return true
    }
}
