/// Competing: the rate does as TCP does beside somebody who gives way to loss only, until the queue is gone.
struct Competition: Sendable {
    fileprivate var growth: CompetingGrowth
    /// When there was last a queue.
    fileprivate var queuedAt: Instant

    /// How long a queue must be gone: others' comes back, one's own is gone for longer after a loss.
    fileprivate static let queueMemory = Interval.milliseconds(500)
    /// Loss that a cut did not end at once is mostly what others do: it is answered less often.
    fileprivate static let lastingLoss = Interval.seconds(1)
    /// Growth in a round while the rate looks for its share: more gently than slow start, which doubles. By a quarter it comes to 0.73 of its
    /// share of 1 Gb/s beside CUBIC, and doubling to 1.32 of that of 50 Mb/s.
    fileprivate static let probingFactor = 1.5
    /// Rounds in which losses are one event: what was under way, and what is measured from beginning to end.
    fileprivate static let rounds = 2.0
}

/// Whether others were met lately. They stay, as a rule, for longer than a queue that is gone for a moment.
struct RivalMemory: Sendable {
    /// When somebody else's queue was last seen.
    private var seenAt: Instant?
    /// When there was the last loss beside others.
    private var lostAt: Instant?

    /// Others are taken to be there still for so long: about as long as CUBIC takes to come back to where it lost, at 100 Mb/s and 100 ms.
    private static let memory = Interval.seconds(10)

    mutating func noteSeen(at now: Instant) { seenAt = now }
    mutating func noteLoss(at now: Instant) { lostAt = now }

    func wereSeen(at now: Instant) -> Bool { seenAt.map { now - $0 < Self.memory } ?? false }
    /// Whether a loss has told lately where the own share ends.
    func haveTold(at now: Instant) -> Bool { lostAt.map { now - $0 <= Self.memory } ?? false }
}

extension RateController {
    mutating func update(_ competition: Competition, _ signal: RateSignal, _ moment: RateMoment) -> Reason {
        var competition = competition
        if signal.pressure == 0 {
            if moment.now - competition.queuedAt >= Competition.queueMemory {
                beginGrowth(moment)
                return .rivalsGone
            }
        } else {
            competition.queuedAt = moment.now
            phase = .competing(competition)
        }
        rivals.noteSeen(at: moment.now)
        // Beside others nothing tells whose loss it is: what a cut gains, they take.
        let isStorage = signal.pressure >= Pressure.storage
        if moment.now >= nextGrowth, isStorage || loss.isEvent(signal.loss) || isLossOld(signal, moment) {
            // No more than what arrives would leave seven tenths of: a rate far above what the path carries is no share of it. What arrives
            // of a probe is the whole of the share.
            let carried = (signal.arrival ?? rate) / (competition.growth.isProbing ? 1 : CompetingGrowth.share)
            let rateAtLoss = rules.contains(.arrivalAtLoss) ? min(rate, carried) : rate
            rivals.noteLoss(at: moment.now)
            set(min(rate * CompetingGrowth.share, rateAtLoss), at: moment.now)
            _ = beginCompeting(rateAtLoss: rateAtLoss, moment)
            return .rivalsLoss
        }
        if signal.isStorageFull, let reason = waitForMinority(moment) { return reason }
        guard !loss.isLossy(signal.loss) else { return .lossMayPass }
        guard competition.growth.isProbing else {
            let next = competition.growth.rate(at: moment.now)
            guard moment.isLimitedByRate, next > rate else { return .unproven }
            drift(to: next)
            return .rivalsGrow
        }
        guard mayGrow(moment), !arrivesLess(signal, moment) else { return .unproven }
        set(rate * Competition.probingFactor, at: moment.now)
        nextGrowth = moment.now + moment.round
        return .rivalsProbed
    }

    private func isLossOld(_ signal: RateSignal, _ moment: RateMoment) -> Bool {
        loss.isLossy(signal.loss) && moment.now - changedAt >= Competition.lastingLoss
    }

    /// - Parameters:
    ///   - rateAtLoss: bits per second that growth comes back to.
    ///   - mayProbe: who has not yet been told by a loss where his share ends looks for it as TCP does in slow start.
    mutating func beginCompeting(rateAtLoss: Double, mayProbe: Bool = false, _ moment: RateMoment) -> Reason {
        let growth = CompetingGrowth(
            rateAtLoss: rateAtLoss, roundTrip: moment.roundTrip, isProbing: mayProbe && rules.contains(.probing) && !rivals.haveTold(at: moment.now),
            at: moment.now)
        phase = .competing(Competition(growth: growth, queuedAt: moment.now))
        rivals.noteSeen(at: moment.now)
        loss.beginEpoch()
        if rate < rateAtLoss * CompetingGrowth.share { set(rateAtLoss * CompetingGrowth.share, at: moment.now) }
        // One loss is one event: what was under way, and what it takes to be forgotten.
        nextGrowth = moment.now + moment.round * Competition.rounds + Drain.timeToTellLoss(at: rate)
        return .rivalsFound
    }
}
