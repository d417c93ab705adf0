/// Time: what is due, silence, and the reports that the parent gets (`StatusReporter` says what is in them).
extension ReceiverEngine {
    // MARK: Time

    /// Mutating, though it changes nothing: so an engine that is a class's property, or optional, is asked in place. To read it
    /// there would copy all of it.
    public mutating func pollTimeout() -> Instant? {
        if isFinished { return outbox.isEmpty ? nil : link.lastHeard }
        if !outbox.isEmpty { return link.lastHeard }
        var next = timers.next ?? .distantFuture
        if let deadline = link.deadline { next = min(next, deadline) }
        if isWaitingForSender { next = min(next, link.lastHeard + configuration.presence.senderTimeout) }
        return next
    }

    /// Does what is due. Before the time of `pollTimeout` that is nothing, so that it may be called at any time.
    public mutating func handleTimeout(at now: Instant) {
        guard !isFinished else { return }
        if timers.isDue(.nak, at: now) {
            if case .receiving = phase { fireNAK(at: now) } else { timers.cancel(.nak) }
        }
        if timers.isDue(.status, at: now) { reportStatus(at: now) }
        if !isFinished, timers.isDue(.rejoin, at: now) { checkSilence(at: now) }
        if let deadline = link.deadline, now >= deadline { checkParents(at: now) }
        if isWaitingForSender, now - link.lastHeard >= configuration.presence.senderTimeout {
            if case .serving = phase { close(after: .complete, at: now) } else { finish(as: .failedSender, at: now) }
        }
    }

    private var isWaitingForSender: Bool {
        switch phase {
        case .receiving, .serving: true
        case .committing, .final, .finished: false
        }
    }

    /// Whether multicast does not arrive, so that the sender is asked to serve by unicast.
    public var isDeaf: Bool { if case .deaf = hearing { true } else { false } }

    /// Silence alone says nothing of multicast: the sender may be suspended, or gone. It is asked, and by its answer, after which
    /// still nothing comes by multicast, it is known that only unicast arrives here.
    private mutating func judgeSilence(at now: Instant) {
        guard case .receiving = phase else { return }
        switch hearing {
        case .group:
            guard now - lastHeardGroup >= configuration.unicast.askAfter else { return }
            hearing = .silent(unicastSince: nil)
            // Only a child whose address is known is served there.
            if link.attachment.attempt == nil { attach(to: link.transmitter, at: now) }
        case .silent(let since?):
            guard now - lastHeardGroup >= configuration.unicast.deafAfter, now - since >= configuration.unicast.answerLead else { return }
            hearing = .deaf
            events.append(.deaf)
            hastenStatus(to: now)
        case .silent(nil), .deaf: break
        }
    }

    private mutating func checkSilence(at now: Instant) {
        judgeSilence(at: now)
        if now - lastHeardGroup >= configuration.presence.rejoinAfterSilence {
            events.append(.rejoin)
            timers.arm(.rejoin, at: now + configuration.presence.rejoinAfterSilence)
        } else {
            timers.arm(.rejoin, at: lastHeardGroup + configuration.presence.rejoinAfterSilence)
        }
    }

    // MARK: When a STATUS is due

    mutating func adoptStatusInterval(_ interval: Interval, at now: Instant) {
        guard status.adopt(interval, due: timers[.status] ?? .distantFuture, at: now) else { return }
        if case .final = phase { return }
        // A new pace starts at a random phase, or all would report at once.
        hastenStatus(to: now + random.interval(upTo: status.interval))
    }

    /// The next is due then at the latest; the first not before this child has settled.
    mutating func hastenStatus(to instant: Instant) { timers.hasten(.status, to: status.earliest(instant)) }

    /// Nobody is told before the nearest parent has been found, or looked for.
    mutating func settleFirst(at now: Instant) {
        let settled = now + configuration.tree.parentSettlingTime
        status.settle(by: settled)
        timers.arm(.status, at: settled)
    }

    mutating func reportRisingPressure(at now: Instant) {
        if let urgent = status.urgentTime(storageShare: slots.storageShare) { hastenStatus(to: urgent) }
    }

