/// `--rate auto`: finds the rate that the healthy part of the group can take.
///
/// *Pressure* (queueing delay, storage that fills, socket overflow) comes before loss does. *Loss* is a reason to slow
/// down only as far as it depends on the rate: links that lose one packet in a hundred at any rate are not helped by
/// sending slower, so after a cut that did not bring loss down, the loss is taken for the path's own (the floor) and the
/// cut is undone. How far to go down is not guessed: what arrives while a queue stands is what the path carries (as in
/// BBR, Cardwell et al., 2016).
///
/// Growth is the same for everybody who shares a queue, whatever rate he is at, and cuts are in proportion: so those
/// who share it come to equal rates (Chiu and Jain, 1989). A queue that stays although the rate went down twice, or that is
/// there again and again as soon as the rate grows, is somebody else's, who gives way to loss only: beside him the rate does
/// as TCP does (a switch of mode as in Copa, Arun and Balakrishnan, 2018), until the queue is gone.
///
/// Hosts that are late are no queue. Datagrams are stamped as they arrive, not as they are read, and what arrives is held
/// against what was really sent.
///
/// ```
///   startup ──first queue, loss──▶ draining ──queue gone──▶ growing
///   (doubles each round)            │    ▲                   │  ▲
///                                   │    └────queue, loss────┘  │
///                  queue stays twice└────▶ competing ◀──▶┘  gone; stands all the time
/// ```
public struct RateController: Sendable {
    private enum Phase: Sendable {
        case startup
        case growing
        case draining(Drain)
        case competing(CompetingGrowth)
    }

    /// Below what the path carries, until the queue is gone.
    private struct Drain: Sendable {
        /// A queue of the rate's own making is gone by then.
        var until: Instant
        /// Where loss was the only reason: it can be misread, pressure cannot.
        var test: LossMemory.Test?
        /// Before the first of the cuts, and what the path carried at the least since.
        var previousRate: Double
        var carried: Double
        /// The rate had been found before, and was not a doubling's guess.
        var wasFound: Bool
        var isStorage: Bool
        /// At the most since the first cut: what full storage takes, whatever came of the cuts since.
        var arrived: Double
        /// At the latest cut.
        var pressure: Int
        /// Those after which the queue had the time to go.
        var cuts: Int
    }

    /// Bits per second.
    public private(set) var rate: Double
    private let minimum: Double
    private let maximum: Double
    private let isFixed: Bool
    private var phase = Phase.startup
    private var loss: LossMemory
    private var nextGrowth: Instant
    private var changedAt: Instant
    /// Signs of a queue in a row, in start-up.
    private var queueSigns = 0
    /// Bits per second that the next step of growth adds.
    private var step = RateController.leastStep
    private var standing = StandingQueue()
    /// Since when there has been more loss than there should be, while the rate grows.
    private var lossySince: Instant?
    /// The least that a minority may bring the rate down to, while it tries.
    private var minorityFloor = 0.0
    private var minorityUntil = Instant.zero
    /// When somebody else's queue was last seen.
    private var competedAt: Instant?
    /// When there was the last queue, and the last loss, beside others.
    private var queuedAt = Instant.zero
    private var lostAt: Instant?

    public init(configuration: Configuration, at now: Instant) {
        minimum = Double(max(1, configuration.minimumRate))
        maximum = Double(max(configuration.maximumRate, configuration.minimumRate))
        if let fixed = configuration.fixedRate {
            isFixed = true
            rate = Double(max(1, fixed))
        } else {
            isFixed = false
            rate = min(max(Double(configuration.initialRate), minimum), maximum)
        }
        nextGrowth = now
        changedAt = now
        loss = LossMemory(at: now)
    }

    /// True until the path's rate has been found once: feedback is worth more than its cost then.
    public var isStartingUp: Bool { if case .startup = phase, !isFixed { true } else { false } }

    /// Takes what the group says now.
    public mutating func update(_ signal: RateSignal, _ moment: RateMoment) {
        guard !isFixed else { return }
        loss.note(signal.loss, at: moment.now)
        switch phase {
        case .startup: startUp(signal, moment)
        case .growing: grow(signal, moment)
        case .draining(let drain): self.drain(drain, signal, moment)
        case .competing(let growth): compete(growth, signal, moment)
        }
    }

    private mutating func set(_ newRate: Double, at now: Instant) {
        rate = min(max(newRate, minimum), maximum)
        changedAt = now
    }

    private func mayGrow(_ moment: RateMoment) -> Bool {
        moment.isLimitedByRate && moment.now >= nextGrowth && moment.heardOf >= changedAt && used(moment) >= rate * Self.usedShare
    }

