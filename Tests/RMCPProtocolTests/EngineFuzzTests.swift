import TestSupport
import Testing

@testable import RMCPProtocol

/// Mutations of datagrams of every kind, fed to engines in mid-session. That nothing traps is what this is about; what
/// the engines say meanwhile must be well formed, and payload must go where there is room for it.
@Suite struct EngineFuzzTests {
    /// Sessions as they are at some moments, and what went over the wire in them.
    private struct Corpus {
        var sessions: [SessionHarness] = []
        var datagrams: [PacketKind: [[UInt8]]] = [:]

        init(isSigned: Bool, isResumable: Bool) {
            var session = SessionHarness(
                signer: isSigned ? LaneSigner(key: 5) : NoSigner(), receivers: 2, isResumable: isResumable)
            session.isRecording = true
            let losses = Losses()
            session.delivers = { _, datagram in datagram.count < 1_000 || !losses.random.chance(0.25) }
            for chunks: UInt32 in [0, 3, 20, 38] {
                let isThere = session.run { $0.receivers[1].engine.chunksDone >= chunks }
                #expect(isThere)
                sessions.append(session)
            }
            let isOver = session.run { $0.outcome != nil && $0.receivers.allSatisfy { $0.outcome != nil } }
            #expect(isOver && session.isWhole)
            datagrams = session.recorded
            for kind in PacketKind.allCases where !Self.treeKinds.contains(kind) && (isSigned || kind != .statement) {
                #expect(datagrams[kind]?.isEmpty == false, "no \(kind) to start from")
            }
        }

        /// Nobody says these in a group without repair nodes: they are made up.
        static let treeKinds: Set<PacketKind> = [
            .solicitation, .attach, .attached, .detach, .advertisement, .query, .report, .refusal, .outline, .place,
        ]

        private final class Losses {
            var random = RandomSource(seed: 9)
        }
    }

    /// Values at which arithmetic turns over, as they lie on the wire.
    private static let edges: [[UInt8]] = [
        "00", "01", "7F", "80", "FF", "0000", "7FFF", "8000", "FFFF", "00000000", "00000001", "0000002D", "000FFFFF", "00100000",
        "7FFFFFFF", "80000000", "FFFFFFFF", "0000000000000000", "0FFFFFFFFFFFFFFF", "7FFFFFFFFFFFFFFF", "8000000000000000",
        "FFFFFFFFFFFFFFFF",
    ].map { bytes(hex: $0) }

    private func mutate(_ datagram: [UInt8], _ random: inout RandomSource) -> [UInt8] {
        var result = datagram
        for _ in 0..<random.int(0...3) {
            guard result.count > PacketHeader.length else { break }
            let place = random.int(PacketHeader.length...result.count - 1)
            switch random.int(0...7) {
            case 0: result[place] ^= 1 << UInt8(random.int(0...7))
            case 1: result[place] = UInt8(random.int(0...255))
            case 2: result.removeLast(random.int(1...result.count - PacketHeader.length))
            case 3: for _ in 0..<random.int(1...40) { result.append(UInt8(random.int(0...255))) }
            case 4: result.insert(contentsOf: Self.edges[random.int(0...Self.edges.count - 1)], at: place)
            default:
                // Most fields lie in front, at even places.
                let edge = Self.edges[random.int(0...Self.edges.count - 1)]
                let start = random.chance(0.8) ? PacketHeader.length + 2 * random.int(0...20) : place
                for (offset, byte) in edge.enumerated() where start + offset < result.count { result[start + offset] = byte }
            }
        }
        return result
    }

    /// A datagram of one kind with the ids that get it past the first look, for the most part.
    private func datagram(
        of kind: PacketKind, from corpus: Corpus, transmitter: UInt32, _ random: inout RandomSource
    ) -> [UInt8] {
        var base: [UInt8] = []
        // Positions and pages far out cost their length in memory and time: a few of them are enough.
        let isCostly = kind == .heartbeat || kind == .page
        if random.chance(isCostly ? 0.02 : 0.4) || Corpus.treeKinds.contains(kind) {
            base = RMCPProtocolTests.datagram(random.packet(of: kind), payload: kind == .data ? Array(repeating: 1, count: 1_376) : [])
        } else if let known = corpus.datagrams[kind], !known.isEmpty {
            base = known[random.int(0...known.count - 1)]
        }
        var result = mutate(base, &random)
        if random.chance(0.95) {
            var writer = ByteWriter()
            PacketHeader(
                kind: kind, isUnicast: random.chance(0.3), sessionTag: 0x0102_0304, transmitter: transmitter,
                sequence: random.chance(0.5) ? random.word() : UInt32(random.int(0...100))
            ).write(to: &writer)
            result.replaceSubrange(0..<min(result.count, PacketHeader.length), with: writer.bytes)
        }
        return result
    }

    private func step(_ now: Instant, _ random: inout RandomSource) -> Instant {
        switch random.int(0...19) {
        case 0...13: now + .microseconds(Int64(random.int(0...300)))
        case 14...18: now + .milliseconds(Int64(random.int(1...60)))
        default: now + .milliseconds(Int64(random.int(500...6_000)))
        }
    }

