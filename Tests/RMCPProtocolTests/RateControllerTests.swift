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

    /// Feeds a controller once a round; `path` says how the group fares at a rate.
    private func run(
        _ controller: inout RateController, rounds: Range<Int>, path: (Double) -> (loss: Double, pressure: Int)
    ) -> [Double] {
        rounds.map { index in
            let state = path(controller.rate)
            controller.update(
                loss: state.loss, pressure: state.pressure, round: round, isLimitedByRate: true,
                at: .milliseconds(Int64(index) * 100))
            return controller.rate
        }
    }

    @Test func startupDoublesOnceARound() {
        var controller = controller()
        let rates = run(&controller, rounds: 0..<8) { _ in (0, 0) }
        #expect(rates == [2e8, 4e8, 8e8, 1.6e9, 3.2e9, 6.4e9, 1e10, 1e10])
        // Feedback between rounds does not count twice.
        var eager = self.controller()
        for millisecond in 0..<100 {
            eager.update(loss: 0, pressure: 0, round: round, isLimitedByRate: true, at: .milliseconds(Int64(millisecond)))
        }
        #expect(eager.rate == 2e8)
    }

    @Test func nothingIsProvenWhileTheSenderHasNothingToSend() {
        var controller = controller()
        for index in 0..<20 {
            controller.update(loss: 0, pressure: 0, round: round, isLimitedByRate: false, at: .milliseconds(Int64(index) * 100))
        }
        #expect(controller.rate == 1e8)
    }

    @Test func growsByAQuarterAfterStartup() {
        var controller = controller()
        controller.endStartup()
        #expect(run(&controller, rounds: 0..<3) { _ in (0, 0) } == [1.25e8, 1.5625e8, 1.953125e8])
    }

    @Test func pressureHoldsThenCuts() {
        var held = controller()
        #expect(run(&held, rounds: 0..<5) { _ in (0, 3) } == Array(repeating: 1e8, count: 5))
        var cut = controller()
        let rates = run(&cut, rounds: 0..<5) { _ in (0, 4) }
        // Cut at once, and not again before feedback of the new rate can be in: a round and a half.
        let expected = [7e7, 7e7, 4.9e7, 4.9e7, 3.43e7]
        #expect(zip(rates, expected).allSatisfy { abs($0 - $1) < 1 })
        let floor = run(&cut, rounds: 5..<200) { _ in (0, 7) }
        #expect(floor.last == 1_000_000)
    }

    @Test func lossAboveTheFloorCuts() {
        var tolerated = controller()
        #expect(run(&tolerated, rounds: 0..<1) { _ in (0.02, 0) } == [2e8])
        var cut = controller()
        #expect(abs(run(&cut, rounds: 0..<1) { _ in (0.035, 0) }[0] - 7e7) < 1)
    }

    /// After a cut that helped, growth is by a twentieth of where it hurt, until well above that.
    @Test func growsCarefullyNearTheCeiling() {
        var controller = controller()
        _ = run(&controller, rounds: 0..<1) { _ in (0.1, 0) }
        let rates = run(&controller, rounds: 1..<14) { _ in (0, 0) }
        // Round 1 is before the check; from round 2 on 5 Mb/s each, up to 120 Mb/s, then a quarter.
        let expected = [7e7] + (1...10).map { 7e7 + Double($0) * 5e6 } + [1.5e8, 1.875e8]
        #expect(zip(rates, expected).allSatisfy { abs($0 - $1) < 1 }, "\(rates)")
    }

    /// A bottleneck that drops what is above its capacity: the rate settles around it, from below and from above.
    @Test(arguments: [1e8, 3e8, 1e9]) func findsTheCapacity(capacity: Double) {
        for initial: UInt64 in [10_000_000, UInt64(capacity * 1.8)] {
            var controller = controller { $0.initialRate = initial }
            let rates = run(&controller, rounds: 0..<400) { rate in
                let loss = max(0, 1 - capacity / rate)
                return (LossBucket.fraction(of: Int(LossBucket.index(of: loss))), 0)
            }
            let settled = rates.suffix(200)
            let mean = settled.reduce(0, +) / 200
            #expect((0.8...1.1).contains(mean / capacity), "mean \(mean)")
            #expect(settled.allSatisfy { $0 > capacity * 0.6 && $0 < capacity * 1.4 })
        }
    }

    /// The same where queues grow before anything is lost.
    @Test func pressureFindsTheCapacityToo() {
        var controller = controller()
        let rates = run(&controller, rounds: 0..<400) { $0 > 5e8 ? (0, 5) : (0, 0) }.suffix(200)
        #expect(rates.allSatisfy { $0 > 5e8 * 0.69 && $0 < 5e8 * 1.26 })
    }

    /// Loss that is the same at any rate is the path's own: a cut that does not bring it down is undone, and the rate
    /// goes on growing.
    @Test(arguments: [0.035, 0.06, 0.1, 0.17, 0.28, 0.45, 0.7]) func constantLossDoesNotDriveTheRateDown(loss: Double) {
        var controller = controller()
        let rates = run(&controller, rounds: 0..<200) { _ in (loss, 0) }
        #expect(rates[0] < 1e8, "not taken for overload at first")
        #expect(rates.suffix(150).allSatisfy { $0 > 1e8 })
        #expect(rates.last == 1e10)
    }

    /// The same with reports that waver between neighbouring buckets: cuts come, but the rate comes back.
    @Test(arguments: [61, 62, 63] as [UInt64]) func waveringLossDoesNotDriveTheRateDown(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var controller = controller()
        let rates = run(&controller, rounds: 0..<1_000) { _ in (random.chance(0.5) ? 0.06 : 0.1, 0) }
        #expect(rates.suffix(500).reduce(0, +) / 500 > 1e8)
        #expect((rates.suffix(500).min() ?? 0) > 2e7)
    }

    /// Pressure is never taken for the path's own.
    @Test func pressureIsNotForgivenWithTheLoss() {
        var controller = controller()
        #expect(run(&controller, rounds: 0..<100) { _ in (0.1, 6) }.last == 1_000_000)
    }

    @Test func aFixedRateStaysWhateverTheGroupSays() {
        var controller = controller { $0.fixedRate = 12_345_678 }
        #expect(run(&controller, rounds: 0..<20) { _ in (0, 0) } == Array(repeating: 12_345_678, count: 20))
        #expect(run(&controller, rounds: 20..<40) { _ in (1, 7) } == Array(repeating: 12_345_678, count: 20))
    }

    @Test func theInitialRateIsWithinTheBounds() {
        #expect(controller { $0.initialRate = 1 }.rate == 1_000_000)
        #expect(controller { $0.initialRate = .max }.rate == 1e10)
    }
}
