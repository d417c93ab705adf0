extension SenderEngine {
    /// Moves through the life of a session as far as its conditions are met.
    mutating func advancePhase(at now: Instant) {
        if window.isRepairNode, let repeater { return advanceRepeater(repeater, at: now) }
        switch phase {
        case .waiting(let since): startIfReady(waitingSince: since, at: now)
        case .streaming:
            if progress.isIdle(at: now), mayConclude(at: now) { conclude(at: now) }
        case .draining:
            if isEverybodyDone, mayConclude(at: now) {
                beginLingering(until: now + configuration.joining.linger)
                advancePhase(at: now)
            } else if isLeftToRestingNodes(at: now), mayConclude(at: now) {
                conclude(at: now)
            } else if children.finishing == 0, progress.isStalled(at: now) {
                // A receiver that flushes or runs a command shows no progress until it is done, however long that takes.
                conclude(at: now)
            }
        case .lingering:
            if !isEverybodyDone {
                progress.noteAdvance(at: now)
                beginDraining(at: now)
            } else if timers.isDue(.linger, at: now) {
                conclude(at: now)
            }
        case .leaving, .finished: break
        }
    }

    mutating func beginDraining(at now: Instant) {
        phase = .draining(since: now)
        timers.cancel(.linger)
        timers.arm(.tick, at: now)
    }

    mutating func beginLingering(until end: Instant) {
        phase = .lingering
        timers.arm(.linger, at: end)
    }

    /// Repair nodes have everything, and serve on who is not done.
    private var isLeftToRepairNodes: Bool {
        configuration.joining.until == .repairNodes && children.repairNodes > 0 && children.incompleteRepairNodes == 0
    }

    /// Nobody is waited for but repair nodes, and those will not have what they lack.
    private func isLeftToRestingNodes(at now: Instant) -> Bool {
        configuration.joining.until == .repairNodes && children.repairNodes > 0 && children.saidToBeActive == 0 && progress.hasRestingNodes(at: now)
    }

    private var isEverybodyDone: Bool {
        switch configuration.joining.until {
        case .receivers: children.saidToBeActive == 0
        // Without a repair node there is nobody who could serve the receivers afterwards.
        case .repairNodes: children.repairNodes == 0 ? children.saidToBeActive == 0 : children.incompleteRepairNodes == 0
        }
    }

    private mutating func startIfReady(waitingSince begun: Instant, at now: Instant) {
        // Repair nodes are worth starting for when they are to serve the receivers later.
        let joined = children.active + (configuration.joining.until == .repairNodes ? children.repairNodes : 0)
        let elapsed = now - begun
        if elapsed >= configuration.joining.maximumWait {
            // A receiver that went below a repair node has come, and may come back.
            guard joined + children.unaccounted > 0 else { return leave(children.population == gone ? nobody : .partial, at: now) }
        } else {
            // A receiver that cannot take part (a full disk) has come, too: nobody waits for it to come again.
            let wanted = max(1, configuration.joining.waitForReceivers ?? 1)
            let came = children.population + (configuration.joining.until == .repairNodes ? children.repairNodes : 0)
            guard elapsed >= configuration.joining.minimumWait, came - gone >= wanted else { return }
            guard joined > 0 else { return leave(.partial, at: now) }
            guard settleDatagramLength(at: now) else { return }
        }
        // Receivers that came and went before anything was sent have no part in how it ends.
        children.forgetGone()
        phase = .streaming(since: now)
        pacer.begin(at: now)
        lastTick = now
        progress.noteAdvance(at: now)
        timers.arm(.heartbeat, at: now)
        timers.arm(.tick, at: now)
        hastenStatement(at: now)
        events.append(.started(receivers: joined + children.unaccounted))
    }

    /// Receivers that came, and went again or fell silent while the session waited.
    private var gone: Int {
        let receivers = children.receivers
        return Int(clamping: receivers.count(.interrupted) + receivers.count(.lost))
    }

    /// Lowers the datagram's length while joined receivers do not get it.
    /// - Returns: false while that is being tried out.
    private mutating func settleDatagramLength(at now: Instant) -> Bool {
        switch lengthProbe.judge(children.active(without: datagramLength), length: datagramLength, statusInterval: statusInterval, at: now) {
        case .settled: return true
        case .probing: return false
        case .lower(let length):
            announcement.setPayloadLength(UInt16(length - DataHeader.length))
            counters.datagramLengthReductions += 1
            timers.arm(.announce, at: now)
            return false
        }
    }

    /// Whether receivers that have left for a repair node, or are counted twice, have had the time to be counted right.
    private func mayConclude(at now: Instant) -> Bool {
        // A receiver that went below a repair node is served there, counted or not.
        let hasUnaccounted = children.unaccounted > 0 && !isLeftToRepairNodes
        return progress.mayConclude(statusInterval: statusInterval, hasDebts: children.hasDebts, hasUnaccounted: hasUnaccounted, at: now)
    }

    /// Ends the session for the reasons that the receivers' states give.
    private mutating func conclude(at now: Instant) {
        let summary = children.receivers
        let isUnderWay = children.saidToBeActive > 0
        let kind: SenderOutcome.Kind
        if isLeftToRepairNodes, summary.failed == 0 {
            kind = .complete
        } else if children.unaccounted > 0 {
            // Their fate is not known, and it must not be said that they never came.
            kind = .partial
        } else if configuration.joining.until == .repairNodes, children.repairNodes > 0, children.incompleteRepairNodes > 0 {
            kind = .partial
        } else if summary.population == 0, !isUnderWay {
            kind = nobody
        } else if !isUnderWay, summary.failed == 0 {
            kind = .complete
        } else if !isUnderWay, summary.count(.complete) == 0, summary.failed == summary.count(.lost) {
            kind = .noProgress
        } else {
            kind = .partial
        }
        // A receiver that believes the sender and takes no part lacks the bundle.
        let isShort = refusals.ofTrusting > 0 || summary.count(.complete) < UInt64(configuration.joining.requiredReceivers ?? 0)
        leave(kind == .complete && isShort ? .partial : kind, at: now)
    }

    private var refusals: RefusalCounts { children.receivers.tree.refusals }
    /// Meaning of an end without receivers.
    private var nobody: SenderOutcome.Kind { refusals.total > 0 ? .refused : .nobodyCame }

    mutating func leave(_ kind: SenderOutcome.Kind, at now: Instant) {
        let outcome = SenderOutcome(kind: kind, receivers: children.receivers, unaccounted: children.unaccounted, labels: failureLabels)
        phase = .leaving(outcome, repeatsLeft: configuration.presence.leavingRepeats)
        timers.arm(.leaving, at: now)
        lengthProbe.cancel()
    }

    mutating func sayLeaving(_ outcome: SenderOutcome, left: Int, at now: Instant) {
        guard left > 0 else {
            phase = .finished
            events.append(.finished(outcome))
            return
        }
        phase = .leaving(outcome, repeatsLeft: left - 1)
        timers.arm(.leaving, at: now + configuration.presence.leavingInterval)
        sayHeartbeat(to: .group, at: now)
        for child in unicastChildren { sayHeartbeat(to: .peer(child.address), at: now) }
        sayStatement()
        sayPlace()
    }
}