    /// What was sent of late, at the most and at the least, bits per second: less than the rate where the host was late or
    /// had nothing to send.
    private func used(_ moment: RateMoment) -> Double { min(rate, moment.sent?.most ?? rate) }
    private func offered(_ moment: RateMoment) -> Double { min(rate, moment.sent?.least ?? rate) }

    /// Clearly less than `share` of what is sent: the rate has passed what the path carries.
    private func arrivesLess(_ signal: RateSignal, _ moment: RateMoment, than share: Double = RateController.usedShare) -> Bool {
        signal.arrival.map { $0 < offered(moment) * share * (1 - min(signal.loss, LossMemory.congestion)) } ?? false
    }

    /// So much less that start-up has gone too far; without any delay yet, less than before the last doubling.
    private func arrivesTooLittle(_ signal: RateSignal, _ moment: RateMoment) -> Bool {
        arrivesLess(signal, moment, than: signal.pressure > 0 ? Self.usedShare : Self.shareBeforeDoubling)
    }

    // MARK: Phases

    private mutating func startUp(_ signal: RateSignal, _ moment: RateMoment) {
        guard moment.heardOf >= changedAt || signal.pressure >= Pressure.overload else { return }
        if signal.pressure >= Pressure.overload || isLossLasting(signal, moment) { return cut(signal, moment) }
        if signal.isStorageFull {
            phase = .growing
            return waitForMinority(moment)
        }
        guard moment.now >= nextGrowth else { return }
        if signal.pressure >= Pressure.queue || (moment.isLimitedByRate && arrivesTooLittle(signal, moment)) {
            // One late datagram is no queue yet, and what was measured may have been before the last doubling.
            queueSigns += 1
            nextGrowth = moment.now + moment.statusInterval * 2
            if queueSigns > 1 { cut(signal, moment) }
        } else if mayGrow(moment), lossySince == nil, !arrivesLess(signal, moment, than: Self.shareToDouble) {
            // What arrives is known when it was measured from beginning to end at this rate.
            nextGrowth = moment.now + max(moment.round, moment.roundTrip + ArrivalRateMeter.shortestInterval * 2)
            if signal.pressure == 0 {
                queueSigns = 0
                set(rate * 2, at: moment.now)
            } else {
                // The beginning of a queue: one that stays this short is no reason to go on waiting.
                queueSigns += 1
                if queueSigns > 3 { beginGrowth(moment) }
            }
        }
    }

    private mutating func grow(_ signal: RateSignal, _ moment: RateMoment) {
        standing.note(signal.pressure > 0)
        if signal.pressure >= Pressure.queue || isLossLasting(signal, moment) {
            if signal.pressure >= Pressure.queue, signal.pressure < Int(PressureBucket.storageFull), standing.judge(rate) {
                return beginCompeting(rateAtLoss: standing.rate, mayProbe: true, moment)
            }
            return cut(signal, moment)
        }
        if signal.isStorageFull { return waitForMinority(moment) }
        guard mayGrow(moment), !arrivesLess(signal, moment) else { return }
        // As many steps as there was time for: whoever sends less is answered less often, and would fall further behind.
        let due = Int((moment.now - nextGrowth).inSeconds / moment.statusInterval.inSeconds)
        for _ in 0...min(max(0, due), Self.mostSteps - 1) {
            set(rate + min(step, max(rate * Self.largestStep, min(Self.leastStep, rate * 0.25))), at: moment.now)
            // Where a queue begins, steps stay as they are.
            if signal.pressure == 0 { step *= Self.acceleration }
        }
        nextGrowth = moment.now + moment.statusInterval
    }

    private mutating func drain(_ drain: Drain, _ signal: RateSignal, _ moment: RateMoment) {
        let isAnswered = moment.heardOf >= changedAt && moment.now - changedAt >= moment.round
        if let test = drain.test {
            guard isAnswered, moment.now >= drain.until else { return }
            if test.isOwn(signal, at: rate), signal.pressure < Pressure.queue {
                loss.floor = max(loss.floor, signal.loss)
                set(drain.previousRate, at: moment.now)
                return drain.wasFound ? beginGrowth(moment) : goOnStartingUp(moment)
            }
        }
        if isAnswered, signal.pressure < Pressure.queue, !loss.isLossy(signal.loss) {
            let carried = drain.isStorage ? max(drain.carried, min(drain.arrived, drain.previousRate)) : drain.carried
            set(max(rate, carried * Self.resumeShare), at: moment.now)
            return beginGrowth(moment)
        }
        let isStorage = signal.pressure >= Int(PressureBucket.storageFull) && moment.now - changedAt >= Self.storagePatience
        if isAnswered, isStorage || signal.pressure > max(drain.pressure, Pressure.overload - 1) { return drainFaster(drain, signal, moment) }
        guard moment.now >= drain.until else { return }
        let isQueue = signal.pressure >= Pressure.queue
        if isQueue, drain.cuts > 1 || competedAt.map({ moment.now - $0 < Self.competitionMemory }) ?? false {
            return beginCompeting(rateAtLoss: drain.wasFound ? drain.previousRate : drain.carried, mayProbe: !drain.wasFound, moment)
        }
        cut(signal, moment, after: drain)
    }

