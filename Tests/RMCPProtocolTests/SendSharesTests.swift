import Testing

@testable import RMCPProtocol

@Suite struct SendSharesTests {
    private func shares() -> SendShares {
        var configuration = Configuration()
        configuration.repairs.leastFirstShareWhileStreaming = 0.2
        configuration.unicast.unicastShareWhileStreaming = 0.1
        configuration.repairs.catchUpShareWhileStreaming = 0.01
        return SendShares(configuration: configuration)
    }

    /// Repairs may take four fifths: a quarter of their bytes is then owed to first transmissions.
    @Test func repairsLeaveFirstTransmissionsTheirShare() {
        var shares = shares()
        shares.noteRepair(40_000)
        #expect(shares.isFirstOwed)
        shares.noteFirst(9_999)
        #expect(shares.isFirstOwed)
        shares.noteFirst(1)
        #expect(!shares.isFirstOwed)
    }

    @Test func whatIsSentInAdvanceIsBounded() {
        var shares = shares()
        for _ in 0..<100 { shares.noteFirst(60_000) }
        shares.noteRepair(4 * 65_000 + 4)
        #expect(shares.isFirstOwed)
    }

    @Test func unicastAndCatchUpLiveOnAShareOfTheStream() {
        var shares = shares()
        #expect(!shares.mayServeUnicast && !shares.mayCatchUp)
        shares.noteStream(100_000)
        #expect(shares.mayServeUnicast && shares.mayCatchUp)
        shares.noteUnicast(10_000)
        shares.noteCatchUp(1_000)
        #expect(!shares.mayServeUnicast && !shares.mayCatchUp)
        // However long nothing of it was used, no more than a megabyte is kept.
        for _ in 0..<100 { shares.noteStream(1e9) }
        shares.noteUnicast(1_000_000)
        #expect(!shares.mayServeUnicast)
    }
}
