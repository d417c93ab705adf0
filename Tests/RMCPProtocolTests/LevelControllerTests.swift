import Testing

@testable import RMCPProtocol

/// The level that `--level auto` settles at, over a model of encoder and network.
@Suite struct LevelControllerTests {
    /// Runs a sender for so many simulated seconds and gives the levels that it had, one for each chunk.
    /// - Parameters:
    ///   - rate: bits per second that the network carries.
    ///   - encoder: content bytes a second that all threads encode at a level.
    private func levels(
        seconds: Double, threads: Int = 2, isCompressible: Bool = true, rate: Double, encoder: (Int) -> Double
    ) -> [Int] {
        var controller = LevelController(configuration: Configuration(), threads: threads)
        var levels: [Int] = []
        // Of the chunks ahead; the network is done with the first of them at `sent`.
        var ahead: [(ready: Double, encoded: Double)] = []
        let chunk = Double(1 << 20)
        var now = 0.0
        var sent = 0.0
        while now < seconds {
            let level = isCompressible ? controller.level : 0
            levels.append(controller.level)
            // 24 chunks ahead at most: the encoder waits for the first of them to go.
            if ahead.count == 24 { now = max(now, ahead.removeFirst().ready) }
            ahead.removeAll { $0.ready <= now }
            let cost = chunk / encoder(level)
            now += cost
            let isStarved = now > sent
            let encoded = chunk / ratio(level)
            sent = max(sent, now) + encoded * 8 / rate
            ahead.append((sent, encoded))
            controller.note(
                LevelController.Sample(
                    level: controller.level, spent: .seconds(cost * Double(threads)), worked: .seconds(cost * Double(threads)), contentLength: UInt32(chunk),
                    encodedLength: UInt32(encoded), isStarved: isStarved),
                rate: rate, at: .zero + .seconds(now))
        }
        return levels
    }

    private func ratio(_ level: Int) -> Double { LevelController.ladder.first { $0.level == level }?.ratio ?? 1 }
    private func speed(_ level: Int, cores: Double = 2) -> Double { cores * 1e9 / (LevelController.ladder.first { $0.level == level }?.cost ?? 1) }

    @Test("A network that nothing keeps up with gets stored chunks")
    func fastNetwork() {
        let levels = levels(seconds: 2, rate: 20e9, encoder: { speed($0) })
        #expect(levels.last == 0)
        #expect(levels.suffix(levels.count / 2).filter { $0 != 0 }.count < levels.count / 20)
        // A fast transfer is over soon: the levels between are not tried one after the other.
        #expect(levels.prefix { $0 != 0 }.count <= 2 * LevelController.urgentChunks, "\(levels.prefix(40))")
    }

    @Test("At 1 Gb/s two cores carry level 1 to 3, four level 3 to 5", arguments: [(2.0, [1, 3]), (4.0, [3, 5])])
    func gigabit(cores: Double, expected: [Int]) {
        let levels = levels(seconds: 20, threads: Int(cores), rate: 944e6, encoder: { speed($0, cores: cores) })
        let settled = levels.suffix(levels.count / 2)
        #expect(settled.filter { expected.contains($0) }.count * 10 > settled.count * 9, "\(Set(settled))")
    }

    @Test("Where the encoder is only a little too slow, more bytes would not help")
    func nearlyFastEnough() {
        // A tenth too slow for what the network carries of level 1, and level -3 is an eighth larger.
        let levels = levels(seconds: 5, rate: 944e6, encoder: { _ in 0.9 * 118e6 * 2.23 })
        #expect(Set(levels) == [1])
    }

    @Test("A slow link gets the best level")
    func slowLink() {
        let levels = levels(seconds: 60, rate: 50e6, encoder: { speed($0) })
        #expect(levels.last == 9)
    }

    @Test("What does not shrink does not move the level up")
    func incompressible() {
        let levels = levels(seconds: 10, isCompressible: false, rate: 944e6, encoder: { speed($0) })
        #expect(Set(levels) == [1])
    }

