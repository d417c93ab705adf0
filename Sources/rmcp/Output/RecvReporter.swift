import RMCPContent
import RMCPHost
import RMCPProtocol

/// Tells the user how a receiver fares.
final class RecvReporter {
    /// Takes the lines for programs.
    private let emit: (JSONLine) -> Void
    private let style: OutputStyle
    private var live: LiveLine
    private let metrics: MetricsFile?
    private var completed = 0
    private var failed = 0
    private var last: (at: Interval, done: UInt64)?

    init(style: OutputStyle, metricsPath: String?, emit: @escaping (JSONLine) -> Void = { $0.write() }) {
        self.emit = emit
        self.style = style
        live = LiveLine(isActive: !style.isQuiet && !style.isJSON)
        metrics = metricsPath.map { MetricsFile(path: $0) }
    }

    func handle(_ update: ReceiveUpdate) {
        count(update)
        if style.isJSON { return writeJSON(update) }
        switch update {
        case .listening(let interface, let group): say("listening to \(group.text) on \(interface)")
        case .warning(let text): live.print("rmcp: \(text)")
        case .region(let group): if style.isVerbose { say("a repair node is near: listening to \(group.text), too") }
        case .parentChanged(let announce, let depth):
            if style.isVerbose {
                say("\(BundleName.printable(announce.name)): repaired by \(depth == 1 ? "the sender" : "a repair node at depth \(depth - 1)")")
            }
        case .refused(let announce, let reason): live.print("rmcp: refused \(Self.describe(announce)): \(Self.explain(reason))")
        case .began(let snapshot):
            let size = snapshot.announce.contentLength.map { ", \(Units.size($0))" } ?? ""
            say("receiving \(Self.describe(snapshot.announce))\(size)")
        case .progress(let snapshots): live.show(snapshots.map(line).joined(separator: " | "))
        case .completed(let snapshot, let path):
            let speed = Double(snapshot.contentDone) / max(0.001, snapshot.elapsed.inSeconds)
            var text = "complete: \(path), \(Units.size(snapshot.contentDone)) in \(Units.time(snapshot.elapsed)) (\(Units.size(UInt64(speed)))/s)"
            if snapshot.contentKept > 0 { text += ", \(Units.size(snapshot.contentKept)) of it from before" }
            say(text)
            if style.isVerbose { say(Self.counters(snapshot.counters)) }
        case .failed(let snapshot, let reason):
            live.clear()
            Console.error("failed: \(reason)")
            if style.isVerbose { say(Self.counters(snapshot.counters)) }
        case .stopped(let strays):
            live.clear()
            if style.isVerbose { say("outside of sessions: malformed \(strays.malformed), foreign \(strays.foreign) datagrams") }
        }
    }

    private func count(_ update: ReceiveUpdate) {
        switch update {
        case .completed: completed += 1
        case .failed: failed += 1
        case .progress(let snapshots):
            metrics?.write(snapshots, completed: completed, failed: failed)
            return
        default: return
        }
        metrics?.write([], completed: completed, failed: failed)
    }

    /// The last metrics are written when this returns, if their disk lets them.
    func finish() { metrics?.finish() }

    private func say(_ text: String) { if !style.isQuiet { live.print(text) } }

    private func line(_ snapshot: ReceiveSnapshot) -> String {
        var parts = ["\(BundleName.printable(snapshot.announce.name)) \(Units.size(snapshot.contentDone))"]
        if let total = snapshot.contentLength, total > 0 {
            parts[0] += " of \(Units.size(total)) \(Units.percent(Double(snapshot.contentDone) / Double(total)))"
        }
        parts.append("\(Units.size(UInt64(Double(snapshot.contentDone) / max(0.001, snapshot.elapsed.inSeconds))))/s")
        parts.append(snapshot.state.reason)
        if snapshot.loss > 0.0005 { parts.append("loss \(Units.percent(snapshot.loss))") }
        return parts.joined(separator: " · ")
    }

