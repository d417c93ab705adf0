/// The children of this parent: they come by STATUS, prove their address by ATTACH, and leave by DETACH or silence.
extension SenderEngine {
    /// Takes a STATUS whose lists are read when its sender is known to be where it speaks from.
    mutating func takeStatus(from reader: inout ByteReader, _ header: PacketHeader, at source: SocketAddress, now: Instant) throws(WireError) {
        guard admitReport(showing: try StatusReport.cookie(readingAhead: reader), header, at: source) else { return }
        handle(try StatusReport(reading: &reader), header: header, from: source, at: now)
    }

    /// Admits a STATUS of a child, or of one that may become one. Others are counted, and told if that may help them.
    mutating func admitReport(showing cookie: UInt64, _ header: PacketHeader, at source: SocketAddress) -> Bool {
        if isProven(cookie, of: header.transmitter, at: source) { return true }
        refuse(cookie, header, at: source)
        return false
    }

    mutating func handle(_ report: StatusReport, header: PacketHeader, from source: SocketAddress, at now: Instant) {
        let histogram = report.histogram
        // A histogram is of one receiver, or of a repair node with however many.
        guard histogram.tree.repairNodes > 0 || histogram.isOfOne else {
            counters.malformed += 1
            return
        }
        let name = ChildName(header.transmitter, at: source)
        guard histogram.tree.repairNodes == 0 || proofs.mayReportSum(name, at: now) else { return counters.unproven += 1 }
        counters.statusesReceived += 1
        let before = (movements: children.movements, advances: children.advances)
        children.update(id: header.transmitter, report: report, from: source, into: &echoes, at: now)
        if children.movements != before.movements { progress.noteMovement(at: now) }
        if children.advances != before.advances { progress.noteAdvance(at: now) }
        noteDelivery(report, of: name, at: source, now: now)
        noteLength(report, at: now)
        if histogram.active == 0, !children.hasJustLeft(name, at: now) {
            // A final STATUS is repeated until the child hears this. One that has come back so soon goes on until it is counted, or it would be missed.
            acknowledge(header, name, at: source, now: now)
        }
        if children.saidToBeActive > 0 { progress.noteActive() }
        // A receiver that is being overrun cannot wait for the next tick.
        if histogram.hasPressure(from: PressureBucket.overload) {
            updateRate(at: now)
        }
    }

    /// Whether a child has heard what was sent to the address that it speaks from. Comparing with the cookie shown last saves a digest for
    /// each STATUS.
    func isProven(_ cookie: UInt64, of child: UInt32, at source: SocketAddress) -> Bool {
        cookie != 0 && (children.hasShown(cookie, from: source, child) || cookie == self.cookie(for: source))
    }

    /// A STATUS without proof of its address makes no child; its sender may ask for a cookie. One with another address's cookie is of a
    /// child that has moved, or of one that knows this repair node's predecessor: a restarted repair node has a new secret at the old
    /// address. It is told, or it would speak to nobody. The answer is shorter than the STATUS.
    private mutating func refuse(_ cookie: UInt64, _ header: PacketHeader, at source: SocketAddress) {
        counters.unproven += 1
        guard cookie != 0 else { return }
        children.noteMove(showing: cookie, id: header.transmitter, to: source)
        enqueue(.attached(AttachAnswer(nonce: cookie, verdict: .moved, cookie: 0)), to: .peer(source))
    }

    /// A sender acknowledges a final STATUS at once. A repair node's child may be gone as soon as it hears that, and the node soon
    /// after: first its own parent is told.
    private mutating func acknowledge(_ header: PacketHeader, _ child: ChildName, at source: SocketAddress, now: Instant) {
        guard let repeater, repeater.hasParent else {
            return enqueue(.acknowledgement(sequence: header.sequence), to: .peer(source))
        }
        if let oldest = acknowledgements.hold(sequence: header.sequence, of: child, at: source, now: now) { say(oldest) }
    }

    mutating func say(_ held: HeldAcknowledgements.Acknowledgement) {
        enqueue(.acknowledgement(sequence: held.sequence), to: .peer(held.address))
    }

    /// The node's parent has been told of all that its children have said so far.
    mutating func releaseAcknowledgements() { while let held = acknowledgements.release() { say(held) } }

    mutating func handle(_ request: AttachRequest, from child: UInt32, at source: SocketAddress) {
        var verdict = AttachAnswer.Verdict.accepted
        let name = ChildName(child, at: source)
        if children.isFull, !children.contains(name) { verdict = .full }
        if request.wantsStream, unicastChildren.index(of: name) == nil, unicastChildren.isFull { verdict = .noUnicast }
        let cookie = verdict == .accepted ? cookie(for: source) : 0
        enqueue(.attached(AttachAnswer(nonce: request.nonce, verdict: verdict, cookie: cookie)), to: .peer(source))
    }

    /// A DETACH must come from where the child is, or anybody could take children off a parent's books.
    mutating func handleDetach(cookie shown: UInt64, header: PacketHeader, from source: SocketAddress, at now: Instant) {
        // A child that leaves a node that is going stays in the node's last sum, and owes that to its new parent.
        if repeater?.isRetired == true { return }
        let name = ChildName(header.transmitter, at: source)
        if let address = children.address(of: name) {
            guard address == source, shown == cookie(for: source) else {
                counters.unproven += 1
                return
            }
            children.remove(name, at: now)
            unicastChildren.remove(name)
            progress.noteDetach(at: now)
        } else if children.hasNamesake(header.transmitter) {
            // The child's address has changed, or somebody else says its id: it is still counted.
            counters.unproven += 1
            return
        }
        enqueue(.acknowledgement(sequence: header.sequence), to: .peer(source))
    }

    /// A receiver that takes no part is counted, and nothing waits for it or ends by it: it proves its address, as a child does.
    mutating func handle(_ notice: RefusalNotice, _ header: PacketHeader, from source: SocketAddress) {
        guard notice.cookie == cookie(for: source) else {
            counters.unproven += 1
            return
        }
        let name = ChildName(header.transmitter, at: source)
        children.noteRefusal(name, notice.reason)
        unicastChildren.remove(name)
        enqueue(.acknowledgement(sequence: header.sequence), to: .peer(source))
    }

    func cookie(for address: SocketAddress) -> UInt64 { proofs.cookie(for: address) }

    // MARK: Repair nodes that prove themselves

    /// A repair node shows that it has the key that it says, that it is where it shows its cookie from, and that it means this parent.
    /// A node with another key is told; the answer is shorter.
    mutating func take(_ place: NodePlace, _ signature: Signature, _ header: PacketHeader, from source: SocketAddress, at now: Instant) {
        guard place.child == header.transmitter, place.place.path.last == transmitter else { return counters.unproven += 1 }
        guard proofs.trusts(place.key) else {
            return enqueue(.attached(AttachAnswer(nonce: cookie(for: source), verdict: .untrusted, cookie: 0)), to: .peer(source))
        }
        guard proofs.take(place, signature, from: source, in: session, for: childTimeout, at: now) else { return counters.unproven += 1 }
    }
}
