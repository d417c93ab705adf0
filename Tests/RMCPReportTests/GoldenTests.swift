import EventSchema
import Foundation
import Testing

@testable import RMCPProtocol
@testable import RMCPReport

/// Output that programs read, byte for byte: the lines of `--json` and the text of `--metrics`. A change here is one of the contract.
@Suite struct GoldenTests {
    /// Compares a text with a file of Golden/, beside this one.
    private func expect(_ name: String, _ text: String) {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
        #expect((try? String(contentsOf: path, encoding: .utf8)) == text, "\(name)")
    }

    /// The same of lines, which must be what is documented.
    private func expect(_ name: String, _ lines: [JSONLine]) {
        let command = String(name.prefix { $0 != "." && $0 != "-" })
        let text = lines.map { $0.text(of: command, at: 1_764_000_000_007) + "\n" }.joined()
        expect(name, text)
        let faults = EventSchema.faults(of: text)
        #expect(faults.isEmpty, "\(faults)")
    }

    private static let group = SocketAddress.ipv4(239, 255, 76, 27, port: 17_627)
    private static let region = SocketAddress.ipv4(239, 255, 76, 28, port: 17_627)

    private static func announce(length: UInt64? = 1_000_000, isSigned: Bool = true) -> Announce {
        Announce(
            session: SessionID(high: 0x0123_4567_89AB_CDEF, low: 0x0F1E_2D3C_4B5A_6978), kind: .file, chunkLength: 65_536, payloadLength: 1_400,
            creationTime: 1_764_000_000_000, contentLength: length, allocatedLength: 1_000_000, mode: nil, modificationTime: nil,
            name: "disk/\"ü\".iso", key: isSigned ? PublicKey(Bytes32(1, 2, 3, 4)) : .none)
    }

    private static func receivers() -> StatusHistogram {
        var result = StatusHistogram()
        for (state, progress) in [(ReceiverState.receiving, 3), (.receiving, 4), (.behind, 1), (.complete, 10), (.failedDiskFull, 2), (.lost, 0)] {
            result.add(
                LeafStatus(
                    state: state, progress: UInt8(progress), network: .init(loss: 2, pressure: 0, arrival: nil), isRehomed: false, chunksDone: 5))
        }
        result.tree.repairNodes = 3
        result.tree.completeRepairNodes = 1
        result.tree.refusals[.outdated] = 7
        result.tree.refusals[.untrusted] = 8
        return result
    }

    private static func senderCounters() -> SenderCounters {
        var counters = SenderCounters()
        counters.bytesSent = 1_234_567
        counters.datagramsSent = 900
        counters.firstBytes = 1_000_001
        counters.relayedBytes = 7
        counters.repairBytes = 20_000
        counters.catchUpBytes = 3_000
        counters.naksReceived = 41
        counters.statusesReceived = 52
        counters.malformed = 6
        counters.foreign = 8
        return counters
    }

    private static func receiverCounters() -> ReceiverCounters {
        var counters = ReceiverCounters()
        counters.datagrams = 700
        counters.duplicates = 9
        counters.naksSent = 12
        counters.naksSuppressed = 13
        counters.overflowed = 14
        counters.chunksRejected = 2
        return counters
    }

    private static func network() -> NetworkFigures {
        var network = NetworkFigures()
        network.receivedDatagrams = 1_001
        network.receivedBytes = 1_002
        network.overflowed = 1_003
        network.truncated = 1_004
        network.unanswerable = 1_005
        network.answeredBytes = 1_006
        network.unsentDatagrams = 1_007
        network.unsentBytes = 1_008
        for (index, cause) in RejoinCause.allCases.enumerated() { network.rejoins[cause] = UInt64(1_009 + index) }
        return network
    }

    private static func receiveFigures() -> ReceiveFigures {
        var figures = ReceiveFigures()
        figures.counters = receiverCounters()
        figures.contentReceived = 2_001
        figures.contentKept = 2_002
        figures.refused = 2_003
        figures.hooks = 2
        figures.hookTime = .seconds(1.25)
        figures.deafSessions = 3
        figures.strays = strays()
        figures.network = network()
        return figures
    }

