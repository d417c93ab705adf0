/// The engine's side of `ParentLink`, which decides about parents: sending what it asks for, and what a change of parent, or the
/// loss of all, means for the session.
extension ReceiverEngine {
    func parentMoment(at now: Instant) -> ParentLink.Moment {
        ParentLink.Moment(now: now, firstUnfinished: ledger.firstUnfinished, isFinished: isFinished)
    }

    mutating func send(_ request: ParentLink.Request?) { if let request { outbox.add(.attach(request.attach), to: request.destination) } }

    mutating func attach(to parent: UInt32, at now: Instant) { send(link.attach(to: parent, parentMoment(at: now), using: &random)) }

    /// Called when there is something new about parents.
    mutating func judgeParents(at now: Instant) { send(link.judge(parentMoment(at: now), using: &random)) }

    // MARK: Hearing of parents

    /// Notes what a HEARTBEAT says of its parent's place.
    mutating func note(_ heartbeat: Heartbeat, from sender: UInt32, timeToLive: UInt8?, at now: Instant) {
        link.note(heartbeat, from: sender, timeToLive: timeToLive, at: now)
        if !status.hasReported, status.settlesAt == nil, heartbeat.place.depth > 0, sender != link.transmitter, !state.isFinal { settleFirst(at: now) }
        let hasSettled = status.settlesAt.map { now >= $0 } ?? true
        if hasSettled, !isFinished, link.mustProve(to: sender, heartbeat) { attach(to: sender, at: now) }
        // Loss is measured by who streams: the sender where it is heard, else a relay. Once the sender has left, a repair node alone sends.
        guard stream.transmitter != sender else { return }
        let isFirstOfRoot = link.candidates.isRoot(sender) && !link.candidates.isRoot(stream.transmitter)
        let isLeftAlone = sender == link.transmitter && stream.hasEnded(for: configuration.presence.streamSilence, at: now)
        if isFirstOfRoot || isLeftAlone { stream.follow(sender) }
    }

    /// Follows what the parent says of its group.
    mutating func follow(_ claimed: Heartbeat, arrivedAt: Instant, at now: Instant) {
        let heartbeat = limits.bounding(claimed, from: link.transmitter, stated: link.statedPace)
        link.follow(heartbeat, arrivedAt: arrivedAt)
        if profile.follow(heartbeat) { armNAK(at: now) }
        adoptStatusInterval(.milliseconds(Int64(heartbeat.statusInterval)), at: now)
    }

    mutating func checkParents(at now: Instant) {
        if link.checkWhetherLeft(at: now) { parentLeft(at: now) }
        send(link.retry(parentMoment(at: now), using: &random))
        for former in link.detach(numberedFrom: outbox.upcomingSequence, at: now) { outbox.add(.detach(cookie: former.cookie), to: former.address) }
        judgeParents(at: now)
    }

    mutating func blameSupplier(of slot: Int, at now: Instant) {
        guard let supplier = slots[slot].supplier else { return }
        slots[slot].forgetSupplier()
        if link.blame(supplier) { judgeParents(at: now) }
    }

    /// A chunk was what its record says.
    mutating func creditSupplier(of slot: Int) { if let supplier = slots[slot].supplier { link.noteUseful(supplier) } }

    // MARK: Attaching and leaving

    mutating func take(_ answer: AttachAnswer, from sender: UInt32, at now: Instant) {
        switch link.take(answer, from: sender, parentMoment(at: now), using: &random) {
        case .none: break
        case .ask(let request): send(request)
        case .refused: events.append(.refused(answer.verdict))
        case .taken:
            timers.arm(.status, at: now)
            // It has not heard of the end yet.
            if case .final(let state, _, let sequences) = phase { phase = .final(state, attempts: 0, sequences: sequences) }
        case .moves: move(to: sender, at: now)
        }
    }