    static func describe(_ announce: Announce) -> String {
        let key = announce.isSigned ? "key \(PublicKeyText.short(announce.key))…" : "not signed"
        return "\"\(BundleName.printable(announce.name))\" (\(key), session \(announce.session.text.prefix(8)))"
    }

    static func explain(_ reason: SessionRefusal) -> String {
        switch reason {
        case .unsigned: "it is not signed; --allow-unsigned would take it"
        case .untrusted(let key): "its key is not trusted; to trust it: --trust '\(PublicKeyText.line(for: key))'"
        case .rollback(let newest): "a newer version, of \(Units.date(milliseconds: newest)), is here already; --allow-rollback would take it"
        case .badSignature: "its signature is wrong"
        case .tagInUse: "another session with the same tag is under way"
        case .tooManySessions: "too many sessions at once; it is taken when another ends"
        case .outputInUse: "not taken, the output is in use; it is taken when the session that has it ends"
        case .completedBefore: "this receiver has completed it before; --again would take it once more"
        case .unsupported: "it is a directory, which needs a newer rmcp"
        }
    }

    private static func counters(_ counters: ReceiverCounters) -> String {
        "datagrams \(counters.datagrams), duplicates \(counters.duplicates), NAKs \(counters.naksSent), suppressed \(counters.naksSuppressed), "
            + "statuses \(counters.statusesSent), window drops \(counters.windowDrops), overflow \(counters.overflowed), "
            + "rejected chunks \(counters.chunksRejected), malformed \(counters.malformed), foreign \(counters.foreign), forged \(counters.forged)"
    }

    // MARK: JSON

    private func writeJSON(_ update: ReceiveUpdate) {
        switch update {
        case .listening(let interface, let group):
            emit(JSONLine(event: "listening", ["interface": .string(interface), "group": .string(group.text)]))
        case .warning(let text): emit(JSONLine(event: "warning", ["message": .string(text)]))
        case .region(let group): emit(JSONLine(event: "region", ["group": .string(group.text)]))
        case .parentChanged(let announce, let depth):
            emit(
                JSONLine(
                    event: "parent", ["name": .string(announce.name), "session": .string(announce.session.text), "parent_depth": .integer(Int64(depth - 1))]
                ))
        case .refused(let announce, let reason):
            emit(
                JSONLine(
                    event: "refused", ["name": .string(announce.name), "session": .string(announce.session.text), "reason": .string(Self.explain(reason))]))
        case .began(let snapshot): emit(JSONLine(event: "began", fields(snapshot)))
        case .progress(let snapshots): for snapshot in snapshots { emit(JSONLine(event: "progress", fields(snapshot))) }
        case .completed(let snapshot, let path):
            var all = fields(snapshot)
            all["path"] = .string(path)
            emit(JSONLine(event: "completed", all))
        case .failed(let snapshot, let reason):
            var all = fields(snapshot)
            all["reason"] = .string(reason)
            emit(JSONLine(event: "failed", all))
        case .stopped(let strays):
            emit(JSONLine(event: "stopped", ["malformed": .unsigned(strays.malformed), "foreign": .unsigned(strays.foreign)]))
        }
    }

    private func fields(_ snapshot: ReceiveSnapshot) -> [String: JSONLine.Value] {
        [
            "name": .string(snapshot.announce.name), "session": .string(snapshot.announce.session.text),
            "state": .string("\(snapshot.state)"), "seconds": .number(snapshot.elapsed.inSeconds),
            "bytes_done": .unsigned(snapshot.contentDone), "bytes_kept": .unsigned(snapshot.contentKept),
            "bytes": snapshot.contentLength.map { .unsigned($0) } ?? .integer(-1), "loss": .number(snapshot.loss),
            "naks": .unsigned(snapshot.counters.naksSent), "overflow": .unsigned(snapshot.counters.overflowed),
            "rejected_chunks": .unsigned(snapshot.counters.chunksRejected),
        ]
    }
}
