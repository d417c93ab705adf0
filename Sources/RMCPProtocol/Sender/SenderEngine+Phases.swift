import DequeModule

extension SenderEngine {
    /// Moves through the life of a session as far as its conditions are met.
    mutating func advancePhase(at now: Instant) {
        if let repeater { return advanceRepeater(repeater, at: now) }
        switch phase {
        case .waiting(let since): startIfReady(waitingSince: since, at: now)
        case .streaming:
            // Everybody is gone or done: what is left would be sent to nobody.
            if let idleSince, now - idleSince >= configuration.childTimeout * 2, mayConclude(at: now) { conclude(at: now) }
        case .draining:
            if isEverybodyDone, mayConclude(at: now) {
                phase = .lingering(until: now + configuration.linger)
                advancePhase(at: now)
            } else if children.finishing == 0, now - lastProgress >= configuration.stalledTimeout {
                // Who flushes or runs a command has nothing to show for it until it is done, however long that takes.
                conclude(at: now)
            }
        case .lingering(let until):
            if !isEverybodyDone {
                lastProgress = now
                beginDraining(at: now)
            } else if now >= until {
                conclude(at: now)
            }
        case .leaving, .finished: break
        }
    }

    mutating func beginDraining(at now: Instant) {
        phase = .draining(since: now)
    }

    private var isEverybodyDone: Bool {
        switch configuration.until {
        case .receivers: children.saidToBeActive == 0
        // Without a repair node there is nobody who could serve the receivers afterwards.
        case .repairNodes: children.repairNodes == 0 ? children.saidToBeActive == 0 : children.incompleteRepairNodes == 0
        }
    }

    private mutating func startIfReady(waitingSince begun: Instant, at now: Instant) {
        // Repair nodes are worth starting for when they are to serve the receivers later.
        let joined = children.active + (configuration.until == .repairNodes ? children.repairNodes : 0)
        let elapsed = now - begun
        if elapsed >= configuration.maximumWait {
            guard joined > 0 else { return leave(children.population == 0 ? .nobodyCame : .partial, at: now) }
        } else {
            // Who came and cannot take part (a full disk) has come, too: nobody waits for it to come again.
            let wanted = max(1, configuration.waitForReceivers ?? 1)
            let came = children.population + (configuration.until == .repairNodes ? children.repairNodes : 0)
            guard elapsed >= configuration.minimumWait, came >= wanted else { return }
            guard joined > 0 else { return leave(.partial, at: now) }
            guard isDatagramLengthSettled(at: now) else { return }
        }
        phase = .streaming(since: now)
        lastTick = now
        lastProgress = now
        nextHeartbeat = now
        events.append(.started(receivers: joined))
    }

    /// Lowers the datagram's length while joined receivers do not get it: a hole in the path MTU, found before the
    /// first chunk is cut. False while that is being tried out.
    private mutating func isDatagramLengthSettled(at now: Instant) -> Bool {
        guard let longest = children.shortestLongestDatagram, longest < datagramLength else {
            lastLengthProbe = nil
            return true
        }
        guard let probed = lastLengthProbe else {
            lastLengthProbe = now
            return false
        }
        // Three padded ANNOUNCEs and as many statuses.
        guard now - probed >= configuration.announceIntervalWaiting * 3 + statusInterval * 2 else { return false }
        guard let next = configuration.datagramLengthLadder.first(where: { $0 < datagramLength }) else { return true }
        announce.payloadLength = UInt16(next - DataHeader.length)
        counters.datagramLengthReductions += 1
        lastLengthProbe = now
        nextAnnounce = now
        return false
    }

