import TestSupport
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
            let skipped = tracker.record(start &+ UInt32(offset), bytes: 100)
            #expect(skipped == previous.map { offset - $0 - 1 } ?? 0)
            previous = offset
            came += 1
        }
        tracker.closeInterval(at: .zero)
        // Weight: it is added to nothing before, which weighs as 100.
        #expect(abs(tracker.loss - Double(1_000 - came) / 1_100) < 1e-12)
        #expect(tracker.totalExpected == 1_000)
    }

    /// What comes late had been counted as missing, and is received all the same.
    @Test func reorderingIsNotLoss() {
        var tracker = ArrivalTracker()
        var random = RandomSource(seed: 72)
        let start = UInt32.max - 40
        for block in stride(from: UInt32(0), to: 100, by: 5) {
            for offset in (block..<block + 5).shuffled(using: &random) { tracker.record(start &+ offset, bytes: 100) }
        }
        tracker.closeInterval(at: .zero)
        #expect(tracker.loss == 0)
    }

    @Test func thePastIsToldFromTheFuture() {
        var tracker = ArrivalTracker()
        #expect(tracker.record(0xFFFF_FFFF, bytes: 100) == 0)
        #expect(tracker.record(0, bytes: 100) == 0)
        #expect(tracker.record(0xFFFF_FFFF, bytes: 100) == nil)
        #expect(tracker.record(0, bytes: 100) == nil)
        #expect(tracker.record(3, bytes: 100) == 2)
    }

    /// A sender that was suspended, or a stray datagram, must not look like four million losses.
    @Test func aLongJumpIsANewStart() {
        var tracker = ArrivalTracker()
        for sequence in UInt32(0)..<50 { tracker.record(sequence, bytes: 100) }
        tracker.record(50 + 1 << 22, bytes: 100)
        for sequence in UInt32(1)..<50 { tracker.record(50 + 1 << 22 + sequence, bytes: 100) }
        tracker.closeInterval(at: .zero)
        #expect(tracker.loss == 0 && tracker.totalExpected == 100)
    }

    /// A number that runs ahead is borne out by the next, or was somebody's invention.
    @Test func aForgedNumberIsNoLoss() {
        var tracker = ArrivalTracker()
        for sequence in UInt32(0)..<1_000 {
            tracker.record(sequence, bytes: 100)
            if sequence % 100 == 50 { tracker.record(sequence + 1 << 21, bytes: 100) }
        }
        tracker.closeInterval(at: .zero)
        #expect(tracker.loss == 0 && tracker.totalExpected == 1_000)
        // A real gap of any length is.
        for sequence in UInt32(2_000)..<3_000 { tracker.record(sequence, bytes: 100) }
        tracker.closeInterval(at: .zero)
        #expect(tracker.totalExpected == 3_000 && tracker.loss > 0.4)
    }

    /// Two in a row are believed, until the sender signs where it is.
    @Test func aSignedNumberEndsALie() {
        var tracker = ArrivalTracker()
        for sequence in UInt32(0)..<100 { tracker.record(sequence, bytes: 100) }
        for sequence in UInt32(0)..<2 { tracker.record(sequence + 1 << 21, bytes: 100) }
        #expect(tracker.record(100, bytes: 100) == nil)
        tracker.anchor(at: 101)
        #expect(tracker.record(101, bytes: 100) == nil && tracker.record(104, bytes: 100) == 2)
        tracker.closeInterval(at: .zero)
        #expect(tracker.totalExpected == 0)
        // A number that is only a little behind changes nothing.
        tracker.anchor(at: 90)
        #expect(tracker.record(105, bytes: 100) == 0)
    }

    @Test func theMeanOfThePastAndTheInterval() {
        var tracker = ArrivalTracker()
        var next: UInt32 = 0
        func interval(_ tracker: inout ArrivalTracker, lossEvery period: UInt32) {
            for _ in 0..<100 {
                if period == 0 || next % period != 0 { tracker.record(next, bytes: 100) }
                next += 1
            }
            // The last of an interval comes, so that each spans 101 numbers or 100.
            tracker.record(next, bytes: 100)
            next += 1
            tracker.closeInterval(at: .zero)
        }
        interval(&tracker, lossEvery: 0)
        #expect(tracker.loss == 0)
        interval(&tracker, lossEvery: 2)
        let first = tracker.loss
        // 50 of 101 were lost, and 101 weigh as 101 to the past's 100.
        #expect(abs(first - 50.0 / 201) < 1e-12)
        interval(&tracker, lossEvery: 0)
        #expect(abs(tracker.loss - first * 100 / 201) < 1e-12)
    }

    /// A dozen datagrams of which one is lost are not a loss of eight in a hundred: they are kept for the next time.
    @Test func fewDatagramsSayNothingYet() {
        var tracker = ArrivalTracker()
        for sequence: UInt32 in [0, 2, 4, 6, 8, 10, 12, 14, 16, 18] { tracker.record(sequence, bytes: 100) }
        tracker.closeInterval(at: .zero)
        #expect(tracker.loss == 0 && tracker.totalExpected == 0)
        tracker.record(19, bytes: 100)
        tracker.closeInterval(at: .zero)
        // Nine of 20, to nothing before, which weighs as 100.
        #expect(abs(tracker.loss - 9.0 / 120) < 1e-12 && tracker.totalExpected == 20)
    }

    // MARK: Arrival rate

    /// 1250 bytes with IP and UDP headers, a thousand of them in a tenth of a second: 100 Mb/s.
    @Test(arguments: [(SocketAddress.Family.ipv4, 1_222), (.ipv6, 1_202)])
    func theArrivalRateIsThatOfWholeDatagramsOverTheInterval(family: SocketAddress.Family, length: Int) {
        var tracker = ArrivalTracker()
        tracker.record(0, bytes: length, over: family, dataAt: (.milliseconds(500), .milliseconds(500)))
        tracker.closeInterval(at: .milliseconds(500))
        // Since when is only known now.
        #expect(tracker.rate(isRead: false) == nil)
        for sequence in UInt32(1)...1_000 {
            let time = Instant.milliseconds(500) + .microseconds(Int64(sequence) * 100)
            tracker.record(sequence, bytes: length, over: family, dataAt: (time, time))
        }
        tracker.closeInterval(at: .milliseconds(600))
        #expect(abs((tracker.rate(isRead: false) ?? 0) - 1e8) < 1)
        // An interval without length says nothing.
        tracker.closeInterval(at: .milliseconds(600))
        #expect(abs((tracker.rate(isRead: false) ?? 0) - 1e8) < 1)
    }

    /// A host that is late reads at once what arrived evenly, and takes as long for it as it takes.
    @Test func whenItIsReadDoesNotMatterToTheRateOfArrival() {
        var tracker = ArrivalTracker()
        for sequence in UInt32(0)...1_000 {
            let arrival = Instant.milliseconds(500) + .microseconds(Int64(sequence) * 100)
            let read = max(arrival, .milliseconds(sequence < 500 ? 540 : 598))
            tracker.record(sequence, bytes: 1_222, dataAt: (arrival, read))
            if sequence == 200 { tracker.closeInterval(at: .milliseconds(540)) }
        }
        tracker.closeInterval(at: .milliseconds(690))
        #expect(abs((tracker.rate(isRead: false) ?? 0) - 1e8) < 1)
        #expect(abs((tracker.rate(isRead: true) ?? 0) - 1e7 / 0.15) < 1)
    }

    /// A train has one time of arrival: the first of a stream says when the time begins, and is not counted.
    @Test func theFirstTrainIsNotCounted() {
        var tracker = ArrivalTracker()
        for sequence in UInt32(0)..<200 {
            let time = Instant.milliseconds(Int64(sequence / 40) * 2)
            tracker.record(sequence, bytes: 1_222, dataAt: (time, time))
        }
        tracker.closeInterval(at: .milliseconds(9))
        #expect(abs((tracker.rate(isRead: false) ?? 0) - 2e8) < 1)
    }

    /// What is lost does not arrive; what comes late or twice does, since the path carried it.
    @Test func onlyWhatCameArrives() {
        var tracker = ArrivalTracker()
        tracker.record(0, bytes: 97, dataAt: (.zero, .zero))
        for step in UInt32(0)..<5 {
            let time = Instant.milliseconds(Int64(step) * 20)
            for sequence: UInt32 in [10, 20, 15, 15, 30] { tracker.record(step * 30 + sequence, bytes: 97, dataAt: (time, time)) }
        }
        tracker.closeInterval(at: .milliseconds(100))
        #expect(abs((tracker.rate(isRead: false) ?? 0) - 25 * 125 * 8 * 10) < 1e-9)
    }

    // MARK: Queueing delay

    /// The parent's clock may be hours ahead or behind: only what is above the shortest time counts, and of the latest
    /// three the least, since a queue delays all of them.
    @Test(arguments: [-7_200_000_000, -3_600_000_000, 0, 7_200_000_000] as [Int64]) func clockOffsetsCancelOut(offset: Int64) {
        var estimator = QueueingDelayEstimator()
        let delays: [Int64] = [300, 250, 900, 40_250, 12_000, 13_250, 9_250, 260]
        let expected: [Int64] = [0, 0, 0, 0, 650, 11_750, 9_000, 10]
        for (index, delay) in delays.enumerated() {
            let sent = 7_200_000_001 + Int64(index) * 20_000
            estimator.record(
                timestamp: UInt64(bitPattern: sent + offset), at: Instant(nanoseconds: (sent + delay) * 1_000))
            #expect(estimator.delay == .microseconds(expected[index]), "\(index)")
        }
    }

    /// A path that became longer for good stops being a queue once the window has passed twice.
    @Test func theBaselineIsForgotten() {
        var estimator = QueueingDelayEstimator()
        func record(_ second: Int64, delay: Int64) {
            estimator.record(timestamp: UInt64(second * 1_000_000), at: Instant(nanoseconds: (second * 1_000_000 + delay) * 1_000))
        }
        record(1, delay: 1_000)
        for second in Int64(2)...31 { record(second, delay: 31_000) }
        #expect(estimator.delay == .milliseconds(30))
        for second in Int64(32)...71 { record(second, delay: 31_000) }
        #expect(estimator.delay == .zero)
    }

    /// Timestamps are not signed. One that no clock shows counts for nothing, whenever it comes.
    @Test(arguments: [UInt64.max, 1 << 63, 1 << 60, UInt64(bitPattern: -1 << 40), UInt64(bitPattern: .min + 1)])
    func absurdTimestampsChangeNothing(forged: UInt64) {
        for position in 0..<3 {
            var estimator = QueueingDelayEstimator()
            for (index, delay) in ([300, 5_300, 6_300, 5_300] as [Int64]).enumerated() {
                let sent = 10_000_000 + Int64(index) * 20_000
                let arrival = Instant(nanoseconds: (sent + delay) * 1_000)
                if index == position { estimator.record(timestamp: forged, at: arrival) }
                estimator.record(timestamp: UInt64(sent), at: arrival)
            }
            #expect(estimator.delay == .microseconds(5_000))
        }
    }

    /// The largest that is taken moves the baseline, but arithmetic holds and the delay stays a delay.
    @Test(arguments: [0, Int64.max, .min] as [Int64]) func theLargestTimestampOverflowsNothing(clock: Int64) {
        var estimator = QueueingDelayEstimator()
        for timestamp in [1, 1 << 60 - 1, 1, 1 << 60 - 1] as [UInt64] {
            estimator.record(timestamp: timestamp, at: Instant(nanoseconds: clock))
        }
        #expect(estimator.delay >= .zero && estimator.delay <= .seconds(60))
    }

    /// Before there is a stream, only control comes: that is no rate of arrival, and a STATUS has none.
    @Test func nothingIsSaidOfArrivalBeforeThereIsAStream() {
        var receiver = LoneReceiver()
        let reports = receiver.run(for: .milliseconds(300)) { receiver in
            let bytes = datagram(
                .heartbeat(
                    .sample(.waiting, timestamp: UInt64(receiver.now.nanoseconds / 1_000), groupRoundTrip: 2_000, statusInterval: 10)),
                tag: receiver.announce.session.tag, transmitter: 7, sequence: UInt32(receiver.now.nanoseconds / 1_000_000))
            _ = receiver.engine.handle(datagram: bytes.span.bytes, arrival: Arrival(source: LoneReceiver.source, at: receiver.now), at: receiver.now)
        }.reports
        #expect(reports.count > 10)
        #expect(reports.allSatisfy { $0.histogram.leaf?.network != nil && $0.histogram.arrival.allSatisfy { $0 == 0 } })
    }

    private func stream(_ tracker: inout ArrivalTracker, milliseconds: Range<Int64>, sequence: inout UInt32) {
        for millisecond in milliseconds {
            // Eight of 1,250 bytes with their headers, 80 Mb/s.
            for _ in 0..<8 {
                tracker.record(sequence, bytes: 1_222, dataAt: (.milliseconds(millisecond), .milliseconds(millisecond)))
                sequence += 1
            }
            if millisecond % 10 == 0 { tracker.closeInterval(at: .milliseconds(millisecond)) }
        }
    }

    /// After a pause of its source the stream is measured anew, and not over the pause.
    @Test func aPauseSaysNothing() {
        var tracker = ArrivalTracker()
        var sequence: UInt32 = 0
        stream(&tracker, milliseconds: 1..<200, sequence: &sequence)
        #expect((tracker.rate(isRead: false)).map { (7e7...9e7).contains($0) } == true)
        for millisecond in stride(from: Int64(200), to: 3_200, by: 10) {
            tracker.record(sequence, bytes: 82)
            sequence += 1
            tracker.closeInterval(at: .milliseconds(millisecond))
            #expect(millisecond < 300 || tracker.rate(isRead: false) == nil)
        }
        for millisecond in Int64(3_205)..<3_300 {
            stream(&tracker, milliseconds: millisecond..<millisecond + 1, sequence: &sequence)
            #expect(tracker.rate(isRead: false).map { $0 > 7e7 } ?? (millisecond < 3_220))
        }
    }

    /// A slow stream has few datagrams in an interval: it goes on until there are enough.
    @Test func aSlowStreamIsMeasuredOverSeveralIntervals() {
        var tracker = ArrivalTracker()
        for step in UInt32(0)..<100 {
            let now = Instant.milliseconds(Int64(step) * 10)
            tracker.record(step, bytes: 1_222, dataAt: (now, now))
            tracker.closeInterval(at: now + .milliseconds(5))
            #expect(tracker.rate(isRead: false).map { abs($0 - 1e6) < 1e5 } ?? (step < 20))
        }
    }
}
