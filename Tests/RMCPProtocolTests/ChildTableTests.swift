import Testing

@testable import RMCPProtocol

@Suite struct ChildTableTests {
    private func table(limit: Int = 1_000) -> ChildTable {
        var configuration = Configuration()
        configuration.memory.maximumChildren = limit
        return ChildTable(configuration: configuration)
    }

    private func report(_ histogram: StatusHistogram, longest: UInt16 = 1_400) -> StatusReport {
        StatusReport(echo: .none, longestDatagram: longest, histogram: histogram)
    }

    private func one(_ state: ReceiverState, progress: UInt8 = 0, loss: UInt8 = 0, pressure: UInt8 = 0, arrival: UInt8 = 0) -> StatusHistogram {
        StatusHistogram(state: state, progress: progress, loss: loss, pressure: pressure, arrival: arrival)
    }

    /// The running sum is that of every child's last report, after thousands of them and with children going silent.
    @Test func theSummaryIsTheSumOfTheLastReports() {
        struct Model {
            var histogram: StatusHistogram
            var heard: Int64
            var isLost = false
        }
        var random = RandomSource(seed: 121)
        var table = table()
        var model: [UInt32: Model] = [:]
        let active: [ReceiverState] = [.joined, .receiving, .behind, .finishing]
        for time in Int64(0)..<4_000 {
            let id = UInt32(random.int(0...60))
            switch random.int(0...9) {
            case 0...5:
                var histogram = one(
                    ReceiverState.allCases[random.int(0...12)], progress: UInt8(random.int(0...10)),
                    loss: UInt8(random.int(0...15)), pressure: UInt8(random.int(0...7)), arrival: UInt8(random.int(0...159)))
                // Some have no say in the rate.
                if random.chance(0.2) { histogram = StatusHistogram(LeafStatus(state: .behind, progress: 2, network: nil)) }
                // Some children are parents themselves.
                if random.chance(0.3) { histogram.add(one(.receiving, progress: 4, loss: 3, pressure: 2, arrival: 90)) }
                let isNew = table.update(id: id, report: report(histogram), at: .milliseconds(time))
                #expect(isNew == (model[id] == nil))
                model[id] = Model(histogram: histogram, heard: time)
            case 6...8:
                table.heard(id, at: .milliseconds(time))
                if model[id]?.isLost == false { model[id]?.heard = time }
            default:
                table.expire(silentFor: .milliseconds(100), at: .milliseconds(time))
                for (id, child) in model where !child.isLost && time - child.heard >= 100 {
                    let dying = active.reduce(0) { $0 + child.histogram.count($1) }
                    guard dying > 0 else { continue }
                    var lost = StatusHistogram()
                    lost.states = child.histogram.states
                    for state in active { lost.states[Int(state.rawValue)] = 0 }
                    lost.states[Int(ReceiverState.lost.rawValue)] += dying
                    lost.progress = child.histogram.progress
                    model[id] = Model(histogram: lost, heard: child.heard, isLost: true)
                }
            }
            var sum = StatusHistogram()
            for child in model.values { sum.add(child.histogram) }
            #expect(table.summary == sum)
            #expect(table.childCount == model.count && table.population == Int(sum.population) && table.active == Int(sum.active))
        }
        #expect(table.summary.count(.lost) > 0)
    }

    @Test func theSilentAreLostUnlessTheyAreDone() {
        var table = table()
        table.update(id: 1, report: report(one(.receiving, progress: 6, loss: 9, pressure: 3, arrival: 77)), at: .zero)
        table.update(id: 2, report: report(one(.complete, progress: 10)), at: .zero)
        table.update(id: 3, report: report(one(.failedDiskFull)), at: .zero)
        table.update(id: 4, report: report(one(.behind)), at: .milliseconds(4_999))
        table.expire(silentFor: .seconds(5), at: .milliseconds(4_999))
        #expect(table.active == 2)
        table.expire(silentFor: .seconds(5), at: .milliseconds(5_000))
        #expect(table.active == 1 && table.population == 4)
        #expect(table.summary.count(.lost) == 1 && table.summary.count(.complete) == 1)
        // What the lost one suffered must not steer the rate any more; how far it came is still told.
        #expect(table.summary.loss[9] == 0 && table.summary.pressure[3] == 0 && table.summary.arrival[77] == 0)
        #expect(table.summary.progress[6] == 1)
        // A NAK alone does not bring it back; a status does.
        table.heard(1, at: .milliseconds(5_001))
        #expect(table.summary.count(.lost) == 1)
        let isNew = table.update(id: 1, report: report(one(.receiving, progress: 7)), at: .milliseconds(5_002))
        #expect(!isNew && table.summary.count(.lost) == 0 && table.active == 2 && table.population == 4)
    }

    @Test func aNAKIsASignOfLife() {
        var table = table()
        table.update(id: 1, report: report(one(.receiving)), at: .zero)
        table.heard(1, at: .milliseconds(3_000))
        table.heard(99, at: .milliseconds(3_000))
        table.expire(silentFor: .seconds(5), at: .milliseconds(7_999))
        #expect(table.active == 1 && table.childCount == 1)
        table.expire(silentFor: .seconds(5), at: .milliseconds(8_000))
        #expect(table.active == 0)
    }

    @Test func childrenBeyondTheLimitAreRefused() {
        var table = table(limit: 2)
        for id: UInt32 in 1...4 {
            let isNew = table.update(id: id, report: report(one(.joined)), at: .zero)
            #expect(isNew == (id <= 2))
        }
        #expect(table.childCount == 2 && table.population == 2)
        // Those that are in stay in.
        table.update(id: 2, report: report(one(.complete)), at: .zero)
        #expect(table.summary.count(.complete) == 1 && table.childCount == 2)
    }

    @Test func whoLacksALengthIsCounted() {
        var table = table()
        #expect(table.active(without: 1_400) == (0, 0))
        table.update(id: 1, report: report(one(.joined), longest: 1_400), at: .zero)
        table.update(id: 2, report: report(one(.joined), longest: 1_200), at: .milliseconds(1_000))
        #expect(table.active(without: 1_400) == (2, 1) && table.active(without: 1_200) == (2, 0))
        // Who is lost does not hold the others back.
        table.update(id: 3, report: report(one(.joined), longest: 500), at: .milliseconds(1_600))
        table.expire(silentFor: .seconds(1), at: .milliseconds(2_100))
        #expect(table.active(without: 1_200) == (1, 1))
    }

    /// Nobody waits for a repair node that has gone, whatever datagrams it got.
    @Test func aLostNodeLacksNothing() {
        var table = table()
        var node = one(.receiving)
        node.tree.repairNodes = 1
        table.update(id: 1, report: report(node), at: .zero)
        table.update(id: 2, report: report(one(.receiving), longest: 8_972), at: .milliseconds(4_000))
        #expect(table.active(without: 8_972) == (2, 1))
        table.expire(silentFor: .seconds(5), at: .milliseconds(5_000))
        #expect(table.active(without: 8_972) == (1, 0))
    }
}
