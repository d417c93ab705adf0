import DequeModule

extension ReceiverEngine {
    // MARK: Time

    /// Mutating, though it changes nothing: so an engine that is a class's property, or optional, is asked in place. To read it
    /// there would copy all of it.
    public mutating func pollTimeout() -> Instant? {
        if isFinished { return outbox.isEmpty ? nil : lastHeard }
        if !outbox.isEmpty { return lastHeard }
        var next = min(nextStatus, nextRejoin)
        if let nakAt { next = min(next, nakAt) }
        if let parentDeadline { next = min(next, parentDeadline) }
        if isWaitingForSender { next = min(next, lastHeard + configuration.senderTimeout) }
        return next
    }

    public mutating func handleTimeout(at now: Instant) {
        guard !isFinished else { return }
        if let nakAt, now >= nakAt {
            if case .receiving = phase { fireNAK(at: now) } else { self.nakAt = nil }
        }
        if now >= nextStatus { reportStatus(at: now) }
        if !isFinished, now >= nextRejoin { checkSilence(at: now) }
        if let parentDeadline, now >= parentDeadline { checkParents(at: now) }
        if isWaitingForSender, now - lastHeard >= configuration.senderTimeout {
            if case .serving = phase { close(after: .complete, at: now) } else { finish(as: .failedSender, at: now) }
        }
    }

    private var isWaitingForSender: Bool {
        switch phase {
        case .receiving, .serving: true
        case .committing, .final, .finished: false
        }
    }

    private mutating func checkSilence(at now: Instant) {
        if !isDeaf, case .receiving = phase, now - lastHeardGroup >= configuration.deafAfter {
            isDeaf = true
            events.append(.deaf)
            // Only a child whose address is known is served there.
            if attachment.attempt == nil { attach(to: parentTransmitter, at: now) }
        }
        if now - lastHeardGroup >= configuration.rejoinAfterSilence {
            events.append(.rejoin)
            nextRejoin = now + configuration.rejoinAfterSilence
        } else {
            nextRejoin = lastHeardGroup + configuration.rejoinAfterSilence
        }
    }

    // MARK: Status

    mutating func adoptStatusInterval(_ interval: Interval, at now: Instant) {
        guard interval != statusInterval || nextStatus - now > interval * 1.1 else { return }
        statusInterval = interval
        if case .final = phase { return }
        // A new pace starts at a random phase, or all would report at once.
        hastenStatus(to: now + random.interval(upTo: interval))
    }

    /// The next is due then at the latest; the first not before this child has settled.
    mutating func hastenStatus(to instant: Instant) { nextStatus = min(nextStatus, max(instant, settlesAt ?? .zero)) }

    /// Nobody is told before the nearest parent has been found, or looked for.
    mutating func settleFirst(at now: Instant) {
        let settled = now + configuration.parentSettlingTime
        settlesAt = settled
        nextStatus = settled
    }

    private mutating func reportStatus(at now: Instant) {
        if let settlesAt, isMoving || attachment.moveAt != nil, !state.isFinal, now < settlesAt + configuration.parentSettlingGrace {
            // As soon as the parent that was asked has answered, or so often.
            nextStatus = now + configuration.attachTimeout * 0.25
            return
        }
        if case .final(let state, let attempts) = phase {
            guard attempts < configuration.finalStatusAttempts else {
                phase = .finished
                events.append(.finished(state))
                return
            }
            phase = .final(state, attempts: attempts + 1)
            let wait = configuration.finalStatusTimeout * Double(1 << min(attempts, 4))
            nextStatus = now + min(wait, .seconds(1)) + random.interval(upTo: configuration.finalStatusTimeout)
        } else {
            arrivals.closeInterval(at: now)
            judgeProfile(at: now)
            // The interval, a tenth more or less, so that receivers drift apart.
            nextStatus = now + max(statusInterval, silenceInterval(at: now)) * (0.9 + 0.2 * random.uniform())
        }
        if mayReport(at: now) { enqueueStatus(at: now) }
    }