    @Test("A source that is slower than everything does not bring the level down")
    func slowSource() {
        #expect(levels(worked: 4, period: 50, chunks: 1_000, isStarved: true, rate: 1e9).last == 1)
    }

    /// Chunks of `spent` ms each, one every `period` ms; of that time the thread has a processor for `worked`. The network is not what they wait
    /// for, unless `isStarved`.
    private func levels(
        spent: Int64 = 4, worked: Int64, period: Int64, chunks: Int, isStarved: Bool = false, rate: Double = 8e9
    ) -> [Int] {
        var controller = LevelController(configuration: Configuration(), threads: 2)
        return (0..<chunks).map { index in
            let sample = LevelController.Sample(
                level: controller.level, spent: .milliseconds(spent), worked: .milliseconds(worked), contentLength: 1 << 20, encodedLength: 500_000,
                isStarved: isStarved)
            controller.note(sample, rate: rate, at: .milliseconds(Int64(index) * period))
            return controller.level
        }
    }

    @Test("Busy threads that wait for a core make room, all of it where they mostly wait")
    func contention() {
        let some = levels(worked: 2, period: 3, chunks: 400)
        #expect(some.contains(-3) && some.contains(-7) && some.last == 0)
        let much = levels(worked: 1, period: 3, chunks: 400)
        #expect(!much.contains(-3) && !much.contains(-7) && much.last == 0)
    }

    /// Receivers without cores take little, and the rate goes down to about that: no wire is known to be so slow.
    @Test("A rate that is not used does not keep busy threads from making room")
    func unusedRate() {
        // 50 MB/s of 78.
        #expect(levels(spent: 20, worked: 6, period: 10, chunks: 100, rate: 620e6).last == 0)
    }

    @Test("Where others want the cores, nothing is compressed for five seconds, also while threads look idle")
    func patienceWithOthers() throws {
        var controller = LevelController(configuration: Configuration(), threads: 2)
        var (lowered, raised): (Int64?, Int64?)
        for millisecond in stride(from: Int64(0), to: 8_000, by: 3) {
            let isStored = controller.level == 0
            if isStored, lowered == nil { lowered = millisecond }
            if !isStored, lowered != nil, raised == nil { raised = millisecond }
            let sample = LevelController.Sample(
                level: controller.level, spent: .microseconds(isStored ? 200 : 4_000), worked: .microseconds(isStored ? 150 : 1_000), contentLength: 1 << 20,
                encodedLength: 500_000,
                isStarved: false)
            controller.note(sample, rate: 8e9, at: .milliseconds(millisecond))
        }
        let stored = try #require(raised) - #require(lowered)
        #expect((5_000..<5_500).contains(stored), "\(stored) ms")
    }

    @Test("Threads that have time may wait for a core, and a sender's own three threads may wait for two")
    func noContention() {
        #expect(levels(worked: 1, period: 40, chunks: 400).allSatisfy { $0 >= 1 })
        #expect(levels(worked: 3, period: 3, chunks: 400).allSatisfy { $0 >= 1 })
    }

    @Test("A slow wire is not made slower because the machine is busy")
    func busyMachineAtASlowRate() {
        var controller = LevelController(configuration: Configuration(), threads: 2)
        for index in 0..<400 {
            // The chunks ahead all at once, then one whenever the wire has taken one; zeros between them.
            let isZero = index % 4 != 0
            let sample = LevelController.Sample(
                level: controller.level, spent: .milliseconds(20), worked: .milliseconds(isZero ? 1 : 5), contentLength: 1 << 20,
                encodedLength: isZero ? 0 : 500_000, isStarved: false)
            controller.note(sample, rate: 20e6, at: .milliseconds(Int64(index < 24 ? index * 10 : 240 + (index - 24) * 200)))
            #expect(controller.level >= 1)
        }
    }

    /// Content of a bundle.
    enum Content: CaseIterable {
        /// Content as a tar of /usr.
        case image
        case text
        case random
        /// Three chunks of four are zeros.
        case sparse

        func ratio(at level: Int) -> Double {
            let ladder = LevelController.ladder.first { $0.level == level }?.ratio ?? 1
            return switch self {
            case .image, .sparse: ladder
            case .text: level == 0 ? 1 : ladder * 1.6
            case .random: 1
            }
        }
    }

