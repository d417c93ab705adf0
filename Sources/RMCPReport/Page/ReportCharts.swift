import RMCPProtocol

/// The drawings of a report. All begin when sending does: what was waited for before that has no shape.
struct ReportCharts {
    private let report: TransferReport
    /// Seconds from the session's making to its start, and from there to its end.
    private let start: Double
    private let length: Double

    /// Columns that a drawing has, at most.
    private static let columnLimit = 160
    private static let fewestColumns = 8

    /// Nil where nothing was ever sent.
    init?(_ report: TransferReport) {
        guard let start = report.start, let end = report.samples.last, end.seconds > start else { return nil }
        self.report = report
        self.start = start
        length = end.seconds - start
    }

    private var times: Axis { .time(length) }
    private var samples: [TransferReport.Sample] { report.samples.all.filter { $0.streaming != nil } }
    private func time(_ sample: TransferReport.Sample) -> Double { max(0, sample.seconds - start) }

    /// Edges of columns that are equally wide.
    private var edges: [Double] {
        let count = min(Self.columnLimit, max(Self.fewestColumns, samples.count))
        return (0...count).map { length * Double($0) / Double(count) }
    }

    private static func words(_ seconds: Double) -> String { Units.time(.seconds(seconds)) }

    // MARK: Rate

    private struct Kind {
        let style: String
        let name: String
        let counters: [TransferReport.Sample.Counter]
    }

    private static let kinds = [
        Kind(style: "first", name: "first transmissions", counters: [.first, .relayed]), Kind(style: "repair", name: "repairs", counters: [.repair]),
        Kind(style: "catchup", name: "catch-up", counters: [.catchUp]),
    ]

    /// Drawing of what was sent, by kind, with what happened.
    func timeline() -> String {
        let edges = edges
        let columns = zip(edges, edges.dropFirst()).map { left, right in
            Self.kinds.map { kind in
                let sent = kind.counters.reduce(0.0) { sum, counter in
                    let measure = { (sample: TransferReport.Sample) in Double(sample[counter]) }
                    return sum + report.samples.value(at: start + right, measure) - report.samples.value(at: start + left, measure)
                }
                return max(0, sent) * 8 / (right - left)
            }
        }
        let highest = columns.map { $0.reduce(0, +) }.max() ?? 0
        var chart = Chart(title: "Rate over time, by what was sent", horizontal: times, vertical: .rate(highest))
        for (index, kind) in Self.kinds.enumerated() {
            let points = zip(zip(edges, edges.dropFirst()), columns).flatMap { edge, column in
                let low = column[..<index].reduce(0, +)
                return [(x: edge.0, low: low, high: low + column[index]), (x: edge.1, low: low, high: low + column[index])]
            }
            chart.area("fill \(kind.style)", points, title: kind.name)
        }
        for mark in marks { chart.rule("mark", x: mark.seconds, title: "\(Self.words(mark.seconds)): \(mark.text)") }
        for (column, edge) in zip(columns, zip(edges, edges.dropFirst())) {
            let parts = zip(Self.kinds, column).filter { $1 > 0 }.map { "\($0.name) \(Units.rate(bitsPerSecond: $1))" }
            chart.tip(
                from: edge.0, to: edge.1, "\(Self.words(edge.0)) to \(Self.words(edge.1)): \(parts.isEmpty ? "nothing sent" : parts.joined(separator: ", "))")
        }
        let used = Self.kinds.filter { kind in kind.counters.contains { (report.end?[$0] ?? 0) > 0 } }
        let flags = marks.enumerated().map { (x: $1.seconds, text: "\($0 + 1)", title: "\(Self.words($1.seconds)): \($1.text)") }
        return chart.html(legend: used.map { ($0.style, $0.name) }, flags: flags) + events()
    }

    /// Marks of what happened, by seconds since the start; what happened before is of no place in a drawing. Things that happen at once share a
    /// number, and so do those who join one after another.
    private var marks: [(seconds: Double, text: String)] {
        var result: [(seconds: Double, texts: [String], joined: TransferReport.Joined?)] = []
        for mark in report.marks where mark.kind != .warning && mark.seconds >= start {
            let seconds = mark.seconds - start
            let index = result.count - 1
            if index >= 0, let joined = mark.joined, result[index].joined?.noun == joined.noun, seconds - result[index].seconds < length * Self.oneAfterAnother
            {
                let sum = TransferReport.Joined(noun: joined.noun, count: joined.count &+ (result[index].joined?.count ?? 0))
                result[index].texts[result[index].texts.count - 1] = sum.text
                result[index].joined = sum
            } else if index >= 0, seconds - result[index].seconds < length * Self.together {
                result[index].texts.append(mark.text)
                result[index].joined = mark.joined
            } else {
                result.append((seconds, [mark.text], mark.joined))
            }
        }
        return result.map { ($0.seconds, $0.texts.joined(separator: "; ")) }
    }