    private static func repairFigures() -> RepairFigures {
        var figures = RepairFigures()
        figures.sender = senderCounters()
        figures.receiver = receiverCounters()
        figures.deafSessions = 1
        figures.strays = strays()
        figures.network = network()
        figures.cache = CacheFigures(bytes: 3_001, limit: 3_002, evictedBytes: 3_003, sessions: 4)
        return figures
    }

    // MARK: send

    private static let sendSnapshot = SendSnapshot(
        phase: .streaming, elapsed: .seconds(12.5), streaming: .seconds(10), contentSent: 400_000, contentLength: 1_000_000, encodedLength: 350_000,
        rate: 98_765_432.5, receivers: receivers(), medianLoss: 0.0125, groupRoundTrip: .milliseconds(3), counters: senderCounters(), unsent: 5,
        unanswerable: 6, network: network())

    @Test func sendLines() {
        let updates: [SendUpdate] = [
            .ready(interface: "eth0", group: Self.group, announce: Self.announce()),
            .ready(interface: "eth0", group: Self.group, announce: Self.announce(length: nil, isSigned: false)), .warning("careful"), .started(receivers: 3),
            .progress(Self.sendSnapshot), .sentOnce(Self.sendSnapshot),
            .finished(SenderOutcome(kind: .partial, receivers: Self.receivers(), unaccounted: 2), Self.sendSnapshot),
            .finished(SenderOutcome(kind: .stopped, receivers: Self.receivers()), Self.sendSnapshot, hasFailed: true),
        ]
        expect("send.jsonl", updates.flatMap(\.lines))
    }

    @Test func sendMetrics() {
        var totals = SendTotals()
        func count(_ update: SendUpdate) -> Bool { totals.count(update, at: 1_764_000_000_250) }
        expect("send-idle.prom", PrometheusText.of(totals, version: "1.2.3"))
        #expect(count(.ready(interface: "eth0", group: Self.group, announce: Self.announce())))
        #expect(count(.progress(Self.sendSnapshot)))
        expect("send.prom", PrometheusText.of(totals, version: "1.2.3"))
        let outcome = SenderOutcome(kind: .complete, receivers: Self.receivers())
        #expect(count(.finished(outcome, Self.sendSnapshot)))
        expect("send-over.prom", PrometheusText.of(totals, version: "1.2.3"))
    }

    // MARK: recv

    private static func receiveSnapshot(length: UInt64? = 1_000_000) -> ReceiveSnapshot {
        ReceiveSnapshot(
            announce: announce(length: length), state: .receiving, elapsed: .seconds(4.25), contentDone: 600_000, contentLength: length,
            contentKept: 100_000, loss: 0.02, counters: receiverCounters())
    }

    private static func strays() -> StrayCounters {
        var counters = StrayCounters()
        counters.malformed = 3
        counters.foreign = 4
        return counters
    }

    @Test func receiveLines() {
        let refusals: [SessionRefusal] = [
            .unsigned, .untrusted(PublicKey(Bytes32(1, 2, 3, 4))), .rollback(newest: BundleVersion(time: 1_764_000_123_456)), .badSignature, .tagInUse,
            .tooManySessions,
            .outputInUse, .completedBefore, .unsupported(.tree),
        ]
        let updates: [ReceiveUpdate] =
            [.listening(interface: "eth0", group: Self.group), .warning("careful"), .region(Self.region), .parentChanged(Self.announce(), depth: 2)]
            + refusals.map { .refused(Self.announce(), $0) } + [
                .began(Self.receiveSnapshot()), .progress([Self.receiveSnapshot(), Self.receiveSnapshot(length: nil)]),
                .completed(Self.receiveSnapshot(), path: "/srv/images/a.iso"), .failed(Self.receiveSnapshot(), reason: "a.iso: no space left"),
                .stopped(Self.strays(), .partial), .stopped(Self.strays(), .done, unspooled: 2),
            ]
        expect("recv.jsonl", updates.flatMap(\.lines))
    }

    @Test func receiveMetrics() {
        var worse = Self.receiveSnapshot()
        worse.loss = 0.25
        var totals = ReceiveTotals(figures: Self.receiveFigures())
        expect("recv-idle.prom", PrometheusText.of(ReceiveTotals(), version: "1.2.3"))
        var failed = Self.receiveSnapshot()
        failed.state = .failedDiskFull
        for update in [
            ReceiveUpdate.completed(Self.receiveSnapshot(), path: "p"), .failed(failed, reason: "r"), .progress([Self.receiveSnapshot(), worse]),
        ] {
            let isNew = totals.count(update, at: 1_764_000_000_250)
            #expect(isNew)
        }
        expect("recv.prom", PrometheusText.of(totals, version: "1.2.3"))
    }

