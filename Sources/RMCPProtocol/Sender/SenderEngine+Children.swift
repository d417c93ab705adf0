import DequeModule

/// Who belongs to this parent: children come by STATUS, prove their address by ATTACH, and leave by DETACH or silence.
extension SenderEngine {
    mutating func handle(_ report: StatusReport, header: PacketHeader, from source: SocketAddress, at now: Instant) {
        let histogram = report.histogram
        // One receiver, or a repair node with however many.
        guard histogram.tree.repairNodes > 0 || histogram.population == 1 else {
            counters.malformed += 1
            return
        }
        guard isProven(report.cookie, of: header.transmitter, at: source) else { return refuse(report, header, at: source) }
        let name = ChildName(header.transmitter, at: source)
        counters.statusesReceived += 1
        sample(report.echo, at: now)
        let before = (movements: children.movements, advances: children.advances)
        children.update(id: header.transmitter, report: report, from: source, at: now)
        if children.movements != before.movements { lastMovement = now }
        if children.advances != before.advances { lastProgress = now }
        noteDelivery(report, of: name, at: source, now: now)
        if histogram.active == 0 {
            // Final: the child repeats it until it hears this.
            acknowledge(header, name, at: source, now: now)
        }
        if children.saidToBeActive > 0 { idleSince = nil }
        // A receiver that is being overrun cannot wait for the next tick.
        if histogram.hasPressure(from: PressureBucket.overload) {
            updateRate(at: now)
        }
    }

    /// Whether who says this has heard what was sent to where it says it from. What was right before is not computed again.
    func isProven(_ cookie: UInt64, of child: UInt32, at source: SocketAddress) -> Bool {
        cookie != 0 && (children.hasShown(cookie, from: source, child) || cookie == self.cookie(for: source))
    }

    /// Who has not proven its address is no child, whatever it says; it may ask for a cookie. One that shows another address's
    /// has moved, or this repair node was started again and is not the parent that gave it: it is told, or it would speak to
    /// nobody. The answer is shorter than what it answers.
    private mutating func refuse(_ report: StatusReport, _ header: PacketHeader, at source: SocketAddress) {
        counters.unproven += 1
        guard report.cookie != 0 else { return }
        children.noteMove(showing: report.cookie, id: header.transmitter, to: source)
        enqueue(.attached(AttachAnswer(nonce: report.cookie, verdict: .moved, cookie: 0)), to: .peer(source))
    }

    /// A sender acknowledges a final STATUS at once. A repair node's child may be gone as soon as it hears that, and the node soon
    /// after: first its own parent is told.
    private mutating func acknowledge(_ header: PacketHeader, _ child: ChildName, at source: SocketAddress, now: Instant) {
        guard let repeater, repeater.hasParent else {
            return enqueue(.acknowledgement(sequence: header.sequence), to: .peer(source))
        }
        if let index = acknowledgements.firstIndex(where: { $0.child == child }) {
            acknowledgements[index].sequence = header.sequence
            acknowledgements[index].address = source
            return
        }
        if acknowledgements.count >= configuration.maximumControlQueue, let oldest = acknowledgements.popFirst() { say(oldest) }
        acknowledgements.append(
            HeldAcknowledgement(child: child, sequence: header.sequence, address: source, due: now + configuration.acknowledgementDelay))
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
        let name = ChildName(child, at: source)
        if children.isFull, !children.contains(name) { verdict = .full }
        let isKnown = unicastChildren.contains { $0.name == name }
        if request.wantsStream, !isKnown, unicastChildren.count >= configuration.maximumUnicastChildren { verdict = .noUnicast }
        let cookie = verdict == .accepted ? cookie(for: source) : 0
        enqueue(.attached(AttachAnswer(nonce: request.nonce, verdict: verdict, cookie: cookie)), to: .peer(source))
    }

    /// A DETACH must come from where the child is, or anybody could take children off a parent's books.
    mutating func handleDetach(cookie shown: UInt64, header: PacketHeader, from source: SocketAddress, at now: Instant) {
        // Who leaves a node that is going stays in its last sum, and owes that to its new parent.
        if repeater?.isRetired == true { return }
        let name = ChildName(header.transmitter, at: source)
        if let address = children.address(of: name) {
            guard address == source, shown == cookie(for: source) else {
                counters.unproven += 1
                return
            }
            children.remove(name, at: now)
            unicastChildren.removeAll { $0.name == name }
            lastDetach = now
        } else if children.hasNamesake(header.transmitter) {
            // Its address has changed, or somebody else says its id: it is still counted.
            counters.unproven += 1
            return
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
    /// from their absence before that, nor while somebody who is known asks for what was sent.
    func mayConclude(at now: Instant) -> Bool {
        let patience = max(configuration.concludeAfterDetach, statusInterval * 2)
        return now - lastDetach >= patience && now - lastRequest >= patience && (!children.hasDebts || now - lastMovement >= patience)
    }
}

/// An ACKNOWLEDGEMENT of a final STATUS that waits for the parent's own parent to be told.
struct HeldAcknowledgement: Sendable {
    let child: ChildName
    var sequence: UInt32
    var address: SocketAddress
    let due: Instant
}
