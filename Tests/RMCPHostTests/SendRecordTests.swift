import RMCPReport
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// Causes that a send waited for.
@Suite struct SendRecordTests {
    /// Looks every ten milliseconds, from `start` on, while `rate` bits per second may be sent and `used` of it is.
    private static func run(
        _ record: inout SendRecord, from start: Double, seconds: Double, sent: inout UInt64, used: Double = 1, isStarved: Bool = false, isBlocked: Bool = false,
        phase: SessionPhase = .streaming
    ) {
        let rate = 80e6
        for step in 0..<Int(seconds * 100) {
            record.note(
                SendRecord.Look(phase: phase, isStarved: isStarved, isBlocked: isBlocked, rate: rate, sent: sent),
                at: .zero + .seconds(start + Double(step) / 100))
            sent += UInt64(rate * used / 8 / 100)
        }
    }

    private static func expect(_ limits: SendLimits, _ expected: [SendLimit: Double]) {
        for limit in SendLimit.allCases { #expect(abs(limits[limit].inSeconds - (expected[limit] ?? 0)) < 0.3, "\(limit): \(limits[limit].inSeconds)") }
    }

    private static func record(fixed: UInt64? = nil) -> SendRecord {
        var configuration = Configuration()
        configuration.rate.fixedRate = fixed
        return SendRecord(configuration: configuration, at: .zero)
    }

    @Test("Each second is put down to what kept the send from going on")
    func limits() {
        var record = Self.record()
        var sent: UInt64 = 0
        Self.run(&record, from: 0, seconds: 2, sent: &sent, used: 0, phase: .waiting)
        Self.run(&record, from: 2, seconds: 3, sent: &sent)
        record.note(RateController.Decision(before: 2, after: 1, reason: .queue))
        Self.run(&record, from: 5, seconds: 4, sent: &sent)
        Self.run(&record, from: 9, seconds: 1, sent: &sent, used: 0.1, isStarved: true)
        Self.run(&record, from: 10, seconds: 2, sent: &sent, used: 0.1, isBlocked: true)
        Self.run(&record, from: 12, seconds: 1, sent: &sent, used: 0.1, phase: .draining)
        Self.run(&record, from: 13, seconds: 1, sent: &sent, used: 0, phase: .lingering)
        Self.expect(record.limits, [.start: 2, .growth: 3, .path: 6, .source: 1, .repairs: 1, .linger: 1])
        #expect(abs(record.limits.total.inSeconds - 13.99) < 0.001)
    }

    @Test("A rate that is not used limits nothing: the host does")
    func unusedRate() {
        for used in [0.3, 0.95] {
            var record = Self.record(fixed: 80_000_000)
            var sent: UInt64 = 0
            Self.run(&record, from: 0, seconds: 5, sent: &sent, used: used)
            Self.run(&record, from: 5, seconds: 1, sent: &sent, used: 0, phase: .draining)
            Self.expect(record.limits, [used < 0.7 ? .host : .cap: 5, .repairs: 1])
        }
    }

    @Test("A transfer that is over before the rate could be judged is judged at its end")
    func shortTransfer() {
        var record = Self.record()
        var sent: UInt64 = 0
        Self.run(&record, from: 0, seconds: 0.1, sent: &sent)
        Self.run(&record, from: 0.1, seconds: 0.1, sent: &sent, used: 0, phase: .draining)
        #expect(abs(record.limits[.growth].inSeconds - 0.1) < 0.011 && record.limits[.host] == .zero)
    }
}
