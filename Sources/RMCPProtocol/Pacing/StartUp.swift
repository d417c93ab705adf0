/// Start-up: the rate is multiplied as soon as what arrives at it has been measured, until there is a queue or loss for the first time
/// (slow start, RFC 5681, 3.1).
struct StartUp: Sendable {
    /// Updates in a row with the beginning of a queue.
    fileprivate var beginnings = 0

    /// Share of what was sent below which start-up has gone too far where nothing queues yet: a half, and what measuring it may be wrong by,
    /// since arrival is told in buckets 9 % apart.
    fileprivate static let shareBeforeDoubling = 0.45
    /// Share of what was sent that must arrive for more to be tried.
    fileprivate static let shareToDouble = 0.84
    fileprivate static let factor = 2.0
    /// Factor in place of two while what it may send in vain is little, and the bits that are little: 1 MB, which is less than the memory
    /// of most switches. It is what goes out above a proven rate until an answer comes.
    fileprivate static let largestFactor = 4.0
    fileprivate static let littleExcess = 8e6
    /// Rounds in a row with the beginning of a queue: one that stays this short is no reason to go on waiting.
    fileprivate static let longestBeginning = 4
    /// Rate below which larger batches are worth having to a host that is late, bits per second: half a megabyte, eight of the longest sends,
    /// in a millisecond. Sixteen receivers on two processors take 3.45 s with half of it, 3.39 with three quarters, 3.36 with this.
    fileprivate static let fullBatches = 4e9
    /// Share of the rate that such a sender has used at least: one that hardly sends would come back with a burst that nothing has proven.
    fileprivate static let leastUsed = 0.1
    /// Shortest measurements of arrival in which a doubling shows from beginning to end.
    fileprivate static let measurements = 2.0
    /// The same in times that a receiver needs for its least number of datagrams: at the first rate that is longer. A slow link's queue is told
    /// of meanwhile.
    fileprivate static let samples = 1.5
    /// The longest time that is waited for others' answers before a doubling: with whole status intervals start-up would take 64 receivers a
    /// tenth of a second longer.
    fileprivate static let longestWaitForOthers = Interval.milliseconds(6)
    /// Status intervals after which such a measurement has been reported at the latest.
    fileprivate static let statusesToReport = 2.0
}

extension RateController {
    mutating func update(_ startUp: StartUp, _ signal: RateSignal, _ moment: RateMoment) -> Reason {
        guard moment.heardOf >= changedAt || signal.pressure >= Pressure.overload else { return .unanswered }
        if signal.pressure >= Pressure.overload { return cut(signal, moment) }
        if loss.noteSeen(signal, moment, waitsNot: !rules.contains(.slightLoss)) { return cut(signal, moment) }
        if signal.isStorageFull, let reason = waitForMinority(moment) {
            phase = .growing(Growth())
            return reason
        }
        guard moment.now >= nextGrowth else { return .tooSoon }
        if signal.pressure >= Pressure.queue || (isProven(moment) && isReported(moment) && arrivesTooLittle(signal, moment)) { return cut(signal, moment) }
        guard mayGrow(moment) || isLateWithSmallBatches(moment), !loss.isSeen,
            !arrivesLess(signal, moment, than: StartUp.shareToDouble)
        else { return .unproven }
        guard isMeasured(moment) else { return .tooSoon }
        nextGrowth = moment.now + nextDoubling(signal, moment)
        if signal.pressure == 0 {
            phase = .startup(StartUp())
            set(rate * factor(moment), at: moment.now)
            return .doubled
        }
        var startUp = startUp
        startUp.beginnings += 1
        phase = .startup(startUp)
        guard startUp.beginnings >= StartUp.longestBeginning else { return .queueMayBegin }
        beginGrowth(moment)
        return .pathFound
    }

    /// Arrival is known when it was measured from beginning to end at this rate.
    private var measuring: Interval {
        max(ArrivalRateMeter.shortestInterval * StartUp.measurements, SendRateMeter.timeToTell(at: rate) * StartUp.samples)
    }

    /// The answer is the newest of all; a status interval later the others have answered, too. Where that is long, a share of many has.
    private func isMeasured(_ moment: RateMoment) -> Bool {
        !rules.contains(.measuredDoubling) || moment.heardOf - changedAt >= measuring + min(moment.statusInterval, StartUp.longestWaitForOthers)
    }

    /// Factor by which the rate grows: the answer to it comes about as late as the one to this rate did.
    private func factor(_ moment: RateMoment) -> Double {
        guard rules.contains(.largeFactor) else { return StartUp.factor }
        let excess = StartUp.littleExcess / (rate * max(moment.now - changedAt, measuring).inSeconds)
        return min(max(StartUp.factor, 1 + excess), StartUp.largestFactor)
    }

    private func isReported(_ moment: RateMoment) -> Bool {
        moment.heardOf - changedAt >= measuring + moment.statusInterval * StartUp.statusesToReport
    }

    /// Processors and not the rate hold the sender back, and batches are small: its host is busy with waking receivers, each by each batch. At
    /// twice the rate a batch is twice as large, and costs little more.
    func isLateWithSmallBatches(_ moment: RateMoment) -> Bool {
        rules.contains(.smallBatches) && rate < StartUp.fullBatches && moment.isLimitedByRate && moment.heardOf >= changedAt
            && used(moment) >= rate * StartUp.leastUsed
    }

    /// Time until the rate may double again: what has been heard of tells better than the group's round trip, which is a guess at first. A
    /// queue that begins is given a round.
    private func nextDoubling(_ signal: RateSignal, _ moment: RateMoment) -> Interval {
        signal.pressure == 0 && rules.contains(.measuredDoubling) ? moment.statusInterval : max(moment.round, moment.roundTrip + measuring)
    }

    /// The rate is what limits, and is used: little that arrives at less than that is the host's lateness.
    private func isProven(_ moment: RateMoment) -> Bool { moment.isLimitedByRate && used(moment) >= rate * Self.usedShare }

    /// Arrival is so much less that start-up has gone too far; without any delay yet, much less.
    private func arrivesTooLittle(_ signal: RateSignal, _ moment: RateMoment) -> Bool {
        arrivesLess(signal, moment, than: signal.pressure > 0 ? Self.usedShare : StartUp.shareBeforeDoubling)
    }

    /// The first cut was for loss that the path has at any rate: nothing has been found yet.
    mutating func goOnStartingUp(_ moment: RateMoment) {
        phase = .startup(StartUp())
        nextGrowth = moment.now + moment.round
    }
}
