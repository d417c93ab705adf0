import RMCPProtocol
import RMCPReport

/// A watcher's picture as lines: a title for each session, and a table with a row for each parent, indented below its
/// own. All tables have the same columns, as wide as the widest cell; the least important ones go where there is no
/// room for them.
struct WatchTable {
    struct Line {
        enum Kind {
            case title
            case head
            case row
            case gone
        }
        var kind: Kind
        var text: String
    }

    private struct Column: Sendable {
        var head: String
        /// The lowest goes first.
        var importance: Int
        /// So that columns don't move with every digit.
        var minimumWidth: Int
        var cell: @Sendable (WatchedNode) -> String
    }

    private let snapshot: WatchSnapshot
    private let columns: [Column]
    /// What is left for names, at least, before a column goes.
    private static let leastNameWidth = 16

    init(_ snapshot: WatchSnapshot, isVerbose: Bool) {
        self.snapshot = snapshot
        columns = Self.columns + (isVerbose ? Self.verboseColumns : [])
    }

    // MARK: Columns

    private static let columns = [
        Column(head: "PHASE", importance: 2, minimumWidth: 9) { "\($0.phase)" },
        Column(head: "HELD", importance: 10, minimumWidth: 5) { $0.share.map { percent($0) } ?? "-" },
        Column(head: "HOLES", importance: 4, minimumWidth: 5) { $0.report.map { "\($0.holes)" } ?? "-" },
        Column(head: "JOINED", importance: 3, minimumWidth: 6) { count($0, [.joined]) },
        Column(head: "RECV", importance: 9, minimumWidth: 4) { count($0, [.receiving]) },
        Column(head: "BEHIND", importance: 7, minimumWidth: 6) { count($0, [.behind]) },
        Column(head: "FINISH", importance: 4, minimumWidth: 6) { count($0, [.finishing]) },
        Column(head: "DONE", importance: 10, minimumWidth: 4) { count($0, [.complete]) },
        Column(head: "FAIL", importance: 8, minimumWidth: 4) { count($0, ReceiverState.allCases.filter { $0.isFailure && $0 != .lost }) },
        Column(head: "LOST", importance: 8, minimumWidth: 4) { count($0, [.lost]) },
        Column(head: "LOSS", importance: 5, minimumWidth: 6) { $0.loss.map { Units.percent($0) } ?? "-" },
        Column(head: "REPAIRS", importance: 6, minimumWidth: 9) { $0.repairedBytes.map { Units.size($0) } ?? "-" },
        Column(head: "SENDING", importance: 5, minimumWidth: 8) { sending($0) },
    ]

    private static let verboseColumns = [
        Column(head: "FIRST", importance: 1, minimumWidth: 9) { $0.report.map { Units.size($0.counts.firstBytes) } ?? "-" },
        Column(head: "NAKS", importance: 1, minimumWidth: 4) { $0.report.map { "\($0.counts.naks)" } ?? "-" },
        Column(head: "NODES", importance: 1, minimumWidth: 5) { $0.report.map { "\($0.histogram.tree.repairNodes)" } ?? "-" },
        Column(head: "DEPTH", importance: 0, minimumWidth: 5) { "\($0.path.count)" },
        Column(head: "ID", importance: 0, minimumWidth: 8) { WatchedNode.identifier($0.transmitter) },
    ]

    /// All is only said when it is all.
    private static func percent(_ share: Double) -> String { share < 1 ? Units.percent(min(share, 0.99)) : "100 %" }

    private static func sending(_ node: WatchedNode) -> String {
        guard let sending = node.sending, !node.isGone else { return "-" }
        return sending < 1 ? "0" : Units.rate(bitsPerSecond: sending)
    }

    private static func count(_ node: WatchedNode, _ states: [ReceiverState]) -> String {
        guard let histogram = node.report?.histogram else { return "-" }
        return "\(states.reduce(0) { $0 + UInt64(histogram.count($1)) })"
    }

    // MARK: Lines