    /// A parent counts nobody whose address is not proven: it is asked for a cookie first, at the time when the first STATUS would
    /// be due, so that not all who hear it ask together.
    private mutating func mayReport(at now: Instant) -> Bool {
        if parents.cookie(of: parentTransmitter) ?? 0 != 0 { return true }
        guard let index = parents.index(of: parentTransmitter), let attempt = attachment.attempt else {
            attach(to: parentTransmitter, at: now)
            return false
        }
        // One that was asked in vain while it was silent is heard again, and one that does not answer is not waited for by who has
        // a parent that may.
        let isFar = attempt.next > now + configuration.attachTimeout * 5
        guard parents.isAlive(at: index, now: now), isFar || isMoving else { return false }
        if isMoving { parents.avoid(attempt.transmitter, until: now + configuration.parentAvoidance * 0.3) }
        attach(to: parentTransmitter, at: now)
        return false
    }

    /// Less and less often to a parent that is not heard: whoever is at the address that an ANNOUNCE came from, or was
    /// said to come from, may not want to know. Often enough for one that hears and is not heard not to count this
    /// child as lost.
    func silenceInterval(at now: Instant) -> Interval {
        min(max(.zero, now - lastHeard - configuration.maximumHeartbeatInterval) * 0.5, configuration.childTimeout * 0.4)
    }

    /// Buffers fill within milliseconds on a fast network: a receiver that is about to be overrun says so ahead of
    /// its turn.
    mutating func reportRisingPressure(at now: Instant) {
        let pressure = PressureBucket.index(storageShare: hostShare)
        guard pressure >= PressureBucket.overload, pressure > reportedPressure else { return }
        hastenStatus(to: lastStatus + max(configuration.urgentStatusInterval, statusInterval * 0.25))
    }

    /// Of whatever of this host's room is fuller (0...1).
    private var hostShare: Double { max(slots.storageShare, socketShare) }

    mutating func enqueueStatus(at now: Instant) {
        counters.statusesSent += 1
        noteHeardReport()
        lastStatus = now
        let queueing = PressureBucket.index(queueingDelay: queueing.delay)
        let storage = PressureBucket.index(storageShare: hostShare)
        var pressure = max(queueing, storage)
        if overflowed { pressure = max(pressure, PressureBucket.severe) }
        judgeStorage(isFull: storage == PressureBucket.storageFull, hasOverflowed: overflowed, at: now)
        overflowed = false
        reportedPressure = pressure
        var histogram = histogram(pressure: pressure)
        if let debt = attachment.debt { for index in debt.indices { histogram.rehomed[index].increase(by: debt[index]) } }
        lastReport = histogram
        hasReported = true
        settlesAt = nil
        if case .none = heardReport { heardReport = histogram }
        if state.isFinal { finalSequences.append(upcomingSequence) }
        send(
            .status(
                StatusReport(
                    echo: currentEcho(at: now), longestDatagram: UInt16(clamping: longestDatagram), isDeaf: isDeaf, wantsStream: wantsStream,
                    cookie: parents.cookie(of: parentTransmitter) ?? 0, histogram: histogram)), to: parentAddress)
    }

    /// A parent that has not been heard since a report may have died before it: what it counts is an earlier one.
    mutating func noteHeardReport() {
        if hasReported, let heard = parents.lastHeard(parentTransmitter), heard > lastStatus { heardReport = lastReport }
    }

