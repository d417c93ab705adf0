/// Which parent this child has: the nearest that answers, left when it is silent, leaves or is of no use.
///
/// ```
///   attached ──better one heard, or this one silent──▶ attaching ──ATTACHED──▶ attached to it, DETACH to the former
///       ▲                                                  └──refused or no answer──▶ the next best
///       └────────────────────────────────────────────────────────────────────────────────┘
/// ```
extension ReceiverEngine {
    var parent: ParentCandidate? { parents[parentTransmitter] }
    public var parentAddress: SocketAddress { parents.address(of: parentTransmitter) ?? firstAddress }
    /// Ephemeral ids of the parents above, the sender's first.
    public var path: [UInt32] { (parent?.place?.path ?? []) + [parentTransmitter] }
    /// What a repair node's lower half must know of its upper one. Mutating, as `pollTimeout` is.
    mutating func above() -> (phase: SessionPhase, front: StreamPosition?, path: [UInt32], distance: UInt8, rate: Double) {
        (parentPhase, front, path, distance, streamRate)
    }
    /// Whether the parent has taken this child: it counts nobody before. Mutating, as `pollTimeout` is.
    mutating func isTaken() -> Bool { parents.cookie(of: parentTransmitter) != 0 }
    mutating func statusCount() -> UInt64 { counters.statusesSent }
    /// Routers between the sender and here: as they are measured where it is heard, else through the parent.
    private var distance: UInt8 {
        if let root = parents.root, parents.isAlive(root, at: lastHeard) { return UInt8(clamping: root.hops) }
        guard let parent, let place = parent.place else { return .max }
        return UInt8(clamping: Int(place.distance) + parent.hops)
    }
    private var depth: Int { (parent?.place?.depth ?? 0) + 1 }

    // MARK: Hearing of parents

    /// Whether a datagram's transmitter is one of this session's parents; a HEARTBEAT makes it one.
    mutating func isKnown(_ header: PacketHeader, from source: SocketAddress, at now: Instant) -> Bool {
        if !attachment.formers.isEmpty { attachment.noteHeard(header.transmitter, at: now) }
        if parents.noteHeard(header.transmitter, isStream: Self.isStream(header), at: now) { return true }
        guard header.kind == .heartbeat, header.transmitter != transmitter, header.transmitter != downstreamTransmitter, !wantsStream
        else { return false }
        return parents.add(header.transmitter, at: source, keeping: parentTransmitter, now: now)
    }

    /// Whether a datagram is of a kind that who has left does not send. Its last answers to single children may come late.
    private static func isStream(_ header: PacketHeader) -> Bool {
        switch header.kind {
        case .data, .page, .end, .announce, .ncf: true
        default: false
        }
    }

    mutating func note(_ heartbeat: Heartbeat, from transmitter: UInt32, timeToLive: UInt8?, isUnicast: Bool, at now: Instant) {
        parents.noteLeaving(transmitter, heartbeat.phase == .leaving || heartbeat.phase == .aborted, at: now)
        parents.update(transmitter) {
            if $0.leavingSince == nil { $0.phase = heartbeat.phase }
            $0.place = heartbeat.place
            if !isUnicast, let timeToLive, heartbeat.place.timeToLive >= timeToLive {
                $0.hops = Int(heartbeat.place.timeToLive - timeToLive)
            }
        }
        if !hasReported, settlesAt == nil, heartbeat.place.depth > 0, transmitter != parentTransmitter, !state.isFinal { settleFirst(at: now) }
        // Who joined by a repair node's ANNOUNCE has not been asked whether it may; and a repair node's address must be proven
        // to whoever it is below, or its parent does not name it to those who watch.
        let hasSettled = settlesAt.map { now >= $0 } ?? true
        if transmitter == parentTransmitter, heartbeat.place.depth > 0 || isRepairNode, parents.cookie(of: transmitter) == 0,
            attachment.attempt == nil, hasSettled, !isFinished
        {
            attach(to: transmitter, at: now)
        }
        // Loss is measured by who streams: the sender where it is heard, else a relay.
        if heartbeat.place.depth == 0, streamTransmitter != transmitter, !parents.isRoot(streamTransmitter) {
            stream(from: transmitter)
        }
    }

    private mutating func stream(from transmitter: UInt32) {
        streamTransmitter = transmitter
        arrivals = ArrivalTracker()
        queueing = QueueingDelayEstimator()
    }

    // MARK: Judging them