    private mutating func reportStatus(at now: Instant) {
        if link.isChoosing, !state.isFinal, status.waitsForParent(at: now) {
            // As soon as the parent that was asked has answered, or so often.
            timers.arm(.status, at: now + configuration.tree.attachTimeout * Self.attachShare)
            return
        }
        if case .final(let state, let attempts, let sequences) = phase {
            guard attempts < configuration.feedback.finalStatusAttempts else {
                phase = .finished(state)
                events.append(.finished(state))
                return
            }
            phase = .final(state, attempts: attempts + 1, sequences: sequences)
            let wait = configuration.feedback.finalStatusTimeout * Double(1 << min(attempts, Self.finalDoublings))
            timers.arm(.status, at: now + min(wait, Self.longestFinalWait) + random.interval(upTo: configuration.feedback.finalStatusTimeout))
        } else {
            stream.closeInterval(at: now)
            if profile.judge(loss: stream.arrivals.loss, at: now) { armNAK(at: now) }
            timers.arm(.status, at: status.next(silence: link.silenceInterval(at: now), at: now, using: &random))
        }
        let (isProven, request) = link.prove(parentMoment(at: now), using: &random)
        send(request)
        if isProven { enqueueStatus(at: now) }
    }

    /// Share of `attachTimeout` after which a STATUS that waits for a parent's answer is looked at again.
    private static let attachShare = 0.25
    /// A final STATUS is repeated after twice as long each time, up to so many times.
    private static let finalDoublings = 4
    /// And at least this often: the sender may leave when its children are done.
    private static let longestFinalWait = Interval.seconds(1)

    // MARK: The report

    mutating func enqueueStatus(at now: Instant) {
        counters.statusesSent += 1
        noteHeardReport()
        let pressure = status.takePressure(queueingDelay: stream.queueingDelay, storageShare: slots.storageShare)
        profile.judgeHost(isFull: pressure.isStorageFull, hasOverflowed: pressure.hasOverflowed, isStreaming: link.phase == .streaming, at: now)
        let facts = StatusReporter.Facts(
            state: state, progress: progressDecile, chunksDone: ledger.doneCount, network: network(pressure: pressure.bucket), role: role,
            debt: link.attachment.debt)
        let histogram = status.report(facts, at: now)
        if case .final(let state, let attempts, let sequences) = phase {
            phase = .final(state, attempts: attempts, sequences: sequences + [outbox.upcomingSequence])
        }
        let report = StatusReport(
            echo: link.echo(at: now), longestDatagram: UInt16(clamping: min(stream.longestDatagram, configuration.packets.longestOnward)), isDeaf: isDeaf,
            wantsStream: role.wantsStream, cookie: link.cookie, histogram: histogram, labels: status.labels(of: facts))
        outbox.add(.status(report), to: link.address)
    }

    /// The parent counts the last report that it has been heard after.
    mutating func noteHeardReport() { status.noteHeard(link.isHeard(since: status.lastTime)) }

    /// Measurements that the rate is decided by. A receiver that is done, or does not keep up with the others, has no say in it.
    private func network(pressure: UInt8) -> LeafStatus.Network? {
        guard !state.isFinal, asksForLiveData, !isDeaf else { return nil }
        let arrival = stream.arrivals.rate(isRead: status.isPressed(storageShare: slots.storageShare))
        return LeafStatus.Network(
            loss: LossBucket.index(of: stream.arrivals.loss), pressure: pressure, arrival: arrival.map { ArrivalBucket.index(bitsPerSecond: $0) })
    }

    private var progressDecile: UInt8 {
        guard let total = chunkTotal else { return 0 }
        let whole = UInt64(StatusHistogram.progressCount - 1)
        guard total > 0 else { return UInt8(whole) }
        return UInt8(min(whole, UInt64(ledger.doneCount) * whole / UInt64(total)))
    }

    mutating func handleAcknowledgement(of sequence: UInt32, from sender: UInt32, at now: Instant) {
        // Any status since the state became final will do, but none that owes what a former parent has let go of.
        guard case .final(let state, _, let sequences) = phase, sender == link.transmitter, sequences.contains(sequence) else { return }
        link.hastenDetach(at: now)
        guard !link.mustDetach else { return }
        phase = .finished(state)
        events.append(.finished(state))
    }
}
