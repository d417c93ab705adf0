import Testing

@testable import RMCPProtocol

@Suite struct ArrivalRateFixTests {
    /// Before there is a stream, only control comes: that is no rate of arrival, and a STATUS has none.
    @Test func nothingIsSaidOfArrivalBeforeThereIsAStream() {
        var receiver = LoneReceiver()
        let reports = receiver.run(for: .milliseconds(300)) { receiver in
            let bytes = datagram(
                .heartbeat(
                    Heartbeat(
                        phase: .waiting, timestamp: UInt64(receiver.now.nanoseconds / 1_000), groupRoundTrip: 2_000, statusInterval: 10,
                        population: 1, position: .start, pageCount: 0, hasEnd: false, rate: 1_000_000, liveLossLimit: 16,
                        livePressureLimit: 8)),
                tag: receiver.announce.session.tag, transmitter: 7, sequence: UInt32(receiver.now.nanoseconds / 1_000_000))
            _ = receiver.engine.handle(datagram: bytes.span.bytes, arrival: Arrival(source: LoneReceiver.source, at: receiver.now), at: receiver.now)
        }.reports
        #expect(reports.count > 10)
        #expect(reports.allSatisfy { $0.histogram.leaf?.network != nil && $0.histogram.arrival.allSatisfy { $0 == 0 } })
    }

    private func stream(_ tracker: inout ArrivalTracker, milliseconds: Range<Int64>, sequence: inout UInt32) {
        for millisecond in milliseconds {
            // Eight of 1,250 bytes with their headers, 80 Mb/s.
            for _ in 0..<8 {
                tracker.record(sequence, bytes: 1_222, dataAt: (.milliseconds(millisecond), .milliseconds(millisecond)))
                sequence += 1
            }
            if millisecond % 10 == 0 { tracker.closeInterval(at: .milliseconds(millisecond)) }
        }
    }

    /// After a pause of its source the stream is measured anew, and not over the pause.
    @Test func aPauseSaysNothing() {
        var tracker = ArrivalTracker()
        var sequence: UInt32 = 0
        stream(&tracker, milliseconds: 1..<200, sequence: &sequence)
        #expect((tracker.rate(isRead: false)).map { (7e7...9e7).contains($0) } == true)
        for millisecond in stride(from: Int64(200), to: 3_200, by: 10) {
            tracker.record(sequence, bytes: 82)
            sequence += 1
            tracker.closeInterval(at: .milliseconds(millisecond))
            #expect(millisecond < 300 || tracker.rate(isRead: false) == nil)
        }
        for millisecond in Int64(3_205)..<3_300 {
            stream(&tracker, milliseconds: millisecond..<millisecond + 1, sequence: &sequence)
            #expect(tracker.rate(isRead: false).map { $0 > 7e7 } ?? (millisecond < 3_220))
        }
    }

    /// A slow stream has few datagrams in an interval: it goes on until there are enough.
    @Test func aSlowStreamIsMeasuredOverSeveralIntervals() {
        var tracker = ArrivalTracker()
        for step in UInt32(0)..<100 {
            let now = Instant.milliseconds(Int64(step) * 10)
            tracker.record(step, bytes: 1_222, dataAt: (now, now))
            tracker.closeInterval(at: now + .milliseconds(5))
            #expect(tracker.rate(isRead: false).map { abs($0 - 1e6) < 1e5 } ?? (step < 20))
        }
    }

    /// A child's histogram without arrival is that of one receiver, on the wire and in sums.
    @Test func aReportWithoutArrivalIsALeaf() {
        let leaf = LeafStatus(state: .receiving, progress: 3, network: .init(loss: 2, pressure: 4, arrival: nil))
        let histogram = StatusHistogram(leaf)
        #expect(histogram.leaf == leaf && histogram.loss[2] == 1 && histogram.pressure[4] == 1)
        var writer = ByteWriter()
        histogram.write(to: &writer)
        var reader = ByteReader(writer.bytes.span.bytes)
        #expect((try? StatusHistogram(reading: &reader)) == histogram)
    }
}
