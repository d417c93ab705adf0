import RMCPProtocol

extension Measure where Source == RepairSnapshot {
    static let repairs = Measure("repairs", .bytes, isInLines: false) {
        .count($0.counters.repairBytes + $0.counters.catchUpBytes)
    }
    static let loss = Measure("loss", .ratio) { .number($0.loss) }

    /// Measures of a session at a repair node.
    static let repair = [
        Measure("name", .plain) { .text($0.announce.name) },
        Measure("session", .plain) { .text($0.announce.session.text) },
        Measure("chunks_held", .plain) { .count(UInt64($0.chunksHeld)) },
        Measure("chunks", .plain) { $0.chunkCount.map { .count(UInt64($0)) } ?? .unknown },
        Measure("complete", .plain) { .flag($0.isComplete) },
        Measure("depth", .plain) { $0.depth.map { .count(UInt64($0)) } ?? .unknown },
        Measure("children", .plain) { .count(UInt64($0.children)) },
        Measure("receivers", .plain) { .states($0.receivers, all: false) },
        Measure("rate", .bitsPerSecond) { .number($0.rate) },
        Measure("naks", .plain, label: "NAKs from below") { .count($0.counters.naksReceived) },
        Measure("naks_sent", .plain, label: "NAKs sent up") { .count($0.upstreamCounters?.naksSent ?? 0) },
        Measure("repair_bytes", .bytes, label: "repairs") { .count($0.counters.repairBytes) },
        Measure("catch_up_bytes", .bytes, label: "catch-up") { .count($0.counters.catchUpBytes) },
        Measure("relayed_bytes", .bytes, label: "first transmissions") { .count($0.counters.firstBytes) },
        loss,
    ]
}

extension RepairUpdate {
    /// The lines for programs.
    public var lines: [JSONLine] {
        switch self {
        case .listening(let interface, let group, let upstream, let region, let regionInterface):
            var fields: [String: JSONLine.Value] = [
                "interface": .string(interface), "group": .string(group.text), "region": .string(region.text),
                "region_interface": .string(regionInterface),
            ]
            if let upstream { fields["upstream"] = .string(upstream.text) }
            return [JSONLine(event: "listening", fields)]
        case .notice(let text): return [JSONLine(event: "notice", ["message": .string(text)])]
        case .warning(let text): return [.warning(text)]
        case .refused(let announce, let reason):
            let facts: [String: JSONLine.Value] = ["reason": .string(reason.identifier), "message": .string(SessionText.explainToRepairNode(reason))]
            return [JSONLine(event: "refused", announce.identity(with: facts))]
        case .began(let snapshot, let kept): return [Self.line("began", snapshot, ["chunks_kept": .integer(Int64(kept))])]
        case .asked: return []
        case .progress(let snapshots): return snapshots.map { Self.line("progress", $0) }
        case .complete(let snapshot): return [Self.line("complete", snapshot)]
        case .parentChanged(let announce, let depth):
            return [JSONLine(event: "parent", announce.identity(with: ["parent_depth": .integer(Int64(depth - 1))]))]
        case .upstreamOver(let snapshot, let state): return [Self.line("upstream_over", snapshot, ["state": .string(state.identifier)])]
        case .retired(let announce, let reason):
            return [JSONLine(event: "retired", announce.identity(with: ["reason": .string(reason.identifier), "message": .string(reason.text)]))]
        case .figures: return []
        case .stopped(let status): return [JSONLine(event: "stopped", ["exit_code": .integer(Int64(status.rawValue))])]
        }
    }

    private static func line(_ event: String, _ snapshot: RepairSnapshot, _ more: [String: JSONLine.Value] = [:]) -> JSONLine {
        JSONLine(event: event, Measure<RepairSnapshot>.fields(Measure<RepairSnapshot>.repair, of: snapshot).merging(more) { $1 })
    }
}