    /// Reports to the new parent first, and detaches from the old one once that report can have reached the sender. In between
    /// the child is counted twice, which its debt corrects; it is never uncounted.
    private mutating func move(to parent: UInt32, at now: Instant) {
        noteHeardReport()
        link.move(
            to: parent, leaving: status.contribution, after: max(configuration.tree.detachDelay, status.interval * Self.statusesBeforeDetach), at: now)
        status.forgetParent()
        counters.parentChanges += 1
        events.append(.parentChanged(depth: link.depth))
        // What was asked of the former parent is asked again here, at random so that not all ask together.
        for slot in slots.indices {
            slots[slot].hold.cutShort(at: now)
            slots[slot].inquiry?.hold = RequestHold()
        }
        naks.forgetRequests()
        armNAK(at: now)
        if case .final(let state, _, _) = phase { phase = .final(state, attempts: 0, sequences: []) }
        enqueueStatus(at: now)
    }

    /// Statuses to the new parent before the former one is told: one may be lost.
    private static let statusesBeforeDetach = 2.0

    /// A former parent has taken this child off its books, if it acknowledges a DETACH.
    mutating func takeDetached(_ sequence: UInt32, from sender: UInt32, at now: Instant) -> Bool {
        guard link.confirmDetach(sequence, by: sender) else { return false }
        // What has been said still owes it.
        if case .final(let state, let attempts, _) = phase { phase = .final(state, attempts: attempts, sequences: []) }
        timers.hasten(.status, to: now + status.interval)
        return true
    }

    // MARK: Left alone

    /// Another parent may still be there; without one this receiver has what it has.
    private mutating func parentLeft(at now: Instant) {
        // The sender itself was told how this ended: nobody else is left to tell, whatever former parents are still owed.
        if case .final(let state, _, _) = phase, link.depth == 1 { return close(after: state, at: now) }
        judgeParents(at: now)
        guard !link.isChoosing else { return }
        switch phase {
        case .receiving:
            // What is only waiting for this host's storage can still be finished without the sender.
            if ledger.end == nil || hasOutstandingData { finish(as: .failedSender, at: now) }
        case .committing: break
        case .serving: close(after: .complete, at: now)
        case .final(let state, _, _): close(after: state, at: now)
        case .finished: break
        }
    }

    /// True while something is missing that only the network can bring.
    private var hasOutstandingData: Bool {
        guard let end = ledger.end, ledger.hasWholeTable(end) else { return true }
        var ledger = ledger
        if ledger.firstAbsent(below: end.chunkCount) != nil { return true }
        return slots.indices.contains { slots[$0].isAssembling }
    }
}

/// The upper half of a repair node as its lower half must know it.
struct UpstreamView {
    var phase: SessionPhase
    var front: StreamPosition?
    /// Ephemeral ids of the parents above, the sender's first.
    var path: [UInt32]
    /// Routers between the sender and here.
    var distance: UInt8
    /// Bits per second of the stream.
    var rate: Double
    /// Whether the parent has taken this child: it counts nobody before.
    var isTaken: Bool
    /// Whether the parent is who may be one.
    var isAdmitted: Bool
}

/// The upper half of a repair node.
extension ReceiverEngine {
    /// Mutating, as `pollTimeout` is.
    mutating func view(at now: Instant) -> UpstreamView {
        UpstreamView(
            phase: link.phase, front: front.position, path: link.path, distance: link.distance, rate: stream.rate, isTaken: link.cookie != 0,
            isAdmitted: link.isParentAdmitted(at: now))
    }

    /// The parent's address and the cookie that it knows this child by, when there is something to tell it.
    func parentToTell() -> (address: SocketAddress, cookie: UInt64)? {
        outbox.isEmpty || link.cookie == 0 ? nil : (link.address, link.cookie)
    }

    /// A repair node's children, as it sums them up.
    public mutating func report(region sum: StatusHistogram, labels: [FailureLabel] = []) {
        status.region = sum
        status.regionLabels = labels
    }
    mutating func noteNotKept() { status.noteNotKept() }
}
