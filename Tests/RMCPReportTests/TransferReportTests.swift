import Foundation
import RMCPProtocol
import Testing

@testable import RMCPReport

/// The record of a send, filled from lines, and the page that is made of it.
@Suite struct TransferReportTests {
    private static func line(_ event: String, _ more: String = "") -> String { "{\"event\":\"\(event)\"\(more.isEmpty ? "" : ",\(more)")}" }

    private static func ready(_ name: String = "image.iso", session: String = "00ab") -> String {
        line(
            "ready",
            "\"name\":\"\(name)\",\"session\":\"\(session)\",\"group\":\"239.1.2.3:4\",\"interface\":\"eth0\",\"bytes\":1000,\"key\":\"rmcp-ed25519 AAAA\",\"version\":\"9.9\",\"options\":{\"rate\":\"100M\",\"wait-for\":\"4\"}"
        )
    }

    /// - Parameter complete: how many of 100 receivers are.
    private static func progress(
        _ seconds: Double, streaming: Double? = nil, complete: Int, event: String = "progress", phase: String = "streaming", more: String = ""
    ) -> String {
        let deciles = Array(repeating: 0, count: 9) + [100 - complete, complete]
        let start = streaming.map { "\"streaming_seconds\":\($0)," } ?? ""
        return line(
            event,
            "\"phase\":\"\(phase)\",\"seconds\":\(seconds),\(start)\"bytes_sent_once\":\(Int(seconds * 100)),\"first_bytes\":\(Int(seconds * 1_000)),\"wire_bytes\":2000,\"naks\":3,\"receivers\":{\"receiving\":\(100 - complete),\"complete\":\(complete)},\"by_progress\":\(deciles),\"loss_max\":0.1,\"median_loss\":0,\"level\":1,\"limited_by\":{\"start\":2,\"path\":6}\(more)"
        )
    }

    private static func report(_ lines: [String]) -> TransferReport {
        var report = TransferReport()
        for line in lines { report.note(line: line) }
        return report
    }

    private static let session: [String] = {
        var lines = [ready(), progress(2, complete: 0, phase: "waiting"), line("started", "\"receivers\":100")]
        for second in 1...10 {
            let complete = min(99, second * 10 - 2 * (second % 2))
            lines.append(progress(2.5 + Double(second), streaming: Double(second), complete: complete))
        }
        lines.append(progress(13, streaming: 10.5, complete: 99, event: "sent_once", phase: "draining"))
        let end = ",\"outcome\":\"partial\",\"exit_code\":3,\"failed_labels\":{\"lab-7\":\"failed_disk_full\"}"
        lines.append(progress(14, streaming: 11.5, complete: 99, event: "finished", phase: "leaving", more: end))
        return lines
    }()

    @Test("A session is filled from its lines: when it started, who was complete when, how it ended")
    func filling() {
        let report = Self.report(Self.session)
        #expect(report.name == "image.iso" && report.contentLength == 1_000 && report.version == "9.9" && report.exitCode == 3)
        #expect(report.options.map(\.name) == ["rate", "wait-for"])
        #expect(report.start == 2.5 && report.came == 100 && report.complete == 99)
        #expect(report.completion(of: 0.5) == 6 && report.completion(of: 0.9) == 10 && report.completion(of: 0.99) == 10)
        #expect(report.completion(of: 1) == nil)
        #expect(report.marks.map(\.text) == ["started with 100 receivers", "everything was sent once", "finished"])
        #expect(report.marks.first?.seconds == 2.5)
        #expect(report.skippedLines == 0 && report.labels == ["failed_disk_full": ["lab-7"]])
        // Receivers who were there at the start are no newcomers.
        #expect(report.samples.sample(at: 2.5)?.population == 100)
    }