    /// The queue is longer than it seemed at the cut: once for each bucket of pressure, and on while storage is full.
    private mutating func drainFaster(_ drain: Drain, _ signal: RateSignal, _ moment: RateMoment) {
        var drain = drain
        // Where less is sent than may be, it is not the rate that fills anything: hosts are still busy with what came before.
        guard used(moment) >= rate * Self.usedShare else { return }
        if signal.pressure > Pressure.overload || signal.arrival.map({ $0 < rate * 0.93 }) ?? false {
            drain.cuts -= 1
            return cut(signal, moment, after: drain)
        }
        drain.pressure = signal.pressure
        drain.until = max(drain.until, moment.now + Self.drainingTime(of: signal.pressure))
        phase = .draining(drain)
    }

    private mutating func compete(_ growth: CompetingGrowth, _ signal: RateSignal, _ moment: RateMoment) {
        if signal.pressure == 0 {
            if moment.now - queuedAt >= Self.queueMemory { return beginGrowth(moment) }
        } else {
            queuedAt = moment.now
        }
        competedAt = moment.now
        // Beside others nothing tells whose loss it is: what a cut gains, they take.
        let isStorage = signal.pressure >= Int(PressureBucket.storageFull)
        if moment.now >= nextGrowth, isStorage || loss.isEvent(signal.loss) || isLossOld(signal, moment) {
            let rateAtLoss = rate
            lostAt = moment.now
            set(rate * CompetingGrowth.share, at: moment.now)
            return beginCompeting(rateAtLoss: rateAtLoss, moment)
        }
        if signal.isStorageFull { return waitForMinority(moment) }
        guard !loss.isLossy(signal.loss) else { return }
        guard growth.isProbing else {
            let next = growth.rate(at: moment.now)
            if moment.isLimitedByRate, next > rate { rate = min(max(next, minimum), maximum) }
            return
        }
        guard mayGrow(moment) else { return }
        set(rate * Self.probingFactor, at: moment.now)
        nextGrowth = moment.now + moment.round
    }

    /// Loss that a cut did not end at once is mostly what others do: it is answered less often.
    private func isLossOld(_ signal: RateSignal, _ moment: RateMoment) -> Bool {
        loss.isLossy(signal.loss) && moment.now - changedAt >= Self.lastingLoss
    }

    /// Three of the eighty datagrams between two statuses may be lost by chance where one in a hundred is: without any
    /// queue, the next statuses are waited for. A rate that is too high has much more to show by then.
    private mutating func isLossLasting(_ signal: RateSignal, _ moment: RateMoment) -> Bool {
        guard loss.isLossy(signal.loss) else {
            lossySince = nil
            return false
        }
        let since = lossySince ?? moment.now
        lossySince = since
        return signal.pressure > 0 || signal.loss > max(Self.slightLoss, loss.floor * 2)
            || moment.now - since >= max(moment.statusInterval * 2, Self.shortestLoss)
    }

    // MARK: Changes of phase

    private mutating func goOnStartingUp(_ moment: RateMoment) {
        phase = .startup
        queueSigns = 0
        nextGrowth = moment.now + moment.round
    }

    private mutating func beginGrowth(_ moment: RateMoment) {
        phase = .growing
        step = Self.firstStep(at: rate)
        queueSigns = 0
        lossySince = nil
        nextGrowth = moment.now + moment.round
        standing.begin()
    }

    private mutating func beginCompeting(rateAtLoss: Double, mayProbe: Bool = false, _ moment: RateMoment) {
        // Who has not yet been told by a loss where his share ends looks for it as TCP does in slow start, only more gently.
        let isProbing = mayProbe && (lostAt.map { moment.now - $0 > Self.competitionMemory } ?? true)
        phase = .competing(CompetingGrowth(rateAtLoss: rateAtLoss, roundTrip: moment.roundTrip, isProbing: isProbing, at: moment.now))
        competedAt = moment.now
        queuedAt = moment.now
        loss.beginEpoch()
        if rate < rateAtLoss * CompetingGrowth.share { set(rateAtLoss * CompetingGrowth.share, at: moment.now) }
        // One loss is one event: what was under way, and what it takes to be forgotten.
        nextGrowth = moment.now + moment.round * 2 + timeToTellLoss
    }

