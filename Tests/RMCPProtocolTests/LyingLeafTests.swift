import TestSupport
import Testing

@testable import RMCPProtocol

/// A sender with 20 honest leaves that lose nothing, and somebody at an address of its own.
private struct Crowd: EngineHost {
    static let leaves = (1...20).map { (id: UInt32($0), address: SocketAddress.ipv4(10, 0, 1, UInt8($0), port: 5_000)) }
    static let liar = (id: UInt32(99), address: SocketAddress.ipv4(10, 0, 2, 1, port: 9))
    private static let record = ChunkRecord(
        kind: .stored, contentLength: 1 << 20, encodedLength: 1 << 20, encodedDigest: .zero, contentDigest: .zero)

    var engine: SenderEngine
    var now = Instant.milliseconds(1)
    private let records = Array(repeating: Self.record, count: 600)

    init(trustsOneNode: Bool) {
        var configuration = Configuration()
        configuration.joining.minimumWait = .milliseconds(50)
        if trustsOneNode { configuration.tree.trustedNodes = [LaneSigner(key: 6).publicKey] }
        engine = SenderEngine(
            configuration: configuration, announce: .sample("crowd", chunkLength: 1 << 20, contentLength: 600 << 20), signer: LaneSigner(key: 5),
            digest: LaneDigest(), verifier: LaneVerifier(), seed: 7, at: now)
    }

    mutating func answer(_ event: SenderEvent) { if case .fetch(let chunk) = event { engine.handle(.fetched(chunk: chunk), at: now) } }
    mutating func hear(_ transmit: Transmit) {}

    mutating func report(_ histogram: StatusHistogram, as child: (id: UInt32, address: SocketAddress)) {
        let report = StatusReport(echo: .none, longestDatagram: 1_400, cookie: engine.cookie(for: child.address), histogram: histogram)
        let sent = datagram(.status(report), isUnicast: true, tag: engine.session.tag, transmitter: child.id)
        engine.handle(datagram: sent.span.bytes, from: child.address, at: now)
    }

    /// Runs until the rate has been updated so often, with leaves that get what is sent.
    mutating func run(updates: Int, each update: (inout Crowd) -> Void = { _ in }) {
        for _ in 0..<updates {
            let arrival = ArrivalBucket.index(bitsPerSecond: engine.rate)
            for leaf in Self.leaves { report(StatusHistogram(state: .receiving, progress: 1, loss: 0, pressure: 0, arrival: arrival), as: leaf) }
            update(&self)
            for _ in 0..<20 {
                engine.encode(records, at: now)
                sleep(.milliseconds(1))
            }
        }
    }
}

/// Words of one leaf that would weigh as those of many: each receiver has one voice in what the rate follows.
@Suite struct LyingLeafTests {
    static let many = StatusHistogram.maximumCount

    private static func claim(_ change: (inout StatusHistogram) -> Void) -> StatusHistogram {
        var histogram = StatusHistogram()
        histogram.states[Int(ReceiverState.receiving.rawValue)] = 1
        histogram.progress[0] = 1
        change(&histogram)
        return histogram
    }

    static let lies: [StatusHistogram] = [
        claim {
            $0.progress[0] = 2
            ($0.loss[15], $0.pressure[6], $0.arrival[0]) = (many, many, many)
        },
        claim { ($0.loss[15], $0.pressure[6]) = (2, 2) },
        claim { ($0.loss[0], $0.loss[15], $0.pressure[6]) = (1, 1, 2) },
        claim { $0.pressure[6] = 1 },
        claim { $0.loss[15] = 1 },
        claim { $0.arrival[0] = 1 },
        claim { ($0.loss[0], $0.pressure[0], $0.arrival[0]) = (1, 1, 2) },
        claim { $0.progress = StatusHistogram().progress },
        claim { $0.rehomed[Int(ReceiverState.complete.rawValue)] = -Int64(many) },
        claim { $0.rehomed[Int(ReceiverState.lost.rawValue)] = 33 },
    ]

    @Test(arguments: lies, [false, true]) func oneLeafDoesNotWeighAsMany(lie: StatusHistogram, trustsOneNode: Bool) {
        var quiet = Crowd(trustsOneNode: trustsOneNode)
        quiet.run(updates: 10)
        var lied = quiet
        quiet.run(updates: 100)
        lied.run(updates: 100) { $0.report(lie, as: Crowd.liar) }
        #expect(lied.engine.counters.malformed == 100 && lied.engine.childCount == 20)
        #expect(lied.engine.receivers == quiet.engine.receivers && lied.engine.children.summary == quiet.engine.children.summary)
        #expect(lied.engine.rate == quiet.engine.rate && lied.engine.positionChunk == quiet.engine.positionChunk)
    }

    /// A leaf whose former parents keep it in other states than lost has lists as a sum has them.
    @Test func whoOwesInTwoStatesIsCounted() {
        var crowd = Crowd(trustsOneNode: true)
        crowd.run(updates: 10)
        let owing = Self.claim {
            ($0.loss[2], $0.pressure[1], $0.arrival[3]) = (1, 1, 1)
            $0.rehomed[Int(ReceiverState.complete.rawValue)] = 1
            $0.rehomed[Int(ReceiverState.lost.rawValue)] = -1
        }
        #expect(owing.leaf == nil && owing.isOfOne)
        crowd.report(owing, as: Crowd.liar)
        #expect(crowd.engine.counters.malformed == 0 && crowd.engine.childCount == 21 && crowd.engine.children.summary.loss[2] == 1)
        // Its network may be left out, as that of a leaf that is behind.
        crowd.report(Self.claim { $0.rehomed[Int(ReceiverState.complete.rawValue)] = -2 }, as: Crowd.liar)
        #expect(crowd.engine.counters.malformed == 0 && crowd.engine.children.summary.loss[2] == 0)
    }
}
