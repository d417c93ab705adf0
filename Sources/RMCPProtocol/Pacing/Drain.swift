/// Draining: the rate is below what the path carries, until the queue is gone.
struct Drain: Sendable {
    /// A queue of the rate's own making is gone by then.
    fileprivate var until: Instant
    /// Set where loss was the only reason: it can be misread, pressure cannot.
    fileprivate var test: LossMemory.Test?
    /// Bits per second before the first of the cuts.
    fileprivate var previousRate: Double
    /// Bits per second that the path carried, at the least since the first cut.
    fileprivate var carried: Double
    /// The rate had been found before, and was not a doubling's guess.
    let wasFound: Bool
    fileprivate var isStorage: Bool
    /// Highest rate of arrival since the first cut, bits per second: what full storage takes, whatever came of the cuts since.
    fileprivate var arrived: Double
    /// The sender was late at the first cut, so that it is processors that there are too few of.
    fileprivate var isLate: Bool
    /// `PressureBucket` at the latest cut.
    fileprivate var pressure: Int
    /// Cuts that the queue had time to drain after.
    fileprivate var cuts: Int

    /// Shares of what the path carries that are sent while its queue drains: the longer the queue, the faster it must go. A sixth less
    /// lets a queue go in six times its length; TCP goes down to 0.7 (RFC 9438, 4.6).
    fileprivate static func share(at pressure: Int) -> Double {
        if pressure < RateController.Pressure.overload { return 0.85 }
        return pressure == RateController.Pressure.overload ? 0.75 : 0.7
    }

    /// The same after a doubling, whose queue may be much longer than it is yet.
    fileprivate static let shareAfterDoubling = 0.7
    /// Share of what the path carries at which growth begins once the queue is gone: arrival is told in buckets 9 % apart, and what is
    /// told too low is made good by growth.
    fileprivate static let resumeShare = 0.97
    /// Share of what was carried without a queue that is sent after a cut at the least: below what arrives at a queue of one's own.
    fileprivate static let shareOfCalm = 0.9
    /// Share of the rate that a further cut begins with, where the first was not enough.
    fileprivate static let secondShare = 0.85
    /// Shares of what is sent that are taken for carried where nobody says what arrives: under overload, and where half and more is lost.
    fileprivate static let carriedUnderOverload = 0.8
    fileprivate static let carriedUnderCongestion = 0.5
    /// Share of what is sent below which clearly less arrives: arrival is told in buckets 9 % apart.
    fileprivate static let clearlyLess = 0.9
    /// Shares of the rate down to which arrival is believed: start-up goes up by no more than four, arrival is told in buckets 9 % apart, and
    /// a host that slept tells nothing of the path. After a cut the rate was no such guess.
    fileprivate static let leastCarried = 0.2
    fileprivate static let leastCarriedAfterCut = 0.5
    /// Share of the rate below which arrival says that the rate is still above what the path carries: less than a bucket, which is 9 %.
    fileprivate static let stillQueued = 0.93
    /// Cuts that the queue had time to drain after, from which it is somebody else's.
    fileprivate static let cutsOfRivals = 2
    /// Rounds until a cut shows: what was under way, and what is measured from beginning to end.
    fileprivate static let rounds = 2.0
    /// Storage takes longer to show what a cut did: what is under way must be written first.
    fileprivate static let storagePatience = Interval.milliseconds(50)
    /// Packets that tell less loss from as much, bits of one, and the longest time that they are waited for: with 300 of them 5 % of
    /// loss are 15 +- 4.
    private static let packetsToTellLoss = 300.0
    private static let packetBits = 12_000.0
    private static let longestTimeToTellLoss = Interval.milliseconds(300)

    /// How long a queue takes to go.
    fileprivate static func time(for pressure: Int) -> Interval {
        Interval.milliseconds(PressureBucket.delayBound(of: pressure)) * (1 / (1 - share(at: pressure)))
    }

    /// How long it takes to tell less loss from as much.
    /// - Parameter rate: bits per second.
    static func timeToTellLoss(at rate: Double) -> Interval { min(.seconds(packetsToTellLoss * packetBits / rate), longestTimeToTellLoss) }
}