    /// A histogram of one, or a repair node's sum. Who is done, or does not keep up with the others, has no say in the
    /// rate.
    private mutating func histogram(pressure: UInt8) -> StatusHistogram {
        var network: LeafStatus.Network?
        if !state.isFinal, asksForLiveData, !isDeaf {
            network = LeafStatus.Network(
                loss: LossBucket.index(of: arrivals.loss), pressure: pressure,
                arrival: arrivals.rate(isRead: PressureBucket.index(storageShare: hostShare) > 0).map { ArrivalBucket.index(bitsPerSecond: $0) })
        }
        guard isRepairNode else { return StatusHistogram(LeafStatus(state: state, progress: progressDecile, network: network, chunksDone: ledger.doneCount)) }
        var sum = region
        // Behind a relay nobody hears the sender: how they fare is for the relay's own rate.
        if wantsStream { sum.removeNetwork() }
        if let network { sum.add(network) }
        sum.tree.repairNodes.increase(by: 1)
        if state == .complete, keepsEverything { sum.tree.completeRepairNodes.increase(by: 1) }
        sum.chunksDone.increase(by: UInt64(ledger.doneCount))
        return sum
    }

    private var progressDecile: UInt8 {
        guard let total = chunkTotal else { return 0 }
        guard total > 0 else { return 10 }
        return UInt8(min(10, UInt64(ledger.doneCount) * 10 / UInt64(total)))
    }

    func currentEcho(at now: Instant) -> TimestampEcho {
        guard let echo else { return .none }
        return TimestampEcho(timestamp: echo.timestamp, delay: (now - echo.at).wireMicroseconds)
    }

    /// Beyond the sender's limit for half a second: catching up afterwards. Below it for a second: back in profile.
    private mutating func judgeProfile(at now: Instant) {
        let isBeyond = LossBucket.index(of: arrivals.loss) > liveLossLimit || now < behindUntil
        guard isBeyond != isBehind else {
            profileChangedAt = nil
            return
        }
        let since = profileChangedAt ?? now
        profileChangedAt = since
        if now - since >= .seconds(isBehind ? 1 : 0.5) {
            isBehind = isBeyond
            profileChangedAt = nil
            if !isBehind { armNAK(at: now) }
        }
    }

    /// A host that takes in less than most others do may slow them down for half a second; then it falls behind, for
    /// longer each time, and fetches what it missed after them.
    private mutating func judgeStorage(isFull: Bool, hasOverflowed: Bool, at now: Instant) {
        guard livePressureLimit < UInt8(PressureBucket.count), parentPhase == .streaming, !isBehind else {
            storageFullSince = nil
            return
        }
        let since = storageFullSince ?? now
        storageFullSince = isFull ? since : nil
        guard hasOverflowed || (isFull && now - since >= .seconds(0.5)) else { return }
        isBehind = true
        storageFullSince = nil
        behindUntil = now + behindPenalty
        behindPenalty = min(behindPenalty * 2, .seconds(60))
    }

    mutating func handleAcknowledgement(of sequence: UInt32, from transmitter: UInt32) {
        // Any status since the state became final will do, but none that owes what a former parent has let go of.
        guard case .final(let state, _) = phase, transmitter == parentTransmitter, finalSequences.contains(sequence),
            !attachment.isTelling(attempts: configuration.detachAttempts)
        else { return }
        phase = .finished
        events.append(.finished(state))
    }

    // MARK: Transmit

    /// Whether there is nothing to poll but the timeout.
    public mutating func isDrained() -> Bool { events.isEmpty && outbox.isEmpty }

    mutating func send(_ packet: Packet, to destination: SocketAddress) { outbox.append(Outgoing(packet: packet, destination: destination)) }

    /// The next datagram, and the unicast address that it goes to.
    public mutating func pollTransmit(at now: Instant) -> (bytes: [UInt8], destination: SocketAddress)? {
        guard let next = outbox.popFirst() else { return nil }
        // Only a NAK is ever much longer than a STATUS of one.
        let capacity = if case .nak = next.packet { 1_400 } else { 128 }
        var writer = ByteWriter(capacity: capacity)
        PacketHeader(
            kind: PacketKind(of: next.packet), isUnicast: true, sessionTag: session.tag, transmitter: transmitter,
            sequence: nextSequence
        ).write(to: &writer)
        nextSequence &+= 1
        writer.write(next.packet)
        return (writer.bytes, next.destination)
    }
}