    /// Time that a bundle takes on a machine whose cores others want as well: two threads get half a core each, and the wire's rate is what
    /// it is whatever they do.
    /// - Parameters:
    ///   - promised: times as much as the wire carries, which the rate says.
    ///   - fixed: nil lets the controller choose; otherwise the level.
    private func seconds(_ content: Content, rate: Double, promised: Double = 1, level fixed: Int?) -> Double {
        var controller = LevelController(configuration: Configuration(), threads: 2)
        let chunk = Double(1 << 20)
        var (encoded, sent) = (0.0, 0.0)
        var ready: [Double] = []
        for index in 0..<600 {
            let isZero = content == .sparse && index % 4 != 0
            let level = fixed ?? controller.level
            // Two threads with half a core each are as one with a whole one.
            let cost = isZero ? 0.0001 : chunk / 1e9 * (LevelController.ladder.first { $0.level == level }?.cost ?? 1)
            if index >= 24 { encoded = max(encoded, ready[index - 24]) }
            encoded += cost
            let isStarved = encoded > sent
            let length = isZero ? 0 : chunk / content.ratio(at: level)
            sent = max(sent, encoded) + length * 8 / rate
            ready.append(sent)
            controller.note(
                LevelController.Sample(
                    level: level, spent: .seconds(cost * 2), worked: .seconds(cost), contentLength: UInt32(chunk), encodedLength: UInt32(length),
                    isStarved: isStarved),
                rate: rate * promised, at: .zero + .seconds(encoded))
        }
        return sent
    }

    @Test(
        "On a machine that others use as well, any content takes about as long as at the better of stored and level 1", arguments: Content.allCases,
        [100e6, 300e6, 1e9, 3e9])
    func busyMachine(content: Content, rate: Double) {
        let best = min(seconds(content, rate: rate, level: 0), seconds(content, rate: rate, level: 1))
        let chosen = seconds(content, rate: rate, level: nil)
        #expect(chosen <= best * 1.05, "\(chosen) s in place of \(best)")
    }

    /// Start-up ends at a rate that filled a queue, and one that the host holds back is as high as it was.
    @Test("A rate that promises ten times what the wire carries costs no more than trying does", arguments: Content.allCases, [100e6, 300e6, 1e9])
    func promises(content: Content, rate: Double) {
        let best = min(seconds(content, rate: rate, level: 0), seconds(content, rate: rate, level: 1))
        let chosen = seconds(content, rate: rate, promised: 10, level: nil)
        #expect(chosen <= best * 1.2, "\(chosen) s in place of \(best)")
    }

    /// Receivers that are overrun take less for a while, whatever the level.
    @Test("What does not shrink is not compressed again because less of it goes")
    func randomBytesThatGoSlower() {
        var controller = LevelController(configuration: Configuration(), threads: 2)
        var levels: [Int] = []
        var now = Interval.zero
        for _ in 0..<400 {
            let isStored = controller.level == 0
            now = now + .milliseconds(isStored ? 20 : 5)
            let sample = LevelController.Sample(
                level: controller.level, spent: .milliseconds(isStored ? 2 : 10), worked: .milliseconds(isStored ? 1 : 2), contentLength: 1 << 20,
                encodedLength: 1 << 20, isStarved: false)
            controller.note(sample, rate: 8e9, at: .zero + now)
            levels.append(controller.level)
        }
        #expect(levels.drop { $0 != 0 }.allSatisfy { $0 == 0 } && levels.last == 0, "\(levels)")
    }

    @Test("A level that turned out too slow is tried again less and less often")
    func patience() {
        // Much slower than the ladder says, so that level 5 looks affordable from 3 and is not.
        let levels = levels(seconds: 100, rate: 400e6, encoder: { $0 >= 5 ? 20e6 : speed($0, cores: 8) })
        let tries = zip(levels, levels.dropFirst()).filter { $0 < 5 && $1 == 5 }.count
        #expect(tries > 1 && tries < 12, "\(tries)")
    }
}