    /// Ends the session for the reasons that the receivers' states give.
    private mutating func conclude(at now: Instant) {
        let summary = children.receivers
        let isUnderWay = children.saidToBeActive > 0
        let kind: SenderOutcome.Kind
        if configuration.until == .repairNodes, children.repairNodes > 0, children.incompleteRepairNodes == 0, summary.failed == 0 {
            kind = .complete
        } else if summary.population == 0, !isUnderWay {
            kind = .nobodyCame
        } else if !isUnderWay, summary.failed == 0 {
            kind = .complete
        } else if !isUnderWay, summary.count(.complete) == 0, summary.failed == summary.count(.lost) {
            kind = .noProgress
        } else {
            kind = .partial
        }
        leave(kind, at: now)
    }

    mutating func leave(_ kind: SenderOutcome.Kind, at now: Instant) {
        let outcome = SenderOutcome(kind: kind, receivers: children.receivers)
        phase = .leaving(outcome, repeatsLeft: configuration.leavingRepeats, next: now)
    }

    mutating func sayLeaving(_ outcome: SenderOutcome, left: Int, at now: Instant) {
        guard left > 0 else {
            phase = .finished
            events.append(.finished(outcome))
            return
        }
        phase = .leaving(outcome, repeatsLeft: left - 1, next: now + configuration.leavingInterval)
        enqueue(.heartbeat(heartbeat(at: now)), to: .group)
        for child in unicastChildren { enqueue(.heartbeat(heartbeat(at: now, timeToLive: 0)), to: .peer(child.address)) }
    }

    // MARK: Announce and heartbeat

    mutating func scheduleAnnounce(at now: Instant) {
        var interval = configuration.announceInterval
        if case .waiting = phase {
            interval = configuration.announceIntervalWaiting
            // Each ANNOUNCE is followed by one as long as DATA will be: who gets only the short one sits behind a hole
            // in the path MTU.
            lengthProbes = [.group]
            for child in unicastChildren where child.wantsStream { lengthProbes.append(.peer(child.address)) }
        }
        nextAnnounce = now + interval
        guard repeater?.hasServed ?? true else {
            lengthProbes = []
            return
        }
        enqueue(signedAnnounce, to: .group)
        for child in unicastChildren { enqueue(signedAnnounce, to: .peer(child.address)) }
    }

    var signedAnnounce: Packet {
        .announce(announce, repeater?.announceSignature ?? signer.signature(for: announce.signedMessage))
    }

    /// Answers a SOLICITATION: what there is to have, to one address.
    public mutating func announce(to address: SocketAddress) {
        switch phase {
        case .leaving, .finished: return
        default: if repeater?.hasServed ?? true { enqueue(signedAnnounce, to: .peer(address)) }
        }
    }

    mutating func scheduleHeartbeat(at now: Instant) {
        nextHeartbeat = now + heartbeatInterval(at: now)
        guard repeater?.hasServed ?? true else { return }
        enqueue(.heartbeat(heartbeat(at: now)), to: .group)
    }

    /// 100 bytes on the wire, as a share of the rate.
    private var spacedHeartbeats: Interval { .seconds(100 * 8 / (configuration.heartbeatShare * rateController.rate)) }

    private func heartbeatInterval(at now: Instant) -> Interval {
        let longest = configuration.maximumHeartbeatInterval
        switch phase {
        case .waiting: return configuration.heartbeatIntervalWaiting
        case .streaming:
            if isFindingRate { return max(statusInterval, configuration.startupStatusInterval) }
            return min(max(spacedHeartbeats, configuration.minimumHeartbeatInterval), longest)
        case .draining(let since):
            // What is still missing is asked for in answer to heartbeats: often at first, then as seldom as while streaming.
            let quick = max(roundTrip.estimate, configuration.minimumHeartbeatInterval)
            return min(max(quick, min(spacedHeartbeats, now - since)), longest)
        case .lingering, .leaving, .finished: return longest
        }
    }

