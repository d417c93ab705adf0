public import RMCPProtocol

/// A session at a receiver in words.
public enum ReceiveText {
    /// The live line: all sessions under way.
    public static func line(_ snapshots: [ReceiveSnapshot]) -> String { snapshots.map(line).joined(separator: " | ") }

    /// Progress of the sessions: how far the sessions under way are, all together, and for how long the oldest has been; nil while there are none.
    public static func progress(_ snapshots: [ReceiveSnapshot]) -> (share: Double?, time: Interval)? {
        guard let time = snapshots.map(\.elapsed).max() else { return nil }
        let done = snapshots.reduce(0.0) { $0 + Double($1.contentDone) }
        let total = snapshots.reduce(0.0) { $0 + Double($1.contentLength ?? 0) }
        let isKnown = snapshots.allSatisfy { $0.contentLength != nil } && total > 0
        return (isKnown ? done / total : nil, time)
    }

    /// Line that a service manager shows: all of it at a glance.
    public static func status(_ totals: ReceiveTotals) -> String {
        var parts = totals.sessions.map { snapshot in
            let name = BundleName.printable(snapshot.announce.name)
            guard let total = snapshot.contentLength, total > 0 else { return "\(snapshot.state.reason) \(name)" }
            return "\(snapshot.state.reason) \(name) \(Int(100 * Double(snapshot.contentDone) / Double(total))) %"
        }
        if parts.isEmpty { parts = ["waiting for bundles"] }
        if totals.completed > 0 { parts.append("\(Units.count(UInt64(totals.completed), "bundle")) complete") }
        if totals.failed > 0 { parts.append("\(totals.failed) failed") }
        return parts.joined(separator: ", ")
    }

    private static func line(_ snapshot: ReceiveSnapshot) -> String {
        let amount = SessionText.amount(snapshot.contentDone, of: snapshot.contentLength, files: snapshot.tree?.bytes)
        var parts = ["\(BundleName.printable(snapshot.announce.name)) \(amount)"]
        if let tree = snapshot.tree { parts.append("\(tree.done) of \(Units.count(UInt64(tree.files), "file"))") }
        parts.append(speed(snapshot))
        parts.append(snapshot.state.reason)
        if snapshot.loss > 0.0005 { parts.append("loss \(Measure.loss.words(snapshot))") }
        return parts.joined(separator: " · ")
    }

    /// Files of a tree; empty for what is none.
    public static func files(_ snapshot: ReceiveSnapshot) -> String {
        guard let tree = snapshot.tree else { return "" }
        let unchanged = tree.unchanged > 0 ? " (\(tree.unchanged) unchanged)" : ""
        return "\(Units.count(UInt64(tree.files), "file"))\(unchanged), "
    }

    /// Content bytes a second since the session was joined.
    public static func speed(_ snapshot: ReceiveSnapshot) -> String {
        "\(Units.size(UInt64(Double(snapshot.contentDone) / max(0.001, snapshot.elapsed.inSeconds))))/s"
    }

    /// The counters of `-v`.
    public static func counters(_ snapshot: ReceiveSnapshot) -> String { Measure<ReceiveSnapshot>.counters(Measure<ReceiveSnapshot>.receive, of: snapshot) }
}
