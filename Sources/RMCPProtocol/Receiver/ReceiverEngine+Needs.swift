/// What this receiver lacks and when it says so: RFC 5401's backoff before a NAK, hold-off after it, suppression by NCF.
extension ReceiverEngine {
    /// Sets the NAK timer unless it is set: reordering is waited for, then a backoff is drawn.
    mutating func armNAK(at now: Instant) {
        guard nakAt == nil, case .receiving = phase else { return }
        nakAt = max(now + configuration.reorderDelay + drawBackoff(), earliestNAK)
    }

    /// A newcomer asks the parent that it settles with; a repair node says more at once rather than more often.
    private var earliestNAK: Instant { mutating get { max(settlesAt ?? .zero, isRepairNode ? lastNAK + nakInterval : .zero) } }

    /// A repair node speaks for all of its region and does not wait for others to speak (RFC 5401's backoff is for leaves).
    private mutating func drawBackoff() -> Interval {
        isRepairNode ? .zero : Backoff.draw(window: groupRoundTrip * configuration.backoffFactor, groupSize: population, using: &random)
    }

    /// (K + 2) * GRTT: as long as another child's NAK and the repair for it may take (RFC 5401, 3.2.3).
    private var holdOff: Interval { groupRoundTrip * (configuration.backoffFactor + 2) + configuration.repairAggregationDelay }

    /// An NCF says that what it names is coming: needs that it covers are postponed, never cancelled.
    mutating func postpone(for request: RepairRequest, at now: Instant) {
        let until = now + holdOff
        for entry in request.packets {
            guard let slot = slots.slot(ofChunk: entry.chunk) else { continue }
            // What is covered already keeps its time: NCFs that go on and on, forged or not, only delay so much.
            if now >= slots[slot].coveredUntil {
                guard slots[slot].coverings < configuration.maximumPostponements else { continue }
                slots[slot].coverings += 1
                slots[slot].covered.removeAll()
                slots[slot].coveredUntil = until
            }
            slots[slot].covered.formUnion(entry.packets)
        }
        if let absent = ledger.firstRequestable(below: catchUpBound), request.chunks.contains(where: { $0.contains(absent) }) {
            catchUpHold.postpone(until: now + configuration.catchUpHoldOff, limit: configuration.maximumPostponements, at: now)
        }
        let missing = ledger.missingPages(below: knownPages)
        if !missing.isEmpty, missing.allSatisfy({ gap in request.pages.contains { $0.contains(gap.lowerBound) && $0.upperBound >= gap.upperBound } }) {
            pagesHold.postpone(until: until, limit: configuration.maximumPostponements, at: now)
        }
        if request.needsEnd { endHold.postpone(until: until, limit: configuration.maximumPostponements, at: now) }
    }

    // MARK: Needs

    /// How many packets of a slot's chunk were sent, as far as is known. By the slot's number, and mutating though it changes
    /// nothing, as the next two: called while the engine is being changed, they would each copy it otherwise.
    private mutating func sentPackets(ofSlot slot: Int) -> Int {
        let chunk = slots[slot].chunk
        let total = ledger.record(of: chunk).map { packetCount(of: $0) }
        if chunk < settledFront.chunk || (slots[slot].isCatchUp && chunk < (front?.chunk ?? 0)) {
            return total ?? ((slots[slot].received.last ?? -1) + 1)
        }
        guard chunk == settledFront.chunk else { return 0 }
        // No more than a chunk can have, whatever position somebody claims.
        let most = ChunkGeometry.packetCount(encodedLength: announce.chunkLength, payloadLength: announce.payloadLength)
        return min(Int(settledFront.packet), total ?? most)
    }

    /// The packets of a slot's chunk that were sent and did not come.
    private mutating func missing(inSlot slot: Int, at now: Instant) -> PacketSet {
        let sent = sentPackets(ofSlot: slot)
        var result = slots[slot].received.missing(in: 0..<sent)
        if now < slots[slot].coveredUntil { result.subtract(slots[slot].covered) }
        return result
    }

    /// Whether that is any. Asked on every heartbeat: mostly nothing is, and no set need be made to see it.
    private mutating func lacksAny(inSlot slot: Int, at now: Instant) -> Bool {
        let sent = sentPackets(ofSlot: slot)
        if slots[slot].received.containsAll(below: sent) { return false }
        return now >= slots[slot].coveredUntil || !missing(inSlot: slot, at: now).isEmpty
    }

    /// Live needs are kept to oneself while behind: the stream goes on without waiting for this receiver.
    var asksForLiveData: Bool { mutating get { !isBehind || parentPhase != .streaming } }

    private func needsPages(at now: Instant) -> Bool { ledger.pageCount < Int(knownPages) && now >= pagesHold.until }
    private func needsEnd(at now: Instant) -> Bool { senderHasEnd && end == nil && now >= endHold.until }

    /// Chunks that were sent before this receiver came, or when it had no room, and are known not to be holes.
    private var catchUpBound: UInt32 { mutating get { min(front?.chunk ?? 0, ledger.recordBound) } }

