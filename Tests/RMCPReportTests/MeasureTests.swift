import RMCPProtocol
import Testing

@testable import RMCPReport

/// The tables of measures, and what is made of them for people.
@Suite struct MeasureTests {
    @Test("A name stands for one measure of a role")
    func names() {
        expectOnce(Measure.send)
        expectOnce(Measure.receive)
        expectOnce(Measure.repair)
    }

    private func expectOnce<Source>(_ table: [Measure<Source>]) {
        let names = table.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(table.allSatisfy { $0.isInLines || $0.label != nil })
    }

    private static let announce = Announce(
        session: SessionID(high: 1, low: 2), kind: .file, chunkLength: 65_536, payloadLength: 1_400, creationTime: 0, contentLength: 2_000_000,
        allocatedLength: 0, mode: nil, modificationTime: nil, name: "a\u{7}b", key: .none)

    @Test("The live line of a receiver: a name that is safe, amount, speed, state and loss")
    func receiveLine() {
        var counters = ReceiverCounters()
        counters.naksSent = 3
        let snapshot = ReceiveSnapshot(
            announce: Self.announce, state: .behind, elapsed: .seconds(2), contentDone: 1_048_576, contentLength: 2_097_152, contentKept: 0, loss: 0.025,
            counters: counters)
        #expect(ReceiveText.line([snapshot]) == "a?b 1.0 MiB of 2.0 MiB 50 % · 512.0 KiB/s · behind · loss 2.5 %")
        #expect(ReceiveText.counters(snapshot).hasPrefix("datagrams 0, duplicates 0, NAKs 3, suppressed 0"))
    }

    @Test("The live line of a sender, before and after the start")
    func sendLine() {
        var receivers = StatusHistogram()
        for progress in [4, 5] as [UInt8] {
            receivers.add(
                LeafStatus(state: .receiving, progress: progress, network: .init(loss: 0, pressure: 0, arrival: nil), isRehomed: false, chunksDone: 1))
        }
        var counters = SenderCounters()
        counters.catchUpBytes = 2_048
        var snapshot = SendSnapshot(
            phase: .waiting, elapsed: .seconds(1), streaming: nil, contentSent: 0, contentLength: 4_096, encodedLength: 0, rate: 1,
            receivers: StatusHistogram(),
            medianLoss: 0, groupRoundTrip: .zero, counters: SenderCounters(), unsent: 0, unanswerable: 0)
        #expect(SendText.line(snapshot) == "waiting 1.0 s · no receivers yet")
        snapshot.streaming = .seconds(2)
        snapshot.contentSent = 2_048
        snapshot.receivers = receivers
        snapshot.medianLoss = 0.01
        snapshot.counters = counters
        #expect(SendText.line(snapshot) == "2.0 KiB of 4.0 KiB 50 % · 1.0 KiB/s · 2 receiving · loss 1.0 % · repairs 2.0 KiB · ETA 2.0 s")
        snapshot.tree = EntryCounts(files: 2, directories: 1, bytes: 3_072)
        #expect(SendText.line(snapshot).hasPrefix("50 % of 3.0 KiB · 1.0 KiB/s · "))
    }

    @Test("Dates are those of the calendar")
    func dates() {
        #expect(Units.date(milliseconds: 0) == "1970-01-01 00:00:00 UTC")
        #expect(Units.date(milliseconds: 951_782_399_999) == "2000-02-28 23:59:59 UTC")
        #expect(Units.date(milliseconds: 951_782_400_000) == "2000-02-29 00:00:00 UTC")
        #expect(Units.date(milliseconds: 1_764_000_123_456) == "2025-11-24 16:02:03 UTC")
        #expect(Units.date(milliseconds: 4_107_542_400_000) == "2100-03-01 00:00:00 UTC")
        #expect(Units.date(milliseconds: .max).hasSuffix(" UTC"))
    }

    @Test("Failures and completions end sessions, and are counted")
    func totals() {
        let snapshot = ReceiveSnapshot(
            announce: Self.announce, state: .complete, elapsed: .zero, contentDone: 1, contentLength: 1, contentKept: 0, loss: 0, counters: ReceiverCounters())
        var totals = ReceiveTotals()
        let counts = { (update: ReceiveUpdate) in totals.count(update, at: 1_500) }
        #expect(counts(.progress([snapshot])))
        #expect(totals.sessions.count == 1)
        #expect(!counts(.warning("careful")))
        #expect(counts(.completed(snapshot, path: "p")))
        #expect(totals.sessions.isEmpty && totals.completed == 1)
        #expect(counts(.failed(snapshot, reason: "r")))
        #expect(totals.failed == 1)
    }

    @Test("A directory is told by what it consists of, and a file by its length")
    func directories() {
        let counts = EntryCounts(files: 1, directories: 12, links: 3, bytes: 2_048)
        #expect(SendText.size(of: Self.announce, counts) == "1 file in 12 directories, 2.0 KiB")
        #expect(SendText.size(of: Self.announce, EntryCounts(files: 0, directories: 1)) == "0 files in 1 directory, 0 B")
        #expect(SendText.size(of: Self.announce, nil) == Self.announce.contentLength.map(Units.size))
        let ready = SendUpdate.ready(interface: "eth0", group: .ipv4(239, 1, 2, 3, port: 4), announce: Self.announce, tree: counts).lines.map {
            $0.text(of: "x", at: 0)
        }.joined()
        #expect(
            ready.contains("\"directories\":12") && ready.contains("\"files\":1,") && ready.contains("\"links\":3") && ready.contains("\"file_bytes\":2048"))
    }
}

@Suite struct TreeTextTests {
    private func snapshot(_ tree: TreeProgress?) -> ReceiveSnapshot {
        ReceiveSnapshot(
            announce: Announce(
                session: SessionID(high: 1, low: 2), kind: .tree, chunkLength: 4_096, payloadLength: 1_376, creationTime: 0, contentLength: 4_000,
                allocatedLength: 0, mode: nil, modificationTime: nil, name: "etc", key: .none),
            state: .receiving, elapsed: .seconds(2), contentDone: 1_000, contentLength: 4_000, contentKept: 0, loss: 0, counters: ReceiverCounters(), tree: tree
        )
    }

    @Test func filesAreTold() {
        let tree = TreeProgress(files: 20, bytes: 3_072, done: 7, unchanged: 3)
        #expect(ReceiveText.line([snapshot(tree)]).contains("· 7 of 20 files ·"))
        // The catalog, and what fills a chunk, are nothing that somebody has sent.
        #expect(ReceiveText.line([snapshot(tree)]).hasPrefix("etc 25 % of 3.0 KiB · "))
        #expect(ReceiveText.line([snapshot(nil)]).hasPrefix("etc 1000 B of 3.9 KiB 25 % · "))
        #expect(SessionText.size(of: snapshot(nil).announce) == "3.9 KiB with its catalog")
        #expect(ReceiveText.files(snapshot(tree)) == "20 files (3 unchanged), " && ReceiveText.files(snapshot(nil)).isEmpty)
        let line = ReceiveUpdate.progress([snapshot(tree)]).lines.map { $0.text(of: "x", at: 0) }.joined()
        #expect(line.contains("\"file_bytes\":3072,\"files\":20,\"files_done\":7,\"files_unchanged\":3"))
        let without = ReceiveUpdate.progress([snapshot(nil)]).lines.map { $0.text(of: "x", at: 0) }.joined()
        #expect(!without.contains("files") && !without.contains("file_bytes"))
    }
}
