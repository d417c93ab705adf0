import Testing

@testable import RMCPProtocol

@Suite struct TokenBucketTests {
    private func expect(
        _ bucket: inout TokenBucket, mayTransmit expected: Bool, at instant: Instant,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let mayTransmit = bucket.mayTransmit(at: instant)
        #expect(mayTransmit == expected, sourceLocation: sourceLocation)
    }

    /// Whole nanoseconds out of floating point: off by one at the most.
    private func expect(_ instant: Instant, nanoseconds: Int64, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(abs(instant.nanoseconds - nanoseconds) <= 1, "\(instant.nanoseconds)", sourceLocation: sourceLocation)
    }

    /// 80 Mb/s is 10 bytes a microsecond, so that everything is whole numbers.
    @Test func tokensComeAtTheRateUpToTheBurst() {
        var bucket = TokenBucket(rate: 80_000_000, burst: 5_000, at: .zero)
        #expect(bucket.bytesPerSecond == 10_000_000)
        expect(&bucket, mayTransmit: true, at: .zero)
        #expect(bucket.nextTransmission(at: .zero) == .zero)
        // The bucket may be overdrawn by one batch, which is then waited for.
        bucket.consume(15_000)
        expect(&bucket, mayTransmit: false, at: .zero)
        // 10000 bytes short, and one byte to go on: 1000.1 microseconds.
        expect(bucket.nextTransmission(at: .zero), nanoseconds: 1_000_100)
        expect(&bucket, mayTransmit: false, at: Instant(nanoseconds: 1_000_000))
        expect(&bucket, mayTransmit: true, at: Instant(nanoseconds: 1_000_101))
        // A long silence does not add up to more than the burst.
        expect(&bucket, mayTransmit: true, at: .milliseconds(60_000))
        bucket.consume(5_000)
        expect(&bucket, mayTransmit: false, at: .milliseconds(60_000))
        // One byte takes 100 ns; no wait is shorter than a microsecond.
        expect(bucket.nextTransmission(at: .milliseconds(60_000)), nanoseconds: 60_000_001_000)
    }

    /// 10 bytes a microsecond again.
    @Test func whoeverIsLateMakesGoodSomeOfIt() {
        var bucket = TokenBucket(rate: 80_000_000, burst: 5_000, lateBurst: 20_000, at: .zero)
        bucket.consume(5_000)
        expect(&bucket, mayTransmit: false, at: .zero)
        // Nobody waits: a silence adds a burst.
        expect(&bucket, mayTransmit: true, at: .milliseconds(60))
        #expect(bucket.late == 0)
        bucket.consume(5_000)
        expect(&bucket, mayTransmit: false, at: .milliseconds(60))
        bucket.noteAwaited()
        // Due at once, and a millisecond and a half late.
        expect(&bucket, mayTransmit: true, at: .zero + .microseconds(61_500))
        #expect(bucket.late == 15_000)
        // The rest of it stays, and nothing comes to it.
        bucket.consume(4_000)
        expect(&bucket, mayTransmit: true, at: .zero + .microseconds(61_600))
        #expect(bucket.late == 11_000)
        bucket.consume(11_000)
        bucket.noteAwaited()
        expect(&bucket, mayTransmit: true, at: .milliseconds(90))
        #expect(bucket.late == 20_000, "however late it is")
    }

    @Test func timeThatStandsStillOrGoesBackAddsNothing() {
        var bucket = TokenBucket(rate: 8_000_000, burst: 1_000, at: .milliseconds(10))
        bucket.consume(1_000)
        expect(&bucket, mayTransmit: false, at: .milliseconds(10))
        expect(&bucket, mayTransmit: false, at: .milliseconds(5))
        #expect(bucket.nextTransmission(at: .milliseconds(5)) > .milliseconds(5))
        expect(&bucket, mayTransmit: true, at: .milliseconds(11))
    }

