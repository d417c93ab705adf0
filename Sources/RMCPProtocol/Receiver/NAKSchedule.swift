/// When this receiver says what it lacks, and what of it: RFC 5401's backoff before a NAK, hold-off after it, suppression by
/// NCFs.
///
/// A packet is lacked when the settled front has passed it; a chunk of which nothing came is asked for whole, behind the live
/// stream. Everything that has been asked for, here or by somebody whose NAK an NCF confirms, is held back for as long as the
/// answer may take. A repair node does not back off, since it speaks for all of its region; it spaces its NAKs by the parent's interval, and
/// puts more into each.
struct NAKSchedule: Sendable {
    /// State outside of the schedule that a NAK depends on.
    struct Situation {
        var now: Instant
        var front: StreamFront
        var payloadLength: UInt16
        var chunkLength: UInt32
        /// Live needs are kept to oneself while behind: the stream goes on without waiting for this receiver.
        var asksForLiveData: Bool
        /// No NAK before this: the parent is still being chosen. Nil once it has been.
        var settlesAt: Instant?
        var pace: GroupPace

        /// Chunks before this were sent before this receiver came, or when it had no room, and are known not to be holes.
        func catchUpBound(_ ledger: borrowing ChunkLedger) -> UInt32 { min(front.chunk, ledger.recordBound) }

