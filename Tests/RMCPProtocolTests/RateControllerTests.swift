import Testing

@testable import RMCPProtocol

@Suite struct RateControllerTests {
    private let round = Interval.milliseconds(100)

    private func controller(_ change: (inout Configuration) -> Void = { _ in }) -> RateController {
        var configuration = Configuration()
        configuration.minimumRate = 1_000_000
        configuration.initialRate = 100_000_000
        configuration.maximumRate = 10_000_000_000
        configuration.rateDecrease = 0.7
        change(&configuration)
        return RateController(configuration: configuration, at: .zero)
    }

    private func signal(loss: Double = 0, pressure: Int = 0, arrival: Double? = nil, isStorageFull: Bool = false) -> RateSignal {
        RateSignal(loss: loss, pressure: pressure, arrival: arrival, isStorageFull: isStorageFull)
    }

    /// Feeds a controller once a round; `path` says how the group fares at a rate.
    private func run(_ controller: inout RateController, rounds: Range<Int>, path: (Double) -> RateSignal) -> [Double] {
        rounds.map { index in
            let now = Instant.milliseconds(Int64(index) * 100)
            controller.update(path(controller.rate), round: round, heardOf: now, isLimitedByRate: true, at: now)
            return controller.rate
        }
    }

    private func isNear(_ rates: [Double], _ expected: [Double]) -> Bool {
        rates.count == expected.count && zip(rates, expected).allSatisfy { abs($0 - $1) < $1 * 1e-9 }
    }

    // MARK: Growth

    @Test func startupDoublesOnceARound() {
        var controller = controller()
        let rates = run(&controller, rounds: 0..<8) { _ in signal() }
        #expect(rates == [2e8, 4e8, 8e8, 1.6e9, 3.2e9, 6.4e9, 1e10, 1e10])
        // Feedback between rounds does not count twice.
        var eager = self.controller()
        for millisecond in Int64(0)..<100 {
            let now = Instant.milliseconds(millisecond)
            eager.update(signal(), round: round, heardOf: now, isLimitedByRate: true, at: now)
        }
        #expect(eager.rate == 2e8)
    }

    @Test func nothingIsProvenWhileTheSenderHasNothingToSend() {
        var controller = controller()
        for index in Int64(0)..<20 {
            let now = Instant.milliseconds(index * 100)
            controller.update(signal(), round: round, heardOf: now, isLimitedByRate: false, at: now)
        }
        #expect(controller.rate == 1e8)
    }