    /// Shares of the whole time (0...1) that are no time, and in which those who join are counted together.
    private static let together = 0.012
    private static let oneAfterAnother = 0.1

    private func events() -> String {
        let items = marks.map { "<li><span>\(Self.words($0.seconds))</span> \(Markup.escaped($0.text))</li>" }.joined()
        let more = report.omittedMarks > 0 ? "<p class=\"note\">\(report.omittedMarks) more are left out.</p>" : ""
        return marks.isEmpty ? "" : "<ol class=\"events\">\(items)</ol>\(more)"
    }

    // MARK: Receivers

    /// Shares of receivers, and their names.
    static let percentiles: [(share: Double, name: String)] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (1, "all")]

    /// Drawing of how many were complete when.
    func completion() -> String {
        let came = max(1, report.came)
        var chart = Chart(title: "Complete receivers over time", horizontal: times, vertical: .count(came))
        chart.steps("complete", samples.map { (time($0), Double($0.count(.complete))) }, title: "complete receivers")
        for (share, name) in Self.percentiles.dropLast() {
            guard let seconds = report.completion(of: share) else { continue }
            chart.rule("guide", x: seconds, title: "\(name): \(Self.words(seconds))")
            let count = report.samples.value(at: start + seconds) { Double($0.count(.complete)) }
            chart.dot("complete", x: seconds, y: count, title: "\(name): \(Self.words(seconds))")
        }
        let edges = edges
        for (left, right) in zip(edges, edges.dropFirst()) {
            guard let sample = report.samples.sample(at: start + right) else { continue }
            chart.tip(from: left, to: right, "\(Self.words(right)): \(sample.count(.complete)) of \(came) complete")
        }
        return chart.html(legend: [])
    }

    /// Drawing of how far they were, in tenths.
    func progress() -> String {
        let samples = samples
        var chart = Chart(title: "Receivers by progress over time", horizontal: times, vertical: .share)
        let totals = samples.map { Double(max(1, $0.progress.reduce(0, &+))) }
        for bucket in stride(from: StatusHistogram.progressCount - 1, through: 0, by: -1) {
            let points = zip(samples, totals).map { sample, total in
                let low = Double(sample.progress[(bucket + 1)...].reduce(0, &+)) / total
                return (x: time(sample), low: low, high: low + Double(sample.progress[bucket]) / total)
            }
            chart.area("fill b\(bucket)", points, title: Self.name(ofBucket: bucket))
        }
        let edges = edges
        for (left, right) in zip(edges, edges.dropFirst()) {
            guard let sample = report.samples.sample(at: start + right) else { continue }
            let parts = sample.progress.indices.reversed().filter { sample.progress[$0] > 0 }.map { "\(sample.progress[$0]) have \(Self.name(ofBucket: $0))" }
            chart.tip(from: left, to: right, "\(Self.words(right)): \(parts.isEmpty ? "nobody" : parts.joined(separator: ", "))")
        }
        let legend = (0..<StatusHistogram.progressCount).map { ("b\($0)", Self.name(ofBucket: $0)) }
        return chart.html(legend: legend)
    }

    private static func name(ofBucket bucket: Int) -> String {
        bucket == StatusHistogram.progressCount - 1 ? "all" : "\(bucket * 10)–\(bucket * 10 + 9) %"
    }

    /// Loss of the median receiver, of the worst in ten, and of the worst.
    func loss() -> String? {
        let samples = samples
        let highest = samples.map { $0.loss.max() ?? 0 }.max() ?? 0
        guard highest > 0 else { return nil }
        var chart = Chart(title: "Loss over time", horizontal: times, vertical: .fraction(highest))
        let names = ["p50", "p90", "max"]
        for index in names.indices.reversed() {
            chart.steps("loss\(index)", samples.map { (time($0), $0.loss[index]) }, title: names[index])
        }
        let edges = edges
        for (left, right) in zip(edges, edges.dropFirst()) {
            guard let sample = report.samples.sample(at: start + right) else { continue }
            let parts = zip(names, sample.loss).map { "\($0) \(Units.percent($1))" }
            chart.tip(from: left, to: right, "\(Self.words(right)): \(parts.joined(separator: ", "))")
        }
        return chart.html(legend: [("loss0", "half of the receivers lose no more (p50)"), ("loss1", "nine in ten (p90)"), ("loss2", "all (max)")])
    }
}
