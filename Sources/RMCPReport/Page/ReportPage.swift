import RMCPProtocol

/// A report as one page of HTML that needs nothing else: no script, no file, no network. Programs find the figures in it as JSON.
struct ReportPage {
    private let report: TransferReport

    init(_ report: TransferReport) { self.report = report }

    /// Marks of what is good and bad, beside colours and words.
    private static let signs: [Verdict.Kind: String] = [.good: "✓", .partial: "!", .bad: "✕"]

    /// - Parameter generator: name and version of the program.
    func html(generator: String) -> String {
        let verdict = Verdict(report)
        let charts = ReportCharts(report)
        let name = report.name.isEmpty ? "bundle without a name" : report.name
        let sections =
            [
                tiles(), report.error.map { section("What went wrong", Markup.text($0), "") }, charts.map(timeline),
                charts.map(completion),
                charts.map(progress), charts.map(loss), outcomes(), tree(), limits(), settings(), warnings(),
            ].compactMap { $0 }
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
            <meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
            <meta name="generator" content="\(Markup.escaped(generator))">
            <title>\(Markup.escaped(BundleName.printable(name))): \(verdict.headline.lowercased())</title>
            <style>\(ReportStyle.sheet)</style></head>
            <body><main><header><span class="verdict \(verdict.kind.rawValue)">\(Self.signs[verdict.kind] ?? "") \(verdict.headline)</span>
            <h1>\(Markup.name(name))</h1>
            <p>\(Markup.escaped(verdict.sentence))</p>
            <p class="where">\(place())</p></header>
            \(sections.joined(separator: "\n"))
            <footer><p>\(footer(generator))</p></footer></main>
            <script type="application/json" id="rmcp-data">\(Markup.embedded(json: ReportData.json(of: report)))</script>
            </body></html>

            """
    }

    /// - Parameter isLong: may be longer than a page of paper has room for.
    private func section(_ title: String, _ text: String, _ body: String, isLong: Bool = false) -> String {
        "<section\(isLong ? " class=\"long\"" : "")><h2>\(title)</h2>\(text.isEmpty ? "" : "<p>\(text)</p>")\(body)</section>"
    }

    /// Line that tells when, where to, and by whom.
    private func place() -> String {
        var parts: [String] = []
        if let began = report.began { parts.append(Markup.escaped(Self.date(BundleName.printable(began)))) }
        if !report.group.isEmpty { parts.append("to \(Markup.text(report.group)) on \(Markup.name(report.interface))") }
        if !report.session.isEmpty { parts.append("session \(Markup.text(String(report.session.prefix(8))))") }
        return parts.joined(separator: " · ")
    }

    /// `2026-11-29 09:30:05 UTC` of `2026-11-29T09:30:05.123Z`; whatever else it is stays as it is.
    private static func date(_ text: String) -> String {
        let parts = text.split(separator: "T")
        guard parts.count == 2, parts[1].hasSuffix("Z"), let time = parts[1].dropLast().split(separator: ".").first else { return text }
        return "\(parts[0]) \(time) UTC"
    }

    private func footer(_ generator: String) -> String {
        var text = "Made by \(Markup.escaped(generator)). Receivers are counted, never named: what is here of them are numbers."
        if report.skippedLines > 0 {
            text +=
                " \(Units.count(UInt64(report.skippedLines), "line")) of the record could not be read, or \(report.skippedLines == 1 ? "was" : "were") left out by who wrote it."
        }
        return text
    }

    // MARK: Figures

    private func tiles() -> String? {
        guard let end = report.end, end.streaming != nil, end[.wire] > 0 else { return nil }
        let seconds = max(end.streaming ?? 0, 0.001)
        let waited = report.start ?? 0
        let content = report.files?.bytes ?? report.contentLength ?? end[.content]
        let repaired = end[.repair] &+ end[.catchUp]
        let payload = repaired &+ end[.first] &+ end[.relayed]
        // More is encoded, before all has been sent once, than was to be sent.
        let isWhole = report.contentLength.map { end[.content] >= $0 } ?? (end.phase != "streaming")
        let ratio = isWhole && end[.encoded] > 0 ? "\(Units.fixed(Double(end[.wire]) / Double(end[.encoded]), digits: 2)) × the encoded bundle" : ""
        let items: [(String, String, String)] = [
            ("Time", Units.time(.seconds(seconds)), "after \(Units.time(.seconds(waited))) of waiting"),
            ("Receivers complete", "\(report.complete)", "of \(report.came) that came"),
            ("Content", Units.size(content), "\(Units.rate(bitsPerSecond: Double(end[.content]) * 8 / seconds)) to each receiver"),
            ("Sent", Units.size(end[.wire]), ratio),
            (
                "Repairs", payload > 0 ? Units.percent(Double(repaired) / Double(payload)) : "0 %",
                "\(Units.size(repaired)), by \(Units.count(end[.naks], "request"))"
            ),
            ("Saved", report.saved.map { "\(Units.fixed($0, digits: $0 < 10 ? 1 : 0)) ×" } ?? "–", "against single copies"),
        ]
        return "<section class=\"figures\"><dl class=\"tiles\">" + items.map { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd><dd>\($0.2)</dd></div>" }.joined()
            + "</dl></section>"
    }

    private func timeline(_ charts: ReportCharts) -> String {
        section("What was sent", "Bits per second that left the sender, from the start on. Numbers mark what happened.", charts.timeline(), isLong: true)
    }

    private func completion(_ charts: ReportCharts) -> String {
        let items = ReportCharts.percentiles.map { share, name in
            let time = report.completion(of: share).map { Units.time(.seconds($0)) } ?? "never"
            return "<div><dt>\(name == "all" ? "all of them" : name)</dt><dd>\(time)</dd></div>"
        }.joined()
        return section(
            "When receivers were complete", "Of all who came: half of them were complete by p50, nine in ten by p90, all but one in a hundred by p99.",
            "\(charts.completion())<dl class=\"percentiles\">\(items)</dl>")
    }

    private func progress(_ charts: ReportCharts) -> String {
        section("How far they were", "Receivers by the share of the bundle that they had. A narrow band is a fleet that keeps together.", charts.progress())
    }

    private func loss(_ charts: ReportCharts) -> String {
        guard let chart = charts.loss() else { return section("Loss", "No receiver reported any.", "") }
        return section("Loss", "Datagrams that did not arrive, of those that were sent, as receivers reported it. Steps are those of the scale.", chart)
    }

    // MARK: Tables

    private func outcomes() -> String? {
        guard let end = report.end else { return nil }
        let refusals = RefusalReason.allCases.filter { end.refused[Int($0.rawValue)] > 0 }
        let total = max(1, report.came &+ end.refused.reduce(0, &+))
        func row(_ name: String, _ count: UInt64, _ style: String, _ note: String) -> String {
            let width = Markup.number(Double(count) / Double(total) * 100)
            return
                "<tr><td class=\"key\">\(name)</td><td class=\"n\">\(count)</td><td class=\"bar \(style)\"><i style=\"width:\(width)%\"></i></td><td class=\"text\">\(note)</td></tr>"
        }
        var rows = ReceiverState.allCases.filter { end.count($0) > 0 }.map { state in
            let labels = (report.labels[state.identifier] ?? []).map(Markup.name).joined(separator: ", ")
            return row(
                state.reason, end.count(state), state == .complete ? "good" : state.isFailure ? "bad" : "partial", labels.isEmpty ? state.meaning : labels)
        }
        rows += refusals.map { row("refused", end.refused[Int($0.rawValue)], "partial", $0.text) }
        if report.unaccounted > 0 { rows.append(row("unknown", report.unaccounted, "bad", "went below a repair node that never reported")) }
        guard !rows.isEmpty else { return section("What became of them", "No receiver came.", "") }
        return section(
            "What became of them", "",
            "<div class=\"scroll\"><table><thead><tr><th>State</th><th class=\"n\">Receivers</th><th></th><th></th></tr></thead><tbody>\(rows.joined())</tbody></table></div>"
        )
    }

    private func tree() -> String? {
        guard let end = report.end, end.repairNodes > 0 || !report.nodes.isEmpty else { return nil }
        let text =
            "\(Units.count(end.repairNodes, "repair node")) in all; \(end.completeRepairNodes) of \(end.repairNodes) hold everything. Those right below the sender:"
        let rows = report.nodes.map { node in
            let held =
                node.repairNodes == 0 ? "–" : node.completeRepairNodes == node.repairNodes ? "everything" : node.chunksHeld.map { "\($0) chunks" } ?? "a part"
            return "<tr><td class=\"key\">\(Markup.escaped(BundleName.printable(node.address)))</td><td>\(node.isLost ? "lost" : held)</td>"
                + [node.repairNodes > 0 ? node.repairNodes - 1 : 0, node.receivers, node.complete, node.failed].map { "<td class=\"n\">\($0)</td>" }.joined()
                + "<td class=\"n\">\(node.repairedBytes.map { Units.size($0) } ?? "–")</td><td class=\"n\">\(Units.percent(node.loss))</td></tr>"
        }
        let heads = ["Nodes below", "Receivers", "Complete", "Failed", "Repaired", "Loss p90"].map { "<th class=\"n\">\($0)</th>" }.joined()
        let table =
            "<div class=\"scroll\"><table><thead><tr><th>Repair node</th><th>Holds</th>\(heads)</tr></thead><tbody>\(rows.joined())</tbody></table></div>"
        return section("Repair nodes", text, rows.isEmpty ? "" : table)
    }

    private func limits() -> String? {
        guard let end = report.end else { return nil }
        let total = end.limits.values.reduce(0, +)
        let shown = end.limits.filter { $0.value > 0 && $0.value >= total * Self.leastShare }.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
        let rows = shown.compactMap { name, seconds -> String? in
            guard let text = LimitText(name, level: end.level) else { return nil }
            let share = Markup.number(seconds / total * 100)
            return
                "<tr><td class=\"key\">\(text.name)</td><td class=\"n\">\(Units.time(.seconds(seconds)))</td><td class=\"n\">\(Units.percent(seconds / total))</td>"
                + "<td class=\"bar\"><i style=\"width:\(share)%\"></i></td><td class=\"text\">\(Markup.advice(text.advice))</td></tr>"
        }
        guard !rows.isEmpty else { return nil }
        return section(
            end.streaming == nil ? "What it waited for" : "What would have made it faster", "What it waited for, and how long: the longest first.",
            "<div class=\"scroll\"><table class=\"limits\"><thead><tr><th>Limit</th><th class=\"n\">Time</th><th class=\"n\">Share</th><th></th><th></th></tr></thead>"
                + "<tbody>\(rows.joined())</tbody></table></div>")
    }

    /// Share of the time (0...1) below which a limit is not worth a row.
    private static let leastShare = 0.005

    private func settings() -> String {
        var rows: [(String, String)] = report.options.map { ("--\($0.name)", $0.value) }
        rows = rows.map { ("<code>\(Markup.text($0))</code>", "<code>\(Markup.text($1))</code>") }
        if let version = report.version { rows.append(("Version", Markup.escaped(BundleName.printable(version)))) }
        if let key = report.key { rows.append(("Key", key.isEmpty ? "not signed" : "<code>\(Markup.escaped(BundleName.printable(key)))</code>")) }
        if !report.session.isEmpty { rows.append(("Session", "<code>\(Markup.escaped(BundleName.printable(report.session)))</code>")) }
        if let code = report.exitCode { rows.append(("Exit code", "\(code)")) }
        let table = rows.map { "<tr><td class=\"key\">\($0)</td><td class=\"text\">\($1)</td></tr>" }.joined()
        let text = report.options.isEmpty ? "Every option had its default." : "Options that were set; all others had their defaults."
        return section("Options and versions", text, "<div class=\"scroll\"><table><tbody>\(table)</tbody></table></div>")
    }

    private func warnings() -> String? {
        let items = report.marks.filter { $0.kind == .warning }
        guard !items.isEmpty else { return nil }
        let list = items.map { "<li><span>\(Units.time(.seconds($0.seconds)))</span> \(Markup.text($0.text))</li>" }.joined()
        return section("Warnings", "With the time since the command began.", "<ol class=\"events\">\(list)</ol>", isLong: true)
    }
}

extension ReceiverState {
    /// Meaning of a state for whoever has to do something about it.
    fileprivate var meaning: String {
        switch self {
        case .joined: "had heard of it, and had nothing yet"
        case .receiving, .behind: "not all was there at the end"
        case .finishing: "all was there, and was being written"
        case .complete: "the bundle has its name, and --exec has ended"
        case .lost: "fell silent before it was done"
        case .failedDiskFull: "no room on its disk"
        case .failedVerification: "bytes were not those of the table"
        case .failedStorage: "its disk reported an error"
        case .failedHook: "--exec failed there"
        case .failedSender: "heard nothing of the sender for too long"
        case .failedName: "no file of that name can be there"
        case .outdated: "had a newer version already"
        case .interrupted: "was stopped there"
        case .failedPath: "nothing came of full-sized datagrams"
        }
    }
}