    /// True when a NAK would have something to say, now or when holds have passed.
    mutating func hasNeeds(at now: Instant) -> Bool {
        guard case .receiving = phase else { return false }
        if ledger.pageCount < Int(knownPages) || (senderHasEnd && end == nil) { return true }
        if asksForLiveData {
            for slot in slots.indices where slots[slot].isInUse && !slots[slot].isWithHost {
                if slots[slot].chunk < (front?.chunk ?? 0) || lacksAny(inSlot: slot, at: now) { return true }
            }
        }
        return ledger.firstRequestable(below: catchUpBound) != nil
    }

    /// When the NAK timer should fire next, for needs that are on hold.
    private mutating func earliestNeed(at now: Instant) -> Instant? {
        var earliest: Instant?
        func consider(_ instant: Instant) { earliest = min(earliest ?? .distantFuture, instant) }
        if ledger.pageCount < Int(knownPages) { consider(pagesHold.until) }
        if senderHasEnd, end == nil { consider(endHold.until) }
        if asksForLiveData {
            let frontChunk = front?.chunk ?? 0
            for slot in slots.indices where slots[slot].isInUse && !slots[slot].isWithHost {
                guard slots[slot].chunk < frontChunk || lacksAny(inSlot: slot, at: now) else { continue }
                consider(max(slots[slot].holdUntil, now < slots[slot].coveredUntil ? slots[slot].coveredUntil : .zero))
            }
        }
        if let absent = ledger.firstRequestable(below: catchUpBound), slots.freeCount > 0 {
            consider(absent >= catchUpRenewal ? now : catchUpHold.until)
        }
        return earliest
    }

    // MARK: The NAK timer

    mutating func fireNAK(at now: Instant) {
        settle(at: now)
        nakAt = nil
        var composer = NAKComposer(
            limit: Self.nakRoom(datagramLength: Int(announce.payloadLength) + DataHeader.length), datagrams: configuration.maximumNAKDatagrams)
        if needsPages(at: now) {
            for range in ledger.missingPages(below: knownPages).prefix(64) { composer.add(pages: range) }
            pagesHold.ask(until: now + holdOff)
        }
        if needsEnd(at: now), composer.addEnd() { endHold.ask(until: now + holdOff) }
        requestAbsentChunks(into: &composer, at: now)
        if asksForLiveData { collectSlots(into: &composer, at: now) }
        let cookie = parents.cookie(of: parentTransmitter) ?? 0
        for request in composer.finish() {
            lastNAK = now
            counters.naksSent += 1
            send(.nak(NegativeAcknowledgement(echo: currentEcho(at: now), cookie: cookie, request: request)), to: parentAddress)
            if attachment.askingSince == nil { attachment.askingSince = now }
        }
        if let next = earliestNeed(at: now) {
            nakAt = max(max(next, now + configuration.reorderDelay) + drawBackoff(), earliestNAK)
        }
    }

    /// Ranges of absent chunks in one request: a third of a datagram.
    private static let catchUpRanges = 32

    private static func nakRoom(datagramLength: Int) -> Int { datagramLength - PacketHeader.length - NegativeAcknowledgement.prefixLength }

    private mutating func collectSlots(into composer: inout NAKComposer, at now: Instant) {
        for slot in slots.indices where slots[slot].isInUse && !slots[slot].isWithHost {
            guard now >= slots[slot].holdUntil else { continue }
            guard !composer.isFull(datagrams: configuration.maximumNAKDatagrams) else { return }
            if slots[slot].isCatchUp, slots[slot].received.isEmpty {
                guard slots[slot].chunk < (front?.chunk ?? 0) else { continue }
                guard composer.add(chunks: slots[slot].chunk..<slots[slot].chunk + 1) else { return }
                slots[slot].holdUntil = now + configuration.catchUpHoldOff
                continue
            }
            let packets = missing(inSlot: slot, at: now)
            if packets.isEmpty {
                if now < slots[slot].coveredUntil { counters.naksSuppressed += 1 }
                continue
            }
            guard composer.add(chunk: slots[slot].chunk, packets: packets) else { return }
            slots[slot].holdUntil = now + holdOff
            slots[slot].coverings = 0
        }
    }

    /// Asks for absent chunks whole, a window of them at a time: they come by multicast behind the live stream and take
    /// slots as they come, so that no more are asked for than there are slots. The window is renewed when half of it is
    /// in, or when nothing has come for a hold-off.
    private mutating func requestAbsentChunks(into composer: inout NAKComposer, at now: Instant) {
        let bound = catchUpBound
        guard let first = ledger.firstRequestable(below: bound) else { return }
        guard now >= catchUpHold.until || first >= catchUpRenewal else { return }
        let window = min(configuration.catchUpWindow, slots.freeCount)
        guard window > 0 else { return }
        var asked = 0
        var position: UInt32? = first
        for _ in 0..<Self.catchUpRanges {
            guard let chunk = position, asked < window else { break }
            var end = chunk
            while end < bound, asked < window, ledger[end] == .absent, ledger.record(of: end) != nil {
                end += 1
                asked += 1
                // Where there is room for one chunk only, half of the window is all of it.
                if asked <= max(1, window / 2) { catchUpRenewal = end }
            }
            guard composer.add(chunks: chunk..<end) else { break }
            position = ledger.firstRequestable(from: end, below: bound)
        }
        catchUpHold.ask(until: now + configuration.catchUpHoldOff)
    }
}

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
