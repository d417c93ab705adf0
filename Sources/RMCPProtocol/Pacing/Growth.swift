/// Growth: the rate rises by steps that grow themselves, until there is a queue or loss.
struct Growth: Sendable {
    /// Bits per second that the next step adds.
    fileprivate var step = Growth.leastStep
    /// Rate above which nothing is known of the path, bits per second, and steps in a row beyond it without any queue.
    fileprivate let known: Double
    fileprivate var calm: Int
    /// Processors, and no queue that others share, limited the rate.
    fileprivate let isAlone: Bool
    /// Rate that the path carried before a few were waited for, bits per second: growth comes back to it by factors, since it was none of the
    /// path's limits that the rate went down for.
    fileprivate let previousRate: Double

    /// Growth begins with this, bits per second, and each step is 6 % larger than the one before: a tenth of 50 Mb/s is made good in
    /// eight steps, of 1 Gb/s in 44, and the last of them is 1 or 2 %. It depends on nothing but the time since a cut, which those who
    /// share a queue have in common.
    private static let leastStep = 500_000.0
    private static let acceleration = 1.06
    /// Bits per second above which the first step is in proportion, and by which share of the rest: a transfer is over in a second there.
    private static let fastRate = 1e9
    private static let fastShare = 0.1
    /// Largest step as a share of the rate; where that is less than the least step, this may be as large a share: low rates must not leap.
    private static let largestShare = 0.1
    private static let largestShareOfLeast = 0.25
    /// Steps in one update, for the time that has passed: whoever sends less is answered less often, and would fall further behind.
    fileprivate static let mostSteps = 3

    init() {
        known = .infinity
        calm = 0
        isAlone = false
        previousRate = 0
    }

    /// - Parameters:
    ///   - rate: bits per second at which growth begins.
    ///   - isAlone: nobody shares what limited it, and so it grows by factors at once.
    ///   - previousRate: bits per second up to which it grows by factors; 0 where there are none.
    init(at rate: Double, isAlone: Bool = false, comingBackTo previousRate: Double = 0, _ rules: RateRules) {
        self.previousRate = rules.contains(.comingBack) ? previousRate : 0
        step = max(Self.leastStep, rules.contains(.fastSteps) ? (rate - Self.fastRate) * Self.fastShare : 0)
        known = isAlone ? 0 : max(rate, self.previousRate) * Self.knownFactor
        calm = isAlone ? Self.calmSteps : 0
        self.isAlone = isAlone
    }

    /// Far above what was carried nothing queues: the path carries more than it did, and steps would take seconds to find out how much.
    private static let knownFactor = 1.15
    fileprivate static let calmSteps = 6
    /// Factor by which it then grows in a round: a quarter more finds the limit soon, and overruns it by no more than that (BBR's gain as well).
    fileprivate static let exploringFactor = 1.25

    /// Bits per second to add to `rate`.
    fileprivate func increase(at rate: Double) -> Double {
        min(step, max(rate * Self.largestShare, min(Self.leastStep, rate * Self.largestShareOfLeast)))
    }

    fileprivate mutating func accelerate() { step *= Self.acceleration }
}

extension RateController {
    mutating func update(_ growth: Growth, _ signal: RateSignal, _ moment: RateMoment) -> Reason {
        standing.note(signal.pressure > 0)
        if signal.pressure >= Pressure.queue || loss.noteSeen(signal, moment, waitsNot: !rules.contains(.slightLoss)) {
            let isQueue = signal.pressure >= Pressure.queue && signal.pressure < Pressure.storage
            if rules.contains([.competing, .standingQueue]), isQueue, standing.endGrowth(at: rate) {
                return beginCompeting(rateAtLoss: standing.rate, mayProbe: true, moment)
            }
            return cut(signal, moment)
        }
        if signal.isStorageFull, let reason = waitForMinority(moment) { return reason }
        let isLate = growth.isAlone && moment.now >= nextGrowth && isLateWithSmallBatches(moment)
        guard mayGrow(moment) || isLate, !arrivesLess(signal, moment) else { return .unproven }
        var growth = growth
        growth.calm = signal.pressure == 0 && rate > growth.known ? growth.calm + 1 : 0
        if signal.pressure == 0, rate < growth.previousRate {
            set(min(rate * Growth.exploringFactor, growth.previousRate), at: moment.now)
            phase = .growing(growth)
            nextGrowth = moment.now + moment.round
            return .cameBack
        }
        if growth.calm > Growth.calmSteps, rules.contains(.exploring) {
            set(rate * Growth.exploringFactor, at: moment.now)
            phase = .growing(growth)
            nextGrowth = moment.now + moment.round
            return .explored
        }
        let due = Int((moment.now - nextGrowth).inSeconds / moment.statusInterval.inSeconds)
        for _ in 0...min(max(0, due), rules.contains(.severalSteps) ? Growth.mostSteps - 1 : 0) {
            set(rate + growth.increase(at: rate), at: moment.now)
            // Where a queue begins, steps stay as they are.
            if signal.pressure == 0, rules.contains(.acceleration) { growth.accelerate() }
        }
        phase = .growing(growth)
        nextGrowth = moment.now + moment.statusInterval
        return .grown
    }

    /// - Parameter isAlone: see `Growth`.
    mutating func beginGrowth(_ moment: RateMoment, isAlone: Bool = false) {
        phase = .growing(Growth(at: rate, isAlone: isAlone, rules))
        loss.forgetSeen()
        nextGrowth = moment.now + moment.round
        standing.begin()
    }
}
