/// Bounds that the host moves while the session goes on: what one session may have depends on what others need.
extension RepairEngine {
    /// Records that there is memory for, in the half that has more. The other has as many at the most.
    public mutating func tableRecords() -> Int {
        let above = upstream?.inPlace { $0.tableRecords } ?? 0
        return max(above, downstream.window.table.heldRecords)
    }

    /// Table's bound of each half, as of `ReceiverEngine.giveTable`.
    public mutating func giveTable(_ room: TableRoom, at now: Instant) {
        tableRoom = room
        if hasUpstream { upstream?.giveTable(room, at: now) }
    }

    /// Sets how many chunks there may be in memory.
    /// - Parameters:
    ///   - slots: that are being put together.
    ///   - resident: that children are served from.
    ///   - fetches: of the latter, that are being read back.
    public mutating func giveChunks(slots: Int, resident: Int, fetches: Int) {
        configuration.memory.assemblySlots = slots
        configuration.memory.maximumResidentChunks = resident
        configuration.memory.maximumFetches = fetches
        if hasUpstream { upstream?.giveSlots(slots) }
        downstream.giveResident(resident, fetches: fetches)
    }

    /// Packets in a slot, as of `ReceiverEngine.packets(inSlot:)`.
    public mutating func packets(inSlot slot: Int) -> Int? { hasUpstream ? upstream?.inPlace { $0.packets(inSlot: slot) } ?? nil : 0 }
}

extension SenderEngine {
    mutating func giveResident(_ chunks: Int, fetches: Int) {
        window.resident.setLimit(chunks, fetches: fetches)
        makeRoom()
    }
}

/// States by which a host chooses the session that gives way, and tells its user. Mutating, though they change nothing: they are asked of an engine
/// where it is.
extension RepairEngine {
    /// Whether there is somebody above, or a child that is not done.
    public mutating func isOfUse() -> Bool { hasUpstream || downstream.receivers.active > 0 }
    /// Whether it leaves its children to others.
    public mutating func isRetired() -> Bool { downstream.isRetired }
    /// Whether multicast from above does not arrive.
    public mutating func isDeaf() -> Bool { upstream?.inPlace { $0.isDeaf } ?? false }
}
