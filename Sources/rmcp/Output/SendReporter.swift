import RMCPHost
import RMCPProtocol
import RMCPReport

/// Tells the user how a send goes: a live line on a terminal, a line at each milestone elsewhere, JSON for programs.
final class SendReporter {
    private let style: OutputStyle
    private var live: LiveLine
    private let metrics: MetricsOutput
    private var totals = SendTotals()
    /// Why the rate was changed last.
    private var reasonOfRate: RateController.Reason?

    /// Page that is written at the end.
    private let report: ReportFile?
    /// Fields that the first line has beside its own: what the session's host does not know.
    private let context: [String: JSONLine.Value]

    /// The fuller view, while there is one.
    private var screen: SendScreen?
    private var steps = ProgressSteps()

    /// - Parameters:
    ///   - view: how to draw the fuller view; nil where it is not wanted.
    ///   - report: nil where no page is wanted.
    ///   - options: options that somebody set, and their values.
    init(style: OutputStyle, metrics: MetricsOutput, view: ScreenStyle?, report: ReportFile?, options: [String: String]) {
        self.style = style
        self.report = report
        context = ["version": .string(Version.text), "options": .object(options.mapValues { .string($0) })]
        live = LiveLine(isActive: !style.isQuiet && !style.isJSON)
        // Lines for programs on the same terminal would be drawn over.
        if let view, Console.isTerminal, !style.isQuiet, !style.isJSON || !Console.isOutputTerminal { screen = SendScreen(style: view) }
        self.metrics = metrics
        metrics.begin()
    }

    func handle(_ update: SendUpdate) {
        if case .ready = update { metrics.setReady(true) }
        if totals.count(update, at: Console.wallClock()) { metrics.show { [totals] in PrometheusText.of(totals, version: Version.text) } }
        if style.isJSON || report != nil {
            let lines = lines(of: update)
            for line in lines {
                // The lines are made once, so that both have them from one moment.
                let text = Console.text(of: line)
                report?.note(line: text)
                if style.isJSON { Console.event(text, isProgress: line.isProgress) }
            }
        }
        if let screen, draw(update, on: screen) { return }
        if style.isJSON { return answer(update) }
        switch update {
        case .ready(let interface, let group, let announce, let tree):
            let size = SendText.size(of: announce, tree).map { " (\($0))" } ?? ""
            let trust = announce.isSigned ? "signed by \(announce.key.shortText)…" : "NOT signed"
            say("sending \(announce.name)\(size) to \(group.text) on \(interface), \(trust)\(announce.isSealed ? ", sealed" : ""); waiting for receivers")
        case .skipped(let entry): if style.isVerbose { say("left out: \(entry.path), a \(entry.identifier)") }
        case .warning(let text): warn(text)
        case .started(let receivers, let wanted): say("started with \(SendText.of(UInt64(receivers), wanted: wanted))")
        case .rateChanged(let decision):
            // One line for as many changes in a row as have the same reason.
            if style.isVerbose, decision.reason != reasonOfRate { say("\(decision)") }
            reasonOfRate = decision.reason
        case .progress(let snapshot):
            live.show(SendText.line(snapshot))
            // A log is no place for a line five times a second.
            let share = snapshot.contentLength.map { $0 > 0 ? Double(snapshot.contentSent) / Double($0) : 1 }
            if !live.isActive, steps.advance(toShare: share, at: snapshot.elapsed) { say(SendText.line(snapshot)) }
        case .asked: answer(update)
        case .sentOnce(let snapshot):
            say("everything was sent once after \(Units.time(snapshot.streaming ?? snapshot.elapsed)); \(SendText.receivers(snapshot.receivers))")
        case .finished(let outcome, let snapshot, _):
            live.clear()
            summarize(outcome, snapshot)
        }
    }

    /// Shows an update in the fuller view.
    /// - Returns: whether nothing more is to be said of it.
    private func draw(_ update: SendUpdate, on screen: SendScreen) -> Bool {
        switch update {
        case .ready(_, _, let announce, _): screen.begin(name: announce.name)
        case .progress(let snapshot):
            screen.show(snapshot)
            if !screen.isShown { self.screen = nil }
            return true
        case .finished:
            screen.close()
            self.screen = nil
        case .warning, .skipped, .started, .rateChanged, .sentOnce, .asked: break
        }
        return false
    }

