import Testing

@testable import RMCPProtocol

@Suite struct StreamMeterTests {
    private static let silence = PresenceSettings().streamSilence

    private func heard(_ transmitter: UInt32, by meter: inout StreamMeter, at now: Instant) {
        let heartbeat = Heartbeat(
            phase: .streaming, timestamp: 0, groupRoundTrip: 1_000, statusInterval: 10, population: 1, position: .start, pageCount: 0, hasEnd: false,
            rate: 1_000_000, liveLossLimit: 15, livePressureLimit: 7)
        meter.note(heartbeat, from: transmitter, arrivedAt: now)
    }

    /// What was measured of a stream is of the past once nobody speaks for it.
    @Test func aStreamEndsWithItsTransmittersWord() {
        var meter = StreamMeter(of: 1)
        #expect(!meter.hasEnded(for: Self.silence, at: .zero + .seconds(100)), "who was never heard has not fallen silent")
        heard(1, by: &meter, at: .zero + .seconds(1))
        // Others' do not prolong it.
        heard(2, by: &meter, at: .zero + .seconds(1.9))
        #expect(!meter.hasEnded(for: Self.silence, at: .zero + .seconds(1.99)))
        #expect(meter.hasEnded(for: Self.silence, at: .zero + .seconds(2)))
        meter.follow(2)
        #expect(meter.transmitter == 2 && !meter.hasEnded(for: Self.silence, at: .zero + .seconds(100)))
    }
}
