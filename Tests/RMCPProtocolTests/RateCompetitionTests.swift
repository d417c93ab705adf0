import TestSupport
import Testing

@testable import RMCPProtocol

/// A controller beside others who give way to loss only.
extension RateControllerTests {
    /// A queue that stays although the rate went down twice, to 0.6 and to 0.36 of what it was, is somebody else's: the
    /// rate does not go down any more, and grows until there is loss.
    @Test func doesNotYieldToAQueueThatIsNotItsOwn() {
        var controller = grown()
        let start = controller.rate
        let rates = run(&controller, rounds: 100..<300) { signal(pressure: 4, arrival: $0) }
        #expect(rates.allSatisfy { $0 > start * 0.35 }, "\(rates.min() ?? 0) of \(start)")
        #expect((rates.last ?? 0) > start * 0.8, "\(rates.last ?? 0) of \(start)")
    }

    @Test func yieldsToLossBesideOthers() {
        var controller = grown()
        _ = run(&controller, rounds: 100..<130) { signal(pressure: 4, arrival: $0) }
        let before = controller.rate
        let after = run(&controller, rounds: 130..<131) { signal(loss: 0.01, pressure: 4, arrival: $0) }
        #expect(isNear(after, [before * 0.7]), "\(after) from \(before)")
        // One loss is one event.
        let later = run(&controller, rounds: 131..<133) { signal(loss: 0.01, pressure: 4, arrival: $0) }
        #expect(later.allSatisfy { $0 >= before * 0.7 })
    }

    @Test func theQueueThatIsGoneEndsTheCompetition() {
        var controller = grown()
        _ = run(&controller, rounds: 100..<130) { signal(pressure: 4, arrival: $0) }
        // Others' queue comes back: it must be gone for half a second.
        _ = run(&controller, rounds: 130..<133) { signal(arrival: $0) }
        let held = controller.rate
        #expect(run(&controller, rounds: 133..<134) { signal(pressure: 2, arrival: $0) }[0] >= held)
        _ = run(&controller, rounds: 134..<141) { signal(arrival: $0) }
        let before = controller.rate
        #expect(isNear(run(&controller, rounds: 141..<142) { signal(pressure: 2, arrival: $0) }.map { $0 / before }, [0.85]))
    }

    /// A newcomer to a queue that stands all the time looks for its share until there is loss, and grows as TCP from then on.
    @Test func aQueueThatStandsAllTheTimeIsProbed() {
        var controller = grown()
        let start = controller.rate
        var now = 100
        func update(_ signal: (Double) -> RateSignal, rounds: Int) -> [Double] {
            defer { now += rounds }
            return run(&controller, rounds: now..<now + rounds, path: signal)
        }
        // Twice it is there while the rate grows from below; the first time it is cut for.
        for _ in 0..<2 {
            _ = update({ self.signal(pressure: 1, arrival: $0) }, rounds: 12)
            _ = update({ self.signal(pressure: 2, arrival: $0) }, rounds: 1)
            if controller.rate < start * 0.95 { _ = update({ self.signal(pressure: 1, arrival: $0) }, rounds: 2) }
        }
        let probing = update({ self.signal(pressure: 2, arrival: $0) }, rounds: 8)
        #expect((probing.last ?? 0) > start * 2, "\(probing) from \(start)")
        let atLoss = controller.rate
        #expect(isNear(update({ self.signal(loss: 0.01, pressure: 4, arrival: $0) }, rounds: 1), [atLoss * 0.7]))
        let after = update({ self.signal(pressure: 3, arrival: $0) }, rounds: 10)
        #expect((after.last ?? 0) < atLoss, "as CUBIC grows from there")
    }

    /// A rate that does not arrive is nobody's share, and a loss then leaves what arrived.
    @Test func whatDoesNotArriveIsNotProbedFurther() {
        var controller = grown()
        var now = 100
        func update(_ signal: (Double) -> RateSignal, rounds: Int) {
            _ = run(&controller, rounds: now..<now + rounds, path: signal)
            now += rounds
        }
        for _ in 0..<2 {
            update({ self.signal(pressure: 1, arrival: $0) }, rounds: 12)
            update({ self.signal(pressure: 2, arrival: $0) }, rounds: 1)
            update({ self.signal(pressure: 1, arrival: $0) }, rounds: 2)
        }
        let share = controller.rate * 2
        update({ self.signal(pressure: 3, arrival: min($0, share)) }, rounds: 20)
        #expect(controller.rate > share && controller.rate < share * 2.25, "\(controller.rate) of \(share)")
        update({ self.signal(loss: 0.3, pressure: 4, arrival: min($0, share)) }, rounds: 1)
        #expect(isNear([controller.rate], [share]))
    }

    /// Two senders that share a queue have one in half of what they hear.
    @Test func aQueueThatStandsHalfOfTheTimeIsNobodyElses() {
        func judged(_ queued: (Int) -> Bool) -> Bool {
            var standing = StandingQueue()
            standing.begin()
            for index in 0..<48 { standing.note(queued(index)) }
            return standing.endGrowth(at: 1e9)
        }
        #expect(!judged { $0 % 2 == 0 })
        #expect(judged { $0 % 2 == 0 || $0 == 1 })
    }

    /// The same is one's own queue where nothing of it is left after a cut.
    @Test func aQueueThatGoesIsNotProbed() {
        var controller = grown()
        for time in 0..<6 {
            _ = run(&controller, rounds: 100 + time * 20..<118 + time * 20) { signal(arrival: $0) }
            let before = controller.rate
            let cut = run(&controller, rounds: 118 + time * 20..<119 + time * 20) { signal(pressure: 2, arrival: $0) }
            #expect(cut[0] < before)
        }
    }

    /// Growth is CUBIC's: to the rate at the last loss in the time that RFC 9438 says, and slowly around it.
    @Test func competingGrowthIsThatOfCubic() {
        let growth = CompetingGrowth(rateAtLoss: 1e8, roundTrip: .milliseconds(100), at: .zero)
        // A window of 833 packets: K = (833 * 0.3 / 0.4)^(1/3) = 8.55 s.
        #expect(abs(growth.rate(at: .zero) / 1e8 - 0.7) < 0.001)
        #expect(abs(growth.rate(at: .milliseconds(8_550)) / 1e8 - 1) < 0.001)
        #expect(growth.rate(at: .milliseconds(7_550)) > 0.99e8 && growth.rate(at: .milliseconds(9_550)) < 1.01e8)
        // On a short path, as fast as Reno.
        let short = CompetingGrowth(rateAtLoss: 1e8, roundTrip: .milliseconds(2), at: .zero)
        #expect(abs(short.rate(at: .milliseconds(100)) - 7e7 - 0.529 * 50 * 6e6) < 1e6)
    }
}
