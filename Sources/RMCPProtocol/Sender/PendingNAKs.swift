/// Requests of NAKs that are not answered yet: packets, whole chunks, pages, END. The group has one of these, and each
/// child that is served at its own address.
struct PendingNAKs: Sendable {
    var repairs: RepairQueue
    /// Parts of outlines, in place of packets.
    var outlines: RepairQueue
    var catchUp: CatchUpQueue
    private(set) var pages = IndexRangeSet()
    private var needsEnd = false
    /// Somebody who is at his address has asked for some of the whole chunks that wait.
    private var isCatchUpProven = false

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

    /// Whole chunks wait that are owed their share. Those that strangers alone have asked for are not: they go behind all other repairs.
    var awaitsCatchUp: Bool { isCatchUpProven && !catchUp.isEmpty }

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

    /// Facts that a parent knows of who asks, and what it goes by then.
    struct Terms {
        /// Child that asks, where an answer may go to it alone.
        var child: ChildName?
        /// Budget of strangers, where nobody has proven to be at the address that the NAK came from.
        var strangers: StrangerBudget?
        /// Bytes of a packet that is not its chunk's last.
        var payloadLength: UInt16
        /// Time since which what was sent is on its way, so that nobody lacks it.
        var since: Instant
        /// Time after a repair in which the same is not repaired again.
        var holdOff: Interval
        var now: Instant

        /// Bytes of the datagrams that the answers come in.
        var datagramLength: Int { Int(payloadLength) + DataHeader.length }

        /// A stranger pays for what is queued for it.
        mutating func charge(datagrams: Int) {
            let bytes = datagrams * datagramLength
            strangers?.charge(bytes)
        }

        /// Bytes that entries have room for in a datagram: who is told of them all gets one.
        var confirmationRoom: Int { datagramLength - PacketHeader.length }
    }

    /// Queues what has been sent before and is asked for; the rest will come anyway.
    /// - Parameter window: what has been sent, and can be again.
    /// - Returns: what is confirmed to the group, in one datagram. Packets are told of once, if that has room: when a hundred children lose the
    ///   same, one NCF is enough.
    mutating func accept(_ request: RepairRequest, of window: TransmitWindow, on terms: inout Terms) -> RepairRequest {
        var confirmed = RepairRequest()
        var asked: [RepairRequest.ChunkPackets] = []
        for entry in request.packets {
            guard let (news, all) = accept(packets: entry, of: window, on: &terms) else { continue }
            confirmed.packets.append(news)
            asked.append(all)
        }
        for entry in request.outlines { if let taken = accept(outline: entry, of: window, on: &terms) { confirmed.outlines.append(taken) } }
        acceptTable(request, of: window, on: &terms, confirming: &confirmed)
        // The rest of a run of which every other packet is on the books takes ten times the run's bytes.
        if confirmed.wireLength > terms.confirmationRoom {
            for index in asked.indices where asked[index].wireLength < confirmed.packets[index].wireLength { confirmed.packets[index] = asked[index] }
        }
        // The entries so far are no longer than they were asked for. Whole chunks, of which a repair node may have every other one, have what room is left.
        var pieces = (terms.confirmationRoom - confirmed.wireLength) / RepairRequest.rangeEntryLength
        for range in request.chunks {
            for sent in window.available(in: range, pieces: pieces) {
                pieces -= 1
                if queue(whole: sent, on: terms) { confirmed.chunks.append(sent) }
            }
        }
        return confirmed
    }

    /// - Returns: false when there is no room for them.
    private mutating func queue(whole chunks: Range<UInt32>, on terms: Terms) -> Bool {
        if catchUp.isEmpty { isCatchUpProven = false }
        guard catchUp.request(chunks, holdOff: terms.holdOff, at: terms.now) else { return false }
        if terms.strangers == nil { isCatchUpProven = true }
        return true
    }

    /// Pages and END.
    private mutating func acceptTable(
        _ request: RepairRequest, of window: TransmitWindow, on terms: inout Terms, confirming confirmed: inout RepairRequest
    ) {
        for range in request.pages {
            var sent = range.clamped(to: 0..<window.pagesSent)
            if let strangers = terms.strangers {
                sent = sent.prefix(strangers.count(of: terms.datagramLength))
                terms.charge(datagrams: sent.count)
            }
            pages.insert(sent)
            if !sent.isEmpty { confirmed.pages.append(sent) }
        }
        guard request.needsEnd, window.isEndSent, terms.strangers?.isLeft ?? true else { return }
        terms.charge(datagrams: 1)
        needsEnd = true
        confirmed.needsEnd = true
    }

    /// Leaves of what a stranger wants what there is credit for.
    private func limit(_ packets: inout PacketSet, on terms: Terms) {
        if let strangers = terms.strangers { packets.keepFirst(strangers.count(of: terms.datagramLength)) }
    }

    /// - Returns: the packets to be confirmed, and all that are asked for and were sent; nil for none.
    private mutating func accept(
        packets entry: RepairRequest.ChunkPackets, of window: TransmitWindow, on terms: inout Terms
    ) -> (news: RepairRequest.ChunkPackets, all: RepairRequest.ChunkPackets)? {
        var wanted = window.sent(of: entry, before: terms.since, payloadLength: terms.payloadLength)
        guard !wanted.packets.isEmpty else { return nil }
        if repairs.isFull, !repairs.needs(entry.chunk) {
            // A repair node gets itself what it lacks.
            let isTaken = window.holds(entry.chunk) && queue(whole: entry.chunk..<entry.chunk + 1, on: terms)
            return isTaken ? (wanted, wanted) : nil
        }
        limit(&wanted.packets, on: terms)
        guard !wanted.packets.isEmpty else { return nil }
        let news = repairs.request(chunk: entry.chunk, packets: wanted.packets, by: terms.child, holdOff: terms.holdOff, at: terms.now)
        terms.charge(datagrams: news.count)
        guard !news.isEmpty else { return nil }
        // A repair that goes to one child alone must keep nobody else from asking.
        if let child = terms.child, repairs.loneAsker(of: entry.chunk) == child { return nil }
        return (RepairRequest.ChunkPackets(chunk: entry.chunk, packets: news), wanted)
    }

    private mutating func accept(
        outline entry: RepairRequest.ChunkPackets, of window: TransmitWindow, on terms: inout Terms
    ) -> RepairRequest.ChunkPackets? {
        var wanted = window.existing(of: entry, payloadLength: terms.payloadLength)
        limit(&wanted.packets, on: terms)
        guard !wanted.packets.isEmpty, !outlines.isFull || outlines.needs(entry.chunk) else { return nil }
        wanted.packets = outlines.request(chunk: entry.chunk, packets: wanted.packets, by: terms.child, holdOff: terms.holdOff, at: terms.now)
        terms.charge(datagrams: wanted.packets.count)
        if let child = terms.child, outlines.loneAsker(of: entry.chunk) == child { return nil }
        return wanted.packets.isEmpty ? nil : wanted
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
