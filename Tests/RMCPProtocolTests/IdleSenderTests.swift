import TestSupport
import Testing

@testable import RMCPProtocol

/// A sender that waits for somebody, for hours perhaps, and leaves the processor alone meanwhile.
@Suite struct IdleSenderTests {
    /// Times that a host wakes for this engine within a span, with nothing arriving.
    private func wakes(of engine: inout SenderEngine, from start: Instant, for span: Interval) -> Int {
        var wakes = 0
        var now = start
        while let due = engine.pollTimeout(at: now), due < start + span {
            now = max(now, due)
            engine.handleTimeout(at: now)
            while engine.pollTransmit(at: now) != nil {}
            wakes += 1
        }
        return wakes
    }

    @Test func aSenderThatWaitsWakesToSaySo() {
        var session = SessionHarness(signer: NoSigner(), receivers: 1) {
            $0.joining.minimumWait = .seconds(60)
            $0.joining.maximumWait = .seconds(60)
        }
        // ANNOUNCE and HEARTBEAT each tenth of a second, and housekeeping with them.
        #expect((50...110).contains(wakes(of: &session.sender, from: session.now, for: .seconds(5))))
    }

    @Test func aSenderThatLingersWakesToSaySo() {
        var session = SessionHarness(signer: NoSigner(), receivers: 1) { $0.joining.linger = .seconds(3_600) }
        #expect(session.run { $0.sender.sessionPhase == .lingering && $0.receivers[0].outcome == .complete })
        #expect((20...120).contains(wakes(of: &session.sender, from: session.now, for: .seconds(5))))
    }

    @Test("A stream begins when the earliest time has come, whenever that is")
    func theEarliestStartIsKept() {
        for wait in [Interval.milliseconds(33), .milliseconds(250), .milliseconds(1_234)] {
            var session = SessionHarness(signer: NoSigner(), receivers: 1) { $0.joining.minimumWait = wait }
            let begun = session.now
            #expect(session.run { $0.sender.sessionPhase != .waiting })
            #expect(session.now - begun <= wait + SessionHarness.step * 2)
        }
    }

    @Test("A stream begins at the latest time, with those who have come")
    func theLatestStartIsKept() {
        var session = SessionHarness(signer: NoSigner(), receivers: 1) {
            $0.joining.waitForReceivers = 2
            $0.joining.maximumWait = .milliseconds(777)
        }
        let begun = session.now
        #expect(session.run { $0.sender.sessionPhase != .waiting })
        #expect(session.now - begun <= .milliseconds(777) + SessionHarness.step * 2)
    }
}