    @Test func aNewRateCountsFromItsInstant() {
        var bucket = TokenBucket(rate: 8_000_000, burst: 10_000, at: .zero)
        bucket.consume(12_000)
        // 1000 of the 2000 missing bytes came at the old rate; the rest at four times that.
        bucket.setRate(32_000_000, burst: 10_000, at: .milliseconds(1))
        expect(bucket.nextTransmission(at: .milliseconds(1)), nanoseconds: 1_250_250)
        // A smaller burst takes what is above it.
        bucket.setRate(32_000_000, burst: 10_000, at: .milliseconds(1_000))
        bucket.setRate(32_000_000, burst: 100, at: .milliseconds(1_000))
        bucket.consume(100)
        expect(&bucket, mayTransmit: false, at: .milliseconds(1_000))
    }

    /// 5 ms at 100 Mb/s are five bursts. An update of the rate comes with each tick, before the host sends what waits.
    @Test func aNewRateTakesNothingOfWhatAHostIsLateWith() {
        var bucket = TokenBucket(rate: 100_000_000, burst: 12_500, lateBurst: 65_000, at: .zero)
        bucket.consume(20_000)
        expect(&bucket, mayTransmit: false, at: .zero)
        bucket.noteAwaited()
        bucket.setRate(100_000_000, burst: 12_500, at: .milliseconds(5))
        expect(&bucket, mayTransmit: true, at: .milliseconds(5))
        #expect(bucket.late == 55_000, "\(bucket.late)")
        // Nor of what is left after the first batch.
        bucket.consume(12_500)
        bucket.setRate(50_000_000, burst: 6_250, at: .milliseconds(5))
        #expect(bucket.late == 42_500, "\(bucket.late)")
        // What was not waited for is no more than a burst.
        bucket.consume(42_500)
        bucket.setRate(50_000_000, burst: 6_250, at: .milliseconds(100))
        #expect(bucket.late == 0)
        bucket.consume(6_250)
        expect(&bucket, mayTransmit: false, at: .milliseconds(100))
    }

    /// Where a byte takes less than a nanosecond a wait could round to none, and its host would ask again for ever.
    @Test(arguments: [8_000_000_000, 100_000_000_000, .max] as [UInt64]) func aWaitIsNeverNone(rate: UInt64) {
        for overdraft in [0, 1, 7] {
            var bucket = TokenBucket(rate: rate, burst: 1_000, at: .milliseconds(1))
            bucket.consume(1_000 + overdraft)
            let next = bucket.nextTransmission(at: .milliseconds(1))
            #expect(next >= .milliseconds(1) + .microseconds(1))
            expect(&bucket, mayTransmit: true, at: next)
        }
    }

    /// What goes out in a second is the rate's share, whatever the sizes, and never early: at each promised instant a
    /// datagram may go, and a microsecond before it none.
    @Test(arguments: [1_000_000, 50_000_000, 1_000_000_000, 4_000_000_000] as [UInt64])
    func longRunKeepsTheRate(rate: UInt64) {
        var random = RandomSource(seed: rate)
        let burst = max(1_400, Int(rate / 8 / 1_000))
        var bucket = TokenBucket(rate: rate, burst: burst, at: .zero)
        var now = Instant.zero
        var sent = 0
        var largest = 0
        for _ in 0..<20_000 {
            let next = bucket.nextTransmission(at: now)
            if next > now + .microseconds(1) {
                var early = bucket
                let instant = Instant(nanoseconds: next.nanoseconds - 1_000)
                // The promise is one byte's time late at the most.
                let slack = Interval.seconds(1 / bucket.bytesPerSecond)
                if slack < .microseconds(1) { expect(&early, mayTransmit: false, at: instant) }
            }
            now = next
            expect(&bucket, mayTransmit: true, at: now)
            let size = random.int(100...9_000)
            bucket.consume(size)
            sent += size
            largest = max(largest, size)
            #expect(Double(sent) <= Double(burst + largest) + now.nanosecondsAsSeconds * Double(rate) / 8 + 1)
        }
        // Never idle, so that it cannot lag either.
        #expect(Double(sent) >= now.nanosecondsAsSeconds * Double(rate) / 8 * 0.999)
    }
}

extension Instant {
    fileprivate var nanosecondsAsSeconds: Double { Double(nanoseconds) / 1e9 }
}
