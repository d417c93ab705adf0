import RMCPContent
import RMCPHost
import RMCPProtocol

/// Tells the user how a send goes: a live line on a terminal, a line at each milestone elsewhere, JSON for programs.
final class SendReporter {
    /// Takes the lines for programs.
    private let emit: (JSONLine) -> Void
    private let style: OutputStyle
    private var live: LiveLine
    private let metrics: MetricsFile?
    private var lastCounted: UInt32 = 0

    init(style: OutputStyle, metricsPath: String?, emit: @escaping (JSONLine) -> Void = { $0.write() }) {
        self.emit = emit
        self.style = style
        live = LiveLine(isActive: !style.isQuiet && !style.isJSON)
        metrics = metricsPath.map { MetricsFile(path: $0) }
    }

    func handle(_ update: SendUpdate) {
        if style.isJSON { return writeJSON(update) }
        switch update {
        case .ready(let interface, let group, let announce):
            let size = announce.contentLength.map { " (\(Units.size($0)))" } ?? ""
            let trust = announce.isSigned ? "signed by \(PublicKeyText.short(announce.key))…" : "NOT signed"
            say("sending \(announce.name)\(size) to \(group.text) on \(interface), \(trust); waiting for receivers")
        case .warning(let text): live.print("rmcp: \(text)")
        case .started(let receivers): say("started with \(receivers) \(receivers == 1 ? "receiver" : "receivers")")
        case .progress(let snapshot):
            live.show(line(snapshot))
            metrics?.write(snapshot)
        case .sentOnce(let snapshot):
            say("sent once after \(Units.time(snapshot.streaming ?? snapshot.elapsed)); \(receivers(snapshot.receivers))")
        case .finished(let outcome, let snapshot):
            live.clear()
            metrics?.write(snapshot)
            summarize(outcome, snapshot)
        }
    }

    /// The last metrics are written when this returns, if their disk lets them.
    func finish() { metrics?.finish() }

    private func say(_ text: String) { if !style.isQuiet { live.print(text) } }

    // MARK: Words

    private func receivers(_ histogram: StatusHistogram) -> String {
        var parts: [String] = []
        for (state, word) in [
            (ReceiverState.joined, "joined"), (.receiving, "receiving"), (.behind, "behind"), (.finishing, "finishing"),
            (.complete, "complete"),
        ] where histogram.count(state) > 0 { parts.append("\(histogram.count(state)) \(word)") }
        if histogram.failed > 0 { parts.append("\(histogram.failed) failed") }
        let nodes = histogram.tree.repairNodes
        if nodes > 0 { parts.append("\(nodes) repair \(nodes == 1 ? "node" : "nodes")") }
        return parts.isEmpty ? "no receivers yet" : parts.joined(separator: ", ")
    }

    private func line(_ snapshot: SendSnapshot) -> String {
        var parts: [String] = []
        if let streaming = snapshot.streaming {
            var amount = Units.size(snapshot.contentSent)
            if let total = snapshot.contentLength, total > 0 {
                amount += " of \(Units.size(total)) \(Units.percent(Double(snapshot.contentSent) / Double(total)))"
            }
            parts.append(amount)
            let speed = Double(snapshot.contentSent) / max(0.001, streaming.inSeconds)
            parts.append("\(Units.size(UInt64(speed)))/s")
            parts.append(receivers(snapshot.receivers))
            if snapshot.medianLoss > 0 { parts.append("loss \(Units.percent(snapshot.medianLoss))") }
            let repairs = snapshot.counters.repairBytes + snapshot.counters.catchUpBytes
            if repairs > 0 { parts.append("repairs \(Units.size(repairs))") }
            if let eta = eta(snapshot, speed: speed) { parts.append("ETA \(eta)") }
        } else {
            parts.append("waiting \(Units.time(snapshot.elapsed))")
            parts.append(receivers(snapshot.receivers))
        }
        return parts.joined(separator: " · ")
    }

    /// To the slowest receiver that keeps up: what is left to send, and the decile that it has reached.
    private func eta(_ snapshot: SendSnapshot, speed: Double) -> String? {
        guard let total = snapshot.contentLength, speed > 0, snapshot.receivers.active > 0 else { return nil }
        let slowest = snapshot.receivers.progress.prefix(10).firstIndex { $0 > 0 } ?? 10
        let reached = max(Double(slowest) / 10 * Double(total), Double(snapshot.contentSent) * (slowest == 10 ? 1 : 0))
        let left = max(Double(total) - max(reached, Double(snapshot.contentSent)), 0)
        return Units.time(.seconds(left / speed))
    }