    /// The one who asks how it goes is told, whatever else is said or not.
    private func answer(_ update: SendUpdate) {
        guard case .asked = update else { return }
        tell(totals.snapshot.map(SendText.line) ?? "nothing has been sent yet")
    }

    private func tell(_ text: String) { if let screen { screen.say(text) } else { live.print(text) } }

    private func warn(_ text: String) { if let screen { screen.say("rmcp: \(text)") } else { live.warn(text) } }

    /// The last word for programs, of a send that did not end well.
    func ending(_ outcome: SenderOutcome) -> Ending {
        guard let last = totals.snapshot else { return Ending.interrupted() }
        let verdict = SendText.verdict(outcome, last)
        return Ending(outcome.kind.exitStatus, verdict.message, hint: verdict.hint)
    }

    private func lines(of update: SendUpdate) -> [JSONLine] {
        guard case .ready = update else { return update.lines }
        return update.lines.map { $0.adding(context) }
    }

    /// Error that ended the send.
    func note(_ error: HostError) { report?.note(error: error.message, hint: error.hint) }

    /// The page is written when this returns, and the last metrics, if their disk lets them.
    func finish() {
        screen?.close()
        live.clear()
        report?.write()
        metrics.finish(keepsFile: true)
    }

    private func say(_ text: String) { if !style.isQuiet { tell(text) } }

    private func summarize(_ outcome: SenderOutcome, _ snapshot: SendSnapshot) {
        let histogram = outcome.receivers
        switch outcome.kind {
        case .nobodyCame:
            let verdict = SendText.verdict(outcome, snapshot)
            return Console.error("\(verdict.message); \(verdict.hint)")
        case .refused:
            Console.error("nobody took it in \(Units.time(snapshot.elapsed))")
            return SendText.refusals(histogram.tree.refusals).forEach(Console.error)
        case .stopped: Console.error("stopped; receivers keep what they have for the next session")
        case .noProgress: Console.error("no receiver is complete: all of them were lost")
        case .complete, .partial: break
        }
        let came = histogram.population + UInt64(outcome.unaccounted)
        if !style.isQuiet { result(histogram, came: came, snapshot) }
        if let wanted = snapshot.wanted, wanted > came {
            Console.error("\(came) of \(wanted) that were waited for came")
        }
        if let required = snapshot.required, UInt64(required) > histogram.count(.complete) {
            Console.error("\(histogram.count(.complete)) of \(required) that have to be complete (--require) are")
        }
        SendText.failures(outcome).forEach(Console.error)
        SendText.refusals(histogram.tree.refusals).forEach(Console.error)
        if outcome.unaccounted > 0 {
            Console.error("\(Units.count(UInt64(outcome.unaccounted), "receiver")) went below a repair node that never reported")
        }
        SendText.lackingNodes(outcome).forEach(Console.error)
        if histogram.active > 0 { Console.error("\(Units.count(histogram.active, "receiver")) not complete") }
        if style.isVerbose { Console.line(SendText.counters(snapshot)) }
    }

    private func result(_ histogram: StatusHistogram, came: UInt64, _ snapshot: SendSnapshot) {
        let content = Units.size(snapshot.tree?.bytes ?? snapshot.contentLength ?? snapshot.contentSent)
        let time = Units.time(snapshot.streaming ?? snapshot.elapsed)
        Console.line("\(histogram.count(.complete)) of \(came) receivers complete, \(content) each, in \(time)")
        let nodes = histogram.tree
        if nodes.repairNodes > 0 { Console.line("\(nodes.completeRepairNodes) of \(nodes.repairNodes) repair nodes hold everything") }
        let ratio = snapshot.encodedLength > 0 ? Double(snapshot.counters.bytesSent) / Double(snapshot.encodedLength) : 0
        let encoded = Units.size(snapshot.encodedLength)
        Console.line("\(Units.size(snapshot.counters.bytesSent)) sent: \(Units.fixed(ratio, digits: 3)) times the encoded bundle (\(encoded))")
    }
}
