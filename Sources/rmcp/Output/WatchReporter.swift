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

    private let terminal: ScreenStyle

    init(style: OutputStyle, isLive: Bool, terminal: ScreenStyle) {
        self.style = style
        self.terminal = terminal
        self.isLive = isLive
    }

    func handle(_ update: WatchUpdate) {
        if case .picture = update { refreshes += 1 }
        if style.isJSON { return update.lines(refresh: refreshes).forEach(Console.event) }
        switch update {
        case .listening(let interface, let group):
            place = "\(group.text) on \(interface)"
            if isLive { screen.show(["rmcp watch · \(place)", "", "listening"].map(terminal.shown)) }
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
        var lines = [TextWidth.cut(title, to: width)]
        if let warning { lines.append(TextWidth.cut("rmcp: \(warning)", to: width)) }
        if snapshot.sessions.isEmpty {
            lines += ["", TextWidth.cut("nothing heard: is something being sent to this group, and does it reach this host?", to: width)]
        }
        for line in WatchTable(snapshot, isVerbose: style.isVerbose).lines(width: width) {
            switch line.kind {
            case .title: lines += ["", terminal.bold(line.text)]
            case .head: lines.append(terminal.faint(line.text))
            case .row: lines.append(line.text)
            case .gone: lines.append(terminal.faint(line.text))
            }
        }
        screen.show((lines + detail(snapshot, width: width, rows: Console.size.rows - lines.count)).map(terminal.shown))
    }

    /// Progress of everybody, of each session, where all of that has room below the tables.
    private func detail(_ snapshot: WatchSnapshot, width: Int, rows: Int) -> [String] {
        var lines: [String] = []
        for session in snapshot.sessions {
            guard let histogram = session.nodes.first(where: { !$0.isGone && $0.report != nil })?.report?.histogram, histogram.population > 0 else { continue }
            let title =
                "\(SessionText.listedName(session.announce)): progress of \(Units.count(histogram.population, "receiver")), \(ReceiverBlock.loss(histogram))"
            lines += ["", terminal.bold(TextWidth.cut(title, to: width))] + ReceiverBlock.progress(histogram, width: min(width, Self.detailWidth), terminal)
        }
        return lines.count <= rows ? lines : []
    }

    /// Longer bars say no more.
    private static let detailWidth = 79

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
