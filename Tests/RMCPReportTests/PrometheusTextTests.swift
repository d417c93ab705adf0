import Foundation
import RMCPProtocol
import Testing

@testable import RMCPReport

/// Prometheus text: what is written of names and numbers, and that the manual has every metric.
@Suite struct PrometheusTextTests {
    private func announce(_ name: String, session: UInt64 = 1) -> Announce {
        Announce(
            session: SessionID(high: 1, low: session), kind: .file, chunkLength: 65_536, payloadLength: 1_400, creationTime: 0, contentLength: 1_000,
            allocatedLength: 0, mode: nil, modificationTime: nil, name: name, key: .none)
    }

    private func progress(_ sessions: [(Announce, Double?)]) -> [String] {
        var text = PrometheusText(role: "recv", version: "1")
        text.addProgress(sessions.map { (announce: $0.0, done: $0.1) })
        return text.text.split(separator: "\n").map(String.init).filter { $0.hasPrefix("rmcp_session_progress_ratio") }
    }

    @Test(
        "A hostile name stays a label's value",
        arguments: [
            ("a\"} 1\nrmcp_deaf{role=\"recv", "a\\\"} 1\\nrmcp_deaf{role=\\\"recv"), ("back\\slash\\n", "back\\\\slash\\\\n"), ("\r\n", "\r\\n"),
            ("e\u{301}\\\u{301}\n\u{301}", "e\u{301}\\\\\u{301}\\n\u{301}"), ("\u{202E}名前", "\u{202E}名前"), ("", ""),
            (String(decoding: [0x61, 0xFF, 0x22], as: UTF8.self), "a\u{FFFD}\\\""),
        ])
    func names(_ name: String, _ escaped: String) {
        let lines = progress([(announce(name), 0.5)])
        #expect(lines.count == 1)
        #expect(lines.first?.utf8.elementsEqual("rmcp_session_progress_ratio{role=\"recv\",name=\"\(escaped)\"} 0.5".utf8) == true, "\(lines)")
    }

    @Test("Eight names at most, each once, with the progress of whoever is further; none of a length that nobody knows")
    func progressOfFew() {
        let sessions = (0..<20).map { (announce("n\($0)", session: UInt64($0)), Double?.some(0.25)) }
        #expect(progress(sessions).count == 8)
        #expect(progress([(announce("a"), 0.25), (announce("a", session: 2), 0.75)]) == ["rmcp_session_progress_ratio{role=\"recv\",name=\"a\"} 0.75"])
        #expect(progress([(announce("a"), nil)]).isEmpty)
    }

    @Test(
        "Numbers as readers take them",
        arguments: [
            (0.0, "0"), (1.5, "1.5"), (1e15, "1000000000000000"), (-3, "-3"), (1e300, "1e+300"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
        ])
    func numbers(_ value: Double, _ text: String) { #expect(PrometheusText.number(value) == text) }

    /// Families of a text, in order, and the names of its samples.
    private func parse(_ text: String) -> (families: [String], samples: [Substring]) {
        let lines = text.split(separator: "\n")
        let families = lines.filter { $0.hasPrefix("# TYPE ") }.map { String($0.split(separator: " ")[2]) }
        return (families, lines.filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != "{" && $0 != " " } })
    }

    @Test("Every metric is named once, in one place, with help and type, as its kind is named")
    func families() {
        let names = MetricFamily.all.map(\.name)
        #expect(Set(names).count == names.count)
        for family in MetricFamily.all {
            #expect(family.name.hasSuffix("_total") == (family.kind == .counter), "\(family.name)")
            #expect(family.help.hasSuffix(".") && !family.help.contains("\n") && !family.help.contains("\\"), "\(family.name)")
        }
        var told: Set<String> = []
        for text in [
            PrometheusText.of(SendTotals(), version: "1"), PrometheusText.of(ReceiveTotals(), version: "1"), PrometheusText.of(RepairTotals(), version: "1"),
        ] {
            let (families, samples) = parse(text)
            #expect(Set(families).count == families.count && Set(families).isSubset(of: names))
            for sample in samples { #expect(families.contains { sample == $0 || sample == "\($0)_sum" || sample == "\($0)_count" }, "\(sample)") }
            told.formUnion(families)
        }
        #expect(told.count > 15)
    }

    @Test("A send that failed is counted as that, and neither as stopped nor as complete", arguments: [SenderOutcome.Kind.stopped, .complete])
    func failedSend(kind: SenderOutcome.Kind) {
        let snapshot = SendSnapshot(
            phase: .aborted, elapsed: .seconds(1), streaming: nil, contentSent: 0, contentLength: 1, encodedLength: 0, rate: 1, receivers: StatusHistogram(),
            medianLoss: 0, groupRoundTrip: .zero, counters: SenderCounters(), unsent: 0, unanswerable: 0)
        for hasFailed in [true, false] {
            var totals = SendTotals()
            let outcome = SenderOutcome(kind: kind, receivers: StatusHistogram())
            let isNews = totals.count(.finished(outcome, snapshot, hasFailed: hasFailed), at: 1_500)
            #expect(isNews)
            let lines = PrometheusText.of(totals, version: "1").split(separator: "\n")
            let counted = lines.filter { $0.hasPrefix("rmcp_bundles_total{") && $0.hasSuffix(" 1") }
            #expect(counted == ["rmcp_bundles_total{role=\"send\",result=\"\(hasFailed ? "failed" : kind.identifier)\"} 1"])
            #expect((totals.completed != nil) == (kind == .complete && !hasFailed))
        }
    }

    @Test("The manual has every metric that there is, and no other")
    func manual() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: path.appendingPathComponent("man/rmcp-metrics.5"), encoding: .utf8)
        // Each has an item of a list.
        let items = page.split(separator: "\n").filter { $0.hasPrefix(".It ") }.flatMap { $0.split(separator: " ").dropFirst().map(String.init) }
        let documented = items.filter { $0.hasPrefix("rmcp_") || $0.hasPrefix("process_") }
        #expect(documented.sorted() == MetricFamily.all.map(\.name).sorted())
        let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
        for file in ["send.prom", "send-over.prom", "recv.prom", "repair.prom"] {
            let text = try String(contentsOf: golden.appendingPathComponent(file), encoding: .utf8)
            // Labels, and all values of those that have a fixed set, stand there as well.
            for line in text.split(separator: "\n") where !line.hasPrefix("#") {
                for pair in line.drop(while: { $0 != "{" }).dropFirst().prefix(while: { $0 != "}" }).split(separator: ",") {
                    let words = pair.split(separator: "=", maxSplits: 1)
                    let (label, value) = (words[0], words[1].trimmingCharacters(in: ["\""]))
                    #expect(page.contains("\(label)"), "\(label)")
                    if label != "name", label != "version", label != "role" { #expect(page.contains(value), "\(file): \(label)=\(value)") }
                }
            }
        }
    }
}
