/// A NAK is queued for the group or for its child, and what is news to the group is confirmed by an NCF.
extension SenderEngine {
    /// Takes a NAK whose entries are read when who asks may ask: each of ten bytes makes a set of all packets of a chunk.
    mutating func takeNAK(from reader: inout ByteReader, _ header: PacketHeader, at source: SocketAddress, now: Instant) throws(WireError) {
        // A longer one is none: what it is confirmed by would not fit a datagram.
        guard reader.byteCount <= datagramLength else { throw .invalidField("length") }
        var nak = try NegativeAcknowledgement(readingPrefix: &reader)
        guard admitRequest(showing: nak.cookie, header, at: source, now: now) else { return }
        nak.request = try RepairRequest(reading: &reader, packetsOfChunk: announce.packetsOfChunk)
        handle(nak, from: header.transmitter, at: source, now: now)
    }

    /// Admits a NAK to be answered: those of children, and now and then one of somebody who has not proven an address.
    mutating func admitRequest(showing cookie: UInt64, _ header: PacketHeader, at source: SocketAddress, now: Instant) -> Bool {
        if isProven(cookie, of: header.transmitter, at: source) || shares.strangers.take(rate: pacer.rate, at: now) { return true }
        counters.naksReceived += 1
        counters.unproven += 1
        return false
    }

    mutating func handle(_ nak: NegativeAcknowledgement, from child: UInt32, at source: SocketAddress, now: Instant) {
        counters.naksReceived += 1
        let name = ChildName(child, at: source)
        let isProven = isProven(nak.cookie, of: child, at: source)
        // A child that has not proven its address is helped as one of the group, and nothing else is believed of it.
        let asker = children.hasShown(nak.cookie, from: source, child) ? children.hear(name, nak.echo, into: &echoes, at: now) : nil
        let isKnown = asker != nil
        // A child that says that it is under way is waited for anyway, and when it is done, its earlier requests are done as well.
        if !(asker?.isActive ?? children.isActive(name)), isProven, window.hasSentAny(of: nak.request) { progress.noteRequest(at: now) }
        // A child that is further away than most asks again before it has been answered.
        let roundTrip = asker?.roundTrip ?? .zero
        let holdOff = max(repairHoldOff, min(roundTrip, echoes.longestRoundTrip))
        // A NAK names what its child has waited for, after a round trip; half of one is left for round trips that are shorter than the last.
        let since = now - (configuration.feedback.reorderDelay + roundTrip * 0.5)
        var terms = PendingNAKs.Terms(
            child: nil, strangers: isProven ? nil : shares.strangers, payloadLength: announce.payloadLength, since: since, holdOff: holdOff, now: now)
        if isKnown, let index = unicastChildren.index(of: name) {
            _ = unicastChildren[index].pending.accept(nak.request, of: window, on: &terms)
            return
        }
        // A region's children lose alone what the stream's do not, and a child repair node speaks for its region. What one leaf of
        // the sender lacks many do: an NCF at once keeps them from asking.
        let isAnswerable = configuration.repairs.multicastRepairAskers > 1 && isKnown && (repeater != nil || children.isRepairNode(name))
        if isAnswerable { terms.child = name }
        let confirmed = pending.accept(nak.request, of: window, on: &terms)
        if let strangers = terms.strangers { shares.strangers = strangers }
        // A lone child has nobody to be kept from asking.
        guard !confirmed.isEmpty, children.childCount > 1, terms.strangers?.isLeft ?? true else { return }
        if !isProven { shares.strangers.charge(PacketHeader.length + confirmed.wireLength) }
        enqueue(.ncf(confirmed), to: .group)
    }
}
