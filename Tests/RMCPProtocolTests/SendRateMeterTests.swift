import Testing

@testable import RMCPProtocol

@Suite struct SendRateMeterTests {
    /// Feeds a meter every 10 ms; `rates` are bits per second in each of them, to the group and in all.
    private func spans(_ rates: [(group: Double, total: Double)], limit: Double = 1e9, heardBefore: Int64 = 0) -> SendRateMeter.Spans? {
        var meter = SendRateMeter()
        var (group, total) = (0.0, 0.0)
        var result: SendRateMeter.Spans?
        for step in 0...rates.count {
            result = meter.note(
                total: UInt64(total), group: UInt64(group), rate: limit, statusInterval: .milliseconds(20),
                heardOf: .milliseconds(Int64(step) * 10 - heardBefore), at: .milliseconds(Int64(step) * 10))
            guard step < rates.count else { break }
            group += rates[step].group / 8 * 0.01
            total += rates[step].total / 8 * 0.01
        }
        return result
    }

    private func even(_ rates: [Double]) -> [(group: Double, total: Double)] { rates.map { ($0, $0) } }

    @Test func anEvenRateIsWhatItIs() throws {
        let result = try #require(spans(even(Array(repeating: 8e7, count: 10))))
        #expect(abs(result.least - 8e7) < 1 && abs(result.most - 8e7) < 1)
    }

    /// A report's length has to pass before there is anything to compare it with.
    @Test func nothingIsSaidTooSoon() {
        #expect(spans(even([8e7])) == nil)
        #expect(spans(even([8e7, 8e7])) != nil)
        // Twenty datagrams take 240 ms at 1 Mb/s.
        #expect(spans(even(Array(repeating: 1e6, count: 20)), limit: 1e6) == nil)
        #expect(spans(even(Array(repeating: 1e6, count: 24)), limit: 1e6) != nil)
    }

    /// What was sent some time ago is what reports are about; what was sent before that is forgotten.
    @Test func theTimeThatReportsAreAboutIsLookedAt() throws {
        let rates = even(Array(repeating: 1e8, count: 10) + Array(repeating: 2e8, count: 12))
        let far = try #require(spans(rates, heardBefore: 200))
        #expect(abs(far.least - 1e8) < 1 && abs(far.most - 2e8) < 1)
        let near = try #require(spans(rates, heardBefore: 20))
        #expect(abs(near.least - 2e8) < 1)
    }

    /// Copies to single hosts use the rate, and are not what the group is sent.
    @Test func theGroupIsToldApart() throws {
        let result = try #require(spans(Array(repeating: (4e7, 1e8), count: 10)))
        #expect(abs(result.least - 4e7) < 1 && abs(result.most - 1e8) < 1)
    }
}
