import Testing

@testable import RMCPProtocol

/// Front of the stream a while ago: by it a NAK is told what it cannot rightly name.
@Suite struct RecentSendsTests {
    private static func at(_ packet: UInt16) -> StreamPosition { StreamPosition(chunk: 0, packet: packet) }

    @Test func whatWasSentBeforeIsKnown() {
        var sends = RecentSends()
        for step in 0..<100 { sends.note(Self.at(UInt16(step)), at: .milliseconds(10 + Int64(step))) }
        #expect(sends.front(before: .milliseconds(200), now: Self.at(100)) == Self.at(100))
        #expect(sends.front(before: .milliseconds(109), now: Self.at(100)) == Self.at(99))
        #expect(sends.front(before: .milliseconds(60), now: Self.at(100)) == Self.at(50))
        // From before the first one on nothing is known: as far as the first is believed.
        #expect(sends.front(before: .zero, now: Self.at(100)) == Self.at(0))
        #expect(RecentSends().front(before: .zero, now: Self.at(7)) == Self.at(7))
    }

    /// Sends that are closer together count as one, and of many only the last are remembered.
    @Test func memoryIsBounded() {
        var sends = RecentSends()
        for step in 0..<60_000 { sends.note(Self.at(UInt16(step)), at: Instant(nanoseconds: 10_000 * Int64(step))) }
        #expect(sends.front(before: Instant(nanoseconds: 599_990_000), now: Self.at(60_000)) >= Self.at(59_900))
        let oldest = sends.front(before: .zero, now: Self.at(60_000))
        #expect(oldest > Self.at(50_000) && oldest < Self.at(54_000))
    }

    /// The stream may be taken back to where it was: a repair node had been led astray.
    @Test func noFrontIsAheadOfTheStream() {
        var sends = RecentSends()
        sends.note(Self.at(50), at: .milliseconds(5))
        #expect(sends.front(before: .milliseconds(1), now: Self.at(20)) == Self.at(20))
    }
}