    private mutating func cut(_ signal: RateSignal, _ moment: RateMoment, after drain: Drain? = nil) {
        let used = used(moment)
        var carried = signal.loss < LossMemory.congestion ? used * (signal.pressure < Pressure.overload ? 1 : 0.8) : used * 0.5
        // What arrives is what the path carries, if clearly less arrives than is sent.
        if let arrival = signal.arrival.map({ $0 / (1 - loss.floor) }), arrival < offered(moment) * 0.9 {
            carried = max(arrival, used * (drain == nil ? Self.leastCarried : Self.leastCarriedAfterCut))
        }
        carried = min(carried, drain?.carried ?? carried)
        let isForLoss = signal.pressure < Pressure.queue
        let previousRate = rate
        set(min(carried, drain == nil ? rate : rate * Self.secondShare) * Self.share(at: signal.pressure), at: moment.now)
        phase = .draining(
            Drain(
                until: moment.now + moment.round * 2 + (isForLoss ? timeToTellLoss : Self.drainingTime(of: signal.pressure)),
                test: isForLoss ? LossMemory.Test(loss: signal.loss, arrival: signal.arrival, rate: previousRate) : nil,
                previousRate: drain?.previousRate ?? previousRate, carried: carried, wasFound: drain?.wasFound ?? !isStartingUp,
                isStorage: drain?.isStorage ?? false || signal.pressure >= Int(PressureBucket.storageFull),
                arrived: max(drain?.arrived ?? 0, signal.arrival ?? 0),
                pressure: signal.pressure, cuts: (drain?.cuts ?? 0) + 1))
    }

    private static func drainingTime(of pressure: Int) -> Interval {
        Interval.milliseconds(PressureBucket.delayBound(of: pressure)) * (1 / (1 - share(at: pressure)))
    }

    /// Enough packets to tell less loss from as much.
    private var timeToTellLoss: Interval { min(.seconds(300 * 12_000 / rate), .milliseconds(300)) }

    /// A few are overrun while most are calm: they get some time, at no less than two fifths of the rate. It ends by
    /// itself, since they fall behind if that does not help them.
    private mutating func waitForMinority(_ moment: RateMoment) {
        guard moment.now >= nextGrowth else { return }
        if moment.now >= minorityUntil { minorityFloor = rate * Self.minorityShare }
        minorityUntil = moment.now + .seconds(1)
        step = Self.firstStep(at: rate)
        nextGrowth = moment.now + moment.round
        set(max(minorityFloor, rate * 0.8), at: moment.now)
    }

    // MARK: Numbers

    private enum Pressure {
        /// Five milliseconds: what datagrams wait in a host is not in it.
        static let queue = 2
        static let overload = Int(PressureBucket.overload)
    }

    /// Shares of what the path carries: the longer the queue, the faster it must go.
    private static func share(at pressure: Int) -> Double {
        switch pressure {
        case ..<Int(PressureBucket.overload): 0.85
        case 4: 0.75
        default: 0.7
        }
    }

    /// Where growth begins once the queue is gone.
    private static let resumeShare = 0.85
    /// Of the rate, where the first cut was not enough.
    private static let secondShare = 0.85
    private static let minorityShare = 0.4
    private static let usedShare = 0.75
    /// A half, and what measuring it may be wrong by.
    private static let shareBeforeDoubling = 0.45
    /// Of what was sent, for more to be tried. Arrival is told in buckets 9 % apart.
    private static let shareToDouble = 0.8
    /// The least of the rate that arrival is believed in: a doubling goes no further, and a host that slept tells nothing of
    /// the path.
    private static let leastCarried = 0.25
    private static let leastCarriedAfterCut = 0.5
    /// Growth begins with this, bits per second, and each step is 6 % larger than the one before: a tenth of 50 Mb/s
    /// is made good in eight steps, of 1 Gb/s in 44, and the last of them is 1 or 2 %. It depends on nothing but the time
    /// since a cut, which those who share a queue have in common. The largest share keeps low rates from leaping.
    private static let leastStep = 500_000.0
    /// Above 1 Gb/s in proportion to the rest: a transfer is over in a second there.
    private static func firstStep(at rate: Double) -> Double { max(leastStep, (rate - 1e9) * 0.02) }
    private static let acceleration = 1.06
    private static let mostSteps = 3
    private static let largestStep = 0.1
    /// Storage takes longer to show what a cut did.
    private static let storagePatience = Interval.milliseconds(50)
    private static let lastingLoss = Interval.seconds(1)
    private static let slightLoss = 0.06
    private static let shortestLoss = Interval.milliseconds(30)
    private static let competitionMemory = Interval.seconds(10)
    /// Others' queue comes back; one's own is gone for longer after a loss.
    private static let queueMemory = Interval.milliseconds(500)
    private static let probingFactor = 1.25
}
