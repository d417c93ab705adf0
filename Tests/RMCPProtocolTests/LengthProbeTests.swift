import TestSupport
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

    // MARK: What is sent for it

    /// A sender that waits for receivers, and when it has said what, milliseconds.
    private struct Waiting {
        var engine: SenderEngine
        var now = Instant.milliseconds(0)
        var short: [Int64] = []
        var padded: [Int64] = []
        var milliseconds: Int64 { now.nanoseconds / 1_000_000 }
        private let home = SocketAddress.ipv4(10, 0, 0, 7, port: 5_000)

        init() {
            var configuration = Configuration()
            configuration.joining.waitForReceivers = 2
            engine = SenderEngine(
                configuration: configuration, announce: .sample("image", contentLength: 0), signer: LaneSigner(key: 5), digest: LaneDigest(), seed: 7, at: now)
        }

        mutating func run(until end: Int64) {
            while now < .milliseconds(end) {
                if let due = engine.pollTimeout(at: now), due <= now { engine.handleTimeout(at: now) }
                drain()
                now = now + .milliseconds(1)
            }
        }

        /// A child reports the longest datagram that it has got.
        mutating func report(_ longest: UInt16, id: UInt32 = 1, state: ReceiverState = .joined) {
            let histogram = StatusHistogram(LeafStatus(state: state, progress: 0, network: nil))
            let status = StatusReport(echo: .none, longestDatagram: longest, cookie: engine.cookie(for: home), histogram: histogram)
            engine.handle(datagram: datagram(.status(status), isUnicast: true, tag: engine.session.tag, transmitter: id).span.bytes, from: home, at: now)
            drain()
        }

        private mutating func drain() {
            while let transmit = engine.pollTransmit(at: now) {
                guard case .datagram(let bytes, .group) = transmit, PacketHeader.kind(of: bytes.span.bytes) == .announce else { continue }
                if bytes.count == engine.datagramLength { padded.append(milliseconds) } else { short.append(milliseconds) }
            }
        }
    }

    /// While nobody comes, nearly all that a sender says would be padding.
    @Test func oneAnnounceOfTenIsPaddedWhileNobodyComes() {
        var sender = Waiting()
        sender.run(until: 3_000)
        #expect(sender.short.count == 30 && sender.padded == [0, 1_000, 2_000], "\(sender.padded)")
    }

    @Test func whoJoinsGetsAPaddedOneAtOnce() {
        var sender = Waiting()
        sender.run(until: 250)
        sender.report(200)
        #expect(sender.padded == [0, 250])
        // Another one within a tenth of a second shares the next.
        sender.run(until: 260)
        sender.report(200, id: 2)
        #expect(sender.padded == [0, 250])
        sender.run(until: 400)
        #expect(sender.padded == [0, 250, 300])
        // Who has got it, and who has failed, needs no more.
        sender.report(1_400)
        sender.report(1_400, id: 2)
        sender.report(200, id: 3, state: .failedDiskFull)
        sender.run(until: 1_300)
        #expect(sender.padded == [0, 250, 300] && sender.short.count == 13)
    }

    /// Three are what a length is judged by.
    @Test func whileALengthIsTriedEachAnnounceIsPadded() {
        var sender = Waiting()
        sender.run(until: 1_900)
        sender.report(200)
        sender.report(1_400, id: 2)
        sender.run(until: 2_050)
        sender.padded = []
        while sender.engine.datagramLength == 1_400, sender.milliseconds < 4_000 { sender.run(until: sender.milliseconds + 1) }
        #expect(sender.engine.datagramLength == 1_300 && sender.padded.count >= 3, "\(sender.padded)")
    }
}
