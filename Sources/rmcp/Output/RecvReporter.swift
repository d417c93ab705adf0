import RMCPHost
import RMCPProtocol
import RMCPReport

/// Tells the user how a receiver fares.
final class RecvReporter {
    private let style: OutputStyle
    private var live: LiveLine
    private let metrics: MetricsOutput
    private let service: ServiceNotifier?
    private var totals = ReceiveTotals()
    private var steps = ProgressSteps()

    /// - Parameter service: shown in one line how it goes.
    init(style: OutputStyle, metrics: MetricsOutput, service: ServiceNotifier?) {
        self.service = service
        self.style = style
        live = LiveLine(isActive: !style.isQuiet && !style.isJSON)
        self.metrics = metrics
        metrics.begin()
    }

    func handle(_ update: ReceiveUpdate) {
        switch update {
        case .listening: metrics.setReady(true)
        case .stopped: metrics.setReady(false)
        default: break
        }
        if totals.count(update, at: Console.wallClock()) { metrics.show { [totals] in PrometheusText.of(totals, version: Version.text) } }
        service?.show(ReceiveText.status(totals), at: Console.now())
        if case .asked = update { return live.print(totals.sessions.isEmpty ? ReceiveText.status(totals) : ReceiveText.line(totals.sessions)) }
        if style.isJSON { return update.lines.forEach(Console.event) }
        switch update {
        case .listening(let interface, let group): say("listening to \(group.text) on \(interface)")
        case .warning(let text): live.warn(text)
        case .notice(let text): say(text)
        case .figures: break
        case .region(let group): if style.isVerbose { say("a repair node is near; listening to its group \(group.text) as well") }
        case .parentChanged(let announce, let depth):
            let parent = depth == 1 ? "the sender" : "a repair node at depth \(depth - 1)"
            if style.isVerbose { say("\(BundleName.printable(announce.name)): losses are repaired by \(parent) from now on") }
        // Nothing is wrong.
        case .refused(let announce, .completedBefore): say("not taken: \(SessionText.describe(announce)): \(SessionText.explain(.completedBefore))")
        case .refused(let announce, let reason): live.warn("refused \(SessionText.describe(announce)): \(SessionText.explain(reason))")
        case .began(let snapshot):
            let size = SessionText.size(of: snapshot.announce).map { ", \($0)" } ?? ""
            say("receiving \(SessionText.describe(snapshot.announce))\(size)")
        case .progress(let snapshots):
            live.show(ReceiveText.line(snapshots))
            // A log is no place for a line five times a second.
            if !live.isActive, let progress = ReceiveText.progress(snapshots), steps.advance(toShare: progress.share, at: progress.time) {
                say(ReceiveText.line(snapshots))
            }
        case .asked: break
        case .completed(let snapshot, let path):
            let amount = "\(ReceiveText.files(snapshot))\(Units.size(snapshot.tree?.bytes ?? snapshot.contentDone))"
            var text = "complete: \(path), \(amount) in \(Units.time(snapshot.elapsed)) (\(ReceiveText.speed(snapshot)))"
            if snapshot.contentKept > 0 { text += ", \(Units.size(snapshot.contentKept)) of it from before" }
            say(text)
            if style.isVerbose { say(ReceiveText.counters(snapshot)) }
        case .failed(let snapshot, let reason):
            live.clear()
            Console.error("failed: \(reason)")
            if style.isVerbose { say(ReceiveText.counters(snapshot)) }
        case .stopped(let strays, _, _):
            live.clear()
            if style.isVerbose { say("outside of sessions: malformed \(strays.malformed), foreign \(strays.foreign) datagrams") }
        }
    }

    /// The last metrics are written when this returns, if their disk lets them.
    /// - Parameter isJob: it was run for one bundle, whose end can be read in them.
    func finish(isJob: Bool) { metrics.finish(keepsFile: isJob) }

    private func say(_ text: String) { if !style.isQuiet { live.print(text) } }
}
