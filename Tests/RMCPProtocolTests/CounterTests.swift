import Testing

@testable import RMCPProtocol

/// Sums of counters leave nothing out.
@Suite struct CounterTests {
    private func numbers(_ counters: Any) -> [UInt64] { Mirror(reflecting: counters).children.compactMap { $0.value as? UInt64 } }

    @Test func receivers() {
        let names: [WritableKeyPath<ReceiverCounters, UInt64>] = [
            \.datagrams, \.payloadBytes, \.duplicates, \.malformed, \.foreign, \.forged, \.unverified, \.windowDrops, \.overflowed, \.naksSent,
            \.naksSuppressed,
            \.statusesSent, \.chunksKept, \.chunksRejected, \.strayResults, \.parentChanges,
        ]
        var sum = ReceiverCounters()
        for (index, name) in names.enumerated() { sum[keyPath: name] = UInt64(index) + 1 }
        // A counter that this list does not have is 0 here.
        #expect(numbers(sum).sorted() == (1...UInt64(names.count)).map { $0 })
        let before = numbers(sum)
        sum += sum
        #expect(numbers(sum) == before.map { 2 * $0 })
    }

    @Test func senders() {
        let names: [WritableKeyPath<SenderCounters, UInt64>] = [
            \.bytesSent, \.datagramsSent, \.firstBytes, \.relayedBytes, \.repairBytes, \.catchUpBytes, \.naksReceived, \.statusesReceived, \.malformed,
            \.foreign, \.unproven, \.datagramLengthReductions,
        ]
        var sum = SenderCounters()
        for (index, name) in names.enumerated() { sum[keyPath: name] = UInt64(index) + 1 }
        #expect(numbers(sum).sorted() == (1...UInt64(names.count)).map { $0 })
        let before = numbers(sum)
        sum += sum
        #expect(numbers(sum) == before.map { 2 * $0 })
    }
}
