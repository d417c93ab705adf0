import TestSupport
import Testing

@testable import RMCPProtocol

@Suite struct RateControllerTests {
    func controller(_ change: (inout Configuration) -> Void = { _ in }) -> RateController {
        var configuration = Configuration()
        configuration.rate.minimumRate = 1_000_000
        configuration.rate.initialRate = 100_000_000
        configuration.rate.maximumRate = 10_000_000_000
        change(&configuration)
        // Arrival at the first rate has been measured, and reported.
        return RateController(configuration: configuration, at: .zero - .milliseconds(100))
    }

    func signal(loss: Double = 0, pressure: Int = 0, arrival: Double? = nil, isStorageFull: Bool = false) -> RateSignal {
        RateSignal(loss: loss, pressure: pressure, arrival: arrival, isStorageFull: isStorageFull)
    }

    private func moment(_ milliseconds: Int64, heardOf: Int64? = nil, isLimitedByRate: Bool = true) -> RateMoment {
        RateMoment(
            now: .milliseconds(milliseconds), statusInterval: .milliseconds(10), roundTrip: .milliseconds(90), heardOf: .milliseconds(heardOf ?? milliseconds),
            isLimitedByRate: isLimitedByRate)
    }

    /// Feeds a controller once a round of 100 ms; `path` says how the group fares at a rate.
    func run(_ controller: inout RateController, rounds: Range<Int>, path: (Double) -> RateSignal) -> [Double] {
        rounds.map { index in
            controller.update(path(controller.rate), moment(Int64(index) * 100))
            return controller.rate
        }
    }

    func isNear(_ rates: [Double], _ expected: [Double]) -> Bool {
        rates.count == expected.count && zip(rates, expected).allSatisfy { abs($0 - $1) < $1 * 1e-9 }
    }

    // MARK: Start-up

    @Test func startupDoublesOnceARound() {
        var controller = controller()
        #expect(controller.isStartingUp)
        let rates = run(&controller, rounds: 0..<8) { _ in signal() }
        #expect(rates == [2e8, 4e8, 8e8, 1.6e9, 3.2e9, 6.4e9, 1e10, 1e10])
        // Feedback between rounds does not count twice: what it is about was sent a round trip before.
        var eager = self.controller()
        for millisecond in Int64(90)..<190 { eager.update(signal(), moment(millisecond, heardOf: millisecond - 90)) }
        #expect(eager.rate == 2e8)
        eager.update(signal(), moment(190, heardOf: 100))
        #expect(eager.rate == 4e8)
    }

    @Test func nothingIsProvenWhileTheSenderHasNothingToSend() {
        var controller = controller()
        for index in Int64(0)..<20 { controller.update(signal(), moment(index * 100, isLimitedByRate: false)) }
        #expect(controller.rate == 1e8)
    }