        func packetCount(of record: ChunkRecord) -> Int { ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: payloadLength) }
    }

    private let shared: SharedConfiguration
    private let isRepairNode: Bool
    /// When the last NAK was sent.
    private var last = Instant.longAgo
    private var pages = RequestHold()
    private var end = RequestHold()
    private var catchUp = CatchUpWindow()

    /// Ranges of absent chunks in one request: a third of a datagram.
    private static let catchUpRanges = 32
    /// Ranges of missing pages in one request: two thirds of a datagram.
    private static let pageRanges = 64

    /// - Parameter asksFrom: no absent chunk is asked for before this. What a latecomer lacks it should ask of the parent that it
    ///   settles with, and not of the first one that it hears.
    init(sharing shared: SharedConfiguration, isRepairNode: Bool, asksFrom: Instant) {
        self.shared = shared
        self.isRepairNode = isRepairNode
        catchUp.hold.extend(until: asksFrom)
    }

    // MARK: When

    /// When a NAK is sent of what has just been found to be missing: reordering is waited for, then a backoff is drawn.
    func firstTime(_ situation: Situation, using random: inout RandomSource) -> Instant {
        max(situation.now + shared.value.feedback.reorderDelay + backoff(situation, using: &random), earliest(situation))
    }

    /// The latest time at which one is due that needs not be brought forward for what has just been found to be missing: so long does a
    /// packet wait that is lost while the one before it is being asked for. Chunks that come, and what may not exist, are held back for longer.
    func latestTime(_ situation: Situation) -> Instant {
        let wait = isRepairNode ? .zero : situation.pace.groupRoundTrip * shared.value.feedback.backoffFactor
        return max(situation.now + holdOff(situation) + shared.value.feedback.reorderDelay + wait, earliest(situation))
    }

    /// When the next one is sent, of what is held back just now; nil when nothing is lacked.
    func nextTime(
        _ ledger: inout ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation, using random: inout RandomSource
    ) -> Instant? {
        guard let need = earliestNeed(&ledger, &slots, situation) else { return nil }
        let due = max(need, situation.now + shared.value.feedback.reorderDelay)
        return max(due + backoff(situation, using: &random), earliest(situation))
    }

    /// No NAK before the parent is chosen; a repair node's are as far apart as the parent wants.
    private func earliest(_ situation: Situation) -> Instant {
        max(situation.settlesAt ?? .zero, isRepairNode ? last + situation.pace.nakInterval : .zero)
    }

    /// A repair node does not wait for others to speak: RFC 5401's backoff is for leaves.
    private func backoff(_ situation: Situation, using random: inout RandomSource) -> Interval {
        if isRepairNode { return .zero }
        let window = situation.pace.groupRoundTrip * shared.value.feedback.backoffFactor
        return Backoff.draw(window: window, groupSize: situation.pace.population, using: &random)
    }

    /// (K + 2) * GRTT: as long as another child's NAK and the repair for it may take (RFC 5401, 3.2.3).
    private func holdOff(_ situation: Situation) -> Interval {
        situation.pace.groupRoundTrip * (shared.value.feedback.backoffFactor + 2) + shared.value.repairs.repairAggregationDelay
    }

    // MARK: What others say, and what comes

    /// An NCF says that what it names is coming: needs that it covers are postponed, never cancelled.
    mutating func postpone(
        for request: RepairRequest, _ ledger: inout ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation
    ) {
        let now = situation.now
        let limit = shared.value.feedback.maximumPostponements
        let until = now + holdOff(situation)
        for entry in request.packets {
            guard let slot = slots.slot(ofChunk: entry.chunk) else { continue }
            slots[slot].hold.postpone(entry.packets, until: until, limit: limit, at: now)
        }
        for entry in request.outlines {
            guard let slot = slots.slot(ofChunk: entry.chunk), slots[slot].isAssembling, let inquiry = slots[slot].inquiry,
                entry.packets.isSuperset(of: inquiry.missingParts)
            else { continue }
            slots[slot].inquiry?.hold.postpone(until: until, limit: limit, at: now)
        }
        if let absent = ledger.firstRequestable(below: situation.catchUpBound(ledger)), request.chunks.contains(where: { $0.contains(absent) }) {
            catchUp.hold.postpone(until: now + shared.value.feedback.catchUpHoldOff, limit: limit, at: now)
        }
        noteConfirmed(request.chunks, &ledger, below: situation.catchUpBound(ledger))
        let missing = ledger.missingPages(below: ledger.sentPages)
        if !missing.isEmpty, missing.allSatisfy({ gap in request.pages.contains { $0.contains(gap.lowerBound) && $0.upperBound >= gap.upperBound } }) {
            pages.postpone(until: until, limit: limit, at: now)
        }
        if request.needsEnd { end.postpone(until: until, limit: limit, at: now) }
    }

    /// Chunks that an NCF names come to those who have not asked for them, too. No more are looked for than a window has.
    private mutating func noteConfirmed(_ chunks: [Range<UInt32>], _ ledger: inout ChunkLedger, below bound: UInt32) {
        var left = UInt32(shared.value.feedback.catchUpWindow)
        for range in chunks {
            let news = catchUp.news(in: range, below: bound).prefix(Int(left))
            left -= UInt32(news.count)
            var position = ledger.firstRequestable(from: news.lowerBound, below: news.upperBound)
            while let chunk = position {
                let end = ledger.requestableEnd(from: chunk, below: news.upperBound)
                catchUp.confirm(chunk..<end)
                position = ledger.firstRequestable(from: end, below: news.upperBound)
            }
        }
    }

    mutating func notePage() { pages.noteProgress() }
    /// A packet came of a chunk that was asked for as a whole: more follow.
    mutating func noteCatchUp(at now: Instant) { catchUp.hold.extend(until: now + shared.value.feedback.catchUpHoldOff) }
    /// Packet of a chunk that had none before.
    mutating func noteCatchUpChunk() { catchUp.noteChunk() }

    /// Pages and END that were asked for in vain were not there to be had.
    mutating func forgetTable() {
        pages = RequestHold()
        end = RequestHold()
    }

    /// Requests to a former parent are made again.
    mutating func forgetRequests() {
        forgetTable()
        catchUp = CatchUpWindow()
    }

    // MARK: What is lacked

    /// True when a NAK would have something to say, now or when holds have passed. Asked on every HEARTBEAT.
    func hasNeeds(_ ledger: inout ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation) -> Bool {
        if ledger.lacksPages || ledger.lacksEnd { return true }
        if situation.asksForLiveData {
            for slot in slots.indices where slots[slot].isAssembling {
                if slots[slot].lacksOutline { return true }
                if slots[slot].chunk < situation.front.chunk || Self.lacksAny(inSlot: slot, ledger, &slots, situation) { return true }
            }
        }
        return ledger.firstRequestable(below: situation.catchUpBound(ledger)) != nil
    }

    /// Absent chunks may be asked for by now, although some come still. Looked at when a chunk was stored.
    func mayRenew(_ ledger: inout ChunkLedger, freeSlots: Int, _ situation: Situation) -> Bool {
        guard catchUp.hasRoom(freeSlots: freeSlots), let absent = ledger.firstRequestable(below: situation.catchUpBound(ledger)) else { return false }
        return catchUp.isRenewable(from: absent, freeSlots: freeSlots)
    }

    /// When the first of the needs may be said.
    private func earliestNeed(_ ledger: inout ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation) -> Instant? {
        var earliest: Instant?
        func consider(_ instant: Instant) { earliest = min(earliest ?? .distantFuture, instant) }
        if ledger.lacksPages { consider(pages.until) }
        if ledger.lacksEnd { consider(end.until) }
        if situation.asksForLiveData {
            for slot in slots.indices where slots[slot].isAssembling {
                if let inquiry = slots[slot].inquiry, !inquiry.isComplete {
                    consider(inquiry.hold.until)
                    continue
                }
                if Self.lacksAny(inSlot: slot, ledger, &slots, situation) {
                    consider(slots[slot].hold.nextRequest(at: situation.now))
                } else if slots[slot].chunk < situation.front.chunk {
                    let rest = slots[slot].awaitsRest(at: situation.now) ? slots[slot].restIsDue : .zero
                    consider(max(slots[slot].hold.nextRequest(at: situation.now), rest))
                }
            }
        }
        if let absent = ledger.firstRequestable(below: situation.catchUpBound(ledger)), slots.freeCount > 0 {
            consider(catchUp.isRenewable(from: absent, freeSlots: slots.freeCount) ? situation.now : catchUp.hold.until)
        }
        return earliest
    }

    /// How many packets of a slot's chunk were sent, as far as is known.
    private static func sentPackets(ofSlot slot: Int, _ ledger: borrowing ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation) -> Int {
        let chunk = slots[slot].chunk
        let settled = situation.front.settled
        let total = ledger.record(of: chunk).map { situation.packetCount(of: $0) }
        let isCatchUp = slots[slot].isCatchUp && chunk < situation.front.chunk
        if isCatchUp || chunk < settled.chunk {
            let passed = (slots[slot].received.last ?? -1) + 1
            return isCatchUp && !slots[slot].lacksRest(at: situation.now) ? passed : total ?? passed
        }
        guard chunk == settled.chunk else { return 0 }
        // No more than a chunk can have, whatever position somebody claims.
        let most = ChunkGeometry.packetCount(encodedLength: situation.chunkLength, payloadLength: situation.payloadLength)
        return min(Int(settled.packet), total ?? most)
    }

    /// The packets of a slot's chunk that were sent and did not come, less those that an NCF has named.
    private static func missing(inSlot slot: Int, _ ledger: borrowing ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation) -> PacketSet {
        let sent = sentPackets(ofSlot: slot, ledger, &slots, situation)
        var result = slots[slot].received.missing(in: 0..<sent)
        slots[slot].hold.subtract(from: &result, at: situation.now)
        return result
    }

    /// Whether that is any. Mostly nothing is, and no set need be made to see it.
    private static func lacksAny(inSlot slot: Int, _ ledger: borrowing ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation) -> Bool {
        let sent = sentPackets(ofSlot: slot, ledger, &slots, situation)
        if slots[slot].received.containsAll(below: sent) { return false }
        return !slots[slot].hold.isConfirmed(at: situation.now) || !missing(inSlot: slot, ledger, &slots, situation).isEmpty
    }

    // MARK: What is said

    /// Requests to be made now, one for each NAK; all that they name is held back from now on.
    mutating func requests(
        _ ledger: inout ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation, counting counters: inout ReceiverCounters
    ) -> [RepairRequest] {
        let now = situation.now
        let room = Int(situation.payloadLength) + DataHeader.length - PacketHeader.length - NegativeAcknowledgement.prefixLength
        var composer = NAKComposer(limit: room, datagrams: shared.value.feedback.maximumNAKDatagrams)
        if ledger.lacksPages, pages.isOver(at: now) {
            for range in ledger.missingPages(below: ledger.sentPages).prefix(Self.pageRanges) { composer.add(pages: range) }
            pages.ask(for: holdOff(situation), isCertain: ledger.end != nil, at: now)
        }
        if ledger.lacksEnd, end.isOver(at: now), composer.addEnd() { end.ask(for: holdOff(situation), at: now) }
        addAbsentChunks(to: &composer, &ledger, &slots, situation)
        if situation.asksForLiveData { addPackets(to: &composer, ledger, &slots, situation, counting: &counters) }
        let requests = composer.finish()
        if !requests.isEmpty { last = now }
        return requests
    }

    /// Packets of chunks that are being put together, and such chunks whole of which nothing came.
    private func addPackets(
        to composer: inout NAKComposer, _ ledger: borrowing ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation,
        counting counters: inout ReceiverCounters
    ) {
        let now = situation.now
        for slot in slots.indices where slots[slot].isAssembling {
            if let inquiry = slots[slot].inquiry, !inquiry.isComplete {
                guard inquiry.hold.isOver(at: now) else { continue }
                guard composer.add(outlineOf: slots[slot].chunk, parts: inquiry.missingParts) else { return }
                slots[slot].inquiry?.ask(for: holdOff(situation), at: now)
                continue
            }
            guard now >= slots[slot].hold.until else { continue }
            guard !composer.isFull(datagrams: shared.value.feedback.maximumNAKDatagrams) else { return }
            if slots[slot].isCatchUp, slots[slot].received.isEmpty {
                guard slots[slot].chunk < situation.front.chunk else { continue }
                guard composer.add(chunks: slots[slot].chunk..<slots[slot].chunk + 1) else { return }
                slots[slot].hold.askWhole(
                    for: shared.value.feedback.catchUpHoldOff, isCertain: ledger.hasRecord(of: slots[slot].chunk), at: now)
                continue
            }
            let packets = Self.missing(inSlot: slot, ledger, &slots, situation)
            if packets.isEmpty {
                if slots[slot].hold.isConfirmed(at: now) { counters.naksSuppressed += 1 }
                continue
            }
            guard composer.add(chunk: slots[slot].chunk, packets: packets) else { return }
            slots[slot].hold.ask(for: holdOff(situation), isCertain: ledger.hasRecord(of: slots[slot].chunk), at: now)
        }
    }

    /// Asks for absent chunks whole, a window of them at a time: they come by multicast behind the live stream and take
    /// slots as they come, so that no more are asked for than there are slots.
    private mutating func addAbsentChunks(
        to composer: inout NAKComposer, _ ledger: inout ChunkLedger, _ slots: inout AssemblySlots, _ situation: Situation
    ) {
        let bound = situation.catchUpBound(ledger)
        guard let first = ledger.firstRequestable(below: bound) else { return }
        guard catchUp.hold.isOver(at: situation.now) || catchUp.isRenewable(from: first, freeSlots: slots.freeCount) else { return }
        let window = min(shared.value.feedback.catchUpWindow, slots.freeCount)
        guard window > 0 else { return }
        catchUp.begin(window)
        var position: UInt32? = first
        for _ in 0..<Self.catchUpRanges {
            guard let chunk = position, catchUp.lack > 0 else { break }
            let end = ledger.requestableEnd(from: chunk, below: min(bound, chunk + UInt32(catchUp.lack)))
            guard composer.add(chunks: chunk..<end) else { break }
            catchUp.add(chunk..<end)
            position = ledger.firstRequestable(from: end, below: bound)
        }
        catchUp.hold.ask(for: shared.value.feedback.catchUpHoldOff, isCertain: true, at: situation.now)
    }
}
