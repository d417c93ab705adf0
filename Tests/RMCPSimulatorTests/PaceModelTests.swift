import RMCPProtocol
import Testing

@testable import RMCPSimulator

/// Models that rates are found in: each shows what it is for.
@Suite struct PaceModelTests {
    // MARK: Processors

    /// Runs threads that always have a piece of `piece` to do, and gives the time that each has had.
    private func times(threads: Int, processors count: Int, pieces: Int, piece: Interval = .milliseconds(1)) -> [Interval] {
        var processors = Processors(model: ProcessorModel(count: count))
        for _ in 0..<threads {
            let thread = processors.addThread()
            let (first, again) = (processors.wake(thread), processors.wake(thread))
            #expect(first && !again)
            processors.enqueue(thread)
        }
        var times = Array(repeating: Interval.zero, count: threads)
        var running: [Int] = []
        for _ in 0..<pieces {
            while let next = processors.begin() { running.append(next) }
            #expect(running.count == min(threads, count) && Set(running).count == running.count)
            running = running.filter { thread in
                times[thread] = times[thread] + piece
                return processors.spend(piece, by: thread, hasMore: true)
            }
        }
        return times
    }

    @Test func eachWakeUpIsPaidForOnce() {
        var processors = Processors(model: ProcessorModel(count: 1))
        let thread = processors.addThread()
        for _ in 0..<2 {
            #expect(processors.isAsleep(thread) && processors.wake(thread) && !processors.isAsleep(thread))
            processors.enqueue(thread)
            #expect(processors.begin() == thread)
            #expect(processors.takeWakeCost(of: thread) == .seconds(processors.model.wakeCost))
            #expect(processors.takeWakeCost(of: thread) == .zero)
            _ = processors.spend(.milliseconds(1), by: thread, hasMore: false)
        }
    }

    @Test func processorsAreSharedEvenly() {
        let times = times(threads: 5, processors: 2, pieces: 300)
        #expect(times.reduce(.zero, +) == .milliseconds(600))
        #expect((times.max() ?? .zero) - (times.min() ?? .zero) <= .milliseconds(6), "\(times)")
    }

    @Test func aThreadGoesOnUntilItsSliceIsOver() {
        #expect(times(threads: 2, processors: 1, pieces: 3) == [.milliseconds(3), .zero])
        #expect(times(threads: 2, processors: 1, pieces: 4) == [.milliseconds(3), .milliseconds(1)])
    }

    @Test func aThreadThatSleptSavesUpNoTime() {
        var processors = Processors(model: ProcessorModel(count: 1))
        let (busy, late) = (processors.addThread(), processors.addThread())
        for thread in [busy, late] where processors.wake(thread) { processors.enqueue(thread) }
        /// Thread that has the processor for that long, and whether it gives it up then.
        func turn(_ time: Interval, hasMore: Bool) -> (Int?, Bool) {
            guard let thread = processors.begin() else { return (nil, false) }
            return (thread, !processors.spend(time, by: thread, hasMore: hasMore))
        }
        #expect(turn(.seconds(1), hasMore: true) == (busy, true))
        #expect(turn(.zero, hasMore: false) == (late, true))
        #expect(processors.begin() == busy)
        let goesOn = processors.spend(.seconds(1), by: busy, hasMore: true)
        #expect(goesOn, "nobody else waits")
        if processors.wake(late) { processors.enqueue(late) }
        let isOver = !processors.spend(.zero, by: busy, hasMore: true)
        #expect(isOver)
        // The other is a slice behind, and not two seconds.
        #expect(turn(.milliseconds(10), hasMore: true) == (late, true))
        #expect(turn(.zero, hasMore: false).0 == busy)
    }

    /// Above what hosts on two processors take, their sockets fill, then lose, and what is lost is sent again.
    @Test func hostsThatShareProcessorsAreOverrun() throws {
        var pace = try #require(PaceCase.named("sockets"))
        pace.length = 256 << 20
        func run(_ rate: UInt64) -> PaceResult {
            pace.fixedRate = rate
            return pace.run(seed: 1, samplingEvery: .milliseconds(10))
        }
        // A sender that gets no more of the processors than receivers do overruns those of small sockets only.
        let (easy, much) = (run(1_500_000_000), run(20_000_000_000))
        #expect(easy.samples.allSatisfy { $0.lost == 0 && $0.socket < 0.3 })
        #expect(easy.copies < 1.03)
        #expect(much.samples.contains { $0.lost > 0.1 && $0.socket > 0.9 })
        #expect(much.copies > 1.2, "\(much.copies)")
        #expect(try #require(easy.seconds) > 1.4 && #require(much.seconds) > 1)
    }