    // MARK: repair

    private static func repairSnapshot(isAlone: Bool = false) -> RepairSnapshot {
        RepairSnapshot(
            announce: announce(), chunksHeld: 7, chunkCount: isAlone ? nil : 16, isComplete: !isAlone, depth: isAlone ? nil : 2, children: 5,
            receivers: receivers(), rate: 5_000_000, loss: 0.03, counters: senderCounters(), upstreamCounters: isAlone ? nil : receiverCounters())
    }

    @Test func repairLines() {
        let updates: [RepairUpdate] = [
            .listening(interface: "eth0", group: Self.group, upstream: nil, region: Self.region, regionInterface: "eth1"),
            .listening(
                interface: "eth0", group: Self.group, upstream: .ipv4(10, 0, 0, 1, port: 17_627), region: Self.region, regionInterface: "eth1"),
            .warning("careful"), .refused(Self.announce(), .rollback(newest: BundleVersion(time: 1_764_000_123_456))), .refused(Self.announce(), .unsigned),
            .began(Self.repairSnapshot(), kept: 4), .progress([Self.repairSnapshot(), Self.repairSnapshot(isAlone: true)]),
            .complete(Self.repairSnapshot()), .parentChanged(Self.announce(), depth: 1), .upstreamOver(Self.repairSnapshot(), .failedSender),
            .retired(Self.announce(), reason: .noRoom), .stopped(.interrupted),
        ]
        expect("repair.jsonl", updates.flatMap(\.lines))
    }

    @Test func repairMetrics() {
        var totals = RepairTotals()
        expect("repair-idle.prom", PrometheusText.of(totals, version: "1.2.3"))
        for update in [RepairUpdate.progress([Self.repairSnapshot(), Self.repairSnapshot(isAlone: true)]), .figures(Self.repairFigures())] {
            let isNew = totals.count(update)
            #expect(isNew)
        }
        expect("repair.prom", PrometheusText.of(totals, version: "1.2.3"))
    }

    // MARK: watch

    @Test func watchLines() {
        var counts = WatchReport.Counts()
        counts.firstBytes = 1_000
        counts.repairBytes = 200
        counts.catchUpBytes = 30
        counts.naks = 4
        let report = WatchReport(
            nonce: 1, session: Self.announce().session, phase: .streaming, role: .repair, rate: 4_000, position: 9, chunkCount: 16, chunksHeld: 8, holes: 1,
            counts: counts, children: 6, nodeCount: 2, firstNode: 0, nodes: [], path: [17], histogram: Self.receivers())
        let sender = WatchedNode(
            transmitter: 17, address: .ipv4(10, 0, 0, 1, port: 17_627), level: 0, path: [], role: .sender, phase: .streaming, rate: 5_000, sending: nil,
            isGone: false, report: nil, watermark: 3)
        let node = WatchedNode(
            transmitter: 0xABCDEF, address: .ipv4(10, 0, 0, 2, port: 17_627), level: 1, path: [17], role: .repair, phase: .draining, rate: 4_000,
            sending: 1_234.5, isGone: true, report: report, watermark: 8)
        var snapshot = WatchSnapshot()
        snapshot.elapsed = .seconds(1.5)
        snapshot.sessions = [
            WatchedSession(announce: Self.announce(), signature: .trusted, nodes: [sender, node]),
            WatchedSession(announce: Self.announce(length: nil, isSigned: false), signature: .unsigned, nodes: [sender]),
        ]
        let updates: [(WatchUpdate, refresh: Int64)] = [
            (.listening(interface: "eth0", group: Self.group), 0), (.picture(snapshot), 1), (.picture(snapshot), 2), (.stopped(.done), 2),
        ]
        expect("watch.jsonl", updates.flatMap { $0.0.lines(refresh: $0.refresh) })
    }

    @Test func droppedLines() { expect("send-dropped.jsonl", [.dropped(3)]) }
}
