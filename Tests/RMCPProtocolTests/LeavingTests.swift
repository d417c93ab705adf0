import TestSupport
import Testing

@testable import RMCPProtocol

/// A sender that has said that it leaves offers its session to nobody: who took it up would wait half a minute for a sender that is not there.
@Suite struct LeavingTests {
    /// A sender that waits for receivers, and what it says to all.
    private struct Waiting: EngineHost {
        static let home = SocketAddress.ipv4(10, 0, 0, 7, port: 5_000)

        var engine: SenderEngine
        var now = Instant.milliseconds(1)
        private(set) var said: [Packet] = []
        private(set) var acknowledgements = 0

        init() {
            var configuration = Configuration()
            configuration.joining.waitForReceivers = 2
            engine = SenderEngine(
                configuration: configuration, announce: .sample("image", contentLength: 0), signer: LaneSigner(key: 5), digest: LaneDigest(), seed: 7, at: now)
        }

        mutating func answer(_ event: SenderEvent) {}

        mutating func hear(_ transmit: Transmit) {
            guard case .datagram(let bytes, let destination) = transmit, let packet = try? parse(bytes).1 else { return }
            if destination == .group { said.append(packet) }
            if case .acknowledgement = packet { acknowledgements += 1 }
        }

        mutating func report(_ state: ReceiverState, longest: UInt16 = 1_400) {
            let histogram = StatusHistogram(LeafStatus(state: state, progress: 0, network: nil))
            let status = StatusReport(echo: .none, longestDatagram: longest, cookie: engine.cookie(for: Self.home), histogram: histogram)
            engine.handle(
                datagram: datagram(.status(status), isUnicast: true, tag: engine.session.tag, transmitter: 1).span.bytes, from: Self.home, at: now)
        }

        mutating func run(until end: Int64, each millisecond: (inout Waiting) -> Void = { _ in }) {
            while now < .milliseconds(end) {
                sleep(.milliseconds(1))
                millisecond(&self)
            }
        }

        /// What was said from the first word of the end on.
        var lastWords: [Packet] {
            Array(said.drop { if case .heartbeat(let heartbeat) = $0 { heartbeat.phase != .aborted } else { true } })
        }

        func isOffer(_ packet: Packet) -> Bool { if case .announce = packet { true } else { false } }
    }

    @Test func nothingIsOfferedWhileLeaving() {
        var sender = Waiting()
        // ANNOUNCEs go out at 1, 102, 203 ms.
        sender.run(until: 190)
        #expect(sender.said.count { sender.isOffer($0) } > 1)
        sender.engine.stop(at: sender.now)
        sender.run(until: 400) { if $0.now.nanoseconds / 1_000_000 % 5 == 0 { $0.report(.complete) } }
        #expect(sender.engine.isFinished && sender.acknowledgements > 5)
        let heartbeats = sender.lastWords.count { if case .heartbeat = $0 { true } else { false } }
        #expect(heartbeats == 4 && !sender.lastWords.contains { sender.isOffer($0) })
    }

    /// One of full length is still to go out to somebody who has just come.
    @Test func whatWasToBeProbedIsLeft() {
        var sender = Waiting()
        sender.run(until: 140)
        sender.report(.joined, longest: 200)
        #expect(!sender.engine.lengthProbe.isEmpty)
        sender.engine.stop(at: sender.now)
        sender.engine.handleTimeout(at: sender.now)
        sender.run(until: 300)
        #expect(sender.engine.isFinished && !sender.lastWords.isEmpty && !sender.lastWords.contains { sender.isOffer($0) })
    }
}
