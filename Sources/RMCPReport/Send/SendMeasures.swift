import RMCPProtocol

extension Measure where Source == SendSnapshot {
    static let rate = Measure("rate", .bitsPerSecond, "Current rate.") { .number($0.rate) }
    static let medianLoss = Measure("median_loss", .ratio, "Median of the receivers' loss.") { .number($0.medianLoss) }
    static let repairs = Measure("repairs", .bytes, "Bytes of repairs.", isInLines: false) {
        .count($0.counters.repairBytes + $0.counters.catchUpBytes)
    }

    /// Measures of a send.
    static let send = [
        Measure("phase", .plain, "Phase of the session.") { .text($0.phase.identifier) },
        Measure("seconds", .seconds, "Time since the session was made.") { .number($0.elapsed.inSeconds) },
        Measure("streaming_seconds", .seconds, "Time since the start.") { $0.streaming.map { .number($0.inSeconds) } ?? .absent },
        Measure("bytes_sent_once", .bytes, "Content bytes sent at least once.") { .count($0.contentSent) },
        Measure("encoded_bytes", .bytes, "Encoded bytes of all chunks so far.") { .count($0.encodedLength) },
        Measure("datagrams", .plain, "Datagrams sent.", isInLines: false, label: "datagrams") { .count($0.counters.datagramsSent) },
        Measure("wire_bytes", .bytes, "Bytes of all datagrams sent.") { .count($0.counters.bytesSent) },
        Measure("first_bytes", .bytes, "Bytes sent for the first time.", label: "first") { .count($0.counters.firstBytes) },
        Measure("relayed_bytes", .bytes, "Bytes sent once more, to single receivers.") { .count($0.counters.relayedBytes) },
        Measure("repair_bytes", .bytes, "Bytes of repairs in the stream.", label: "repairs") { .count($0.counters.repairBytes) },
        Measure("catch_up_bytes", .bytes, "Bytes for receivers behind the stream.", label: "catch-up") { .count($0.counters.catchUpBytes) },
        rate,
        medianLoss,
        Measure("loss_p90", .ratio, "Loss that nine in ten receivers do not exceed.") { .number($0.loss(0.9)) },
        Measure("loss_max", .ratio, "Loss of the receiver that loses most.") { .number($0.loss(1)) },
        Measure("naks", .plain, "NAK datagrams received.", label: "NAKs") { .count($0.counters.naksReceived) },
        Measure("statuses", .plain, "STATUS datagrams received.", isInLines: false, label: "statuses") { .count($0.counters.statusesReceived) },
        Measure("malformed", .plain, "Damaged datagrams received.", isInLines: false, label: "malformed") { .count($0.counters.malformed) },
        Measure("foreign", .plain, "Datagrams of other protocols.", isInLines: false, label: "foreign") { .count($0.counters.foreign) },
        Measure("unanswerable", .plain, "Datagrams from where nobody can be answered.", label: "unanswerable") { .count($0.unanswerable) },
        Measure("unsent", .plain, "Datagrams that could not be sent to peers.", label: "not sent to peers") { .count($0.unsent) },
        Measure("receivers", .plain, "Receivers by state.") { .states($0.receivers, all: true) },
        Measure("by_progress", .plain, "Receivers by tenths of the bundle that they have; the last number is of those that have all of it.") {
            .buckets($0.receivers.progress)
        },
        Measure("limited_by", .seconds, "Time spent under each limit.") { .limits($0.limits) },
        Measure("level", .plain, "zstd level of what is encoded.") { .number(Double($0.level)) },
        Measure("refused", .plain, "Receivers that take no part, by reason.") { .refusals($0.receivers.tree.refusals) },
        Measure("wanted", .plain, "Receivers that were waited for, where a number was given.") { $0.wanted.map { .count(UInt64($0)) } ?? .absent },
        Measure("required", .plain, "Receivers that have to be complete, where a number was given.") { $0.required.map { .count(UInt64($0)) } ?? .absent },
        Measure("repair_nodes", .plain, "Repair nodes.") { .count($0.receivers.tree.repairNodes) },
        Measure("complete_repair_nodes", .plain, "Repair nodes that hold everything.") { .count($0.receivers.tree.completeRepairNodes) },
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