    /// Hosts that are all overrun at once all fell behind, and then nobody said that the rate was too high: everything was sent twice.
    @Test(arguments: [12, 20]) func hostsThatAreAllOverrunAreWaitedFor(seed: UInt64) throws {
        let result = try #require(PaceCase.named("hosts-4")).run(seed: seed)
        #expect(result.copies < 1.1 && (result.seconds ?? .infinity) < 2, "\(result.copies) copies in \(result.seconds ?? .infinity) s")
    }

    /// A batch is a quarter of such a socket: where what waits to be read counts as a queue, the rate stays at half of what hosts take.
    @Test func socketsOfFourBatchesAreNoQueue() throws {
        let pace = try #require(PaceCase.named("sockets-small"))
        let result = pace.run(seed: 1)
        #expect(result.copies < 1.1 && (result.seconds ?? .infinity) < 5, "\(result.copies) copies in \(result.seconds ?? .infinity) s")
    }

    // MARK: Disks

    private func disk(_ stalls: DiskModel.Stalls?) -> SimulatedDisk {
        var model = DiskModel(rate: 1e9)
        model.stalls = stalls
        return SimulatedDisk(model: model)
    }

    @Test func aDiskThatStallsIsAsMuchLater() {
        var (calm, stalling) = (disk(nil), disk(DiskModel.Stalls(interval: .milliseconds(100), length: .milliseconds(50))))
        var random = RandomSource(seed: 5)
        var now = Instant.zero
        for _ in 0..<3_000 { now = calm.schedule(bytes: 1_000_000, at: now, using: &random) }
        #expect(now == .zero + .seconds(3))
        var (longest, late) = (Interval.zero, Instant.zero)
        for _ in 0..<3_000 {
            let done = stalling.schedule(bytes: 1_000_000, at: late, using: &random)
            longest = max(longest, done - late)
            late = done
        }
        // A third of the time it stands still.
        #expect(longest == .milliseconds(51))
        #expect((4.0...5.2).contains((late - .zero).inSeconds), "\((late - .zero).inSeconds)")
    }

    @Test func aStallThatNobodyWaitsForCostsNothing() {
        var disk = disk(DiskModel.Stalls(interval: .milliseconds(10), length: .milliseconds(10)))
        var random = RandomSource(seed: 5)
        _ = disk.schedule(bytes: 1, at: .zero, using: &random)
        let waits = (1..<200).map { second -> Interval in
            let now = Instant.zero + .seconds(Double(second))
            return disk.schedule(bytes: 1, at: now, using: &random) - now
        }
        #expect(waits.allSatisfy { $0 <= .milliseconds(11) })
        #expect(waits.contains { $0 < .microseconds(10) } && waits.contains { $0 > .milliseconds(1) })
    }

    /// Chunks wait for a disk that stands still, and the room for them runs out.
    @Test func aStallFillsTheRoomForChunks() throws {
        var pace = try #require(PaceCase.named("disk-stalls"))
        pace.length = 256 << 20
        pace.fixedRate = 2_500_000_000
        let samples = pace.run(seed: 5, samplingEvery: .milliseconds(10)).samples
        #expect((samples.map(\.storage).max() ?? 0) > 0.4)
    }

    // MARK: Queues

    /// Datagrams wait for the link as long as the queue is, and no longer; a shallow one loses at once.
    @Test(arguments: [("queue-5", 0.005), ("queue-200", 0.2), ("shallow", 0.0005)])
    func theQueueIsAsLongAsItSays(name: String, seconds: Double) throws {
        var pace = try #require(PaceCase.named(name))
        let link = try #require(pace.link)
        pace.fixedRate = UInt64(link * 1.3)
        pace.length = UInt64(link / 8)
        let samples = pace.run(seed: 1, samplingEvery: .milliseconds(1)).samples
        let longest = samples.map(\.queue).max() ?? 0
        #expect(longest <= seconds + 0.000_2 && longest > seconds * 0.7, "\(longest)")
        #expect(samples.contains { $0.lost > 0.1 })
    }

    @Test func theIdealCountsWhatReceiversLose() {
        var pace = PaceCase("", "", length: 1_376 * 1_000)
        pace.link = 1_428 * 8
        #expect(abs((pace.ideal ?? 0) - 1_000) < 1e-6)
        pace.loss = 0.01
        pace.receivers = 16
        // The flat bound of 1.150 (docs/simulation.md).
        #expect(abs((pace.ideal ?? 0) - 1_150) < 1)
    }
}