    /// Answers to what was sent at an earlier rate say nothing of this one, however often they come.
    @Test func growsOnlyWhenTheRateHasBeenAnswered() {
        var controller = controller()
        func update(heardOf: Int64, at milliseconds: Int64) -> Double {
            controller.update(
                signal(), round: round, heardOf: .milliseconds(heardOf), isLimitedByRate: true, at: .milliseconds(milliseconds))
            return controller.rate
        }
        #expect(update(heardOf: 0, at: 50) == 2e8)
        for milliseconds in stride(from: Int64(60), to: 2_000, by: 50) { #expect(update(heardOf: 49, at: milliseconds) == 2e8) }
        #expect(update(heardOf: 50, at: 2_000) == 4e8)
        #expect(update(heardOf: 1_999, at: 2_200) == 4e8)
        #expect(update(heardOf: 2_000, at: 2_300) == 8e8)
    }

    /// The first queue ends startup where it stands: by a fiftieth a round until a twentieth above, then in steps that
    /// grow by a fifth up to 8 %.
    @Test func growsCarefullyAfterTheFirstQueue() {
        var controller = controller()
        #expect(run(&controller, rounds: 0..<1) { _ in signal(pressure: 2) } == [1e8])
        let steps = [1.02, 1.02, 1.02, 1.024, 1.0288, 1.03456, 1.041472, 1.0497664, 1.05971968, 1.071663616, 1.08, 1.08]
        var expected: [Double] = []
        for step in steps { expected.append((expected.last ?? 1e8) * step) }
        let rates = run(&controller, rounds: 1..<13) { _ in signal() }
        #expect(isNear(rates, expected), "\(rates)")
    }

    @Test func aQueueInSteadyStateDoesNotStopGrowthBeforeItMust() {
        var controller = controller()
        _ = run(&controller, rounds: 0..<1) { _ in signal(pressure: 2) }
        #expect(isNear(run(&controller, rounds: 1..<2) { _ in signal(pressure: 2) }, [1.02e8]))
        #expect(isNear(run(&controller, rounds: 2..<5) { _ in signal(pressure: 3) }, [1.02e8, 1.02e8, 1.02e8]))
    }

    // MARK: Cuts

    @Test func pressureHoldsThenCuts() {
        var held = controller()
        #expect(run(&held, rounds: 0..<5) { _ in signal(pressure: 3) } == Array(repeating: 1e8, count: 5))
        var cut = controller()
        let rates = run(&cut, rounds: 0..<5) { _ in signal(pressure: 4) }
        // To three fifths of 70 %, and not again before the queue of at most 50 ms has drained twice over and feedback
        // of that is in: 200 ms.
        #expect(isNear(rates, [4.2e7, 4.2e7, 1.764e7, 1.764e7, 7.4088e6]), "\(rates)")
        let floor = run(&cut, rounds: 5..<200) { _ in signal(pressure: 7) }
        #expect(floor.last == 1_000_000)
    }

    /// A longer queue takes longer to drain: a round and twice its 100 ms.
    @Test func theQueueIsDrainedBeforeTheRateResumes() {
        for (pressure, rounds) in [(4, 2), (5, 3), (6, 3)] {
            var controller = controller()
            _ = run(&controller, rounds: 0..<1) { _ in signal(pressure: pressure, arrival: 5e7) }
            // Three fifths of what arrived, then just below it.
            let rates = run(&controller, rounds: 1..<rounds + 1) { _ in signal() }
            #expect(isNear(rates, Array(repeating: 3e7, count: rounds - 1) + [4.6e7]), "\(pressure): \(rates)")
        }
    }

    /// What arrives is what the path carries, if it is clearly less than is sent and not absurdly little.
    @Test(
        arguments: [
            (0.89e8, 0, 0.89), (0.5e8, 0, 0.5), (0.11e8, 0, 0.11), (0.09e8, 0, 0.1), (0, 0, 0.1), (0.91e8, 0, 0.7), (5e9, 0, 0.7),
            (nil, 0, 0.7), (nil, 0.6, 0.4), (0.91e8, 0.6, 0.4), (0.3e8, 0.6, 0.3),
        ] as [(Double?, Double, Double)])
    func theCutIsToWhatArrives(arrival: Double?, loss: Double, carried: Double) {
        var controller = controller()
        let cut = run(&controller, rounds: 0..<1) { _ in signal(loss: loss, pressure: 4, arrival: arrival) }
        #expect(isNear(cut, [carried * 1e8 * 0.6]), "\(cut)")
        let resumed = run(&controller, rounds: 2..<3) { _ in signal() }
        #expect(isNear(resumed, [carried * 1e8 * 0.92]), "\(resumed)")
    }

    @Test func lossAboveTheFloorCuts() {
        var tolerated = controller()
        #expect(run(&tolerated, rounds: 0..<1) { _ in signal(loss: 0.02) } == [2e8])
        var cut = controller()
        #expect(isNear(run(&cut, rounds: 0..<1) { _ in signal(loss: 0.035) }, [4.2e7]))
    }

    /// After a cut that helped, growth is by a fiftieth up to where it hurt and a twentieth more.
    @Test func growsCarefullyNearTheCeiling() {
        var controller = controller()
        _ = run(&controller, rounds: 0..<1) { _ in signal(loss: 0.1, arrival: 8e7) }
        let rates = run(&controller, rounds: 1..<12) { _ in signal() }
        // Round 1 drains; in round 2 the rate is 92 % of the 80 Mb/s that arrived, from where 84 Mb/s are seven steps.
        var expected = [4.8e7, 7.36e7]
        for step in Array(repeating: 1.02, count: 7) + [1.024, 1.0288] { expected.append((expected.last ?? 0) * step) }
        #expect(isNear(rates, expected), "\(rates)")
    }

    // MARK: Paths

    private func bucketed(_ loss: Double) -> Double { LossBucket.fraction(of: Int(LossBucket.index(of: loss))) }

    /// A bottleneck that drops what is above its capacity: the rate settles around it, from below and from above.
    @Test(arguments: [1e8, 3e8, 1e9]) func findsTheCapacity(capacity: Double) {
        for initial: UInt64 in [10_000_000, UInt64(capacity * 1.8)] {
            var controller = controller { $0.initialRate = initial }
            let rates = run(&controller, rounds: 0..<400) { rate in
                signal(loss: bucketed(max(0, 1 - capacity / rate)), arrival: min(rate, capacity))
            }
            let settled = rates.suffix(200)
            let mean = settled.reduce(0, +) / 200
            #expect((0.75...1.05).contains(mean / capacity), "mean \(mean)")
            #expect(settled.allSatisfy { $0 > capacity * 0.4 && $0 < capacity * 1.15 }, "\(settled.min() ?? 0), \(settled.max() ?? 0)")
        }
    }

    /// The same where queues grow before anything is lost.
    @Test func pressureFindsTheCapacityToo() {
        var controller = controller()
        let rates = run(&controller, rounds: 0..<400) { rate in
            rate > 5e8 ? signal(pressure: 5, arrival: 5e8) : signal(arrival: rate)
        }.suffix(200)
        #expect(rates.allSatisfy { $0 > 5e8 * 0.4 && $0 < 5e8 * 1.1 }, "\(rates.min() ?? 0), \(rates.max() ?? 0)")
        let mean = rates.reduce(0, +) / 200
        #expect((0.7...1.05).contains(mean / 5e8), "mean \(mean)")
    }

    /// Started far above what the path carries, with loss told as coarsely as it is and what arrives: within three
    /// seconds the rate is that of the path, and stays there. Feedback is one round old.
    @Test(arguments: [2.5, 4, 10], [12, 30, 100] as [Int64]) func comesDownFromFarAbove(excess: Double, roundMilliseconds: Int64) {
        for capacity in [2e7, 1e8, 9e8] {
            var controller = controller { $0.initialRate = UInt64(capacity * excess) }
            var sent: [Double] = []
            for tick in Int64(0)..<800 {
                let now = Instant.milliseconds(tick * 10)
                let age = Int(roundMilliseconds / 10)
                let rate = sent.count > age ? sent[sent.count - 1 - age] : nil
                let report =
                    rate.map { signal(loss: bucketed(max(0, 1 - capacity / $0)), arrival: min($0, capacity)) } ?? signal()
                // Nobody has answered yet: the rate must not grow for want of bad news.
                let heardOf = rate == nil ? .milliseconds(-1) : Instant.milliseconds(tick * 10 - Int64(age) * 10)
                controller.update(report, round: .milliseconds(roundMilliseconds), heardOf: heardOf, isLimitedByRate: true, at: now)
                sent.append(controller.rate)
            }
            #expect(sent.prefix(20).allSatisfy { $0 <= capacity * excess })
            for second in 3..<8 {
                let rates = sent[second * 100..<second * 100 + 100]
                let mean = rates.reduce(0, +) / 100 / capacity
                #expect((0.5...1.2).contains(mean), "\(capacity) in second \(second): \(mean)")
                // While a queue drains the rate is three fifths of what the path carries, or of 70 % of the rate.
                let (low, high) = ((rates.min() ?? 0) / capacity, (rates.max() ?? 0) / capacity)
                #expect(low > 0.4 && high < 1.2, "\(capacity) in second \(second): \(low) to \(high)")
            }
            #expect((0.5...1.2).contains(sent[300] / capacity), "\(sent[300] / capacity) of \(capacity) after three seconds")
        }
    }

    /// Loss that is the same at any rate is the path's own: a cut that does not bring it down is undone, and the rate
    /// goes on growing.
    @Test(arguments: [0.035, 0.06, 0.1, 0.17, 0.28, 0.45]) func constantLossDoesNotDriveTheRateDown(loss: Double) {
        var controller = controller()
        let rates = run(&controller, rounds: 0..<200) { signal(loss: loss, arrival: $0 * (1 - loss)) }
        #expect(rates[0] < 1e8, "not taken for overload at first")
        #expect(rates.suffix(150).allSatisfy { $0 > 1e8 })
        #expect(rates.last == 1e10)
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
        let rates = run(&controller, rounds: 0..<1_000) { _ in signal(loss: random.chance(0.5) ? 0.06 : 0.1) }
        #expect(rates.suffix(500).reduce(0, +) / 500 > 1e8)
        #expect((rates.suffix(500).min() ?? 0) > 2e7)
    }

    /// A path that has become better is held to that: loss that was its own ten seconds ago is overload again.
    @Test func theFloorIsForgotten() {
        for (calm, isCut) in [(10, false), (100, true)] {
            var controller = controller()
            _ = run(&controller, rounds: 0..<20) { _ in signal(loss: 0.1) }
            let before = run(&controller, rounds: 20..<20 + calm) { _ in signal() }.last ?? 0
            let after = run(&controller, rounds: 20 + calm..<21 + calm) { _ in signal(loss: 0.1) }.last ?? 0
            #expect((after < before) == isCut, "after \(calm) rounds: \(before), \(after)")
        }
    }

    /// Pressure is never taken for the path's own.
    @Test func pressureIsNotForgivenWithTheLoss() {
        var controller = controller()
        #expect(run(&controller, rounds: 0..<100) { _ in signal(loss: 0.1, pressure: 6) }.last == 1_000_000)
    }

    // MARK: Minorities

    /// One that is about to be overrun slows the others down by a fifth a round, to two fifths and no further; when it
    /// is over, by recovery or by falling behind, the rate grows back.
    @Test func aMinorityGetsSomeTime() {
        var controller = controller()
        let waiting = run(&controller, rounds: 0..<30) { _ in signal(isStorageFull: true) }
        #expect(isNear(waiting, [8e7, 6.4e7, 5.12e7, 4.096e7] + Array(repeating: 4e7, count: 26)), "\(waiting)")
        let over = run(&controller, rounds: 30..<33) { _ in signal() }
        #expect(isNear(over, [4.08e7, 4.1616e7, 4.244832e7]), "\(over)")
        // Within a second it counts as the same time of need, with the same floor.
        #expect(run(&controller, rounds: 33..<38) { _ in signal(isStorageFull: true) }.allSatisfy { $0 >= 3.2e7 * 1.06 })
    }

    /// The next time of need starts from where the rate is by then.
    @Test func aLaterMinorityStartsAnew() {
        var controller = controller()
        _ = run(&controller, rounds: 0..<10) { _ in signal(isStorageFull: true) }
        let rate = run(&controller, rounds: 10..<25) { _ in signal() }.last ?? 0
        let waiting = run(&controller, rounds: 25..<45) { _ in signal(isStorageFull: true) }
        #expect(isNear([waiting.last ?? 0], [rate * 0.4]), "\(rate): \(waiting)")
    }

    @Test func aMinorityDoesNotHideOverload() {
        var controller = controller()
        #expect(isNear(run(&controller, rounds: 0..<1) { _ in signal(pressure: 4, isStorageFull: true) }, [4.2e7]))
    }

    // MARK: Bounds

    @Test func aFixedRateStaysWhateverTheGroupSays() {
        var controller = controller { $0.fixedRate = 12_345_678 }
        #expect(run(&controller, rounds: 0..<20) { _ in signal() } == Array(repeating: 12_345_678, count: 20))
        let pressed = run(&controller, rounds: 20..<40) { _ in signal(loss: 1, pressure: 7, arrival: 1, isStorageFull: true) }
        #expect(pressed == Array(repeating: 12_345_678, count: 20))
    }

    @Test func theInitialRateIsWithinTheBounds() {
        #expect(controller { $0.initialRate = 1 }.rate == 1_000_000)
        #expect(controller { $0.initialRate = .max }.rate == 1e10)
    }
}