    func lines(width: Int) -> [Line] {
        let nodes = snapshot.sessions.flatMap(\.nodes)
        let labels = snapshot.sessions.map { Self.labels($0.nodes) }
        let longest = max(Self.leastNameWidth, labels.joined().map { TextWidth.columns(of: $0) }.max() ?? 0)
        var chosen = columns.map { column in
            (column, width: nodes.reduce(max(column.head.count, column.minimumWidth)) { max($0, TextWidth.columns(of: column.cell($1))) })
        }
        while chosen.reduce(longest, { $0 + $1.width + 2 }) > width, let least = chosen.map(\.0.importance).min(), chosen.count > 2 {
            if let index = chosen.lastIndex(where: { $0.0.importance == least }) { chosen.remove(at: index) }
        }
        let rest = chosen.reduce(0) { $0 + $1.width + 2 }
        let nameWidth = max(1, min(longest, width - rest))
        var lines: [Line] = []
        for (session, labels) in zip(snapshot.sessions, labels) {
            lines.append(Line(kind: .title, text: TextWidth.cut(Self.title(session), to: width)))
            guard !session.nodes.isEmpty else { continue }
            let head = TextWidth.padded("PARENT", to: nameWidth) + chosen.map { TextWidth.right($0.0.head, to: $0.width + 2) }.joined()
            lines.append(Line(kind: .head, text: TextWidth.cut(head, to: width)))
            for (node, label) in zip(session.nodes, labels) {
                let cells = chosen.map { TextWidth.right($0.0.cell(node), to: $0.width + 2) }.joined()
                let row = TextWidth.padded(TextWidth.cut(label, to: nameWidth), to: nameWidth) + cells
                lines.append(Line(kind: node.isGone ? .gone : .row, text: TextWidth.cut(row, to: width)))
            }
        }
        if snapshot.omitted > 0 {
            lines.append(Line(kind: .title, text: TextWidth.cut("and more: \(snapshot.omitted) sessions and parents are beyond what is shown", to: width)))
        }
        return lines
    }

    private static func title(_ session: WatchedSession) -> String {
        let announce = session.announce
        var parts = [SessionText.listedName(announce)]
        parts.append(SessionText.size(of: announce) ?? "stream")
        if let top = session.nodes.first(where: { !$0.isGone }) {
            // Only the sender's rate is that of the stream.
            let isStreaming = top.role == .sender && top.phase == .streaming
            parts.append(isStreaming ? "\(top.phase) at \(Units.rate(bitsPerSecond: Double(top.rate)))" : "\(top.phase)")
        }
        let key = announce.key.shortText
        switch session.signature {
        case .trusted: parts.append("trusted (\(key)…)")
        case .untrusted: parts.append("NOT trusted (\(key)…)")
        case .signed: parts.append("signed by \(key)…")
        case .unsigned: parts.append("NOT signed")
        case .wrong: parts.append("WRONG signature (\(key)…)")
        }
        parts.append("session \(announce.session.text.prefix(8))")
        return parts.joined(separator: " · ")
    }

    /// What each parent is, where it is, and the lines that lead to it.
    private static func labels(_ nodes: [WatchedNode]) -> [String] {
        var result: [String] = []
        /// Whether more comes below the ancestor at each level, from the second on.
        var goesOn: [Bool] = []
        for (index, node) in nodes.enumerated() {
            let following = nodes[(index + 1)...].first { $0.level <= node.level }
            var label = ""
            if node.level > 0 {
                goesOn = Array(goesOn.prefix(node.level - 1)) + [following?.level == node.level]
                for more in goesOn.dropLast() { label += more ? "│  " : "   " }
                label += goesOn.last == true ? "├─ " : "└─ "
            } else {
                goesOn = []
            }
            label += "\(node.role) \(node.address.host)"
            if node.isGone {
                label += " (gone)"
            } else if node.path.first == TreePlace.nobody {
                label += " (alone)"
            }
            result.append(label)
        }
        return result
    }
}
