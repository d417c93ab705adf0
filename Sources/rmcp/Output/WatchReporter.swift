import Glibc
import RMCPProtocol
import RMCPReport

/// Shows what a watcher sees: a screen that is drawn in place, blocks of lines where there is no terminal, or JSON.
final class WatchReporter {
    private let style: OutputStyle
    private let isLive: Bool
    private var screen = LiveScreen()
    private var place = ""
    /// Message that was said last, which a live screen goes on showing.
    private var warning: String?
    private var lastBlock: [String] = []
    private var refreshes: Int64 = 0

    init(style: OutputStyle, isLive: Bool) {
        self.style = style
        self.isLive = isLive
    }

    func handle(_ update: WatchUpdate) {
        if case .picture = update { refreshes += 1 }
        if style.isJSON { return update.lines(refresh: refreshes).forEach(Console.event) }
        switch update {
        case .listening(let interface, let group):
            place = "\(group.text) on \(interface)"
            if isLive { screen.show(["rmcp watch · \(place)", "", "listening"]) }
        case .warning(let text):
            warning = text
            if !isLive { Console.error(text) }
        case .picture(let snapshot):
            if isLive { return draw(snapshot) }
            if !style.isQuiet { writeBlock(snapshot) }
        case .stopped: break
        }
    }

    /// Gives the terminal back.
    func close() { screen.close() }

    // MARK: For people to read

    private func draw(_ snapshot: WatchSnapshot) {
        // Behind a character in the last column nothing can be cleared without it.
        let width = Console.size.columns - 1
        let nodes = snapshot.sessions.reduce(0) { $0 + $1.nodes.count }
        let counts = "\(Units.count(UInt64(snapshot.sessions.count), "session")) · \(Units.count(UInt64(nodes), "parent"))"
        let title = "rmcp watch · \(place) · \(counts) · \(Units.time(snapshot.elapsed))"
        var lines = [WatchTable.cut(title, to: width)]
        if let warning { lines.append(WatchTable.cut("rmcp: \(warning)", to: width)) }
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

}
