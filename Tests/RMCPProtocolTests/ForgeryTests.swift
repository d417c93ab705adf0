import TestSupport
import Testing

@testable import RMCPProtocol

/// Single forged datagrams against engines in the middle of a session. Neither HEARTBEAT nor NAK nor STATUS is signed.
@Suite struct ForgeryTests {
    private let signer = LaneSigner(key: 5)

    static let timestamps: [UInt64] = [
        .max, .max - 1, 1 << 63, 1 << 63 - 1, 1 << 60, 1 << 60 - 1, UInt64(bitPattern: -1), UInt64(bitPattern: -1 << 40),
        UInt64(bitPattern: .min + 1), 1, 0,
    ]

    private func heartbeat(in session: SessionHarness, timestamp: UInt64) -> [UInt8] {
        var heartbeat = session.sender.heartbeat(at: session.now, timeToLive: 1)
        heartbeat.timestamp = timestamp
        return session.forged(.heartbeat(heartbeat))
    }

    /// Before any genuine HEARTBEAT, and between them.
    @Test(arguments: timestamps, [false, true]) func aForgedClockDoesNotStopAReceiver(timestamp: UInt64, isFirst: Bool) throws {
        var session = SessionHarness(signer: signer, receivers: 1)
        if !isFirst {
            let isUnderWay = session.run { $0.receivers[0].engine.chunksDone > 10 }
            #expect(isUnderWay)
        }
        for _ in 0..<2 {
            session.receivers[0].take(heartbeat(in: session, timestamp: timestamp), at: session.now)
            let said = session.statuses.count
            let hasReported = session.run(for: .seconds(1)) { $0.statuses.count > said }
            #expect(hasReported)
            // Only a clock that could be one may look like a queue.
            if timestamp >= 1 << 60 {
                #expect(session.statuses[said...].allSatisfy { ($0.report.histogram.leaf?.network?.pressure ?? 0) == 0 })
            }
        }
        let isWhole = session.run { $0.outcome != nil && $0.receivers[0].outcome != nil }
        #expect(isWhole && session.isWhole && session.outcome?.kind == .complete)
        #expect(session.receivers[0].engine.counters.malformed == 0)
    }

    /// A sender's clock may be near its epoch: an echo from before that, or from the future, is no round trip.
    @Test(arguments: [0, 1_000, 5_000_000, 3_000_000_000] as [Int64]) func aForgedEchoIsNoRoundTrip(clock: Int64) {
        let session = SessionHarness(signer: signer, receivers: 1)
        var sender = session.sender
        let now = Instant(nanoseconds: clock)
        let source = SocketAddress.ipv4(10, 0, 0, 9, port: 1)
        let cookie = sender.cookie(for: source)
        let before = sender.groupRoundTrip
        let leaf = StatusHistogram(state: .receiving, progress: 1, loss: 15, pressure: 7, arrival: 0)
        for timestamp in Self.timestamps where timestamp != 1 {
            for delay: UInt32 in [.max, 1 << 31, 1, 0] {
                let echo = TimestampEcho(timestamp: timestamp, delay: delay)
                var request = RepairRequest()
                request.needsEnd = true
                request.chunks = [0..<Limits.maximumChunks]
                request.pages = [0..<Limits.maximumChunks]
                request.packets = [RepairRequest.ChunkPackets(chunk: 0, packets: PacketSet(0..<Limits.maximumPacketsPerChunk))]
                for packet in [
                    Packet.nak(NegativeAcknowledgement(echo: echo, cookie: cookie, request: request)),
                    .status(StatusReport(echo: echo, longestDatagram: .max, cookie: cookie, histogram: leaf)),
                ] {
                    let sent = datagram(packet, isUnicast: true, tag: sender.session.tag, transmitter: 77)
                    sender.handle(datagram: sent.span.bytes, from: source, at: now)
                    sender.handleTimeout(at: now)
                    while sender.pollTransmit(at: now) != nil {}
                }
            }
        }
        #expect(sender.groupRoundTrip == before && sender.echoes.newest == session.sender.echoes.newest)
        #expect(sender.counters.naksReceived == 40 && sender.counters.statusesReceived == 40 && sender.counters.malformed == 0)
    }

    /// The same in mid-session, after which the session goes on as if nothing had been.
    @Test func aForgedEchoDoesNotStopASender() {
        var session = SessionHarness(signer: signer, receivers: 2)
        let isUnderWay = session.run { $0.receivers[0].engine.chunksDone > 10 }
        #expect(isUnderWay)
        let roundTrip = session.sender.groupRoundTrip
        for echo in [TimestampEcho(timestamp: .max, delay: .max), TimestampEcho(timestamp: 1, delay: .max)] {
            let nak = NegativeAcknowledgement(echo: echo, request: RepairRequest())
            let sent = session.forged(.nak(nak))
            var bent = sent
            // From a child, not from the sender itself.
            bent.replaceSubrange(8..<12, with: [0, 0, 3, 0xE8])
            for datagram in [sent, bent] {
                session.sender.handle(datagram: datagram.span.bytes, from: .ipv4(10, 0, 0, 9, port: 1), at: session.now)
            }
        }
        #expect(session.sender.groupRoundTrip == roundTrip && session.sender.counters.foreign == 2)
        let isOver = session.run { $0.outcome != nil && $0.receivers.allSatisfy { $0.outcome != nil } }
        #expect(isOver && session.isWhole && session.outcome?.kind == .complete)
    }

