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

    /// Repairs that go on without end leave a fifth to each of the others that waits, and nothing to who does not.
    @Test func whatGoesLaterIsOwedAShareWhileItWaits() {
        func sent(unicastWaits: Bool, catchUpWaits: Bool) -> [SendShares.Kind: Double] {
            var shares = shares()
            var sent: [SendShares.Kind: Double] = [:]
            for _ in 0..<1_000 {
                let kind: SendShares.Kind = shares.isUnicastOwed ? .unicast : shares.isCatchUpOwed ? .catchUp : .live
                shares.noteLater(kind, 60_000, waits: (unicastWaits, catchUpWaits))
                sent[kind, default: 0] += 60
            }
            return sent
        }
        #expect(sent(unicastWaits: true, catchUpWaits: true) == [.live: 36_000, .unicast: 12_000, .catchUp: 12_000])
        #expect(sent(unicastWaits: false, catchUpWaits: true) == [.live: 48_000, .catchUp: 12_000])
        #expect(sent(unicastWaits: false, catchUpWaits: false) == [.live: 60_000])
    }

    @Test func turnsAreByBytes() {
        var turns = SendTurns()
        #expect(turns.isFirstsTurn)
        turns.noteFirst(1_400)
        #expect(!turns.isFirstsTurn)
        turns.noteSecond(60_000)
        turns.noteFirst(58_599)
        #expect(turns.isFirstsTurn)
        turns.noteFirst(1)
        #expect(turns.isFirstsTurn)
        turns.noteFirst(1)
        #expect(!turns.isFirstsTurn)
        // However long the one went on alone.
        for _ in 0..<100 { turns.noteFirst(60_000) }
        turns.noteSecond(65_000)
        #expect(turns.isFirstsTurn)
    }
}
