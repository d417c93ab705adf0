/// The engine's side of `NAKSchedule`: what it must know of the rest, and sending what it says.
extension ReceiverEngine {
    /// Live needs are kept to oneself while behind: the stream goes on without waiting for this receiver.
    var asksForLiveData: Bool { !profile.isBehind || link.phase != .streaming }

    private func situation(at now: Instant) -> NAKSchedule.Situation {
        NAKSchedule.Situation(
            now: now, front: front, payloadLength: announce.payloadLength, chunkLength: announce.chunkLength,
            asksForLiveData: asksForLiveData, settlesAt: status.settlesAt, pace: link.pace)
    }

    /// Something was found to be missing: a NAK is sent soon, if none is due by then. One that waits for what was asked for is brought forward.
    mutating func armNAK(at now: Instant) {
        guard case .receiving = phase else { return }
        let situation = situation(at: now)
        if let due = timers[.nak], due <= naks.latestTime(situation) { return }
        timers.hasten(.nak, to: naks.firstTime(situation, using: &random))
    }

    /// Catch-up goes on: as `armNAK`, if more of what was missed may be asked for by now.
    mutating func renewCatchUp(at now: Instant) {
        guard case .receiving = phase, naks.mayRenew(&ledger, freeSlots: slots.freeCount, situation(at: now)) else { return }
        armNAK(at: now)
    }

    /// NAK timer as of `armNAK`, if anything is missing and no NAK is due at all.
    mutating func armNAKIfNeeded(at now: Instant) {
        guard !timers.isArmed(.nak), case .receiving = phase, naks.hasNeeds(&ledger, &slots, situation(at: now)) else { return }
        armNAK(at: now)
    }

    mutating func postpone(for request: RepairRequest, at now: Instant) { naks.postpone(for: request, &ledger, &slots, situation(at: now)) }

    mutating func fireNAK(at now: Instant) {
        front.settle(at: now)
        timers.cancel(.nak)
        guard link.isParentAdmitted(at: now) else { return timers.arm(.nak, at: now + configuration.tree.attachTimeout) }
        let situation = situation(at: now)
        for request in naks.requests(&ledger, &slots, situation, counting: &counters) {
            counters.naksSent += 1
            outbox.add(.nak(NegativeAcknowledgement(echo: link.echo(at: now), cookie: link.cookie, request: request)), to: link.address)
            link.noteAsked(at: now)
        }
        blameSilentSuppliers(at: now)
        if let next = naks.nextTime(&ledger, &slots, situation, using: &random) { timers.arm(.nak, at: next) }
    }
}
