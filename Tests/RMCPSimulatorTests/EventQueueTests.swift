import RMCPProtocol
import Testing

@testable import RMCPSimulator

private enum Numbered: ShortEvent, Equatable {
    case short(UInt64)
    case long(String)

    var code: UInt64? { if case .short(let number) = self { number } else { nil } }
    init?(code: UInt64) { self = .short(code) }
}

@Suite struct EventQueueTests {
    /// Times from the same instant to far behind all spans, some of them while others are taken out.
    @Test func whatIsScheduledComesInOrderOfTimeAndThenOfScheduling() throws {
        var random = RandomSource(seed: 7)
        var queue = EventQueue<Numbered>()
        var expected: [(time: Instant, order: Int, event: Numbered)] = []
        var now = Instant(nanoseconds: 1_000_000_000)
        for order in 0..<4_000 {
            let reach: [Interval] = [.zero, .microseconds(50), .milliseconds(20), .seconds(1), .seconds(30)]
            let time = now + random.interval(upTo: reach[order % reach.count] + .microseconds(1))
            let event = order % 3 == 0 ? Numbered.long("\(order)") : .short(UInt64(order))
            queue.schedule(event, at: time)
            expected.append((time, order, event))
            guard order % 4 == 3 else { continue }
            let first = try #require(expected.indices.min { (expected[$0].time, expected[$0].order) < (expected[$1].time, expected[$1].order) })
            #expect(queue.nextTime == expected[first].time)
            now = expected[first].time
            #expect(queue.popFirst() == expected.remove(at: first).event)
        }
        for entry in expected.sorted(by: { ($0.time, $0.order) < ($1.time, $1.order) }) {
            #expect(queue.nextTime == entry.time)
            #expect(queue.popFirst() == entry.event)
        }
        #expect(queue.nextTime == nil && queue.popFirst() == nil)
    }
}
