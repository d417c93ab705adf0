import Testing

@testable import RMCPProtocol

@Suite struct StatusHistogramTests {
    @Test func addingAndSubtractingAreInverse() {
        var random = RandomSource(seed: 51)
        var sum = StatusHistogram()
        var parts: [StatusHistogram] = []
        for _ in 0..<200 {
            let part = StatusHistogram(
                state: ReceiverState.allCases[random.int(0...13)], progress: UInt8(random.int(0...10)),
                loss: UInt8(random.int(0...15)), pressure: UInt8(random.int(0...7)), arrival: UInt8(random.int(0...159)))
            parts.append(part)
            sum.add(part)
        }
        // Counted one by one from the parts.
        #expect(sum.population == 200)
        for state in ReceiverState.allCases { #expect(Int(sum.count(state)) == parts.count { $0.count(state) == 1 }) }
        for bucket in 0..<11 { #expect(Int(sum.progress[bucket]) == parts.count { $0.progress[bucket] == 1 }) }
        for bucket in 0..<16 { #expect(Int(sum.loss[bucket]) == parts.count { $0.loss[bucket] == 1 }) }
        for bucket in 0..<8 { #expect(Int(sum.pressure[bucket]) == parts.count { $0.pressure[bucket] == 1 }) }
        for bucket in 0..<160 { #expect(Int(sum.arrival[bucket]) == parts.count { $0.arrival[bucket] == 1 }) }
        #expect(sum.active == sum.count(.joined) + sum.count(.receiving) + sum.count(.behind) + sum.count(.finishing))
        #expect(sum.active + sum.count(.complete) + sum.failed == sum.population)
        for part in parts { sum.subtract(part) }
        #expect(sum == StatusHistogram())
    }

    /// A child may claim anything that can be said: what was added can always be taken out again.
    @Test func absurdCountsDoNotTrap() {
        var random = RandomSource(seed: 52)
        var sum = StatusHistogram(state: .receiving, progress: 3, loss: 1, pressure: 0, arrival: 60)
        let before = sum
        var absurd = StatusHistogram()
        absurd.states = absurd.states.map { _ in StatusHistogram.maximumCount }
        absurd.loss = absurd.states + [0, 0]
        absurd.arrival[3] = StatusHistogram.maximumCount
        let others = (0..<20).map { _ in random.histogram() } + [absurd]
        for other in others { sum.add(other) }
        _ = (sum.population, sum.failed, sum.active, StatusHistogram.quantile(0.9, of: sum.loss), sum.leaf)
        _ = StatusHistogram.upperQuantile(0.9, of: sum.arrival)
        for other in others { sum.subtract(other) }
        #expect(sum == before)
        // Nor does it wrap where 64 bits end.
        for _ in 0..<3 {
            absurd.states = absurd.states.map { _ in .max }
            absurd.rehomed = absurd.rehomed.map { _ in .min }
            (absurd.tree.repairNodes, absurd.chunksDone) = (.max, .max)
            sum.add(absurd)
        }
        #expect(sum.population == .max && sum.active == .max && sum.count(.lost) == .max && sum.chunksDone == .max && sum.rehomed[5] == .min)
        for _ in 0..<9 { sum.subtract(absurd) }
        #expect(sum.population == 0 && sum.chunksDone == 0 && sum.rehomed[5] == .max)
    }

    /// What a repair node passes up is within what may be said, and hides no failure.
    @Test func sumsAreWrittenWithinTheLimit() throws {
        var sum = StatusHistogram()
        sum.states[Int(ReceiverState.complete.rawValue)] = StatusHistogram.maximumCount
        sum.states[Int(ReceiverState.receiving.rawValue)] = StatusHistogram.maximumCount - 7
        sum.states[Int(ReceiverState.failedHook.rawValue)] = 9
        sum.loss[3] = .max
        sum.rehomed[Int(ReceiverState.lost.rawValue)] = .min
        (sum.tree.repairNodes, sum.chunksDone) = (1 << 40, .max)
        var writer = ByteWriter()
        sum.write(to: &writer)
        var reader = ByteReader(writer.bytes.span.bytes)
        let read = try StatusHistogram(reading: &reader)
        #expect(read.population == StatusHistogram.maximumCount && read.count(.failedHook) == 9 && read.count(.complete) == 0)
        #expect(read.count(.receiving) == StatusHistogram.maximumCount - 9 && read.loss[3] == StatusHistogram.maximumCount)
        #expect(read.rehomed[Int(ReceiverState.lost.rawValue)] == -Int64(StatusHistogram.maximumCount))
        #expect(read.tree.repairNodes == StatusHistogram.maximumCount && read.chunksDone == StatusHistogram.maximumChunksDone)
    }

    @Test func bucketsOutOfBoundsCountAsTheLast() {
        let histogram = StatusHistogram(state: .behind, progress: 200, loss: 200, pressure: 200, arrival: 200)
        #expect(histogram.progress.last == 1 && histogram.loss.last == 1 && histogram.pressure.last == 1)
        #expect(histogram.arrival.last == 1)
    }

    /// One added and subtracted as itself is one added and subtracted as a histogram, and is found again in it.
    @Test func aLeafIsAHistogramOfOne() {
        var random = RandomSource(seed: 56)
        var sum = random.histogram()
        for _ in 0..<300 {
            let network = LeafStatus.Network(
                loss: UInt8(random.int(0...15)), pressure: UInt8(random.int(0...7)), arrival: UInt8(random.int(0...159)))
            let leaf = LeafStatus(
                state: ReceiverState.allCases[random.int(0...13)], progress: UInt8(random.int(0...10)),
                network: random.chance(0.3) ? nil : network)
            let one = StatusHistogram(leaf)
            #expect(one.leaf == leaf && one.population == 1)
            #expect(one.loss.reduce(0, +) == (leaf.network == nil ? 0 : 1))
            var (left, right) = (sum, sum)
            left.add(leaf)
            right.add(one)
            #expect(left == right)
            left.subtract(leaf)
            #expect(left == sum)
            // Of two there is no one.
            right = one
            right.add(leaf)
            #expect(right.leaf == nil)
            if random.chance(0.2) { sum.add(leaf) }
        }
        #expect(StatusHistogram().leaf == nil)
    }

    @Test func statesAreActiveCompleteOrFailed() {
        let active: Set<ReceiverState> = [.joined, .receiving, .behind, .finishing]
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
            let counts = (0..<16).map { _ in random.chance(0.6) ? UInt64(0) : UInt64(random.int(1...9)) }
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
        #expect(StatusHistogram.quantile(0.9, of: [1 << 40, 1 << 40, 1]) == 1)
    }

    /// Of arrival rates the worst are the lowest: as many are left out there as `quantile` leaves out at the top.
    @Test func upperQuantileLeavesTheLowestOut() {
        #expect(StatusHistogram.upperQuantile(0.1, of: [1, 0, 0, 3]) == 3)
        #expect(StatusHistogram.upperQuantile(0.1, of: [2, 0, 0, 2]) == 0)
        #expect(StatusHistogram.upperQuantile(0.1, of: [0, 1, 0, 0]) == 1)
        #expect(StatusHistogram.upperQuantile(0.1, of: [0, 0, 0, 0]) == 0)
        var random = RandomSource(seed: 57)
        for _ in 0..<500 {
            let counts = (0..<16).map { _ in random.chance(0.6) ? UInt64(0) : UInt64(random.int(1...9)) }
            let falling = counts.enumerated().flatMap { Array(repeating: $0.offset, count: Int($0.element)) }.sorted(by: >)
            for q in [0, 0.1, 0.5, 1] {
                let expected = falling.isEmpty ? 0 : falling[Int((1 - q) * Double(falling.count - 1))]
                #expect(StatusHistogram.upperQuantile(q, of: counts) == expected)
            }
        }
    }

    // MARK: Wire

    @Test func wireLengthIsThatOfTheOccupiedBuckets() throws {
        var random = RandomSource(seed: 54)
        for _ in 0..<200 {
            let histogram = random.histogram()
            var writer = ByteWriter()
            histogram.write(to: &writer)
            let lists = [histogram.states, histogram.progress, histogram.loss, histogram.pressure, histogram.arrival, histogram.rehomed.map(\.magnitude)]
            let occupied = lists.joined().count { $0 > 0 }
            #expect(writer.count == 6 + 5 * (occupied + histogram.tree.refusals.entryCount) + 16)
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
        for (bucket, milliseconds) in ([2, 5, 10, 20, 50, 100] as [Int64]).enumerated() {
            let bound = Interval.milliseconds(milliseconds)
            #expect(Int(PressureBucket.index(queueingDelay: bound - Interval(nanoseconds: 1))) == bucket)
            #expect(Int(PressureBucket.index(queueingDelay: bound)) == bucket + 1)
        }
        #expect(PressureBucket.index(queueingDelay: .seconds(3_600)) == 6)
        // Delay alone, however long, is not storage that is full.
        #expect(PressureBucket.severe == 6 && PressureBucket.storageFull == 7)
    }

    /// Calm until a third of the slots wait for storage, full from two thirds on, whatever their number.
    @Test(arguments: [3, 12, 64, 96, 100, 1_000]) func pressureByStorage(slots: Int) {
        let rising = (0...slots).map { PressureBucket.index(storageShare: Double($0) / Double(slots)) }
        #expect(zip(rising, rising.dropFirst()).allSatisfy { $0 <= $1 })
        for (waiting, pressure) in rising.enumerated() {
            if waiting * 3 < slots { #expect(pressure == 0, "\(waiting) of \(slots)") }
            if waiting * 3 >= slots { #expect(pressure >= 2, "\(waiting) of \(slots)") }
            if waiting * 3 < slots * 2 { #expect(pressure < PressureBucket.storageFull, "\(waiting) of \(slots)") }
            if waiting * 3 >= slots * 2 { #expect(pressure == PressureBucket.storageFull, "\(waiting) of \(slots)") }
        }
    }

    /// Eight buckets an octave from 64 kb/s on, by powers of two and by hand.
    @Test func arrivalBuckets() {
        for octave in 0..<20 {
            let rate = 64_000 * Double(1 << octave)
            #expect(Int(ArrivalBucket.index(bitsPerSecond: rate)) == octave * 8)
            #expect(Int(ArrivalBucket.index(bitsPerSecond: rate * 1.09)) == octave * 8)
            #expect(Int(ArrivalBucket.index(bitsPerSecond: rate * 1.091)) == octave * 8 + 1)
        }
        // log2(1e9 / 64000) = 13.93, times 8 is 111.5; the sixteenth root of two is 1.0443.
        #expect(ArrivalBucket.index(bitsPerSecond: 1e9) == 111)
        #expect(abs(ArrivalBucket.bitsPerSecond(of: 0) - 66_833.5) < 1)
        for bucket in 0..<ArrivalBucket.count {
            #expect(Int(ArrivalBucket.index(bitsPerSecond: ArrivalBucket.bitsPerSecond(of: bucket))) == bucket)
        }
        for rate in [-Double.infinity, -1, 0, 1, 63_999, .nan] { #expect(ArrivalBucket.index(bitsPerSecond: rate) == 0) }
        for rate in [1e11, 1e300, Double.infinity] { #expect(ArrivalBucket.index(bitsPerSecond: rate) == 159) }
    }

    /// A child's histogram without arrival is that of one receiver, on the wire and in sums.
    @Test func aReportWithoutArrivalIsALeaf() {
        let leaf = LeafStatus(state: .receiving, progress: 3, network: .init(loss: 2, pressure: 4, arrival: nil))
        let histogram = StatusHistogram(leaf)
        #expect(histogram.leaf == leaf && histogram.loss[2] == 1 && histogram.pressure[4] == 1)
        var writer = ByteWriter()
        histogram.write(to: &writer)
        var reader = ByteReader(writer.bytes.span.bytes)
        #expect((try? StatusHistogram(reading: &reader)) == histogram)
    }
}