    func heartbeat(at now: Instant, timeToLive: UInt8? = nil) -> Heartbeat {
        Heartbeat(
            phase: sessionPhase,
            timestamp: UInt64(max(1, now.nanoseconds / 1_000)),
            groupRoundTrip: roundTrip.estimate.wireMicroseconds,
            statusInterval: UInt32(max(1, statusInterval.nanoseconds / 1_000_000)),
            population: UInt32(clamping: children.population),
            position: position,
            pageCount: pagesSent,
            hasEnd: endSent,
            rate: UInt64(rateController.rate),
            liveLossLimit: liveLossLimit,
            livePressureLimit: livePressureLimit,
            nakInterval: nakInterval,
            place: place(timeToLive: timeToLive ?? configuration.timeToLive))
    }

    /// Child repair nodes do not hold back for each other, since each speaks for a region: so that all of them together keep
    /// within the limit, each waits, and says more at one time.
    private var nakInterval: UInt16 {
        let fair = Interval.seconds(Double(children.repairNodeChildren) / configuration.nodeNAKRateLimit)
        return UInt16(clamping: min(fair, configuration.maximumNAKInterval).nanoseconds / 1_000_000)
    }

    /// Receivers that lose clearly more than the quantile, and more than a tenth, do not ask for live repairs: what
    /// they cost would hold back the rest. Two buckets are a factor of 2.5.
    private var liveLossLimit: UInt8 {
        guard children.active > 1 else { return UInt8(LossBucket.count) }
        let quantile = StatusHistogram.quantile(configuration.rateQuantile, of: children.summary.loss)
        return UInt8(min(LossBucket.count, max(quantile + 2, 10)))
    }

    /// The same for receivers that are overrun while most are calm.
    private var livePressureLimit: UInt8 {
        guard children.active > 1 else { return UInt8(PressureBucket.count) }
        let quantile = StatusHistogram.quantile(configuration.rateQuantile, of: children.summary.pressure)
        return UInt8(quantile < Int(PressureBucket.hold) ? Int(PressureBucket.severe) : PressureBucket.count)
    }

    // MARK: Rate

    mutating func updateRate(at now: Instant) {
        let summary = children.summary
        switch phase {
        case .streaming, .draining: break
        default: return
        }
        let loss = StatusHistogram.quantile(configuration.rateQuantile, of: summary.loss)
        let reporting = summary.arrival.contains { $0 > 0 }
        let arrival = StatusHistogram.upperQuantile(1 - configuration.rateQuantile, of: summary.arrival)
        let signal = RateSignal(
            loss: LossBucket.fraction(of: loss),
            pressure: StatusHistogram.quantile(configuration.rateQuantile, of: summary.pressure),
            arrival: reporting ? ArrivalBucket.bitsPerSecond(of: arrival) : nil,
            isStorageFull: summary.pressure[Int(PressureBucket.storageFull)] > 0)
        let sent = sendRate.note(
            total: counters.bytesSent + counters.datagramsSent * UInt64(DatagramOverhead.bytes), group: groupBytesSent,
            rate: rateController.rate, statusInterval: statusInterval, heardOf: newestEcho, at: now)
        rateController.update(
            signal,
            RateMoment(
                now: now, statusInterval: statusInterval, roundTrip: roundTrip.estimate, heardOf: newestEcho,
                isLimitedByRate: wasLimitedByRate, sent: sent))
        wasLimitedByRate = false
        applyRate(at: now)
    }

    mutating func applyRate(at now: Instant) {
        // Repairs go at the pace of the stream that they are for, while there is one.
        // A HEARTBEAT from above may say any rate.
        let followed = repeater.map { min($0.followedRate, Double(configuration.maximumRate)) } ?? 0
        let rate = UInt64(max(followed, rateController.rate))
        // A burst of at most one batch duration, and at least one datagram.
        let burst = max(datagramLength, Int(Double(rate) / 8 * configuration.batchDuration.inSeconds))
        bucket.setRate(rate, burst: burst, at: now)
        let packets = burst / (datagramLength + DatagramOverhead.bytes)
        let room = 65_000 / datagramLength
        batchLimit = max(1, min(packets, configuration.maximumBatchPackets, room, DataBatch.capacity))
    }

    /// IP and UDP headers count towards the rate: the user thinks of the link.
}
