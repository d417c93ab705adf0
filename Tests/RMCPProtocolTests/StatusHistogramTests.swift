import Testing

@testable import RMCPProtocol

@Suite struct StatusHistogramTests {
    @Test func addingAndSubtractingAreInverse() {
        var random = RandomSource(seed: 51)
        var sum = StatusHistogram()
        var parts: [StatusHistogram] = []
        for _ in 0..<200 {
            let part = StatusHistogram(
                state: ReceiverState.allCases[random.int(0...11)], progress: UInt8(random.int(0...10)),
                loss: UInt8(random.int(0...15)), pressure: UInt8(random.int(0...7)))
            parts.append(part)
            sum.add(part)
        }
        // Counted one by one from the parts.
        #expect(sum.population == 200)
        for state in ReceiverState.allCases { #expect(Int(sum.count(state)) == parts.count { $0.count(state) == 1 }) }
        for bucket in 0..<11 { #expect(Int(sum.progress[bucket]) == parts.count { $0.progress[bucket] == 1 }) }
        for bucket in 0..<16 { #expect(Int(sum.loss[bucket]) == parts.count { $0.loss[bucket] == 1 }) }
        for bucket in 0..<8 { #expect(Int(sum.pressure[bucket]) == parts.count { $0.pressure[bucket] == 1 }) }
        #expect(sum.active == sum.count(.joined) + sum.count(.receiving) + sum.count(.behind))
        #expect(sum.active + sum.count(.complete) + sum.failed == sum.population)
        for part in parts { sum.subtract(part) }
        #expect(sum == StatusHistogram())
    }

    /// A child may claim anything: sums wrap, and what was added can always be taken out again.
    @Test func absurdCountsDoNotTrap() {
        var random = RandomSource(seed: 52)
        var sum = StatusHistogram(state: .receiving, progress: 3, loss: 1, pressure: 0)
        let before = sum
        var absurd = StatusHistogram()
        absurd.states = absurd.states.map { _ in .max }
        absurd.loss = absurd.loss.map { _ in .max }
        let others = (0..<20).map { _ in random.histogram() } + [absurd]
        for other in others { sum.add(other) }
        _ = (sum.population, sum.failed, sum.active, StatusHistogram.quantile(0.9, of: sum.loss))
        for other in others { sum.subtract(other) }
        #expect(sum == before)
    }

    @Test func bucketsOutOfBoundsCountAsTheLast() {
        let histogram = StatusHistogram(state: .behind, progress: 200, loss: 200, pressure: 200)
        #expect(histogram.progress.last == 1 && histogram.loss.last == 1 && histogram.pressure.last == 1)
    }

    @Test func statesAreActiveCompleteOrFailed() {
        let active: Set<ReceiverState> = [.joined, .receiving, .behind]
        for state in ReceiverState.allCases {
            #expect(state.isFinal == !active.contains(state))
            #expect(state.isFailure == (!active.contains(state) && state != .complete))
            let one = StatusHistogram(state: state, progress: 0, loss: 0, pressure: 0)
            #expect(one.active == (active.contains(state) ? 1 : 0) && one.failed == (state.isFailure ? 1 : 0))
        }
    }

    // MARK: Quantiles

    /// The lower nearest rank among the counted, laid out in order.
    @Test func quantileIsTheElementAtTheLowerRank() {
        var random = RandomSource(seed: 53)
        for _ in 0..<500 {
            let counts = (0..<16).map { _ in random.chance(0.6) ? UInt32(0) : UInt32(random.int(1...9)) }
            let laidOut = counts.enumerated().flatMap { Array(repeating: $0.offset, count: Int($0.element)) }
            for q in [0, 0.1, 0.25, 0.5, 0.9, 0.99, 1] {
                let expected = laidOut.isEmpty ? 0 : laidOut[Int(q * Double(laidOut.count - 1))]
                #expect(StatusHistogram.quantile(q, of: counts) == expected)
            }
        }
    }

    @Test func oneBadReceiverOfFourDoesNotMakeTheQuantile() {
        #expect(StatusHistogram.quantile(0.9, of: [3, 0, 0, 1]) == 0)
        #expect(StatusHistogram.quantile(0.9, of: [2, 0, 0, 2]) == 3)
        #expect(StatusHistogram.quantile(0.9, of: [0, 0, 0, 1]) == 3)
        #expect(StatusHistogram.quantile(0.9, of: [.max, .max, 1]) == 1)
    }

    // MARK: Wire

    @Test func wireLengthIsThatOfTheOccupiedBuckets() throws {
        var random = RandomSource(seed: 54)
        for _ in 0..<200 {
            let histogram = random.histogram()
            var writer = ByteWriter()
            histogram.write(to: &writer)
            let occupied = (histogram.states + histogram.progress + histogram.loss + histogram.pressure).count { $0 > 0 }
            #expect(writer.count == 4 + 5 * occupied)
            var reader = ByteReader(writer.bytes.span.bytes)
            #expect(try StatusHistogram(reading: &reader) == histogram)
            #expect(reader.remaining == 0)
        }
    }

    // MARK: Buckets

    @Test func lossBucketsRiseAndErrOnTheCarefulSide() {
        #expect(LossBucket.bounds.count == LossBucket.count - 1)
        #expect(zip(LossBucket.bounds, LossBucket.bounds.dropFirst()).allSatisfy { $0 < $1 })
        // From a twentieth of a percent on, no bucket is coarser than a factor of two.
        for (low, high) in zip(LossBucket.bounds.dropFirst(), LossBucket.bounds.dropFirst(2)) {
            #expect((1.5...2.01).contains(high / low))
        }
        for (bucket, bound) in LossBucket.bounds.enumerated() {
            #expect(Int(LossBucket.index(of: bound.nextDown)) == bucket)
            #expect(Int(LossBucket.index(of: bound)) == bucket + 1)
        }
        #expect(LossBucket.index(of: 0) == 0 && LossBucket.fraction(of: 0) == 0)
        #expect(LossBucket.index(of: 1) == 15 && LossBucket.fraction(of: 15) == 1)
        var random = RandomSource(seed: 55)
        for _ in 0..<1_000 {
            let loss = 0.000_01 + random.uniform() * 0.999
            let bucket = Int(LossBucket.index(of: loss))
            #expect(LossBucket.fraction(of: bucket) >= loss)
            #expect(LossBucket.fraction(of: bucket - 1) <= loss)
        }
    }

    @Test func pressureByDelay() {
        #expect(PressureBucket.index(queueingDelay: .milliseconds(-5)) == 0)
        #expect(PressureBucket.index(queueingDelay: .zero) == 0)
        for (bucket, milliseconds) in ([2, 5, 10, 20, 50, 100, 200] as [Int64]).enumerated() {
            let bound = Interval.milliseconds(milliseconds)
            #expect(Int(PressureBucket.index(queueingDelay: bound - Interval(nanoseconds: 1))) == bucket)
            #expect(Int(PressureBucket.index(queueingDelay: bound)) == bucket + 1)
        }
        #expect(PressureBucket.index(queueingDelay: .seconds(3_600)) == 7)
    }

    @Test func pressureByBuffers() {
        #expect(PressureBucket.index(bufferUse: 0) == 0 && PressureBucket.index(bufferUse: 0.499) == 0)
        let rising = stride(from: 32, through: 64, by: 1).map { PressureBucket.index(bufferUse: Double($0) / 64) }
        #expect(rising.first == 2 && rising.last == 7)
        #expect(zip(rising, rising.dropFirst()).allSatisfy { $0 <= $1 && $1 - $0 <= 1 })
    }
}