    /// Answers to what was sent at an earlier rate say nothing of this one, however often they come.
    @Test func growsOnlyWhenTheRateHasBeenAnswered() {
        var controller = controller()
        func update(heardOf: Int64, at milliseconds: Int64) -> Double {
            controller.update(signal(), moment(milliseconds, heardOf: heardOf))
            return controller.rate
        }
        #expect(update(heardOf: 0, at: 50) == 2e8)
        for milliseconds in stride(from: Int64(60), to: 2_000, by: 50) { #expect(update(heardOf: 49, at: milliseconds) == 2e8) }
        // Four milliseconds of it are what arrival is measured by, and six are left for others to say so.
        #expect(update(heardOf: 59, at: 1_999) == 2e8)
        #expect(update(heardOf: 60, at: 2_000) == 4e8)
        #expect(update(heardOf: 2_009, at: 2_200) == 4e8)
        #expect(update(heardOf: 2_010, at: 2_300) == 8e8)
    }

    /// What it sends in vain until an answer comes stays within a megabyte: the less is sent and the sooner it is answered, the more the
    /// rate may grow at once.
    @Test(
        arguments: [
            (40_000_000, 20, 4), (160_000_000, 20, 3.5), (400_000_000, 20, 2), (40_000_000, 100, 3), (4_000_000_000, 20, 2),
        ] as [(UInt64, Int64, Double)])
    func startupGrowsByUpToFourWhileThatCostsLittle(initial: UInt64, milliseconds: Int64, factor: Double) {
        var controller = controller { $0.rate.initialRate = initial }
        controller.begin(at: .zero)
        controller.update(signal(arrival: Double(initial)), moment(milliseconds))
        #expect(isNear([controller.rate / Double(initial)], [factor]))
    }

    /// Nothing has been sent at the first rate when the stream begins. At a low one it takes longer until enough datagrams have come to tell
    /// anything, and a slow link's queue must be told of.
    @Test(arguments: [(100_000_000, 10), (40_000_000, 15)] as [(UInt64, Int64)])
    func theFirstRateIsProvenFirst(initial: UInt64, milliseconds: Int64) {
        var controller = controller { $0.rate.initialRate = initial }
        controller.begin(at: .zero)
        for earlier in 0..<milliseconds { controller.update(signal(), moment(earlier)) }
        #expect(controller.rate == Double(initial))
        controller.update(signal(), moment(milliseconds))
        #expect(controller.rate > Double(initial))
    }

    /// Reports that come seldom are not all waited for: where they are 30 ms apart, many have answered by then.
    @Test func othersAreWaitedForAWhile() {
        func steps(statusInterval: Interval) -> Int64? {
            var controller = controller()
            controller.begin(at: .zero)
            for milliseconds in Int64(0)..<40 {
                let now = Instant.milliseconds(milliseconds)
                controller.update(signal(), RateMoment(now: now, statusInterval: statusInterval, roundTrip: .zero, heardOf: now, isLimitedByRate: true))
                if controller.rate > 1e8 { return milliseconds }
            }
            return nil
        }
        #expect(steps(statusInterval: .milliseconds(1)) == 5)
        #expect(steps(statusInterval: .milliseconds(4)) == 8)
        #expect(steps(statusInterval: .milliseconds(32)) == 10)
    }

    /// Arrival that is measured from before the last step on says nothing of a queue.
    @Test func whatIsOfTheRateBeforeEndsNoStartup() {
        var controller = controller()
        controller.begin(at: .zero)
        controller.update(signal(pressure: 1, arrival: 0.5e8), moment(23))
        #expect(controller.rate == 1e8 && controller.isStartingUp)
        controller.update(signal(pressure: 1, arrival: 0.5e8), moment(24))
        #expect(controller.rate < 1e8 && !controller.isStartingUp)
    }

    /// Rounds in which so much is sent, and arrives unless another rate of arrival is given.
    private func update(_ controller: inout RateController, rounds: Range<Int>, sent: Double, arrival: Double? = nil, loss: Double = 0, pressure: Int = 0) {
        for round in rounds {
            let now = Instant.milliseconds(Int64(round) * 100)
            controller.update(
                signal(loss: loss, pressure: pressure, arrival: arrival ?? sent),
                RateMoment(
                    now: now, statusInterval: .milliseconds(10), roundTrip: .milliseconds(90), heardOf: now, isLimitedByRate: true,
                    sent: SendRateMeter.Spans(least: sent, most: sent)))
        }
    }

    /// Content that did not arrive because it was not sent says nothing of the path, nor does a rate that is not used prove anything.
    @Test func aSenderThatIsLateEndsNothing() {
        var controller = controller { $0.rate.initialRate = 4_000_000_000 }
        update(&controller, rounds: 0..<10, sent: 1.2e9)
        #expect(controller.rate == 4e9 && controller.isStartingUp)
        update(&controller, rounds: 10..<11, sent: 4e9)
        #expect(controller.rate == 8e9)
    }

    /// A host that is busy with waking others for a few packets at a time would stay at its first rate for ever.
    @Test func aSenderThatIsLateWithSmallBatchesGrows() {
        var controller = controller()
        update(&controller, rounds: 0..<1, sent: 1.5e7)
        #expect(controller.rate == 2e8 && controller.isStartingUp)
        // A sender that hardly sends is not busy with small batches.
        update(&controller, rounds: 1..<5, sent: 1.5e7)
        #expect(controller.rate == 2e8)
        // Batches from four gigabits per second on are large enough.
        for round in 5..<20 { update(&controller, rounds: round..<round + 1, sent: controller.rate * 0.2) }
        #expect(controller.rate == 6.4e9)
    }

    /// Little that arrives at a rate that is not used is no reason for a cut.
    @Test func aSenderThatIsLateIsNotCutForWhatArrives() {
        var controller = controller { $0.rate.initialRate = 4_000_000_000 }
        update(&controller, rounds: 0..<5, sent: 6e8, arrival: 2e8)
        #expect(controller.rate == 4e9 && controller.isStartingUp)
    }

    /// Batches that a late sender's switch had no room for say nothing of the rate, which was not sent: growth is no slower than after a queue.
    @Test func aSenderThatIsLateGrowsAgainAfterALoss() {
        var controller = controller { $0.rate.initialRate = 4_000_000_000 }
        update(&controller, rounds: 0..<1, sent: 1e9, loss: 0.1)
        #expect(controller.rate < 1e9)
        update(&controller, rounds: 5..<6, sent: 1e9)
        let drained = controller.rate
        for round in 6..<9 { update(&controller, rounds: round..<round + 1, sent: controller.rate) }
        #expect(controller.rate > drained * 1.9, "\(drained), \(controller.rate)")
    }

    /// A sender that is late and was overrun comes back to batches that are large enough, whatever it uses meanwhile.
    @Test func aSenderThatIsLateGrowsAgainAfterACut() {
        var controller = controller { $0.rate.initialRate = 4_000_000_000 }
        update(&controller, rounds: 0..<1, sent: 5e8, pressure: 2)
        #expect(controller.rate < 1e9)
        update(&controller, rounds: 1..<12, sent: 5e8)
        #expect(controller.rate > 2e9, "\(controller.rate)")
    }

    /// Cuts that followed the first are not what full storage takes.
    @Test func storageThatWasFullIsFilledAgainAsFastAsItTook() {
        var controller = controller { $0.rate.initialRate = 4_000_000_000 }
        let storage = run(&controller, rounds: 0..<6) { signal(pressure: 7, arrival: min($0, 2e9), isStorageFull: true) }
        #expect((storage.last ?? 0) < 1.5e9, "\(storage)")
        let after = run(&controller, rounds: 6..<8) { signal(arrival: $0) }
        #expect((after.last ?? 0) > 1.7e9, "\(after)")
    }

    /// Somebody's short queue that just stays is no reason to double no more and to do nothing else.
    @Test func theBeginningOfAQueueDoesNotHoldStartupForEver() {
        var controller = controller()
        let rates = run(&controller, rounds: 0..<8) { _ in signal(pressure: 1) }
        #expect(rates[3] == 1e8 && (rates.last ?? 0) > 1e8, "\(rates)")
        #expect(!controller.isStartingUp)
    }

    // MARK: Cuts and growth

    /// The rate goes to 85 % of what arrives while a queue stands, and on from nearly all of it when the queue is gone.
    @Test(
        arguments: [
            (0.89e8, 2, 0.89, 0.85), (0.5e8, 2, 0.5, 0.85), (0.1e8, 2, 0.2, 0.85), (0.95e8, 2, 0.95, 0.85), (nil, 3, 1, 0.85), (nil, 4, 0.8, 0.75),
            (0.5e8, 4, 0.5, 0.75), (nil, 6, 0.8, 0.7),
        ] as [(Double?, Int, Double, Double)])
    func theCutIsToWhatArrives(arrival: Double?, pressure: Int, carried: Double, share: Double) {
        var controller = grown()
        let start = controller.rate
        let cut = run(&controller, rounds: 100..<101) { _ in signal(pressure: pressure, arrival: arrival.map { $0 / 1e8 * start }) }
        #expect(isNear(cut, [start * carried * share]), "\(cut) from \(start)")
        // What was under way says nothing yet.
        controller.update(signal(), moment(10_050, heardOf: 9_990))
        #expect(isNear([controller.rate], cut))
        let resumed = run(&controller, rounds: 102..<103) { _ in signal() }
        #expect(isNear(resumed, [start * carried * 0.97]), "\(resumed)")
    }

    /// The rest of a queue keeps the path busy, and would be the beginning of the next one. One that stays this short is somebody
    /// else's, and not waited for.
    @Test func growthBeginsWhenTheQueueIsGone() {
        var controller = grown()
        let start = controller.rate
        _ = run(&controller, rounds: 100..<101) { signal(pressure: 2, arrival: $0) }
        #expect(isNear(run(&controller, rounds: 101..<103) { _ in signal(pressure: 1, arrival: start) }, [start * 0.85, start * 0.85]))
        #expect(isNear(run(&controller, rounds: 103..<104) { _ in signal(pressure: 1, arrival: start) }, [start * 0.97]))
    }

    /// What a queue lost is told for as long as it takes to tell less: the queue is gone before, and needs no other cut.
    @Test func theLossOfAQueueIsNoReasonForAnotherCut() {
        var controller = controller { $0.rate.initialRate = 20_000_000 }
        _ = run(&controller, rounds: 0..<1) { signal(loss: 0.1, pressure: 2, arrival: $0) }
        let cut = controller.rate
        #expect(cut < 2e7)
        // 67 ms for the queue, 200 ms for two rounds, 257 ms for 300 packets.
        #expect(run(&controller, rounds: 1..<5) { signal(loss: 0.05, arrival: $0) }.allSatisfy { $0 == cut })
        #expect(run(&controller, rounds: 5..<6) { signal(arrival: $0) }[0] > cut)
        var lossy = self.controller { $0.rate.initialRate = 20_000_000 }
        _ = run(&lossy, rounds: 0..<1) { signal(loss: 0.1, pressure: 2, arrival: $0) }
        #expect(run(&lossy, rounds: 1..<7) { signal(loss: 0.05, arrival: $0) }.contains { $0 < cut }, "loss that stays is one")
    }

    /// Steps would take too long where nothing queues far above what was carried.
    @Test func whatThePathCarriesMoreThanBeforeIsFoundByFactors() {
        var controller = grown()
        _ = run(&controller, rounds: 100..<101) { signal(pressure: 4, arrival: $0 * 0.5) }
        var reasons: [RateController.Reason] = []
        var round = 102
        while reasons.last != .explored, round < 200 {
            reasons.append(controller.update(signal(arrival: controller.rate), moment(Int64(round) * 100)).reason)
            round += 1
        }
        #expect(reasons.last == .explored && reasons.count { $0 == .grown } > 8, "\(reasons)")
        let explored = controller.rate
        #expect(isNear(run(&controller, rounds: round..<round + 1) { signal(arrival: $0) }, [explored * 1.25]))
        #expect(run(&controller, rounds: round + 1..<round + 2) { signal(pressure: 1, arrival: $0) }[0] < explored * 1.4, "a queue begins: steps again")
    }

    /// A controller that has found 100 Mb/s and some.
    func grown() -> RateController {
        var controller = controller()
        _ = run(&controller, rounds: 0..<2) { _ in signal(pressure: 2) }
        _ = run(&controller, rounds: 2..<6) { _ in signal() }
        return controller
    }

    /// Steps depend on the time since the cut and not on the rate, so that those who share a queue come to share it evenly.
    @Test func growthIsTheSameAtAnyRate() {
        func steps(initialRate: UInt64) -> [Double] {
            var controller = controller { $0.rate.initialRate = initialRate }
            _ = run(&controller, rounds: 0..<2) { _ in signal(pressure: 2) }
            let rates = run(&controller, rounds: 2..<12) { _ in signal() }
            return zip(rates.dropFirst(), rates).map { $0 - $1 }
        }
        let small = steps(initialRate: 50_000_000)
        let large = steps(initialRate: 900_000_000)
        #expect(zip(small, large).allSatisfy { abs($0 - $1) < 1 }, "\(small), \(large)")
        #expect(abs(small[0] - 5e5) < 1 && small[8] > small[0] * 2)
    }

    @Test func stepsDoNotGrowWhereAQueueBegins() {
        var controller = grown()
        let rates = run(&controller, rounds: 100..<104) { _ in signal(pressure: 1) }
        #expect(abs(rates[3] - rates[2] - (rates[1] - rates[0])) < 1)
    }

    /// Two with the same queue: what one is ahead melts away.
    @Test func twoThatShareAQueueComeToShareItEvenly() {
        var first = controller { $0.rate.initialRate = 800_000_000 }
        var second = controller { $0.rate.initialRate = 40_000_000 }
        var queued = 0.0
        for tick in Int64(0)..<2_000 {
            let now = tick * 10
            let pressure = Int(PressureBucket.index(queueingDelay: .seconds(queued)))
            // A queue lets each have its share of what the path carries.
            let carried = queued > 0 ? min(1, 1e9 / (first.rate + second.rate)) : 1
            let arrivals = (first.rate * carried, second.rate * carried)
            first.update(signal(pressure: pressure, arrival: arrivals.0), moment(now))
            second.update(signal(pressure: pressure, arrival: arrivals.1), moment(now))
            queued = max(0, queued + ((first.rate + second.rate) / 1e9 - 1) * 0.01)
        }
        #expect(max(first.rate, second.rate) < 1.3 * min(first.rate, second.rate), "\(first.rate), \(second.rate)")
        #expect(first.rate + second.rate > 8e8)
    }

    // MARK: Loss

    private func bucketed(_ loss: Double) -> Double { LossBucket.fraction(of: Int(LossBucket.index(of: loss))) }

    @Test func lossAboveTheFloorCuts() {
        var tolerated = controller()
        #expect(run(&tolerated, rounds: 0..<1) { _ in signal(loss: 0.02) } == [2e8])
        var cut = controller()
        #expect(isNear(run(&cut, rounds: 0..<1) { _ in signal(loss: 0.07) }, [8.5e7]))
        // A little more than there should be is waited for: it may be chance.
        var slight = controller()
        #expect(isNear(run(&slight, rounds: 0..<2) { _ in signal(loss: 0.035) }, [1e8, 8.5e7]))
        var chance = controller()
        chance.update(signal(loss: 0.035), moment(0))
        chance.update(signal(), moment(20))
        chance.update(signal(loss: 0.035), moment(40))
        #expect(chance.rate >= 1e8)
    }

    /// A bottleneck that drops what is above its capacity: the rate settles around it, from below and from above.
    @Test(arguments: [1e8, 3e8, 1e9]) func findsTheCapacity(capacity: Double) {
        for initial: UInt64 in [10_000_000, UInt64(capacity * 1.8)] {
            var controller = controller { $0.rate.initialRate = initial }
            let rates = run(&controller, rounds: 0..<400) { rate in
                signal(loss: bucketed(max(0, 1 - capacity / rate)), arrival: min(rate, capacity))
            }
            let settled = rates.suffix(200)
            let mean = settled.reduce(0, +) / 200
            #expect((0.85...1.05).contains(mean / capacity), "mean \(mean)")
            #expect(settled.allSatisfy { $0 > capacity * 0.6 && $0 < capacity * 1.15 }, "\(settled.min() ?? 0), \(settled.max() ?? 0)")
        }
    }

    /// Loss that is the same at any rate is the path's own: a cut that does not bring it down is undone, and the rate
    /// goes on growing.
    @Test(arguments: [0.035, 0.06, 0.1, 0.17, 0.28, 0.45]) func constantLossDoesNotDriveTheRateDown(loss: Double) {
        var controller = controller()
        let rates = run(&controller, rounds: 0..<200) { signal(loss: loss, arrival: $0 * (1 - loss)) }
        #expect(rates.prefix(2).contains { $0 < 1e8 }, "not taken for overload at first")
        #expect(rates.suffix(150).allSatisfy { $0 >= 1e8 })
        #expect((rates.last ?? 0) > 1e9)
    }

    /// As much arrives as before the cut: the loss is not the path's own, the rate is still too high.
    @Test func lossThatStaysAboveTheCapacityIsNotForgiven() {
        var controller = controller { $0.rate.initialRate = 1_000_000_000 }
        let rates = run(&controller, rounds: 0..<30) { signal(loss: bucketed(max(0, 1 - 1e8 / $0)), arrival: min($0, 1e8)) }
        #expect(rates.allSatisfy { $0 < 1e9 } && (rates.last ?? 0) < 1.3e8, "\(rates)")
    }

    /// No path loses that much by itself: it is never forgiven.
    @Test(arguments: [0.5, 0.7, 1]) func lossOfHalfAndMoreIsAlwaysTheRate(loss: Double) {
        var controller = controller()
        #expect(run(&controller, rounds: 0..<100) { signal(loss: loss, arrival: $0 * (1 - loss)) }.last == 1_000_000)
    }

    /// The same with reports that waver between neighbouring buckets.
    @Test(arguments: [61, 62, 63] as [UInt64]) func waveringLossDoesNotDriveTheRateDown(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var controller = controller()
        let rates = run(&controller, rounds: 0..<1_000) { signal(loss: random.chance(0.5) ? 0.06 : 0.1, arrival: $0 * 0.92) }
        #expect(rates.suffix(500).reduce(0, +) / 500 > 1e8)
        #expect((rates.suffix(500).min() ?? 0) > 2e7)
    }

    /// A path that has become better is held to that: loss that was its own is overload again ten seconds later.
    @Test func theFloorIsForgotten() {
        for (calm, isCut) in [(1, false), (120, true)] {
            var controller = controller()
            _ = run(&controller, rounds: 0..<20) { _ in signal(loss: 0.1) }
            let before = run(&controller, rounds: 20..<20 + calm) { _ in signal() }.last ?? 0
            let after = run(&controller, rounds: 20 + calm..<21 + calm) { _ in signal(loss: 0.1) }.last ?? 0
            #expect((after < before) == isCut, "after \(calm) rounds: \(before), \(after)")
        }
    }

    // MARK: Minorities

    /// One that is about to be overrun slows the others down by a fifth a round, to two fifths and no further; when it
    /// is over, by recovery or by falling behind, the rate grows back.
    @Test func aMinorityGetsSomeTime() {
        var controller = controller()
        let waiting = run(&controller, rounds: 0..<4) { _ in signal(isStorageFull: true) }
        #expect(isNear(waiting, [8e7, 6.4e7, 5.12e7, 4.096e7]), "\(waiting)")
        let over = run(&controller, rounds: 4..<6) { _ in signal() }
        #expect(over[0] > 4.096e7 && over[1] > over[0], "\(over)")
    }

    /// The path carried what was sent before a few were waited for: it is no limit that has to be found again in steps.
    @Test func whatAFewWereWaitedWithComesBackByFactors() {
        var controller = grown()
        let before = controller.rate
        _ = run(&controller, rounds: 100..<104) { _ in signal(isStorageFull: true) }
        #expect(isNear([controller.rate], [before * 0.4096]))
        let back = run(&controller, rounds: 104..<108) { signal(arrival: $0) }
        #expect(isNear(back, [before * 0.512, before * 0.64, before * 0.8, before]), "\(back), \(before)")
        let above = run(&controller, rounds: 108..<109) { signal(arrival: $0) }[0]
        #expect(above > before && above < before * 1.1, "steps again")
    }

    /// Who is still overrun after half a second, or says so, holds nobody up for the next ten, and then for twenty.
    @Test func aMinorityGetsNoMoreThanThat() {
        var controller = controller()
        var slowed: [Int] = []
        var last = controller.rate
        for round in 0..<400 {
            let rate = run(&controller, rounds: round..<round + 1) { _ in signal(isStorageFull: true) }[0]
            if rate < last { slowed.append(round) }
            last = rate
        }
        // A round is a tenth of a second.
        #expect(slowed == [0, 1, 2, 3, 4] + [105, 106, 107, 108, 109] + [310, 311, 312, 313, 314], "\(slowed)")
    }

    @Test func aMinorityDoesNotHideOverload() {
        var controller = controller()
        #expect(isNear(run(&controller, rounds: 0..<1) { _ in signal(pressure: 4, isStorageFull: true) }, [5.6e7]))
    }

    // MARK: Cuts

    /// A host that is overrun takes less than it did a moment ago.
    @Test func aCutGoesNoLowerThanWhatWasCarriedWithoutAQueue() {
        var controller = controller()
        _ = run(&controller, rounds: 0..<4) { signal(arrival: $0) }
        controller.update(signal(pressure: 4, arrival: 2e8), moment(500))
        #expect(abs(controller.rate - 0.8e9 * 0.9 * 0.7) < 1, "\(controller.rate)")
    }

    // MARK: Decisions

    @Test func anUpdateSaysWhatItDidAndWhy() {
        var controller = controller()
        let doubled = controller.update(signal(), moment(0))
        #expect(doubled == RateController.Decision(before: 1e8, after: 2e8, reason: .doubled) && doubled.isChange)
        #expect("\(doubled)".hasPrefix("rate 100.0 -> 200.0 Mb/s: "))
        let early = controller.update(signal(), moment(50, heardOf: 5))
        #expect(early == RateController.Decision(before: 2e8, after: 2e8, reason: .tooSoon) && !early.isChange)
        #expect("\(early)".hasPrefix("rate 200.0 Mb/s: "))
        #expect(controller.update(signal(pressure: 4), moment(200)).reason == .overload)
        #expect(controller.update(signal(), moment(210, heardOf: 190)).reason == .draining)
        #expect(controller.update(signal(), moment(400)).reason == .drained)
        #expect(controller.update(signal(), moment(600)).reason == .grown)
        #expect(controller.update(signal(isStorageFull: true), moment(800)).reason == .minority)
        #expect(controller.update(signal(pressure: 2), moment(1_000)).reason == .queue)
        #expect(controller.update(signal(pressure: 7), moment(1_500)).reason == .storage)
    }

    @Test func aCutForLossThatTheCutDoesNotEndIsUndoneAndSaysSo() {
        var controller = controller()
        #expect(controller.update(signal(loss: 0.1, arrival: 0.9e8), moment(0)).reason == .lossRises)
        #expect(controller.update(signal(loss: 0.1, arrival: 0.7e8), moment(50)).reason == .unanswered)
        let undone = controller.update(signal(loss: 0.1, arrival: 0.75e8), moment(1_000))
        #expect(undone.reason == .ownLoss && undone.after == 1e8)
    }

    @Test func besideOthersDecisionsSayThatItIsTheirQueue() {
        var controller = grown()
        let reasons = (100..<140).map { round in
            controller.update(signal(pressure: 4, arrival: controller.rate), moment(Int64(round) * 100)).reason
        }
        #expect(reasons.first == .overload && reasons.contains(.rivalsFound) && reasons.last == .rivalsGrow, "\(reasons)")
        #expect(controller.update(signal(loss: 0.02, pressure: 4, arrival: controller.rate), moment(14_000)).reason == .rivalsLoss)
        _ = run(&controller, rounds: 141..<147) { signal(arrival: $0) }
        #expect(!controller.isStartingUp)
    }

    // MARK: Bounds

    @Test func aFixedRateStaysWhateverTheGroupSays() {
        var controller = controller { $0.rate.fixedRate = 12_345_678 }
        #expect(!controller.isStartingUp)
        #expect(run(&controller, rounds: 0..<20) { _ in signal() } == Array(repeating: 12_345_678, count: 20))
        let pressed = run(&controller, rounds: 20..<40) { _ in signal(loss: 1, pressure: 7, arrival: 1, isStorageFull: true) }
        #expect(pressed == Array(repeating: 12_345_678, count: 20))
        #expect(controller.update(signal(), moment(9_000)).reason == .fixed)
    }

    @Test func theInitialRateIsWithinTheBounds() {
        #expect(controller { $0.rate.initialRate = 1 }.rate == 1_000_000)
        #expect(controller { $0.rate.initialRate = .max }.rate == 1e10)
    }
}