    @Test("The sentence at the top has the numbers")
    func verdicts() {
        #expect(
            Verdict(Self.report(Self.session)).sentence
                == "1000 B reached 99 of 100 receivers in 12 s. 1 was not done. 2.0 KiB left the sender in place of 96.7 KiB for single copies: 50 times less.")
        let tree = Self.session.map { $0.replacingOccurrences(of: "\"bytes\":", with: "\"files\":3,\"file_bytes\":900,\"bytes\":") }
        #expect(Verdict(Self.report(tree)).sentence.hasPrefix("3 files (900 B) reached 99 of 100 receivers in 12 s."))
        #expect(Self.report(tree).html(generator: "rmcp").contains("<dd>900 B</dd>"))
        let nobody = Self.report([Self.ready(), Self.line("finished", "\"phase\":\"leaving\",\"seconds\":30,\"outcome\":\"nobody_came\",\"receivers\":{}")])
        #expect(Verdict(nobody).sentence == "No receiver joined in 30 s, so nothing was sent." && Verdict(nobody).kind == .bad)
        var cut = Self.report(Array(Self.session.dropLast(2)))
        #expect(Verdict(cut).headline == "Not over")
        cut.note(error: "image.iso has become shorter", hint: "send it again")
        #expect(Verdict(cut).headline == "Failed" && cut.html(generator: "rmcp").contains("image.iso has become shorter"))
        let stopped = Self.report(
            Self.session.dropLast() + [Self.progress(14, streaming: 11.5, complete: 99, event: "finished", more: ",\"outcome\":\"stopped\"")])
        #expect(Verdict(stopped).headline == "Stopped")
    }

    @Test("A page of an empty record, of one line and of a whole session is complete HTML", arguments: [0, 1, 2, 5, 15])
    func pages(lines: Int) {
        let html = Self.report(Array(Self.session.prefix(lines))).html(generator: "rmcp 9.9")
        #expect(html.hasPrefix("<!DOCTYPE html>") && html.hasSuffix("</html>\n"))
        for element in ["section", "figure", "svg", "table", "ul", "ol", "dl", "div", "span", "p", "tr", "td", "title", "main", "script"] {
            let opened = html.ranges(of: "<\(element)>").count + html.ranges(of: "<\(element) ").count
            #expect(opened == html.ranges(of: "</\(element)>").count, "\(element)")
        }
        #expect(!html.contains("nan") && !html.contains("inf\""))
    }

    private static let hostile = [
        "<script>alert(1)<b>", "</script><script>alert(1)", "<!--", "a\\u202Egpj.exe", "\\u2066x\\u2069", "' onmouseover='x", "\\\" hidden=\\\"", "&lt;", "]]>",
        String(repeating: "W", count: 255), String(repeating: "字", count: 85), "\\u0000\\u001b[31m",
    ]

    @Test("Names that would be HTML, end the script, or turn the text around are text", arguments: hostile)
    func hostileNames(name: String) throws {
        let lines =
            [Self.ready(name)] + Self.session.dropFirst() + [Self.line("warning", "\"message\":\"\(name)\""), Self.line("error", "\"message\":\"\(name)\"")]
        let html = Self.report(lines).html(generator: "rmcp")
        #expect(html.ranges(of: "<script").count == 1 && html.ranges(of: "</script>").count == 1 && !html.contains("<b>") && !html.contains("<!--"))
        #expect(!html.unicodeScalars.contains { (0x202A...0x202E).contains($0.value) || (0x2066...0x2069).contains($0.value) || $0.value == 0x1B })
        let visible = html.components(separatedBy: "<script").first ?? ""
        #expect(!visible.contains("' onmouseover") && !visible.contains("\" hidden=\""))
        let data = try Self.data(of: html)
        #expect(data["name"] as? String == Self.report(lines).name)
    }

    private static func data(of html: String) throws -> [String: Any] {
        let begin = try #require(html.range(of: "<script type=\"application/json\" id=\"rmcp-data\">"))
        let end = try #require(html.range(of: "</script>"))
        let json = try JSONSerialization.jsonObject(with: Data(html[begin.upperBound..<end.lowerBound].utf8))
        return try #require(json as? [String: Any])
    }

    @Test("Nothing is loaded from elsewhere, and a policy says so")
    func selfContained() {
        let html = Self.report(Self.session).html(generator: "rmcp")
        for text in ["http:", "https:", "src=", "@import", "url(", "href=", "<link", "<img"] { #expect(!html.contains(text), "\(text)") }
        #expect(html.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""))
    }

    @Test("Programs find the figures as columns of one length")
    func figures() throws {
        let data = try Self.data(of: Self.report(Self.session).html(generator: "rmcp"))
        let samples = try #require(data["samples"] as? [String: Any])
        let seconds = try #require(samples["seconds"] as? [Double])
        #expect(seconds.count == 14 && seconds.first == 2 && seconds.last == 14)
        #expect((samples["wire_bytes"] as? [Int])?.count == 14 && (samples["by_progress"] as? [[Int]])?.allSatisfy { $0.count == 11 } == true)
        #expect((data["completion"] as? [String: Double]) == ["p50": 6, "p90": 10, "p99": 10] && data["exit_code"] as? Int == 3)
    }

    @Test("However long a session is, its record has so many samples, the first and the last among them")
    func bounds() {
        var series = SampleSeries()
        for index in 0..<100_000 {
            var sample = TransferReport.Sample(seconds: Double(index) / 5, phase: "streaming")
            sample.counters[0] = UInt64(index)
            series.append(sample)
            #expect(series.all.count <= SampleSeries.limit)
        }
        #expect(series.all.count > SampleSeries.limit / 4 && series.all.first?.seconds == 0 && series.last?.seconds == 19_999.8)
        let gaps = zip(series.all, series.all.dropFirst()).map { $1.seconds - $0.seconds }
        #expect((gaps.dropLast().max() ?? 0) <= 2 * (gaps.dropLast().min() ?? 0) + 0.001)
        #expect(abs(series.value(at: 10_000) { Double($0[.content]) } - 50_000) < 1)
    }

    @Test("Lines that are cut short, foreign, or no text are counted, and the rest is read")
    func damage() {
        let lines = [
            "{\"event\":\"progr", "not json", "[1,2]", "{}", "{\"event\":5}", "\u{FFFD}\u{FFFD}", Self.line("tomorrow"),
            Self.line("progress", "\"seconds\":\"x\",\"phase\":3"), Self.line("progress", "\"seconds\":1e400,\"phase\":\"streaming\""),
        ]
        let report = Self.report(Self.session + lines)
        #expect(report.skippedLines >= 7 && report.samples.all.count == Self.report(Self.session).samples.all.count)
        #expect(report.html(generator: "rmcp").contains("lines of the record could not be read"))
    }

    @Test(
        "Numbers that no sender writes are none of a record",
        arguments: [
            "\"event\":\"finished\",\"seconds\":1,\"phase\":\"leaving\",\"receivers\":{\"complete\":18446744073709551615,\"receiving\":1}",
            "\"event\":\"progress\",\"phase\":\"streaming\",\"seconds\":1e19,\"streaming_seconds\":1e19",
            "\"event\":\"progress\",\"phase\":\"streaming\",\"seconds\":1e300,\"streaming_seconds\":1",
            "\"event\":\"progress\",\"phase\":\"streaming\",\"seconds\":20,\"streaming_seconds\":1e300",
            "\"event\":\"progress\",\"phase\":\"streaming\",\"seconds\":20,\"streaming_seconds\":-1",
            "\"event\":\"progress\",\"phase\":\"streaming\",\"seconds\":20,\"wire_bytes\":18446744073709551615",
            "\"event\":\"started\",\"receivers\":18446744073709551615",
            "\"event\":\"finished\",\"seconds\":20,\"phase\":\"leaving\",\"unaccounted\":18446744073709551615,\"receivers\":{\"complete\":1}",
        ])
    func impossibleNumbers(fields: String) {
        let line = "{\(fields)}"
        for lines in [[line], Self.session + [line], [Self.ready(), line], [Self.ready(), line] + Self.session.dropFirst()] {
            let report = Self.report(lines)
            #expect(report.skippedLines == 1)
            #expect(report.html(generator: "rmcp").hasSuffix("</html>\n"))
        }
        #expect(Self.report(Self.session + [line]).samples.all == Self.report(Self.session).samples.all)
    }

    @Test("Whatever numbers lines have, a page is made", arguments: 0..<8 as Range<UInt64>)
    func mutatedNumbers(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let numbers = [
            "0", "-1", "1e19", "1e300", "1e308", "1e-300", "5e-324", "281474976710656", "1152921504606846976", "9223372036854775807", "18446744073709551615",
            "1e9", "0.5", "null", "[]",
        ]
        let node =
            "{\"address\":\"10.0.0.9:5\",\"receivers\":3,\"complete\":1,\"failed\":1,\"repair_nodes\":2,\"complete_repair_nodes\":1,\"loss_p90\":0.1,\"lost\":false,\"repaired_bytes\":7,\"chunks_held\":8}"
        let more = ",\"outcome\":\"partial\",\"exit_code\":3,\"unaccounted\":2,\"wanted\":200,\"refused\":{\"untrusted\":2},\"nodes\":[\(node)]"
        let session =
            Self.session.dropLast()
            + [Self.progress(14, streaming: 11.5, complete: 99, event: "finished", phase: "leaving", more: more), Self.line("dropped", "\"lines\":9")]
        for _ in 0..<40 {
            var lines = Array(session)
            for _ in 0..<random.next() % 3 + 1 {
                let index = Int(random.next() % UInt64(lines.count))
                let places = lines[index].ranges(of: /[0-9][0-9.]*/)
                guard let place = places.randomElement(using: &random), let number = numbers.randomElement(using: &random) else { continue }
                lines[index].replaceSubrange(place, with: number)
            }
            #expect(Self.report(lines).html(generator: "rmcp").hasSuffix("</html>\n"), "\(lines)")
        }
    }

    @Test("Lines that nobody read in time are missing, and are counted")
    func droppedLines() {
        let report = Self.report(Self.session + [Self.line("dropped", "\"command\":\"send\",\"lines\":12")])
        #expect(report.skippedLines == 12 && report.html(generator: "rmcp").contains("12 lines of the record could not be read, or were left out"))
        #expect(Self.report(Array(repeating: Self.line("dropped", "\"lines\":281474976710656"), count: 40_000)).skippedLines == .max)
    }

    @Test("Long texts are on the page to their end")
    func longTexts() {
        let long = String(repeating: "e", count: 600) + "END"
        var report = Self.report([Self.ready(), Self.line("warning", "\"message\":\"\(long)WARNING\"")])
        report.note(error: long, hint: "send it again")
        report.options = [(name: "exclude", value: long + "OPTION")]
        let page = report.html(generator: "rmcp").components(separatedBy: "<script").first ?? ""
        for end in ["ENDWARNING", "END; send it again", "ENDOPTION"] { #expect(page.contains(end), "\(end)") }
    }

    @Test("Those who join one after another are counted together, and none of them is lost")
    func joins() {
        var report = Self.report([Self.ready(), Self.progress(1, complete: 0, phase: "waiting")])
        for index in 1...500 {
            let line = Self.progress(Double(index * 10), streaming: Double(index * 10 - 1), complete: 0)
            report.note(line: line.replacing("\"receiving\":100", with: "\"receiving\":\(100 + index)"))
        }
        let joined = report.marks.compactMap(\.joined)
        #expect(joined.count == 40 && joined.reduce(0) { $0 + $1.count } == 500)
        #expect(joined.last?.text == "461 receivers joined" && report.marks.last?.text == "461 receivers joined")
        #expect(report.html(generator: "rmcp").contains("receivers joined</li>"))
    }

    @Test("Lines of an earlier spelling are read, too")
    func earlierSpelling() {
        let old = Self.progress(2, streaming: 1, complete: 1, event: "sent-once").replacingOccurrences(of: "receiving", with: "failedDiskFull")
        let report = Self.report([Self.ready(), old])
        #expect(report.end?.count(.failedDiskFull) == 99 && report.marks.last?.text == "everything was sent once")
    }

    @Test("Of several sessions one is chosen by number or id, the last unless told otherwise")
    func severalSessions() throws {
        func choose(_ wish: String?) throws -> (report: TransferReport, number: Int) {
            var sessions = ReportedSessions(wish: wish)
            for line in Self.session + ["garbage"] + [Self.ready("b", session: "1122334455cd")] + Self.session.dropFirst() { sessions.note(line: line) }
            #expect(sessions.count == 2 && sessions.skippedLines == 1)
            return try sessions.choose()
        }
        #expect(try choose(nil).number == 2)
        #expect(try choose("1").report.name == "image.iso")
        #expect(try choose("11223344").report.name == "b" && choose("1122334455C").report.name == "b")
        // A number is one, though an id begins with it.
        for wish in ["11", "77", "0", "-1", ""] { #expect(throws: ReportedSessions.Objection.self) { try choose(wish) } }
        #expect(try choose("1").report.skippedLines == 1)
    }

    @Test("A file of ten thousand sessions takes the memory of two", arguments: [nil, "7", "10000", "00000bb8"])
    func manySessions(wish: String?) throws {
        var sessions = ReportedSessions(wish: wish)
        var most = 0
        for number in 1...10_000 {
            let id = String(number, radix: 16)
            sessions.note(line: Self.ready("n\(number)", session: String(repeating: "0", count: 8 - id.count) + id))
            sessions.note(line: Self.progress(1, streaming: 1, complete: 1))
            most = max(most, [sessions.found?.report, sessions.newest].compactMap { $0?.samples.all.count }.reduce(0, +))
        }
        // The start of a session is a sample of its own.
        #expect(most <= 4)
        let (report, number) = try sessions.choose()
        let expected = wish.map { ["7": 7, "10000": 10_000, "00000bb8": 3_000][$0] } ?? 10_000
        #expect(number == expected && report.name == "n\(number)" && report.complete == 1)
    }

    @Test("A file whose beginning is lost has a session; one of a receiver has none, and neither has one of nobody")
    func otherFiles() throws {
        var cut = ReportedSessions()
        for line in Self.session.dropFirst(5) { cut.note(line: line) }
        #expect(try cut.choose().report.complete == 99)
        var receiver = ReportedSessions()
        for line in [Self.line("listening"), Self.line("progress", "\"command\":\"recv\",\"state\":\"receiving\",\"seconds\":1")] { receiver.note(line: line) }
        #expect { try receiver.choose() } throws: { if case ReportedSessions.Objection.ofOthers = $0 { true } else { false } }
        var nobody = ReportedSessions()
        nobody.note(line: "hello")
        #expect { try nobody.choose() } throws: { if case ReportedSessions.Objection.nothing = $0 { true } else { false } }
    }

    @Test("A send's own updates fill the record as their lines do")
    func updates() {
        var histogram = StatusHistogram()
        histogram.add(LeafStatus(state: .complete, progress: 10, network: .init(loss: 3, pressure: 0, arrival: nil), isRehomed: false, chunksDone: 1))
        var snapshot = SendSnapshot(
            phase: .draining, elapsed: .seconds(3), streaming: .seconds(1), contentSent: 10, contentLength: 10, encodedLength: 10, rate: 5,
            receivers: histogram,
            medianLoss: 0.002, groupRoundTrip: .zero, counters: SenderCounters(), unsent: 0, unanswerable: 0)
        snapshot.limits[.path] = .seconds(0.5)
        snapshot.level = 3
        snapshot.nodes = [RepairNodeStatus(address: .ipv4(10, 0, 0, 9, port: 5), histogram: histogram, isLost: true)]
        var report = TransferReport()
        let updates: [SendUpdate] = [.progress(snapshot), .sentOnce(snapshot)]
        for update in updates { for line in update.lines { report.note(line: line.text(of: "send", at: 0)) } }
        #expect(report.end?.limits == ["path": 0.5] && report.end?.level == 3 && report.end?.loss == [0.002, 0.002, 0.002])
        #expect(report.complete == 1 && report.end?.progress.last == 1 && report.start == 2)
        #expect(report.nodes.map(\.address) == ["10.0.0.9:5"] && report.nodes.first?.isLost == true && report.nodes.first?.complete == 1)
    }

    @Test("Every limit has a name and an advice")
    func limits() {
        for limit in SendLimit.allCases { #expect(LimitText(limit.rawValue, level: 0) != nil, "\(limit)") }
        #expect(LimitText("weather", level: 0) == nil)
        let html = Self.report(Self.session).html(generator: "rmcp")
        #expect(html.contains("What would have made it faster") && html.contains(">75 %<"))
    }

    @Test("Axes have round numbers, and not too many", arguments: [0.0003, 0.2, 0.9, 7, 59, 61, 599, 4_000, 90_000, 10_000_000] as [Double])
    func axes(highest: Double) {
        for axis in [Axis.time(highest), .rate(highest), .fraction(min(1, highest)), .count(UInt64(highest))] {
            #expect((1...8).contains(axis.ticks.count) && Set(axis.ticks.map(\.label)).count == axis.ticks.count, "\(axis.ticks.map(\.label))")
            #expect(axis.ticks.allSatisfy { (0...1).contains(axis.position($0.value)) })
        }
        #expect(Axis.rate(240e6).ticks.map(\.label) == ["0", "50 Mb/s", "100 Mb/s", "150 Mb/s", "200 Mb/s", "250 Mb/s"])
        #expect(Axis.time(600).ticks.map(\.label) == ["0:00", "2:00", "4:00", "6:00", "8:00", "10:00"])
        #expect(Axis.count(7).ticks.map(\.label) == ["0", "2", "4", "7"])
    }
}
