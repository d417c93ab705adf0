/// Requests of NAKs that are not answered yet: packets, whole chunks, pages, END. The group has one of these, and each
/// child that is served at its own address.
struct PendingNAKs: Sendable {
    var repairs: RepairQueue
    /// Parts of outlines, in place of packets.
    var outlines: RepairQueue
    var catchUp: CatchUpQueue
    /// NAKs of those who have not proven their address.
    var strangers = AnswerBudget(perSecond: Self.strangersPerSecond)
    private(set) var pages = IndexRangeSet()
    private var needsEnd = false

    /// A child that loses something before it has a cookie asks again with one; many such lose the same. Without a bound whoever forges addresses
    /// has forty times the bytes repaired that it sends.
    private static let strangersPerSecond = 20

    init(configuration: Configuration) {
        repairs = RepairQueue(configuration: configuration)
        outlines = RepairQueue(configuration: configuration)
        catchUp = CatchUpQueue(configuration: configuration)
    }

    var isEmpty: Bool { !hasRepairs && catchUp.isEmpty && !needsTable }
    /// Packets or outlines are wanted.
    var hasRepairs: Bool { !repairs.isEmpty || !outlines.isEmpty }
    /// A page or END is wanted.
    var needsTable: Bool { !pages.isEmpty || needsEnd }

    /// Whether the chunk's bytes must stay where they are.
    func needs(_ chunk: UInt32) -> Bool { repairs.needs(chunk) || outlines.needs(chunk) || catchUp.current?.chunk == chunk }

    /// Time at which the first repair or outline is due.
    var nextDue: Instant? {
        guard let repair = repairs.nextDue else { return outlines.nextDue }
        return outlines.nextDue.map { min(repair, $0) } ?? repair
    }

    /// The chunk's bytes are here.
    mutating func unpark(_ chunk: UInt32, at now: Instant) {
        repairs.unpark(chunk, at: now)
        outlines.unpark(chunk, at: now)
    }

    mutating func prune(holdOff: Interval, at now: Instant) {
        repairs.prune(holdOff: holdOff, at: now)
        outlines.prune(holdOff: holdOff, at: now)
    }

    /// Queues what has been sent before and is asked for; the rest will come anyway.
    /// - Parameters:
    ///   - child: who asks, where an answer may go to it alone.
    ///   - window: what has been sent, and can be again.
    ///   - payloadLength: bytes of a packet that is not its chunk's last.
    ///   - since: what was sent later is on its way, and nobody lacks it.
    ///   - holdOff: what was repaired that lately is not repaired again.
    /// - Returns: what is news to the group. Packets are told of once: when a hundred children lose the same, one NCF is enough.
    mutating func accept(
        _ request: RepairRequest, from child: ChildName?, of window: TransmitWindow, payloadLength: UInt16, since: Instant, holdOff: Interval,
        at now: Instant
    ) -> RepairRequest {
        var confirmed = RepairRequest()
        for entry in request.packets {
            var wanted = window.sent(of: entry, before: since, payloadLength: payloadLength)
            guard !wanted.packets.isEmpty else { continue }
            if repairs.isFull, !repairs.needs(entry.chunk) {
                // A repair node gets itself what it lacks.
                guard window.holds(entry.chunk), catchUp.request(entry.chunk..<entry.chunk + 1, holdOff: holdOff, at: now) else { continue }
            } else {
                wanted.packets = repairs.request(chunk: entry.chunk, packets: wanted.packets, by: child, holdOff: holdOff, at: now)
                guard !wanted.packets.isEmpty else { continue }
                // A repair that goes to one child alone must keep nobody else from asking.
                if child != nil, repairs.loneAsker(of: entry.chunk) == child { continue }
            }
            confirmed.packets.append(wanted)
        }
        for entry in request.outlines {
            var wanted = window.existing(of: entry, payloadLength: payloadLength)
            guard !wanted.packets.isEmpty, !outlines.isFull || outlines.needs(entry.chunk) else { continue }
            wanted.packets = outlines.request(chunk: entry.chunk, packets: wanted.packets, by: child, holdOff: holdOff, at: now)
            if wanted.packets.isEmpty || (child != nil && outlines.loneAsker(of: entry.chunk) == child) { continue }
            confirmed.outlines.append(wanted)
        }
        for range in request.chunks {
            for sent in window.available(in: range) where catchUp.request(sent, holdOff: holdOff, at: now) { confirmed.chunks.append(sent) }
        }
        for range in request.pages {
            let sent = range.clamped(to: 0..<window.pagesSent)
            pages.insert(sent)
            if !sent.isEmpty { confirmed.pages.append(sent) }
        }
        if request.needsEnd, window.isEndSent {
            needsEnd = true
            confirmed.needsEnd = true
        }
        return confirmed
    }

    /// The next page that is wanted, or END.
    mutating func nextOfTable(in window: inout TransmitWindow) -> Packet? {
        if let index = pages.first {
            pages.remove(index)
            if let packet = window.table.packet(forPage: index) { return packet }
        }
        guard needsEnd else { return nil }
        needsEnd = false
        return window.finish()
    }
}
