import TestSupport
import Testing

@testable import RMCPProtocol

/// A receiver that has everything, and is not done: its disk flushes, or its command runs.
@Suite struct FinishingTests {
    @Test func aReceiverThatCommitsSaysSo() {
        var session = SessionHarness(signer: NoSigner(), receivers: 2)
        session.receivers[0].flushesLong = true
        #expect(session.run { $0.receivers[1].outcome == .complete && $0.receivers[0].engine.chunksDone == $0.chunkTotal })
        #expect(session.receivers[0].engine.state == .finishing)
        // The sender hears of it, and counts it among those that are under way.
        #expect(session.run { $0.sender.receivers.count(.finishing) == 1 })
        #expect(session.sender.receivers.active == 1 && session.sender.receivers.count(.complete) == 1)
        session.receivers[0].engine.handle(.committed, at: session.now)
        #expect(session.run { $0.outcome != nil })
        #expect(session.outcome?.kind == .complete && session.receivers[0].outcome == .complete)
    }

    @Test func activeStatesComeFirst() {
        let states = ReceiverState.allCases
        #expect(states.count == StatusHistogram.stateCount)
        #expect(states.enumerated().allSatisfy { Int($1.rawValue) == $0 })
        #expect(states.filter(\.isActive) == [.joined, .receiving, .behind, .finishing])
        #expect(states.filter { !$0.isFailure } == states.filter(\.isActive) + [.complete])
        #expect(ReceiverState.outdated.isFailure && ReceiverState.outdated.reason == "a newer version is here")
        for state in states {
            let one = StatusHistogram(LeafStatus(state: state, progress: 0, network: nil))
            #expect(one.active == (state.isActive ? 1 : 0) && one.failed == (state.isFailure ? 1 : 0))
        }
    }
}
