import TestSupport
import Testing

@testable import RMCPProtocol

/// Receivers that want to be named if they fail.
@Suite struct FailureLabelTests {
    private let home = SocketAddress.ipv4(10, 0, 0, 7, port: 5_000)
    private let start = Instant.milliseconds(5)

    private func label(_ text: String, _ state: ReceiverState = .failedDiskFull) throws -> FailureLabel { try #require(FailureLabel(text, state)) }

    @Test func whatIsALabel() {
        #expect(FailureLabel("lab-07", .failedDiskFull) != nil && FailureLabel("\u{e9}", .outdated) != nil)
        #expect(FailureLabel(String(repeating: "x", count: 63), .lost) != nil && FailureLabel(String(repeating: "x", count: 64), .lost) == nil)
        for text in ["", "a\nb", "\u{1b}[2J", "a\u{202e}b"] { #expect(FailureLabel(text, .failedHook) == nil) }
        for state in ReceiverState.allCases where !state.isFailure { #expect(FailureLabel("a", state) == nil) }
    }

    // MARK: On the wire

    private func report(_ labels: [FailureLabel], _ states: [ReceiverState] = [.failedDiskFull]) -> StatusReport {
        var histogram = StatusHistogram()
        for state in states { histogram.add(LeafStatus(state: state, progress: 0, network: nil)) }
        return StatusReport(echo: .none, longestDatagram: 1_400, histogram: histogram, labels: labels)
    }

    private func sent(_ report: StatusReport) -> [UInt8] { datagram(.status(report), tag: 1) }

    /// Offset of a STATUS's flags.
    private static let flags = 30

    private func announcingLabels(_ status: [UInt8]) -> [UInt8] {
        var status = status
        status[Self.flags] |= 4
        return status
    }

    @Test("They follow what a STATUS has always had, and a STATUS without is as it was")
    func wire() throws {
        let labels = [try label("a"), try label("\u{e9}", .failedHook)]
        let (without, with) = (sent(report([])), sent(report(labels)))
        var same = Array(with.prefix(without.count))
        #expect(with.count == without.count + 1 + 3 + 4 && same[Self.flags] == without[Self.flags] | 4)
        same[Self.flags] = without[Self.flags]
        #expect(same == without)
        #expect(Array(with.dropFirst(without.count)) == [2, 5, 1, 0x61, 8, 2, 0xC3, 0xA9])
        #expect(try parse(with).1 == .status(report(labels)) && parse(without).1 == .status(report([])))
    }

    @Test("A STATUS whose lists are long has room for few labels, and none beyond a datagram of ordinary length")
    func longLists() throws {
        var histogram = StatusHistogram()
        for index in histogram.states.indices { histogram.states[index] = 1 }
        for index in histogram.progress.indices { histogram.progress[index] = 1 }
        for index in histogram.loss.indices { histogram.loss[index] = 1 }
        for index in histogram.pressure.indices { histogram.pressure[index] = 1 }
        histogram.tree.repairNodes = 1
        let labels = try (0..<200).map { try label("receiver-\($0)") }
        for buckets in stride(from: 0, through: histogram.arrival.count, by: 8) {
            for index in histogram.arrival.indices { histogram.arrival[index] = index < buckets ? 1 : 0 }
            let bytes = sent(StatusReport(echo: .none, longestDatagram: 1_400, histogram: histogram, labels: labels))
            let without = sent(StatusReport(echo: .none, longestDatagram: 1_400, histogram: histogram))
            #expect(bytes.count <= max(1_400, without.count + 1) && without.count < 1_420, "\(buckets): \(bytes.count) of \(without.count)")
            guard case .status = try parse(bytes).1 else { throw WireError.truncated }
        }
    }

    @Test("More than there is room for is left out, and more than that is refused")
    func room() throws {
        let many = try (0..<200).map { try label("receiver-\($0)") }
        guard case .status(let taken) = try parse(sent(report(many))).1 else { throw WireError.truncated }
        #expect(taken.labels == Array(many.prefix(taken.labels.count)) && taken.labels.count > 30)
        let without = sent(report([]))
        #expect(sent(report(many)).count - without.count <= FailureLabel.listLength)
        let flood: [UInt8] = [200] + (0..<200).flatMap { _ in [5, 3, 0x61, 0x61, 0x61] as [UInt8] }
        #expect(throws: WireError.self) { try parse(announcingLabels(without) + flood) }
    }

    @Test(
        "What is no label is malformed",
        arguments: [[1], [1, 5], [1, 5, 2, 0x61], [1, 5, 0], [1, 4, 1, 0x61], [1, 99, 1, 0x61], [1, 5, 1, 0x0A], [1, 5, 1, 0xC3]] as [[UInt8]])
    func malformed(bytes: [UInt8]) {
        #expect(throws: WireError.self) { try parse(announcingLabels(sent(report([]))) + bytes) }
    }

    // MARK: Upwards

    @Test("A receiver says its label when it has failed, and never before")
    func leaf() throws {
        var receiver = LoneReceiver { $0.feedback.label = "lab-07" }
        let before = receiver.run(for: .milliseconds(300)) { $0.takeHeartbeat(chunk: 0, pages: 0) }.reports
        #expect(!before.isEmpty && before.allSatisfy { $0.labels.isEmpty })
        receiver.engine.handle(.failed(.failedDiskFull), at: receiver.now)
        let after = receiver.run(for: .milliseconds(300)) { $0.takeHeartbeat(chunk: 0, pages: 0) }.reports
        #expect(!after.isEmpty && after.allSatisfy { $0.labels.map(\.text) == ["lab-07"] && $0.labels[0].state == .failedDiskFull })
        var nameless = LoneReceiver()
        nameless.engine.handle(.failed(.failedDiskFull), at: nameless.now)
        let said = nameless.run(for: .milliseconds(300)) { $0.takeHeartbeat(chunk: 0, pages: 0) }.reports
        #expect(!said.isEmpty && said.allSatisfy { $0.labels.isEmpty })
    }

    @Test("A repair node passes on what its children say, as long as they say it")
    func repairNode() throws {
        var node = RepairHarness()
        node.hearAll()
        node.run(.milliseconds(50))
        func statuses() -> [StatusReport] { node.said.compactMap { if case .status(let report) = $0.packet { report } else { nil } } }
        for id: UInt32 in 1...2 {
            node.hearChild(id, .status(report([try label("lab-0\(id)")])))
        }
        node.forget()
        node.run(.seconds(1))
        #expect(statuses().last?.labels.map(\.text) == ["lab-01", "lab-02"], "\(statuses().map(\.labels))")
        // One has made room and is back.
        node.hearChild(1, .status(report([], [.receiving])))
        node.forget()
        node.run(.seconds(1))
        #expect(statuses().last?.labels.map(\.text) == ["lab-02"])
    }

    @Test("The sender has the labels of receivers that are counted as failed, and of no others")
    func sender() throws {
        var engine = SenderEngine(
            configuration: Configuration(), announce: .sample("image", contentLength: 0), signer: LaneSigner(key: 5), digest: LaneDigest(), seed: 7, at: start)
        func say(_ report: StatusReport, id: UInt32, proven: Bool = true) {
            var report = report
            report.cookie = proven ? engine.cookie(for: home) : 0
            let bytes = datagram(.status(report), isUnicast: true, tag: engine.session.tag, transmitter: id)
            engine.handle(datagram: bytes.span.bytes, from: home, at: start)
        }
        say(report([try label("stranger")]), id: 1, proven: false)
        // The child says that it is complete, and that it failed.
        say(report([try label("liar")], [.complete]), id: 2)
        say(report([try label("b"), try label("c")]), id: 3)
        say(report([try label("a", .failedHook)], [.failedHook]), id: 4)
        #expect(engine.failureLabels == [try label("a", .failedHook), try label("b")])
        say(report([], [.receiving]), id: 3)
        #expect(engine.failureLabels == [try label("a", .failedHook)])
    }

    @Test("A flood of labels is bounded, and makes no room for itself")
    func bounded() throws {
        var labels = FailureLabels()
        func name(_ id: UInt32) -> ChildName { ChildName(id, at: home) }
        labels.set([try label("first")], of: name(0))
        for id: UInt32 in 1...2_000 { labels.set([try label("x\(id)")], of: name(id)) }
        #expect(labels.all.count == FailureLabels.limit && labels.all.first?.text == "first")
        for id: UInt32 in 1...2_000 { labels.set([], of: name(id)) }
        #expect(labels.all.map(\.text) == ["first"])
        // Two children speak of one receiver, which has gone from one to the other.
        labels.set([try label("first")], of: name(1))
        #expect(labels.all.map(\.text) == ["first"])
    }
}
