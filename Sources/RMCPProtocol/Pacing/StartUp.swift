/// Start-up: the rate doubles each round, until there is a queue or loss for the first time (slow start, RFC 5681, 3.1).
struct StartUp: Sendable {
    /// Signs of a queue in a row.
    fileprivate var queueSigns = 0

    /// Share of what was sent below which start-up has gone too far where nothing queues yet: what is measured may have been sent before
    /// the last doubling. A half, and what measuring it may be wrong by: arrival is told in buckets 9 % apart.
    fileprivate static let shareBeforeDoubling = 0.45
    /// Share of what was sent that must arrive for more to be tried.
    fileprivate static let shareToDouble = 0.84
    fileprivate static let factor = 2.0
    /// Signs in a row that end start-up: one late datagram is no queue yet, and what was measured may have been before the last doubling.
    fileprivate static let signsOfQueue = 2
    /// Rounds in a row with the beginning of a queue: one that stays this short is no reason to go on waiting.
    fileprivate static let signsOfBeginning = 4
    /// Status intervals until a sign is looked at again: the next one may have been under way already.
    fileprivate static let statusesBetweenSigns = 2.0
    /// Rate below which a batch of a millisecond holds less than the longest send of 65,000 bytes, bits per second.
    fileprivate static let fullBatches = 500e6
    /// Share of the rate that a sender has used at least, whose host is late with small batches.
    fileprivate static let leastUsed = 0.25
    /// Shortest measurements of arrival in which a doubling shows from beginning to end.
    fileprivate static let measurements = 2.0
}

extension RateController {
    mutating func update(_ startUp: StartUp, _ signal: RateSignal, _ moment: RateMoment) -> Reason {
        guard moment.heardOf >= changedAt || signal.pressure >= Pressure.overload else { return .unanswered }
        if signal.pressure >= Pressure.overload || loss.isLasting(signal, moment, waitsNot: !rules.contains(.slightLoss)) { return cut(signal, moment) }
        if signal.isStorageFull, let reason = waitForMinority(moment) {
            phase = .growing(Growth())
            return reason
        }
        guard moment.now >= nextGrowth else { return .tooSoon }
        var startUp = startUp
        if signal.pressure >= Pressure.queue || (moment.isLimitedByRate && arrivesTooLittle(signal, moment)) {
            startUp.queueSigns += 1
            phase = .startup(startUp)
            nextGrowth = moment.now + moment.statusInterval * StartUp.statusesBetweenSigns
            return startUp.queueSigns >= StartUp.signsOfQueue || !rules.contains(.secondSign) ? cut(signal, moment) : .queueMayBegin
        }
        guard mayGrow(moment) || isLateWithSmallBatches(moment), !loss.isSeen,
            !arrivesLess(signal, moment, than: StartUp.shareToDouble)
        else { return .unproven }
        guard isMeasured(moment) else { return .tooSoon }
        nextGrowth = moment.now + nextDoubling(signal, moment)
        if signal.pressure == 0 {
            phase = .startup(StartUp())
            set(rate * StartUp.factor, at: moment.now)
            return .doubled
        }
        startUp.queueSigns += 1
        phase = .startup(startUp)
        guard startUp.queueSigns >= StartUp.signsOfBeginning else { return .queueMayBegin }
        beginGrowth(moment)
        return .pathFound
    }

    /// Arrival is known when it was measured from beginning to end at this rate.
    private static let measuring = ArrivalRateMeter.shortestInterval * StartUp.measurements

    private func isMeasured(_ moment: RateMoment) -> Bool {
        !rules.contains(.measuredDoubling) || moment.heardOf - changedAt >= Self.measuring
    }

    /// Whether the host is busy with waking others for a few packets at a time: many receivers that share its processors, each woken by each
    /// batch. At twice the rate a batch is twice as large, and costs little more.
    private func isLateWithSmallBatches(_ moment: RateMoment) -> Bool {
        rules.contains(.smallBatches) && rate < StartUp.fullBatches && moment.isLimitedByRate && moment.heardOf >= changedAt
            && used(moment) >= rate * StartUp.leastUsed
    }

    /// Time until the rate may double again: what has been heard of tells better than the group's round trip, which is a guess at first. A
    /// queue that begins is given a round.
    private func nextDoubling(_ signal: RateSignal, _ moment: RateMoment) -> Interval {
        signal.pressure == 0 && rules.contains(.measuredDoubling) ? moment.statusInterval : max(moment.round, moment.roundTrip + Self.measuring)
    }

    /// So much less that start-up has gone too far; without any delay yet, less than before the last doubling.
    private func arrivesTooLittle(_ signal: RateSignal, _ moment: RateMoment) -> Bool {
        arrivesLess(signal, moment, than: signal.pressure > 0 ? Self.usedShare : StartUp.shareBeforeDoubling)
    }

    /// The first cut was for loss that the path has at any rate: nothing has been found yet.
    mutating func goOnStartingUp(_ moment: RateMoment) {
        phase = .startup(StartUp())
        nextGrowth = moment.now + moment.round
    }
}