    /// Whether this child may be below a candidate without a loop: not below itself, and among repair nodes only below
    /// one that is nearer to the sender.
    private func isAllowed(_ candidate: ParentCandidate) -> Bool {
        guard let place = candidate.place, !place.path.contains(transmitter), !place.path.contains(downstreamTransmitter ?? transmitter),
            candidate.transmitter != downstreamTransmitter, place.depth < TreePlace.maximumDepth
        else { return false }
        guard let own = downstreamTransmitter, !candidate.isRoot else { return true }
        if candidate.transmitter == parentTransmitter { return true }
        guard (Int(place.distance), place.depth, candidate.transmitter) < (Int(distance), depth, own) else { return false }
        // The sender reaches this far itself: another repair node must be nearer to be worth going through.
        guard let root = parents.root, parents.isAlive(root, at: lastHeard) else { return true }
        return candidate.hops < root.hops
    }

    /// Whether the parent is to be left even for one that is no nearer.
    private func isFailing(_ current: ParentCandidate, at now: Instant) -> Bool {
        if !parents.isAlive(current, at: now) || now < current.avoidedUntil { return true }
        // Who was announced and has not said yet where it is has done nothing wrong.
        if current.place != nil, !isAllowed(current) { return true }
        guard !current.isRoot, let since = attachment.askingSince else { return false }
        let patience = (current.place?.watermark ?? 0) > (ledger.firstUnfinished ?? .max) ? configuration.uselessAfter : configuration.uselessAfter * 3
        return now - since >= patience
    }

    /// Another parent has been asked. A deaf child asking its own again is not moving.
    var isMoving: Bool { attachment.attempt.map { $0.transmitter != parentTransmitter } ?? false }

    /// Whether nothing speaks against the parent and no other may be chosen yet. So it is most of the time, and seen without
    /// a copy of any candidate.
    private func hasNoReason(at now: Instant) -> Bool {
        guard attachment.moveAt == nil, attachment.askingSince == nil, now - attachment.changedAt < configuration.parentHysteresis,
            let index = parents.index(of: parentTransmitter), parents.isAlive(at: index, now: now), now >= parents.candidates[index].avoidedUntil
        else { return false }
        // A repair node looks at its place closely.
        guard downstreamTransmitter == nil, let place = parents.candidates[index].place else { return false }
        return place.depth < TreePlace.maximumDepth && !place.path.contains(transmitter)
    }

    /// Called when there is something new about parents, or time has passed.
    mutating func judgeParents(at now: Instant) {
        guard !wantsStream, !isFinished, !isMoving, parents.candidates.count > 1, !hasNoReason(at: now), let current = parent else { return }
        let isFailing = isFailing(current, at: now)
        if isFailing, parents.isAlive(current, at: now), now >= current.avoidedUntil {
            parents.avoid(current.transmitter, until: now + configuration.parentAvoidance)
        }
        // Who may not leave yet need not look for a better one.
        let mayChoose = current.place != nil && now - attachment.changedAt >= configuration.parentHysteresis
        guard isFailing || mayChoose, let best = nextBest(after: current, at: now),
            isFailing || ParentTable.isClearlyBetter(best, than: current)
        else {
            attachment.moveAt = nil
            return
        }
        // Not all at once.
        let move = attachment.moveAt ?? now + random.interval(upTo: configuration.parentJitter)
        attachment.moveAt = move
        guard now >= move else { return }
        attachment.moveAt = nil
        attach(to: best.transmitter, at: now)
    }

    /// When parents have to be judged without a datagram that says so.
    var parentDeadline: Instant? {
        var next = attachment.nextDetach
        func consider(_ instant: Instant) { next = min(next ?? .distantFuture, instant) }
        // What was told of its leaving already is not told again.
        if let leavesAt = parents.leavesAt(parentTransmitter), leavesAt > lastParentCheck { consider(leavesAt) }
        if let attempt = attachment.attempt {
            next = min(attempt.next, parents.leavesAt(parentTransmitter).flatMap { $0 > lastParentCheck ? $0 : nil } ?? .distantFuture)
            return next
        }
        if let move = attachment.moveAt { consider(move) }
        guard parents.candidates.count > 1, let lastHeard = parents.lastHeard(parentTransmitter) else { return next }
        let silentAt = lastHeard + configuration.parentTimeout
        consider(silentAt > lastParentCheck ? silentAt : lastParentCheck + configuration.parentTimeout * 0.25)
        return next
    }

