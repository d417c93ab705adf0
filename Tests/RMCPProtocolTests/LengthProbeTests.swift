import Testing

@testable import RMCPProtocol

@Suite struct LengthProbeTests {
    /// A length is judged after three ANNOUNCEs, 100 ms apart, and two statuses of 10 ms.
    private func judge(_ probe: inout LengthProbe, _ longest: Int?, length: Int, at milliseconds: Int64) -> LengthProbe.Verdict {
        probe.judge(longest: longest, length: length, statusInterval: .milliseconds(10), at: .milliseconds(milliseconds))
    }

    @Test func whereEverybodyGetsFullDatagramsNothingIsProbed() {
        var probe = LengthProbe(configuration: Configuration())
        #expect(judge(&probe, nil, length: 1_400, at: 0) == .settled && judge(&probe, 1_400, length: 1_400, at: 1) == .settled)
    }

    @Test func theLengthGoesDownTheLadderUntilEverybodyGetsIt() {
        var probe = LengthProbe(configuration: Configuration())
        #expect(judge(&probe, 300, length: 1_400, at: 0) == .probing && judge(&probe, 300, length: 1_400, at: 319) == .probing)
        #expect(judge(&probe, 300, length: 1_400, at: 320) == .lower(to: 1_300))
        #expect(judge(&probe, 300, length: 1_300, at: 639) == .probing && judge(&probe, 300, length: 1_300, at: 640) == .lower(to: 1_200))
        #expect(judge(&probe, 1_200, length: 1_200, at: 650) == .settled)
        // A newcomer with a hole of its own is given the same time.
        #expect(judge(&probe, 500, length: 1_200, at: 700) == .probing && judge(&probe, 500, length: 1_200, at: 1_019) == .probing)
    }

    /// Below the last rung there is nothing to try: the start must not wait for good.
    @Test func theEndOfTheLadderIsSettled() {
        var probe = LengthProbe(configuration: Configuration())
        #expect(judge(&probe, 300, length: 508, at: 0) == .probing && judge(&probe, 300, length: 508, at: 320) == .settled)
    }
}
