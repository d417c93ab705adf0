import DequeModule

/// Packets that children lack of chunks that were sent, as the union of their NAKs: each is repaired once in a
/// hold-off however many asked (RFC 5740, 5.3).
struct RepairQueue: Sendable {
    private struct Entry: Sendable {
        var pending = PacketSet()
        /// Repaired since `recentStart`, and in the hold-off before that: a NAK for these crossed the repair on its way.
        /// Two generations, so that each is held off for one to two hold-offs without a time for every packet.
        var recent = PacketSet()
        var older = PacketSet()
        var recentStart = Instant.zero
        var isQueued = false
        /// The only child that lacks what is pending; nil once a second one does.
        var loneAsker: ChildName?
        /// The only child that what is recent went to; nil when it went to everybody.
        var repairedTo: ChildName?
        /// Whether it waits outside the queue for its bytes, which are not here.
        var isParked = false

        /// Moves to the next generation when a hold-off has passed, and forgets both when two have.
        mutating func age(holdOff: Interval, at now: Instant) {
            guard now - recentStart >= holdOff else { return }
            let isOver = now - recentStart >= holdOff * 2
            if isOver { recent.removeAll() }
            swap(&recent, &older)
            recent.removeAll()
            // From where the last one ended: a generation that starts when somebody happens to ask would hold the one
            // before it off for up to three hold-offs.
            recentStart = isOver ? now : recentStart + holdOff
        }

        /// Takes what `asker` lacks; answers what nobody had asked for yet.
        mutating func request(_ packets: PacketSet, by asker: ChildName?, holdOff: Interval, at now: Instant) -> PacketSet {
            var wanted = packets
            age(holdOff: holdOff, at: now)
            // Packets that went to one child alone were not repaired for another.
            if repairedTo == nil || repairedTo == asker {
                wanted.subtract(recent)
                wanted.subtract(older)
            }
            if pending.isEmpty { loneAsker = asker } else if loneAsker != asker { loneAsker = nil }
            if pending.isSuperset(of: wanted) { return PacketSet() }
            var news = wanted
            news.subtract(pending)
            pending.formUnion(wanted)
            return news
        }

        /// As `request`; also whether the chunk is now to be queued.
        mutating func queue(_ packets: PacketSet, by asker: ChildName?, holdOff: Interval, at now: Instant) -> (PacketSet, Bool) {
            let news = request(packets, by: asker, holdOff: holdOff, at: now)
            guard !pending.isEmpty, !isQueued, !isParked else { return (news, false) }
            isQueued = true
            return (news, true)
        }

        /// Takes up to `limit` pending packets for `recipient`, or for everybody.
        mutating func take(limit: Int, to recipient: ChildName?, holdOff: Interval, at now: Instant, _ body: (Int) -> Void) {
            age(holdOff: holdOff, at: now)
            if recent.isEmpty, older.isEmpty {
                repairedTo = recipient
            } else if repairedTo != recipient {
                // Nothing says which child got which packet: none is held off for one that may not have come.
                recent.removeAll()
                older.removeAll()
                repairedTo = recipient
            }
            var taken = 0
            var position = pending.first()
            while let packet = position, taken < limit {
                pending.remove(packet)
                recent.insert(packet)
                body(packet)
                taken += 1
                position = pending.first(from: packet + 1)
            }
            if pending.isEmpty { isQueued = false }
        }
    }

    private var entries: [UInt32: Entry] = [:]
    /// Chunks with something pending, in order of the first NAK, with the time from which they are repaired.
    private var queue: Deque<(chunk: UInt32, due: Instant)> = []
    private let limit: Int
    private let aggregationDelay: Interval

    init(configuration: Configuration) {
        limit = configuration.repairs.maximumRepairChunks
        aggregationDelay = configuration.repairs.repairAggregationDelay
    }

    var isEmpty: Bool { queue.isEmpty }
    var isFull: Bool { entries.count >= limit }
    var nextDue: Instant? { queue.first?.due }

    func needs(_ chunk: UInt32) -> Bool { entries[chunk].map { !$0.pending.isEmpty } ?? false }

    /// Takes what one NAK lacks of one chunk; what was repaired within `holdOff` is left out.
    /// - Parameter asker: the child; nil for one that can only be answered by multicast.
    /// - Returns: what nobody had asked for yet.
    @discardableResult
    mutating func request(
        chunk: UInt32, packets: PacketSet, by asker: ChildName? = nil, holdOff: Interval, at now: Instant
    ) -> PacketSet {
        // In place: an entry that was taken out would be copied, with its sets, when it changes.
        let (news, isDue) = entries[chunk, default: Entry()].queue(packets, by: asker, holdOff: holdOff, at: now)
        if isDue { queue.append((chunk, now + aggregationDelay)) }
        return news
    }

    /// The chunk whose repairs are due first.
    func dueChunk(at now: Instant) -> UInt32? {
        guard let first = queue.first, first.due <= now else { return nil }
        return first.chunk
    }

    /// The child that alone lacks what is pending of a chunk.
    func loneAsker(of chunk: UInt32) -> ChildName? { entries[chunk]?.loneAsker }

    /// Takes the first chunk out of the queue until its bytes are here.
    mutating func parkFirst() {
        guard let first = queue.popFirst() else { return }
        entries[first.chunk]?.isQueued = false
        entries[first.chunk]?.isParked = true
    }

    /// The chunk's bytes are here: what is pending of it is due.
    mutating func unpark(_ chunk: UInt32, at now: Instant) {
        guard var entry = entries[chunk], entry.isParked else { return }
        entry.isParked = false
        entry.isQueued = !entry.pending.isEmpty
        if entry.isQueued { queue.append((chunk, now)) }
        entries[chunk] = entry
    }

    /// Puts the first chunk behind the others, since its bytes must be fetched first.
    mutating func postponeFirst(to due: Instant) {
        guard let first = queue.popFirst() else { return }
        queue.append((first.chunk, due))
    }

    /// Takes up to `limit` packets of the first chunk in the queue.
    /// - Parameter recipient: the child that they go to; nil for everybody.
    mutating func takeFirst(limit: Int, to recipient: ChildName? = nil, holdOff: Interval, at now: Instant, _ body: (Int) -> Void) {
        guard let chunk = queue.first?.chunk else { return }
        entries[chunk]?.take(limit: limit, to: recipient, holdOff: holdOff, at: now, body)
        if entries[chunk]?.isQueued == false { queue.removeFirst() }
    }

    /// Forgets chunks whose hold-off has passed and of which nothing is pending.
    mutating func prune(holdOff: Interval, at now: Instant) {
        guard !entries.isEmpty else { return }
        entries = entries.filter { $0.value.isQueued || ($0.value.isParked && !$0.value.pending.isEmpty) || now - $0.value.recentStart < holdOff * 2 }
    }
}