extension RateController {
    mutating func update(_ drain: Drain, _ signal: RateSignal, _ moment: RateMoment) -> Reason {
        let isAnswered = moment.heardOf >= changedAt && moment.now - changedAt >= moment.round
        if let test = drain.test {
            guard isAnswered, moment.now >= drain.until else { return .unanswered }
            if rules.contains(.ownLoss), test.isOwn(signal, at: rate), signal.pressure < Pressure.queue {
                loss.floor = max(loss.floor, signal.loss)
                set(drain.previousRate, at: moment.now)
                if drain.wasFound { beginGrowth(moment) } else { goOnStartingUp(moment) }
                return .ownLoss
            }
        }
        // The rest of a queue keeps the path busy. It does not go if others', and may then be one that stays this short.
        let isGone = signal.pressure == 0 || (signal.pressure < Pressure.queue && (moment.now >= drain.until || !rules.contains(.emptyQueue)))
        if isAnswered, isGone, !loss.isLossy(signal.loss) {
            let carried = drain.isStorage ? max(drain.carried, min(drain.arrived, drain.previousRate)) : drain.carried
            set(max(rate, carried * (rules.contains(.resumption) ? Drain.resumeShare : Drain.share(at: 0))), at: moment.now)
            beginGrowth(moment, isAlone: drain.isLate)
            return .drained
        }
        let isStorage = signal.pressure >= Pressure.storage && moment.now - changedAt >= Drain.storagePatience
        if isAnswered, rules.contains(.fasterDrain), isStorage || signal.pressure > max(drain.pressure, Pressure.overload - 1) {
            return drainFaster(drain, signal, moment)
        }
        guard moment.now >= drain.until else { return .draining }
        // Loss by a queue is told for as long as other loss, and is no reason for another cut.
        let isOfQueue = drain.test == nil && signal.pressure < Pressure.queue && rules.contains(.lossOfQueue)
        if isOfQueue, moment.now < drain.until + Drain.timeToTellLoss(at: rate) { return .draining }
        if rules.contains(.competing), signal.pressure >= Pressure.queue, drain.cuts >= Drain.cutsOfRivals || rivals.wereSeen(at: moment.now) {
            return beginCompeting(rateAtLoss: drain.wasFound ? drain.previousRate : drain.carried, mayProbe: !drain.wasFound, moment)
        }
        return cut(signal, moment, after: drain)
    }

    /// The queue is longer than it seemed at the cut: once for each bucket of pressure, and on while storage is full.
    private mutating func drainFaster(_ drain: Drain, _ signal: RateSignal, _ moment: RateMoment) -> Reason {
        var drain = drain
        // Where less is sent than may be, it is not the rate that fills anything: hosts are still busy with what came before.
        guard used(moment) >= rate * Self.usedShare else { return .unproven }
        if signal.pressure > Pressure.overload || signal.arrival.map({ $0 < rate * Drain.stillQueued }) ?? false {
            drain.cuts -= 1
            return cut(signal, moment, after: drain)
        }
        drain.pressure = signal.pressure
        drain.until = max(drain.until, moment.now + Drain.time(for: signal.pressure))
        phase = .draining(drain)
        return .draining
    }

    /// Goes below what the path carries.
    mutating func cut(_ signal: RateSignal, _ moment: RateMoment, after drain: Drain? = nil) -> Reason {
        let isForLoss = signal.pressure < Pressure.queue
        let isLate = drain?.isLate ?? (used(moment) < rate * Self.usedShare && rules.contains(.lateSender))
        var carried = min(carried(signal, moment, isFirst: drain == nil), drain?.carried ?? .infinity)
        // The rate that was carried a moment ago without any queue is carried still: a host that is overrun takes less for as long as that lasts.
        if drain == nil, let calm = takeCalm() { carried = max(carried, min(rate, calm * Drain.shareOfCalm)) }
        let previousRate = rate
        minority.noteCut()
        let isDeep = isStartingUp && !isForLoss && !isLate && rules.contains(.deepDrain)
        let share = isDeep ? Drain.shareAfterDoubling : Drain.share(at: signal.pressure)
        set(min(carried, drain == nil ? rate : rate * Drain.secondShare) * share, at: moment.now)
        phase = .draining(
            Drain(
                until: moment.now + moment.round * Drain.rounds + (isForLoss ? Drain.timeToTellLoss(at: rate) : Drain.time(for: signal.pressure)),
                test: isForLoss ? LossMemory.Test(loss: signal.loss, arrival: signal.arrival, rate: previousRate) : nil,
                previousRate: drain?.previousRate ?? previousRate, carried: carried, wasFound: drain?.wasFound ?? !isStartingUp,
                isStorage: drain?.isStorage ?? false || signal.pressure >= Pressure.storage, arrived: max(drain?.arrived ?? 0, signal.arrival ?? 0),
                isLate: isLate, pressure: signal.pressure, cuts: (drain?.cuts ?? 0) + 1))
        if isForLoss { return .lossRises }
        return signal.pressure >= Pressure.storage ? .storage : signal.pressure >= Pressure.overload ? .overload : .queue
    }

    /// Bits per second that the path carries: what arrives, where a queue stands or clearly less arrives than is sent; else by the pressure.
    private func carried(_ signal: RateSignal, _ moment: RateMoment, isFirst: Bool) -> Double {
        let used = used(moment)
        // The path carries what arrives while a queue stands, however close to what is sent that is. Loss alone is no proof of one.
        let bound = signal.pressure >= Pressure.queue && rules.contains(.arrivalUnderQueue) ? .infinity : offered(moment) * Drain.clearlyLess
        // Loss that is no reason to cut is lost behind the queue.
        let lost = loss.isLossy(signal.loss) || !rules.contains(.slightLossBehind) ? loss.floor : max(loss.floor, signal.loss)
        if let arrival = signal.arrival.map({ $0 / (1 - lost) }), arrival < bound {
            // A queue is carried at more than what is sent after a cut.
            let most = !isFirst && signal.pressure >= Pressure.queue && rules.contains(.arrivalAboveSent) ? .infinity : used
            return max(min(arrival, most), used * (isFirst ? Drain.leastCarried : Drain.leastCarriedAfterCut))
        }
        guard signal.loss < LossMemory.congestion else { return used * Drain.carriedUnderCongestion }
        return used * (signal.pressure < Pressure.overload ? 1 : Drain.carriedUnderOverload)
    }
}
