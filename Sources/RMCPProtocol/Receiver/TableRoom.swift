/// Bound of what there may be of a session's table in memory, in records (`ReceiverEngine.giveTable(_:at:)`). Whoever repeats what a sender has
/// signed, or makes up a session that nobody has signed, can fill tables without sending a chunk.
public struct TableRoom: Hashable, Sendable {
    /// Records beyond which no page is taken of what was sent earlier, and none is asked for.
    public var records: Int
    /// Records beyond which no page is taken, not even of what is being sent just now: without its page no chunk can be verified.
    public var live: Int

    public init(records: Int, live: Int) {
        self.records = records
        self.live = live
    }

    /// No bound but `Limits.maximumChunks`.
    public static let unbounded = TableRoom(records: .max, live: .max)
}

extension ReceiverEngine {
    /// Records that there is memory for.
    public var tableRecords: Int { ledger.heldRecords }

    /// Sets how much of the table there may be. What is here stays; what had no room is asked for once there is some.
    public mutating func giveTable(_ room: TableRoom, at now: Instant) {
        let lacked = ledger.isFull
        ledger.give(room)
        if lacked, !ledger.isFull { armNAKIfNeeded(at: now) }
    }

    /// Something of the page is being sent or put together.
    func isLive(_ page: TablePage) -> Bool {
        if let front = front.position, page.chunkRange.upperBound > front.chunk { return true }
        return slots.indices.contains { slots[$0].isAssembling && page.chunkRange.contains(slots[$0].chunk) }
    }

    // MARK: Slots

    /// Sets how many chunks may be put together at one time. Those that are being put together stay.
    public mutating func giveSlots(_ count: Int) { slots.setLimit(count) }

    /// Packets that a slot has of its chunk, 0 for one that is not in use; nil while the host has all of them.
    public func packets(inSlot slot: Int) -> Int? {
        guard slots.isInUse(slot) else { return 0 }
        return slots[slot].isWithHost ? nil : slots[slot].received.count
    }
}