    /// A position far beyond the end must not take every slot for chunks that there are none of: neither while chunks
    /// are being sent nor when only repairs are to come.
    @Test(arguments: [1, 20, 39, nil] as [UInt32?]) func aForgedPositionDoesNotStarveAReceiver(chunks: UInt32?) {
        // Fewer slots than chunks, and loss that leaves something to be fetched to the last.
        var session = SessionHarness(signer: signer, receivers: 1) { $0.memory.assemblySlots = 8 }
        let losses = Losses()
        session.delivers = { _, datagram in datagram.count < 1_000 || !losses.random.chance(0.2) }
        // Nil is when the receiver has heard of the end and lacks chunks.
        let isUnderWay = session.run { harness in
            chunks.map { harness.sender.positionChunk >= $0 } ?? (harness.receivers[0].engine.ledger.end != nil)
        }
        #expect(isUnderWay && session.receivers[0].engine.chunksDone < 40)
        for position in [StreamPosition(chunk: Limits.maximumChunks, packet: .max), StreamPosition(chunk: 41, packet: 0)] {
            var heartbeat = session.sender.heartbeat(at: session.now, timeToLive: 1)
            heartbeat.position = position
            session.receivers[0].take(session.forged(.heartbeat(heartbeat)), at: session.now)
        }
        let isOver = session.run { $0.outcome != nil && $0.receivers[0].outcome != nil }
        #expect(isOver && session.isWhole, "\(session.receivers[0].engine.diagnosis)")
    }

    private final class Losses {
        var random = RandomSource(seed: 11)
    }

    /// A NAK must fit the session's datagrams, as its NCF must; one of 64 KB is not even read.
    @Test func anOverlongNAKIsMalformed() {
        var session = SessionHarness(signer: signer, receivers: 1)
        #expect(session.run { $0.receivers[0].engine.chunksDone > 10 })
        var request = RepairRequest()
        for chunk in UInt32(0)..<7_000 { request.chunks.append(chunk * 2..<chunk * 2 + 1) }
        let before = session.sender.counters
        func tell(_ request: RepairRequest) -> Int {
            let nak = Packet.nak(NegativeAcknowledgement(echo: .none, cookie: 0, request: request))
            let bytes = datagram(nak, isUnicast: true, tag: session.sender.session.tag, transmitter: 77)
            session.sender.handle(datagram: bytes.span.bytes, from: .ipv4(10, 0, 0, 9, port: 1), at: session.now)
            return bytes.count
        }
        #expect(tell(request) > 60_000)
        #expect(session.sender.counters.malformed == before.malformed + 1 && session.sender.counters.naksReceived == before.naksReceived)
        request.chunks = Array(request.chunks.prefix(100))
        #expect(tell(request) < session.sender.datagramLength)
        #expect(session.sender.counters.malformed == before.malformed + 1 && session.sender.counters.naksReceived == before.naksReceived + 1)
    }

    // MARK: A datagram's length that is lowered

    /// One receiver sits behind a hole in the path MTU, so that the sender lowers its datagrams' length. Another one
    /// does not hear of that, nor of any page, until data has come, which it has put into the wrong places.
    @Test(arguments: [1, 10, 40]) func aLoweredLengthThatArrivesAfterDataIsRecoveredFrom(late: Int) {
        var session = SessionHarness(signer: signer, receivers: 2)
        let data = Counter()
        session.delivers = { receiver, datagram in
            guard receiver == 1 else { return datagram.count <= 1_300 }
            switch try? parse(datagram).1 {
            case .announce(let announce, _)?: return announce.payloadLength == 1_376 || data.count >= late
            case .page?: return data.count >= late
            case .data?: data.count += 1
            default: break
            }
            return true
        }
        let hasData = session.run { _ in data.count >= late }
        #expect(hasData && session.sender.datagramLength == 1_300)
        #expect(session.receivers[0].engine.announce.payloadLength == 1_276)
        #expect(session.receivers[1].engine.announce.payloadLength == 1_376 && session.receivers[1].engine.counters.payloadBytes > 0)
        let isOver = session.run { $0.outcome != nil && $0.receivers.allSatisfy { $0.outcome != nil } }
        #expect(isOver && session.isWhole && session.outcome?.kind == .complete, "\(session.receivers[1].engine.diagnosis)")
        #expect(session.receivers[1].engine.announce.payloadLength == 1_276)
    }

    /// What the network closure counts.
    private final class Counter {
        var count = 0
    }

    @Test func aSessionWithoutForgeriesIsWhole() {
        var session = SessionHarness(signer: signer, receivers: 2)
        let isOver = session.run { $0.outcome != nil && $0.receivers.allSatisfy { $0.outcome != nil } }
        #expect(isOver && session.isWhole && session.outcome?.kind == .complete)
    }
}
