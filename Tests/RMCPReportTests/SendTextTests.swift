import Testing

@testable import RMCPProtocol
@testable import RMCPReport

@Suite struct SendTextTests {
    private func outcome(_ states: [ReceiverState], _ labels: [(String, ReceiverState)]) -> SenderOutcome {
        var histogram = StatusHistogram()
        for state in states { histogram.add(LeafStatus(state: state, progress: 0, network: nil)) }
        return SenderOutcome(kind: .partial, receivers: histogram, labels: labels.compactMap { FailureLabel($0.0, $0.1) })
    }

    @Test("Those that failed are counted by reason, and named where they want to be")
    func failures() {
        let states: [ReceiverState] = [.complete, .failedDiskFull, .failedDiskFull, .failedDiskFull, .failedHook, .lost]
        let named = outcome(states, [("lab-07", .failedDiskFull), ("lab-12", .failedDiskFull), ("kiosk", .failedHook)])
        #expect(
            SendText.failures(named)
                == ["3 receivers failed: disk full (lab-07, lab-12)", "1 receiver failed: hook failed (kiosk)", "1 receiver failed: lost"])
        #expect(SendText.failures(outcome([.complete], [])).isEmpty)
        let many = outcome(Array(repeating: .failedStorage, count: 300), (0..<150).map { ("r\($0)", .failedStorage) })
        #expect(SendText.failures(many).count == 1 && SendText.failures(many)[0].hasSuffix(", r99 and 50 more)"))
    }
}
