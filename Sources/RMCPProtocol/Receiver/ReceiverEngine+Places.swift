/// Repair nodes that prove themselves, and a sender that does: where the user takes no others, nobody else becomes a parent.
extension ReceiverEngine {
    /// Takes in who proves to be somebody, before it is looked at whether anything from there means anything here.
    mutating func admit(_ packet: Packet, _ header: PacketHeader, _ arrival: Arrival, at now: Instant) {
        guard link.trust.isLimited, header.sessionTag == session.tag, !isFinished else { return }
        switch packet {
        case .place(let place, let signature): take(place, signature, header, arrival, at: now)
        case .statement(let statement, let signature): admitSender(statement, signature, header, arrival, at: now)
        default: break
        }
    }

    private mutating func take(_ place: NodePlace, _ signature: Signature, _ header: PacketHeader, _ arrival: Arrival, at now: Instant) {
        guard place.transmitter == header.transmitter else { return counters.forged += 1 }
        guard link.trust.keys?.contains(place.key) ?? true else {
            if link.trust.noteTold(place.key) { events.append(.untrusted(place.key)) }
            return
        }
        let isToGroup = !header.isUnicast && arrival.isToGroup
        guard link.wants(place, toGroup: isToGroup, at: now) else { return }
        let origin = VerificationBudget.Origin(source: arrival.source, transmitter: header.transmitter)
        guard verify(signature, by: place.key, from: origin, at: now, { place.signedMessage(session: $0, cookie: 0) }) else { return }
        link.take(place, from: arrival.source, toGroup: isToGroup, timeToLive: isToGroup ? arrival.timeToLive : nil, at: now)
        if !status.hasReported, status.settlesAt == nil, place.transmitter != link.transmitter, !state.isFinal { settleFirst(at: now) }
        if link.takeMoved() { events.append(.parentMoved(link.address)) }
        judgeParents(at: now)
    }

    /// The sender has not been heard of here: who announced the session was somebody else, and what comes from ids that are not known
    /// means nothing.
    private mutating func admitSender(_ statement: Statement, _ signature: Signature, _ header: PacketHeader, _ arrival: Arrival, at now: Instant) {
        guard announce.isSigned, statement.transmitter == header.transmitter, !link.candidates.contains(header.transmitter), limits.isNew(statement)
        else { return }
        let origin = VerificationBudget.Origin(source: arrival.source, transmitter: header.transmitter)
        guard verify(signature, from: origin, at: now, { statement.signedMessage(session: $0) }) else { return }
        link.admitSender(statement, at: arrival.source, now: now)
    }
}
