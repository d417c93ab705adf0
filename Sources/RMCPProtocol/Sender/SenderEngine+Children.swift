import DequeModule

/// Who belongs to this parent: children come by STATUS, prove their address by ATTACH, and leave by DETACH or silence.
extension SenderEngine {
    mutating func handle(_ report: StatusReport, header: PacketHeader, from source: SocketAddress, at now: Instant) {
        guard report.histogram.population > 0 || report.histogram.tree.repairNodes > 0 else {
            counters.malformed += 1
            return
        }
        // A repair node that was started again is not the parent that gave the cookie, though it is at its address: who
        // does not know that yet is no child of this one.
        // What was right before is not computed again.
        let isProven = report.cookie != 0 && (children.hasShown(report.cookie, from: source, header.transmitter) || report.cookie == cookie(for: source))
        guard report.cookie == 0 || isProven else {
            counters.foreign += 1
            // Or its address has changed: it is told, or it would speak to nobody. The answer is shorter than what it answers.
            if children.contains(header.transmitter) {
                enqueue(.attached(AttachAnswer(nonce: report.cookie, verdict: .moved, cookie: 0)), to: .peer(source))
            }
            return
        }
        counters.statusesReceived += 1
        sample(report.echo, at: now)
        let before = children.movements
        children.update(id: header.transmitter, report: report, provenAddress: isProven ? source : nil, at: now)
        if children.movements != before { lastProgress = now }
        noteDelivery(report, from: header.transmitter, at: source, now: now)
        if report.histogram.active == 0 {
            // Final: the child repeats it until it hears this.
            acknowledge(header, at: source, now: now)
        }
        if children.active > 0 { idleSince = nil }
        // A receiver that is being overrun cannot wait for the next tick.
        if report.histogram.hasPressure(from: PressureBucket.overload) {
            updateRate(at: now)
        }
    }

    /// A sender acknowledges a final STATUS at once. A repair node's child may be gone as soon as it hears that, and the node soon
    /// after: first its own parent is told.
    private mutating func acknowledge(_ header: PacketHeader, at source: SocketAddress, now: Instant) {
        guard let repeater, repeater.tellsParent, !repeater.isRetired else {
            return enqueue(.acknowledgement(sequence: header.sequence), to: .peer(source))
        }
        if let index = acknowledgements.firstIndex(where: { $0.child == header.transmitter }) {
            acknowledgements[index].sequence = header.sequence
            acknowledgements[index].address = source
            return
        }
        if acknowledgements.count >= configuration.maximumControlQueue, let oldest = acknowledgements.popFirst() { say(oldest) }
        acknowledgements.append(
            HeldAcknowledgement(child: header.transmitter, sequence: header.sequence, address: source, due: now + configuration.acknowledgementDelay))
    }

    private mutating func say(_ held: HeldAcknowledgement) { enqueue(.acknowledgement(sequence: held.sequence), to: .peer(held.address)) }

    /// The node's parent has been told of all that its children have said so far.
    mutating func releaseAcknowledgements() { while let held = acknowledgements.popFirst() { say(held) } }

    mutating func releaseAcknowledgements(dueAt now: Instant) {
        while let first = acknowledgements.first, first.due <= now {
            acknowledgements.removeFirst()
            say(first)
        }
    }

    mutating func handle(_ request: AttachRequest, from child: UInt32, at source: SocketAddress) {
        var verdict = AttachAnswer.Verdict.accepted
        if children.isFull, !children.contains(child) { verdict = .full }
        let isKnown = unicastChildren.contains { $0.id == child }
        if request.wantsStream, !isKnown, unicastChildren.count >= configuration.maximumUnicastChildren { verdict = .noUnicast }
        let cookie = verdict == .accepted ? cookie(for: source) : 0
        enqueue(.attached(AttachAnswer(nonce: request.nonce, verdict: verdict, cookie: cookie)), to: .peer(source))
    }

    /// A DETACH must come from where the child is, or anybody could take children off a parent's books.
    mutating func handleDetach(cookie shown: UInt64, header: PacketHeader, from source: SocketAddress, at now: Instant) {
        // Who leaves a node that is going stays in its last sum, and owes that to its new parent.
        if repeater?.isRetired == true { return }
        let isKnown = children.contains(header.transmitter)
        // A child that never had a cookie is known by its ephemeral id alone, which only its parent has heard.
        let address = children.address(of: header.transmitter)
        guard !isKnown || address == nil || (address == source && shown == cookie(for: source)) else {
            counters.foreign += 1
            return
        }
        if isKnown {
            children.remove(header.transmitter, at: now)
            unicastChildren.removeAll { $0.id == header.transmitter }
            lastDetach = now
        }
        enqueue(.acknowledgement(sequence: header.sequence), to: .peer(source))
    }

    /// What a child must show to be served at its address: a digest of the address and of a number that only this
    /// parent knows, so that nothing is kept for those who only ask (as with SYN cookies, RFC 4987, 3.6).
    func cookie(for address: SocketAddress) -> UInt64 {
        var writer = ByteWriter(capacity: 48)
        writer.writeUInt64(cookieSecret)
        writer.writeUInt8(address.family.rawValue)
        writer.writeUInt64(address.high)
        writer.writeUInt64(address.low)
        writer.writeUInt16(address.port)
        // 0 stands for none.
        return digest.digest(of: writer.bytes).value.a | 1
    }

    /// Receivers that have left for a repair node are counted again when its next STATUS comes: nothing is concluded
    /// from their absence before that.
    func mayConclude(at now: Instant) -> Bool {
        let patience = max(configuration.concludeAfterDetach, statusInterval * 2)
        return now - lastDetach >= patience && (!children.hasDebts || now - lastProgress >= patience)
    }
}

/// An ACKNOWLEDGEMENT of a final STATUS that waits for the parent's own parent to be told.
struct HeldAcknowledgement: Sendable {
    let child: UInt32
    var sequence: UInt32
    var address: SocketAddress
    let due: Instant
}
