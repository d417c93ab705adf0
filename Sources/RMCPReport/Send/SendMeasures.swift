import RMCPProtocol

extension Measure where Source == SendSnapshot {
    static let rate = Measure("rate", .bitsPerSecond) { .number($0.rate) }
    static let medianLoss = Measure("median_loss", .ratio) { .number($0.medianLoss) }
    static let repairs = Measure("repairs", .bytes, isInLines: false) {
        .count($0.counters.repairBytes + $0.counters.catchUpBytes)
    }

    /// Measures of a send.
    static let send = [
        Measure("phase", .plain) { .text($0.phase.identifier) },
        Measure("seconds", .seconds) { .number($0.elapsed.inSeconds) },
        Measure("streaming_seconds", .seconds) { $0.streaming.map { .number($0.inSeconds) } ?? .absent },
        Measure("bytes_sent_once", .bytes) { .count($0.contentSent) },
        Measure("encoded_bytes", .bytes) { .count($0.encodedLength) },
        Measure("datagrams", .plain, isInLines: false, label: "datagrams") { .count($0.counters.datagramsSent) },
        Measure("wire_bytes", .bytes) { .count($0.counters.bytesSent) },
        Measure("first_bytes", .bytes, label: "first") { .count($0.counters.firstBytes) },
        Measure("relayed_bytes", .bytes) { .count($0.counters.relayedBytes) },
        Measure("repair_bytes", .bytes, label: "repairs") { .count($0.counters.repairBytes) },
        Measure("catch_up_bytes", .bytes, label: "catch-up") { .count($0.counters.catchUpBytes) },
        rate,
        medianLoss,
        Measure("loss_p90", .ratio) { .number($0.loss(0.9)) },
        Measure("loss_max", .ratio) { .number($0.loss(1)) },
        Measure("naks", .plain, label: "NAKs") { .count($0.counters.naksReceived) },
        Measure("statuses", .plain, isInLines: false, label: "statuses") { .count($0.counters.statusesReceived) },
        Measure("malformed", .plain, isInLines: false, label: "malformed") { .count($0.counters.malformed) },
        Measure("foreign", .plain, isInLines: false, label: "foreign") { .count($0.counters.foreign) },
        Measure("unanswerable", .plain, label: "unanswerable") { .count($0.unanswerable) },
        Measure("unsent", .plain, label: "not sent to peers") { .count($0.unsent) },
        Measure("receivers", .plain) { .states($0.receivers, all: true) },
        Measure("by_progress", .plain) { .buckets($0.receivers.progress) },
        Measure("limited_by", .seconds) { .limits($0.limits) },
        Measure("level", .plain) { .number(Double($0.level)) },
        Measure("refused", .plain) { .refusals($0.receivers.tree.refusals) },
        Measure("wanted", .plain) { $0.wanted.map { .count(UInt64($0)) } ?? .absent },
        Measure("required", .plain) { $0.required.map { .count(UInt64($0)) } ?? .absent },
        Measure("repair_nodes", .plain) { .count($0.receivers.tree.repairNodes) },
        Measure("complete_repair_nodes", .plain) { .count($0.receivers.tree.completeRepairNodes) },
    ]
}

extension SendUpdate {
    /// The lines for programs.
    public var lines: [JSONLine] {
        switch self {
        case .ready(let interface, let group, let announce, let tree):
            let counts: [String: JSONLine.Value] =
                tree.map {
                    [
                        "files": .integer(Int64($0.files)), "directories": .integer(Int64($0.directories)), "links": .integer(Int64($0.links)),
                        "file_bytes": .unsigned($0.bytes),
                    ]
                } ?? [:]
            return [
                JSONLine(
                    event: "ready",
                    [
                        "interface": .string(interface), "group": .string(group.text), "name": .string(announce.name),
                        "session": .string(announce.session.text), "signed": .boolean(announce.isSigned),
                        "key": .string(announce.isSigned ? announce.key.text : ""), "sealed": .boolean(announce.isSealed),
                        "bytes": announce.contentLength.map { .unsigned($0) } ?? .integer(-1),
                    ].merging(counts) { $1 })
            ]
        case .skipped(let entry):
            return [JSONLine(event: "file_skipped", ["path": .string(entry.path), "reason": .string(entry.identifier)])]
        case .warning(let text): return [.warning(text)]
        case .started(let receivers, let wanted):
            let wanted = wanted.map { ["wanted": JSONLine.Value.integer(Int64($0))] } ?? [:]
            return [JSONLine(event: "started", ["receivers": .integer(Int64(receivers))].merging(wanted) { $1 })]
        // Programs follow the rate in the lines of progress.
        case .rateChanged, .asked: return []
        case .progress(let snapshot): return [JSONLine(event: "progress", Measure<SendSnapshot>.fields(Measure<SendSnapshot>.send, of: snapshot))]
        case .sentOnce(let snapshot):
            return [JSONLine(event: "sent_once", Measure<SendSnapshot>.fields(Measure<SendSnapshot>.send, of: snapshot).merging(snapshot.nodeFields) { $1 })]
        case .finished(let outcome, let snapshot, let hasFailed):
            let status = hasFailed ? ExitStatus.failure : outcome.kind.exitStatus
            var end: [String: JSONLine.Value] = [
                "outcome": .string(hasFailed ? "failed" : outcome.kind.identifier), "unaccounted": .integer(Int64(outcome.unaccounted)),
                "exit_code": .integer(Int64(status.rawValue)),
            ]
            if !outcome.labels.isEmpty {
                end["failed_labels"] = .object(Dictionary(outcome.labels.map { ($0.text, .string($0.state.identifier)) }) { $1 })
            }
            return [
                JSONLine(
                    event: "finished",
                    Measure<SendSnapshot>.fields(Measure<SendSnapshot>.send, of: snapshot).merging(end) { $1 }.merging(snapshot.nodeFields) { $1 })
            ]
        }
    }
}
