public import RMCPProtocol

/// A session at a repair node in words.
public enum RepairText {
    /// The live line: all sessions that are served.
    public static func line(_ snapshots: [RepairSnapshot]) -> String { snapshots.map(line).joined(separator: " | ") }

    /// Line that a service manager shows: all of it at a glance.
    public static func status(_ snapshots: [RepairSnapshot]) -> String {
        guard !snapshots.isEmpty else { return "waiting for sessions" }
        let receivers = snapshots.reduce(0) { $0 + $1.receivers.population }
        let complete = snapshots.reduce(0) { $0 + $1.receivers.count(.complete) }
        return "serving \(Units.count(UInt64(snapshots.count), "session")), \(Units.count(receivers, "receiver")), \(complete) complete"
    }

    private static func line(_ snapshot: RepairSnapshot) -> String {
        let total = snapshot.chunkCount.map { " of \($0)" } ?? ""
        var parts = ["\(SessionText.listedName(snapshot.announce)) \(snapshot.chunksHeld)\(total) chunks"]
        parts.append("\(Units.count(snapshot.receivers.population, "receiver")), \(snapshot.receivers.count(.complete)) complete")
        if snapshot.counters.repairBytes + snapshot.counters.catchUpBytes > 0 { parts.append("repaired \(Measure.repairs.words(snapshot))") }
        if snapshot.loss > 0.0005 { parts.append("loss \(Measure.loss.words(snapshot))") }
        parts.append(snapshot.depth.map { "depth \($0)" } ?? "no parent")
        return parts.joined(separator: " · ")
    }

    /// The counters of `-v`.
    public static func counters(_ snapshot: RepairSnapshot) -> String { Measure<RepairSnapshot>.counters(Measure<RepairSnapshot>.repair, of: snapshot) }

    /// Why a session is not kept.
    public static func explain(_ reason: SessionRefusal) -> String { SessionText.explainToRepairNode(reason) }
}
