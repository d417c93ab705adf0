internal import FoundationEssentials
import RMCPProtocol

/// The figures of a report for programs: measures as columns over the same times.
enum ReportData {
    private static let schema: Int64 = 1

    static func json(of report: TransferReport) -> String {
        var fields: [String: JSONLine.Value] = [
            "schema": .integer(schema), "name": .string(report.name), "session": .string(report.session), "group": .string(report.group),
            "interface": .string(report.interface), "options": .object(Dictionary(report.options.map { ($0.name, .string($0.value)) }) { $1 }),
            "unaccounted": .unsigned(report.unaccounted), "samples": .object(samples(report)), "nodes": .array(report.nodes.map(node)),
            "marks": .array(report.marks.map { .object(["seconds": .number(rounded($0.seconds)), "text": .string($0.text)]) }),
            "skipped_lines": .integer(Int64(report.skippedLines)),
        ]
        fields["key"] = report.key.map { .string($0) }
        fields["version"] = report.version.map { .string($0) }
        fields["began"] = report.began.map { .string($0) }
        fields["bytes"] = report.contentLength.map { .unsigned($0) }
        fields["file_bytes"] = report.files?.bytes.map { .unsigned($0) }
        fields["outcome"] = report.outcome.map { .string($0) }
        fields["exit_code"] = report.exitCode.map { .integer(Int64($0)) }
        fields["error"] = report.error.map { .string($0) }
        fields["started"] = report.start.map { .number(rounded($0)) }
        if let limits = report.end?.limits { fields["limited_by"] = .object(limits.mapValues { .number(rounded($0)) }) }
        let shares = ReportCharts.percentiles.compactMap { share, name in report.completion(of: share).map { (name, JSONLine.Value.number(rounded($0))) } }
        fields["completion"] = .object(Dictionary(uniqueKeysWithValues: shares))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(JSONLine.Value.object(fields))).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private static func samples(_ report: TransferReport) -> [String: JSONLine.Value] {
        let all = report.samples.all
        var columns: [String: JSONLine.Value] = [
            "seconds": .array(all.map { .number(rounded($0.seconds)) }), "phase": .array(all.map { .string($0.phase) }),
            "rate": .array(all.map { .number($0.rate.rounded()) }), "repair_nodes": .array(all.map { .unsigned($0.repairNodes) }),
            "by_progress": .array(all.map { .array($0.progress.map { .unsigned($0) }) }),
        ]
        for (index, name) in TransferReport.Sample.counterNames.enumerated() { columns[name] = .array(all.map { .unsigned($0.counters[index]) }) }
        for (index, name) in ["median_loss", "loss_p90", "loss_max"].enumerated() { columns[name] = .array(all.map { .number($0.loss[index]) }) }
        let states = ReceiverState.allCases.filter { state in all.contains { $0.count(state) > 0 } }
        let counts = states.map { state in (state.identifier, JSONLine.Value.array(all.map { .unsigned($0.count(state)) })) }
        columns["receivers"] = .object(Dictionary(uniqueKeysWithValues: counts))
        return columns
    }

    private static func node(_ node: TransferReport.Node) -> JSONLine.Value {
        var fields: [String: JSONLine.Value] = [
            "address": .string(node.address), "receivers": .unsigned(node.receivers), "complete": .unsigned(node.complete), "failed": .unsigned(node.failed),
            "repair_nodes": .unsigned(node.repairNodes), "complete_repair_nodes": .unsigned(node.completeRepairNodes), "loss_p90": .number(node.loss),
            "lost": .boolean(node.isLost),
        ]
        fields["repaired_bytes"] = node.repairedBytes.map { .unsigned($0) }
        fields["chunks_held"] = node.chunksHeld.map { .unsigned($0) }
        return .object(fields)
    }

    /// Seconds, to milliseconds.
    private static func rounded(_ seconds: Double) -> Double { (seconds * 1_000).rounded() / 1_000 }
}

extension TransferReport {
    /// The whole as one page of HTML.
    /// - Parameter generator: name and version of the program.
    public func html(generator: String) -> String { ReportPage(self).html(generator: generator) }
}
