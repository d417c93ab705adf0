import RMCPContent
import RMCPHost
import RMCPProtocol

/// Tells the user how a repair node fares.
final class RepairReporter {
    /// Takes the lines for programs.
    private let emit: (JSONLine) -> Void
    private let style: OutputStyle
    private var live: LiveLine
    private let metrics: MetricsFile?

    init(style: OutputStyle, metricsPath: String?, emit: @escaping (JSONLine) -> Void = { $0.write() }) {
        self.emit = emit
        self.style = style
        live = LiveLine(isActive: !style.isQuiet && !style.isJSON)
        metrics = metricsPath.map { MetricsFile(path: $0) }
    }

    func handle(_ update: RepairUpdate) {
        switch update {
        case .listening: metrics?.write([RepairSnapshot]())
        case .progress(let snapshots): metrics?.write(snapshots)
        default: break
        }
        if style.isJSON { return writeJSON(update) }
        switch update {
        case .listening(let interface, let group, let upstream, let region, let regionInterface):
            let source = "listening to \((upstream ?? group).text) on \(interface)"
            say("\(source); \(upstream == nil ? "repairing" : "relaying") in region \(region.text) on \(regionInterface)")
        case .warning(let text): live.print("rmcp: \(text)")
        case .refused(let announce, let reason): live.print("rmcp: refused \(RecvReporter.describe(announce)): \(Self.explain(reason))")
        case .began(let snapshot, let kept):
            let size = snapshot.announce.contentLength.map { ", \(Units.size($0))" } ?? ""
            say("serving \(RecvReporter.describe(snapshot.announce))\(size)\(kept > 0 ? ", \(kept) chunks from the cache" : "")")
        case .progress(let snapshots): live.show(snapshots.map(Self.line).joined(separator: " | "))
        case .complete(let snapshot): say("holds all of \(Self.name(snapshot.announce)): \(snapshot.chunksHeld) chunks")
        case .parentChanged(let announce, let depth):
            if style.isVerbose { say("\(Self.name(announce)): below \(depth <= 1 ? "the sender" : "a repair node at depth \(depth - 1)")") }
        case .upstreamOver(let snapshot, let state):
            let what = snapshot.isComplete ? "serving on from the cache" : "\(state.reason)"
            say("\(Self.name(snapshot.announce)): nobody above any more; \(what)")
            if style.isVerbose { say(Self.counters(snapshot)) }
        case .retired(let announce, let reason): say("\(Self.name(announce)): not served any more: \(reason)")
        case .stopped:
            live.clear()
            say("stopped")
        }
    }

    private static func explain(_ reason: SessionRefusal) -> String {
        if case .rollback(let newest) = reason { return "a newer version, of \(Units.date(milliseconds: newest)), is here already" }
        return RecvReporter.explain(reason)
    }

    /// The last metrics are written when this returns, if their disk lets them.
    func finish() { metrics?.finish() }

    private func say(_ text: String) { if !style.isQuiet { live.print(text) } }

    private static func name(_ announce: Announce) -> String { BundleName.printable(announce.name) }

    private static func line(_ snapshot: RepairSnapshot) -> String {
        var parts = ["\(name(snapshot.announce)) \(snapshot.chunksHeld)\(snapshot.chunkCount.map { " of \($0)" } ?? "") chunks"]
        parts.append("\(snapshot.receivers.population) receivers, \(snapshot.receivers.count(.complete)) complete")
        let repairs = snapshot.counters.repairBytes + snapshot.counters.catchUpBytes
        if repairs > 0 { parts.append("repaired \(Units.size(repairs))") }
        if snapshot.loss > 0.0005 { parts.append("loss \(Units.percent(snapshot.loss))") }
        parts.append(snapshot.depth.map { "depth \($0)" } ?? "no parent")
        return parts.joined(separator: " · ")
    }

    private static func counters(_ snapshot: RepairSnapshot) -> String {
        let up = snapshot.upstreamCounters ?? ReceiverCounters()
        return "NAKs from below \(snapshot.counters.naksReceived), NAKs sent up \(up.naksSent), repairs \(snapshot.counters.repairBytes) B, "
            + "catch-up \(snapshot.counters.catchUpBytes) B, first transmissions \(snapshot.counters.firstBytes) B"
    }

    // MARK: JSON

    private func writeJSON(_ update: RepairUpdate) {
        switch update {
        case .listening(let interface, let group, let upstream, let region, let regionInterface):
            var fields: [String: JSONLine.Value] = [
                "interface": .string(interface), "group": .string(group.text), "region": .string(region.text),
                "region_interface": .string(regionInterface),
            ]
            if let upstream { fields["upstream"] = .string(upstream.text) }
            emit(JSONLine(event: "listening", fields))
        case .warning(let text): emit(JSONLine(event: "warning", ["message": .string(text)]))
        case .refused(let announce, let reason):
            emit(JSONLine(event: "refused", identify(announce, ["reason": .string(Self.explain(reason))])))
        case .began(let snapshot, let kept):
            var all = fields(snapshot)
            all["chunks_kept"] = .integer(Int64(kept))
            emit(JSONLine(event: "began", all))
        case .progress(let snapshots): for snapshot in snapshots { emit(JSONLine(event: "progress", fields(snapshot))) }
        case .complete(let snapshot): emit(JSONLine(event: "complete", fields(snapshot)))
        case .parentChanged(let announce, let depth): emit(JSONLine(event: "parent", identify(announce, ["parent_depth": .integer(Int64(depth - 1))])))
        case .upstreamOver(let snapshot, let state):
            var all = fields(snapshot)
            all["state"] = .string("\(state)")
            emit(JSONLine(event: "upstream_over", all))
        case .retired(let announce, let reason): emit(JSONLine(event: "retired", identify(announce, ["reason": .string(reason)])))
        case .stopped: emit(JSONLine(event: "stopped", [:]))
        }
    }

    private func identify(_ announce: Announce, _ more: [String: JSONLine.Value]) -> [String: JSONLine.Value] {
        more.merging(["name": .string(announce.name), "session": .string(announce.session.text)]) { first, _ in first }
    }

    private func fields(_ snapshot: RepairSnapshot) -> [String: JSONLine.Value] {
        var states: [String: JSONLine.Value] = [:]
        for state in ReceiverState.allCases where snapshot.receivers.count(state) > 0 { states["\(state)"] = .integer(Int64(snapshot.receivers.count(state))) }
        return identify(
            snapshot.announce,
            [
                "chunks_held": .integer(Int64(snapshot.chunksHeld)), "chunks": .integer(snapshot.chunkCount.map { Int64($0) } ?? -1),
                "complete": .boolean(snapshot.isComplete), "depth": .integer(snapshot.depth.map { Int64($0) } ?? -1),
                "children": .integer(Int64(snapshot.children)), "receivers": .object(states), "rate": .number(snapshot.rate),
                "loss": .number(snapshot.loss), "naks": .unsigned(snapshot.counters.naksReceived),
                "naks_sent": .unsigned(snapshot.upstreamCounters?.naksSent ?? 0),
                "repair_bytes": .unsigned(snapshot.counters.repairBytes), "catch_up_bytes": .unsigned(snapshot.counters.catchUpBytes),
                "relayed_bytes": .unsigned(snapshot.counters.firstBytes),
            ])
    }
}
