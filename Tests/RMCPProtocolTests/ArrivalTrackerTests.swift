import Testing

@testable import RMCPProtocol

@Suite struct ArrivalTrackerTests {
    /// Loss is what of the span from the first to the highest did not come, wherever in the sequence the span lies.
    @Test(arguments: [0, 77, UInt32.max - 500, UInt32(1) << 31 - 300]) func lossIsCountedAcrossTheWrap(start: UInt32) {
        var random = RandomSource(seed: 71)
        var tracker = ArrivalTracker()
        var previous: Int?
        var came = 0
        for offset in 0..<1_000 where offset == 0 || offset == 999 || !random.chance(0.1) {
            let skipped = tracker.record(start &+ UInt32(offset))
            #expect(skipped == previous.map { offset - $0 - 1 } ?? 0)
            previous = offset
            came += 1
        }
        tracker.closeInterval()
        #expect(abs(tracker.loss - Double(1_000 - came) / 1_000) < 1e-12)
        #expect(tracker.totalExpected == 1_000 && Int(tracker.totalReceived) == came)
    }

    /// What comes late had been counted as missing, and is received all the same.
    @Test func reorderingIsNotLoss() {
        var tracker = ArrivalTracker()
        var random = RandomSource(seed: 72)
        let start = UInt32.max - 40
        for block in stride(from: UInt32(0), to: 100, by: 5) {
            for offset in (block..<block + 5).shuffled(using: &random) { tracker.record(start &+ offset) }
        }
        tracker.closeInterval()
        #expect(tracker.loss == 0)
    }

    @Test func thePastIsToldFromTheFuture() {
        var tracker = ArrivalTracker()
        #expect(tracker.record(0xFFFF_FFFF) == 0)
        #expect(tracker.record(0) == 0)
        #expect(tracker.record(0xFFFF_FFFF) == nil)
        #expect(tracker.record(0) == nil)
        #expect(tracker.record(3) == 2)
    }

    /// A sender that was suspended, or a stray datagram, must not look like four million losses.
    @Test func aLongJumpIsANewStart() {
        var tracker = ArrivalTracker()
        for sequence in UInt32(0)..<50 { tracker.record(sequence) }
        tracker.record(50 + 1 << 22)
        for sequence in UInt32(1)..<50 { tracker.record(50 + 1 << 22 + sequence) }
        tracker.closeInterval()
        #expect(tracker.loss == 0 && tracker.totalExpected == 100)
    }

    @Test func theMeanOfThePastAndTheInterval() {
        var tracker = ArrivalTracker()
        var next: UInt32 = 0
        func interval(_ tracker: inout ArrivalTracker, lossEvery period: UInt32) {
            for _ in 0..<100 {
                if period == 0 || next % period != 0 { tracker.record(next) }
                next += 1
            }
            // The last of an interval comes, so that each spans 101 numbers or 100.
            tracker.record(next)
            next += 1
            tracker.closeInterval()
        }
        interval(&tracker, lossEvery: 0)
        #expect(tracker.loss == 0)
        interval(&tracker, lossEvery: 2)
        let first = tracker.loss
        #expect((0.24...0.26).contains(first))
        interval(&tracker, lossEvery: 0)
        #expect(abs(tracker.loss - first / 2) < 1e-12)
    }

    /// A dozen datagrams of which one is lost are not a loss of eight in a hundred: they are kept for the next time.
    @Test func fewDatagramsSayNothingYet() {
        var tracker = ArrivalTracker()
        for sequence: UInt32 in [0, 2, 4, 6, 8, 10, 12, 14, 16, 18] { tracker.record(sequence) }
        tracker.closeInterval()
        #expect(tracker.loss == 0 && tracker.totalExpected == 0)
        tracker.record(19)
        tracker.closeInterval()
        #expect(abs(tracker.loss - 0.45) < 1e-12 && tracker.totalExpected == 20)
    }

    // MARK: Queueing delay

    /// The parent's clock may be hours ahead or behind: only what is above the shortest time counts.
    @Test(arguments: [-3_600_000_000, 0, 7_200_000_000] as [Int64]) func clockOffsetsCancelOut(offset: Int64) {
        var estimator = QueueingDelayEstimator()
        let delays: [Int64] = [300, 250, 900, 40_250, 12_000, 260]
        for (index, delay) in delays.enumerated() {
            let sent = 10_000_000 + Int64(index) * 20_000
            estimator.record(
                timestamp: UInt64(bitPattern: sent + offset), at: Instant(nanoseconds: (sent + delay) * 1_000))
        }
        #expect(estimator.takeWorst() == .microseconds(40_000))
        #expect(estimator.takeWorst() == .zero)
    }

    /// A path that became longer for good stops being a queue once the window has passed twice.
    @Test func theBaselineIsForgotten() {
        var estimator = QueueingDelayEstimator()
        func record(_ second: Int64, delay: Int64) {
            estimator.record(timestamp: UInt64(second * 1_000_000), at: Instant(nanoseconds: (second * 1_000_000 + delay) * 1_000))
        }
        record(1, delay: 1_000)
        for second in Int64(2)...16 { record(second, delay: 31_000) }
        #expect(estimator.takeWorst() == .milliseconds(30))
        for second in Int64(17)...40 { record(second, delay: 31_000) }
        _ = estimator.takeWorst()
        record(41, delay: 31_000)
        #expect(estimator.takeWorst() == .zero)
    }
}