    mutating func checkParents(at now: Instant) {
        lastParentCheck = now
        if parents.hasLeft(parentTransmitter, at: now) { parentLeft(at: now) }
        retryAttach(at: now)
        repeatDetach(at: now)
        judgeParents(at: now)
    }

    /// A repair node that chunks were spoilt by again and again lies, or its memory does: it is left, and what it sends is
    /// not taken any more. A forger can make it look so at the cost of some time.
    mutating func blameSupplier(of slot: Int, at now: Instant) {
        guard let supplier = slots[slot].supplier else { return }
        slots[slot].supplier = nil
        parents.update(supplier) { $0.spoiltChunks += 1 }
        guard isDistrusted(supplier) else { return }
        parents.avoid(supplier, until: .distantFuture)
        judgeParents(at: now)
    }

    func isDistrusted(_ transmitter: UInt32) -> Bool { parents.spoiltChunks(of: transmitter) >= configuration.tolerableSpoiltChunks }

    /// Somebody who did not answer is better than nobody: a busy sender may take its time.
    private func nextBest(after current: ParentCandidate, at now: Instant) -> ParentCandidate? {
        func isChoice(_ candidate: ParentCandidate) -> Bool {
            candidate.transmitter != current.transmitter && isAllowed(candidate) && !isDistrusted(candidate.transmitter)
        }
        if let best = parents.best(at: now, where: isChoice) { return best }
        return parents.isAlive(current, at: now) ? nil : parents.best(at: now, evenAvoided: true, where: isChoice)
    }

    // MARK: Attaching

    mutating func attach(to transmitter: UInt32, at now: Instant) {
        attachment.attempt = Attachment.Attempt(transmitter: transmitter, nonce: random.next(), next: now)
        retryAttach(at: now)
    }

    private mutating func retryAttach(at now: Instant) {
        guard var attempt = attachment.attempt, now >= attempt.next else { return }
        // The sender counts nobody before, and may be done soon: it is asked more often than one that may be better.
        let isSender = attempt.transmitter == parentTransmitter && parent?.place?.depth ?? 0 == 0
        let attempts = isSender ? configuration.firstAttachAttempts : configuration.attachAttempts
        guard let candidate = parents[attempt.transmitter], attempt.count < attempts else {
            attachment.attempt = nil
            parents.avoid(attempt.transmitter, until: now + configuration.parentAvoidance * 0.3)
            judgeParents(at: now)
            // A relay has nobody else to ask, and a deaf child hears of nobody else: they go on asking.
            if attempt.transmitter == parentTransmitter, attachment.attempt == nil {
                attachment.attempt = Attachment.Attempt(
                    transmitter: parentTransmitter, nonce: random.next(), next: now + max(configuration.attachTimeout * 5, silenceInterval(at: now)))
            }
            return
        }
        attempt.count += 1
        let factor = Double(1 << (attempt.count - 1))
        attempt.next =
            isSender
            ? now + max(min(max(configuration.firstAttachTimeout, groupRoundTrip * 2) * factor, configuration.attachTimeout), silenceInterval(at: now))
            : now + configuration.attachTimeout * factor
        attachment.attempt = attempt
        send(.attach(AttachRequest(nonce: attempt.nonce, wantsStream: wantsStream)), to: candidate.address)
    }

    mutating func handle(_ answer: AttachAnswer, from transmitter: UInt32, at now: Instant) {
        if answer.verdict == .moved { return proveAnew(answer, from: transmitter, at: now) }
        guard let attempt = attachment.attempt, attempt.transmitter == transmitter, attempt.nonce == answer.nonce else { return }
        attachment.attempt = nil
        guard answer.verdict == .accepted else {
            parents.avoid(transmitter, until: now + configuration.parentAvoidance)
            if transmitter == parentTransmitter {
                events.append(.refused(answer.verdict))
                attachment.attempt = Attachment.Attempt(
                    transmitter: transmitter, nonce: random.next(), next: now + configuration.parentAvoidance * 0.3)
                return
            }
            return judgeParents(at: now)
        }
        parents.update(transmitter) { $0.cookie = answer.cookie }
        if transmitter == parentTransmitter {
            nextStatus = now
            // It has not heard of the end yet.
            if case .final(let state, _) = phase { phase = .final(state, attempts: 0) }
        } else {
            move(to: transmitter, at: now)
        }
    }

