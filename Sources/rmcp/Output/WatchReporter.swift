import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol

/// Shows what a watcher sees: a screen that is drawn in place, blocks of lines where there is no terminal, or JSON.
final class WatchReporter {
    /// Takes the lines for programs.
    private let emit: (JSONLine) -> Void
    private let style: OutputStyle
    private let isLive: Bool
    private var screen = LiveScreen()
    private var place = ""
    private var lastBlock: [String] = []
    private var refreshes: Int64 = 0

    init(style: OutputStyle, isLive: Bool, emit: @escaping (JSONLine) -> Void = { $0.write() }) {
        self.emit = emit
        self.style = style
        self.isLive = isLive
    }

    func handle(_ update: WatchUpdate) {
        switch update {
        case .listening(let interface, let group):
            place = "\(group.text) on \(interface)"
            if style.isJSON {
                emit(JSONLine(event: "listening", ["interface": .string(interface), "group": .string(group.text)]))
            } else if isLive {
                screen.show(["rmcp watch · \(place)", "", "listening"])
            }
        case .picture(let snapshot):
            refreshes += 1
            if style.isJSON { return writeJSON(snapshot) }
            if isLive { return draw(snapshot) }
            if !style.isQuiet { writeBlock(snapshot) }
        }
    }

    /// Gives the terminal back.
    func close() { screen.close() }

    // MARK: For people to read

    private func draw(_ snapshot: WatchSnapshot) {
        // Behind a character in the last column nothing can be cleared without it.
        let width = Console.size.columns - 1
        let nodes = snapshot.sessions.reduce(0) { $0 + $1.nodes.count }
        let counts = "\(Self.count(snapshot.sessions.count, "session")) · \(Self.count(nodes, "parent"))"
        let title = "rmcp watch · \(place) · \(counts) · \(Units.time(snapshot.elapsed))"
        var lines = [WatchTable.cut(title, to: width)]
        if snapshot.sessions.isEmpty {
            lines += ["", WatchTable.cut("nothing heard: is something being sent to this group, and does it reach this host?", to: width)]
        }
        for line in WatchTable(snapshot, isVerbose: style.isVerbose).lines(width: width) {
            switch line.kind {
            case .title: lines += ["", "\u{1B}[1m\(line.text)\u{1B}[m"]
            case .head: lines.append("\u{1B}[2m\(line.text)\u{1B}[m")
            case .row: lines.append(line.text)
            case .gone: lines.append("\u{1B}[2m\(line.text)\u{1B}[m")
            }
        }
        screen.show(lines)
    }

    /// Without a terminal a line is as long as it must be, within reason.
    private static let blockWidth = 160

    private func writeBlock(_ snapshot: WatchSnapshot) {
        let lines = WatchTable(snapshot, isVerbose: style.isVerbose).lines(width: Self.blockWidth).map(\.text)
        guard lines != lastBlock else { return }
        lastBlock = lines
        let title = "after \(Units.time(snapshot.elapsed)):"
        if lines.isEmpty { return Console.line("\(title) nothing is heard any more") }
        Console.line(([title] + lines).joined(separator: "\n") + "\n")
    }

    private static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

    // MARK: JSON

    private func writeJSON(_ snapshot: WatchSnapshot) {
        for session in snapshot.sessions {
            for node in session.nodes { emit(JSONLine(event: "node", fields(node, of: session, at: snapshot.elapsed))) }
        }
    }

    private func fields(_ node: WatchedNode, of session: WatchedSession, at elapsed: Interval) -> [String: JSONLine.Value] {
        let announce = session.announce
        var all: [String: JSONLine.Value] = [
            "refresh": .integer(refreshes), "seconds": .number(elapsed.inSeconds), "session": .string(announce.session.text),
            "name": .string(announce.name), "bytes": announce.contentLength.map { .unsigned($0) } ?? .integer(-1),
            "signature": .string("\(session.signature)"), "key": .string(announce.isSigned ? PublicKeyText.line(for: announce.key) : ""),
            "node": .string(WatchTable.identifier(node.transmitter)), "parent": .string(node.parent.map { WatchTable.identifier($0) } ?? ""),
            "address": .string(node.address.text), "role": .string("\(node.role)"), "depth": .integer(Int64(node.path.count)),
            "phase": .string("\(node.phase)"), "rate": .unsigned(node.rate), "gone": .boolean(node.isGone),
            "reported": .boolean(node.report != nil),
        ]
        guard let report = node.report else { return all }
        var states: [String: JSONLine.Value] = [:]
        for state in ReceiverState.allCases { states["\(state)"] = .unsigned(UInt64(report.histogram.count(state))) }
        all["receivers"] = .object(states)
        all["repair_nodes"] = .unsigned(UInt64(report.histogram.tree.repairNodes))
        all["complete_repair_nodes"] = .unsigned(UInt64(report.histogram.tree.completeRepairNodes))
        all["children"] = .unsigned(UInt64(report.children))
        all["chunks"] = report.chunkCount.map { .unsigned(UInt64($0)) } ?? .integer(-1)
        all["chunks_held"] = .unsigned(UInt64(report.chunksHeld))
        all["position"] = .unsigned(UInt64(report.position))
        all["holes"] = .unsigned(UInt64(report.holes))
        all["first_bytes"] = .unsigned(report.counts.firstBytes)
        all["repair_bytes"] = .unsigned(report.counts.repairBytes)
        all["catch_up_bytes"] = .unsigned(report.counts.catchUpBytes)
        all["naks"] = .unsigned(report.counts.naks)
        if let sending = node.sending { all["sending"] = .number(sending) }
        if let loss = node.loss { all["loss"] = .number(loss) }
        return all
    }
}