    /// Four times 5000 datagrams.
    @Test(arguments: [201, 202, 203, 204] as [UInt64]) func aReceiverSurvivesAnything(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let corpus = Corpus(isSigned: seed % 4 == 0, isResumable: seed % 2 == 0)
        var understood: UInt64 = 0
        var said = 0
        for round in 0..<125 {
            let session = corpus.sessions[round % corpus.sessions.count]
            var engine = session.receivers[round % 2].engine
            let before = engine.counters.datagrams
            var now = session.now
            for index in 0..<40 {
                let kind = PacketKind.allCases[(round + index) % PacketKind.allCases.count]
                let sent = datagram(of: kind, from: corpus, transmitter: session.sender.transmitterID, &random)
                now = step(now, &random)
                if let placement = engine.handle(datagram: sent.span.bytes, arrival: Arrival(source: HarnessReceiver.senderAddress, at: now), at: now) {
                    #expect((0..<96).contains(placement.slot) && placement.length > 0)
                    #expect(placement.payloadOffset + placement.length == sent.count)
                    #expect(placement.offset >= 0 && placement.offset + placement.length <= SessionHarness.chunkLength)
                }
                answer(&engine, at: now, &random)
                if let due = engine.pollTimeout(), due <= now { engine.handleTimeout(at: now) }
                while let spoken = engine.pollTransmit(at: now)?.bytes {
                    said += 1
                    #expect(throws: Never.self) { try parse(spoken) }
                    #expect(spoken.count <= 1_400)
                }
                _ = (engine.state, engine.chunkTotal, engine.loss, engine.diagnosis)
            }
            understood += engine.counters.datagrams - before
        }
        // Most of what a parent may send got past the header, or this would not be a test of the engine: eleven kinds of twenty.
        #expect(understood > 1_500 && said > 500, "\(understood) understood, \(said) said")
    }

    /// A host whose storage does one thing or another.
    private func answer(_ engine: inout ReceiverEngine, at now: Instant, _ random: inout RandomSource) {
        if random.chance(0.02) { engine.handle(.overflow(datagrams: random.next() >> 8), at: now) }
        while let event = engine.pollEvent() {
            switch event {
            case .consult(let chunks):
                for chunk in chunks { engine.handle(random.chance(0.5) ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now) }
            case .assembled(let slot, let chunk, _):
                switch random.int(0...3) {
                case 0: engine.handle(.rejected(slot: slot, chunk: chunk), at: now)
                case 1: engine.handle(.unavailable(slot: slot), at: now)
                default: engine.handle(.stored(slot: slot, chunk: chunk), at: now)
                }
            case .examine(let slot, let chunk, let shape, _):
                engine.handle(.examined(slot: slot, chunk: chunk, wrong: random.chance(0.3) ? IndexRangeSet() : .all(of: shape)), at: now)
            case .zeros(let chunks): engine.handle(.storedZeros(chunks), at: now)
            case .commit: engine.handle(random.chance(0.5) ? .committed : .failed(.failedDiskFull), at: now)
            case .rejoin, .deaf, .finished, .parentChanged, .parentMoved, .refused, .untrusted, .page, .end, .announced, .statement: break
            }
        }
    }

    @Test(arguments: [301, 302, 303, 304] as [UInt64]) func aSenderSurvivesAnything(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let corpus = Corpus(isSigned: seed % 2 == 0, isResumable: false)
        var understood: UInt64 = 0
        var said = 0
        for round in 0..<150 {
            let session = corpus.sessions[round % corpus.sessions.count]
            var engine = session.sender
            let before = engine.counters
            var now = session.now
            for index in 0..<40 {
                // Those that a sender takes, more often than the rest.
                let any = PacketKind.allCases[(round + index) % PacketKind.allCases.count]
                let kind = index % 3 == 0 ? any : index % 3 == 1 ? .nak : .status
                let number = random.int(0...1)
                let child = random.chance(0.7) ? 1_000 + UInt32(number) : random.word()
                let host = random.chance(0.7) ? number : random.int(0...255)
                let sent = datagram(of: kind, from: corpus, transmitter: child, &random)
                now = step(now, &random)
                engine.handle(datagram: sent.span.bytes, from: .ipv4(10, 0, 1, UInt8(host), port: 5_000), at: now)
                if let due = engine.pollTimeout(at: now), due <= now { engine.handleTimeout(at: now) }
                said += drain(&engine, at: now)
                _ = (engine.rate, engine.receivers.failed, engine.encodeCredit)
                #expect(engine.rate.isFinite && engine.rate >= 1_000_000)
            }
            understood += engine.counters.naksReceived + engine.counters.statusesReceived + engine.counters.unproven
            understood -= before.naksReceived + before.statusesReceived + before.unproven
        }
        #expect(understood > 1_500 && said > 500, "\(understood) understood, \(said) said")
    }

    /// Takes what the engine wants sent, and answers its events.
    private func drain(_ engine: inout SenderEngine, at now: Instant) -> Int {
        var said = 0
        // Bounded by the burst, whatever was asked for.
        while said < 2_000, let transmit = engine.pollTransmit(at: now) {
            said += 1
            switch transmit {
            case .datagram(let bytes, _):
                #expect(throws: Never.self) { try parse(bytes) }
            case .data(let batch):
                #expect(batch.count > 0 && batch.chunk < engine.chunkCount)
                #expect((0..<batch.count).allSatisfy { !batch.payloadRange(at: $0).isEmpty })
            }
        }
        #expect(said < 2_000)
        while let event = engine.pollEvent() {
            if case .fetch(let chunk) = event { engine.handle(.fetched(chunk: chunk), at: now) }
        }
        return said
    }
}