    /// The parent does not take what this child says for what it is: the cookie is for the address that it had before.
    private mutating func proveAnew(_ answer: AttachAnswer, from transmitter: UInt32, at now: Instant) {
        guard transmitter == parentTransmitter, answer.nonce != 0, answer.nonce == parent?.cookie, attachment.attempt == nil else { return }
        parents.update(transmitter) { $0.cookie = 0 }
        attach(to: transmitter, at: now)
    }

    /// The new parent is told first, and the former one when that has had time to come to the top: so this child is
    /// counted twice for a moment, which its debt says, and never nowhere.
    private mutating func move(to transmitter: UInt32, at now: Instant) {
        if let old = parent, hasReported {
            noteHeardReport()
            attachment.leave(
                Attachment.Former(
                    transmitter: old.transmitter, address: old.address, cookie: old.cookie,
                    next: now + max(configuration.detachDelay, statusInterval * 2),
                    contribution: (heardReport ?? lastReport).debtWhenLost))
        }
        attachment.settle(with: transmitter)
        finalSequences = []
        heardReport = nil
        parentTransmitter = transmitter
        counters.parentChanges += 1
        attachment.changedAt = now
        attachment.askingSince = nil
        echo = nil
        events.append(.parentChanged(depth: depth))
        if let phase = parent?.phase { parentPhase = phase }
        // What was asked of the former parent is asked again here, at random so that not all ask together.
        for slot in slots.indices { slots[slot].holdUntil = min(slots[slot].holdUntil, now) }
        catchUpHold = RequestHold()
        pagesHold = RequestHold()
        endHold = RequestHold()
        armNAK(at: now)
        if case .final(let state, _) = phase { phase = .final(state, attempts: 0) }
        enqueueStatus(at: now)
    }

    private mutating func repeatDetach(at now: Instant) {
        var due: [Attachment.Former] = []
        let first = upcomingSequence
        attachment.detach(
            attempts: configuration.detachAttempts, every: configuration.attachTimeout, later: configuration.detachRepeatInterval,
            isAlive: { [parents] id in parents[id].map { parents.isAlive($0, at: now) } ?? false }, at: now
        ) {
            due.append($0)
            return first &+ UInt32(due.count - 1)
        }
        for former in due { send(.detach(cookie: former.cookie), to: former.address) }
    }

    /// The number of what is put into the outbox next.
    var upcomingSequence: UInt32 { nextSequence &+ UInt32(outbox.count) }

    /// The former parent has taken this child off its books.
    mutating func handleDetached(_ sequence: UInt32, from transmitter: UInt32, at now: Instant) -> Bool {
        guard attachment.confirm(sequence, by: transmitter) else { return false }
        // What has been said still owes it.
        finalSequences = []
        nextStatus = min(nextStatus, now + statusInterval)
        return true
    }
}

extension StatusHistogram {
    /// What a parent that loses this child goes on counting: the debt of a child that lives on elsewhere.
    var debtWhenLost: [Int64] {
        var debt = states.map { Int64(clamping: $0) }
        let lost = Int(ReceiverState.lost.rawValue)
        for state in ReceiverState.allCases where state.isActive {
            debt[lost].increase(by: debt[Int(state.rawValue)])
            debt[Int(state.rawValue)] = 0
        }
        for (index, owed) in rehomed.enumerated() { debt[index].decrease(by: owed) }
        return debt
    }
}

extension ReceiverEngine {
    // MARK: Left alone

    /// Whether a parent has left, or was never there.
    func hasLost(_ transmitter: UInt32, at now: Instant) -> Bool { !parents.contains(transmitter) || parents.hasLeft(transmitter, at: now) }

    /// Another parent may still be there; without one this receiver has what it has.
    mutating func parentLeft(at now: Instant) {
        judgeParents(at: now)
        guard !isMoving, attachment.moveAt == nil else { return }
        switch phase {
        case .receiving:
            // What is only waiting for this host's storage can still be finished without the sender.
            if end == nil || hasOutstandingData { finish(as: .failedSender, at: now) }
        case .committing: break
        case .serving: close(after: .complete, at: now)
        case .final(let state, _): close(after: state, at: now)
        case .finished: break
        }
    }

    /// True while something is missing that only the network can bring.
    private var hasOutstandingData: Bool {
        guard let end, ledger.hasWholeTable(end) else { return true }
        var ledger = ledger
        if ledger.firstAbsent(below: end.chunkCount) != nil { return true }
        return slots.indices.contains { slots[$0].isInUse && !slots[$0].isWithHost }
    }
}