    private func summarize(_ outcome: SenderOutcome, _ snapshot: SendSnapshot) {
        let histogram = outcome.receivers
        let time = Units.time(snapshot.streaming ?? snapshot.elapsed)
        switch outcome.kind {
        case .nobodyCame:
            return Console.error("nobody came in \(Units.time(snapshot.elapsed)); is rmcp recv running on the same group, and does multicast reach it?")
        case .stopped: Console.error("stopped; receivers keep what they have for the next session")
        case .noProgress: Console.error("no receiver is complete: all of them were lost")
        case .complete, .partial: break
        }
        if !style.isQuiet {
            let content = snapshot.contentLength ?? snapshot.contentSent
            Console.line("\(histogram.count(.complete)) of \(histogram.population) receivers complete, \(Units.size(content)) each, in \(time)")
            let nodes = histogram.tree
            if nodes.repairNodes > 0 {
                Console.line("\(nodes.completeRepairNodes) of \(nodes.repairNodes) repair nodes hold everything")
            }
            let ratio = snapshot.encodedLength > 0 ? Double(snapshot.counters.bytesSent) / Double(snapshot.encodedLength) : 0
            Console.line(
                "\(Units.size(snapshot.counters.bytesSent)) sent: \(Units.fixed(ratio, digits: 3)) of the encoded bundle (\(Units.size(snapshot.encodedLength)))"
            )
        }
        for state in ReceiverState.allCases where state.isFailure && histogram.count(state) > 0 {
            Console.error("\(histogram.count(state)) \(histogram.count(state) == 1 ? "receiver" : "receivers") failed: \(state.reason)")
        }
        if histogram.active > 0 { Console.error("\(histogram.active) receivers were not complete") }
        if style.isVerbose { Console.line("\(Self.counters(snapshot.counters)), unanswerable \(snapshot.unanswerable), not sent to peers \(snapshot.unsent)") }
    }

    private static func counters(_ counters: SenderCounters) -> String {
        "datagrams \(counters.datagramsSent), first \(Units.size(counters.firstBytes)), repairs \(Units.size(counters.repairBytes)), "
            + "catch-up \(Units.size(counters.catchUpBytes)), NAKs \(counters.naksReceived), statuses \(counters.statusesReceived), "
            + "malformed \(counters.malformed), foreign \(counters.foreign)"
    }

    // MARK: JSON

    private func writeJSON(_ update: SendUpdate) {
        switch update {
        case .ready(let interface, let group, let announce):
            emit(
                JSONLine(
                    event: "ready",
                    [
                        "interface": .string(interface), "group": .string(group.text), "name": .string(announce.name),
                        "session": .string(announce.session.text), "signed": .boolean(announce.isSigned),
                        "bytes": announce.contentLength.map { .unsigned($0) } ?? .integer(-1),
                    ]
                ))
        case .warning(let text): emit(JSONLine(event: "warning", ["message": .string(text)]))
        case .started(let receivers): emit(JSONLine(event: "started", ["receivers": .integer(Int64(receivers))]))
        case .progress(let snapshot):
            metrics?.write(snapshot)
            emit(JSONLine(event: "progress", fields(snapshot)))
        case .sentOnce(let snapshot): emit(JSONLine(event: "sent-once", fields(snapshot)))
        case .finished(let outcome, let snapshot):
            metrics?.write(snapshot)
            var all = fields(snapshot)
            all["outcome"] = .string("\(outcome.kind)")
            emit(JSONLine(event: "finished", all))
        }
    }

    private func fields(_ snapshot: SendSnapshot) -> [String: JSONLine.Value] {
        var states: [String: JSONLine.Value] = [:]
        for state in ReceiverState.allCases { states["\(state)"] = .unsigned(UInt64(snapshot.receivers.count(state))) }
        return [
            "phase": .string("\(snapshot.phase)"), "seconds": .number(snapshot.elapsed.inSeconds),
            "bytes_sent_once": .unsigned(snapshot.contentSent), "encoded_bytes": .unsigned(snapshot.encodedLength),
            "wire_bytes": .unsigned(snapshot.counters.bytesSent), "repair_bytes": .unsigned(snapshot.counters.repairBytes),
            "catch_up_bytes": .unsigned(snapshot.counters.catchUpBytes), "rate": .number(snapshot.rate),
            "median_loss": .number(snapshot.medianLoss), "naks": .unsigned(snapshot.counters.naksReceived),
            "unanswerable": .unsigned(snapshot.unanswerable), "unsent": .unsigned(snapshot.unsent),
            "receivers": .object(states), "repair_nodes": .unsigned(UInt64(snapshot.receivers.tree.repairNodes)),
            "complete_repair_nodes": .unsigned(UInt64(snapshot.receivers.tree.completeRepairNodes)),
        ]
    }
}
