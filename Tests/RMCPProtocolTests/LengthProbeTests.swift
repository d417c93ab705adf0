import Testing

@testable import RMCPProtocol

@Suite struct LengthProbeTests {
    /// A length is judged after three ANNOUNCEs, 100 ms apart, and two statuses of 10 ms.
    private func judge(_ probe: inout LengthProbe, lacking: Int, of all: Int, length: Int, at milliseconds: Int64) -> LengthProbe.Verdict {
        probe.judge((all, lacking), length: length, statusInterval: .milliseconds(10), at: .milliseconds(milliseconds))
    }

    @Test func whereEverybodyGetsFullDatagramsNothingIsProbed() {
        var probe = LengthProbe(configuration: Configuration())
        #expect(judge(&probe, lacking: 0, of: 0, length: 1_400, at: 0) == .settled && judge(&probe, lacking: 0, of: 1, length: 1_400, at: 1) == .settled)
    }

    @Test func theLengthGoesDownTheLadderUntilEverybodyGetsIt() {
        var probe = LengthProbe(configuration: Configuration())
        #expect(judge(&probe, lacking: 1, of: 9, length: 1_400, at: 0) == .probing && judge(&probe, lacking: 1, of: 9, length: 1_400, at: 319) == .probing)
        #expect(judge(&probe, lacking: 1, of: 9, length: 1_400, at: 320) == .lower(to: 1_300))
        #expect(judge(&probe, lacking: 1, of: 9, length: 1_300, at: 639) == .probing)
        #expect(judge(&probe, lacking: 1, of: 9, length: 1_300, at: 640) == .lower(to: 1_200))
        #expect(judge(&probe, lacking: 0, of: 9, length: 1_200, at: 650) == .settled)
        // A newcomer with a hole of its own is given the same time.
        #expect(judge(&probe, lacking: 1, of: 1, length: 1_200, at: 700) == .probing && judge(&probe, lacking: 1, of: 1, length: 1_200, at: 1_019) == .probing)
    }

    /// One of nine that gets nothing longer, or says so, does not shrink everybody's packets below what costs next to nothing.
    @Test func fewBringItDownToALengthThatCostsTheOthersNothing() {
        var probe = LengthProbe(configuration: Configuration())
        #expect(judge(&probe, lacking: 1, of: 9, length: 1_200, at: 0) == .probing && judge(&probe, lacking: 1, of: 9, length: 1_200, at: 320) == .settled)
        var many = LengthProbe(configuration: Configuration())
        #expect(judge(&many, lacking: 3, of: 9, length: 1_200, at: 0) == .probing)
        #expect(judge(&many, lacking: 3, of: 9, length: 1_200, at: 320) == .lower(to: 1_000))
        var alone = LengthProbe(configuration: Configuration())
        #expect(judge(&alone, lacking: 1, of: 1, length: 1_000, at: 0) == .probing)
        #expect(judge(&alone, lacking: 1, of: 1, length: 1_000, at: 320) == .lower(to: 508))
    }

    /// Below the last rung there is nothing to try: the start must not wait for good.
    @Test func theEndOfTheLadderIsSettled() {
        var probe = LengthProbe(configuration: Configuration())
        #expect(judge(&probe, lacking: 1, of: 1, length: 508, at: 0) == .probing && judge(&probe, lacking: 1, of: 1, length: 508, at: 320) == .settled)
    }
}
