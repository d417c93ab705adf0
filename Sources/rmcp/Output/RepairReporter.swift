import RMCPHost
import RMCPProtocol
import RMCPReport

/// Tells the user how a repair node fares.
final class RepairReporter {
    private let style: OutputStyle
    private var live: LiveLine
    private let metrics: MetricsOutput
    private var totals = RepairTotals()
    private let service: ServiceNotifier?
    /// State of its bundles at last.
    private var last: [RepairSnapshot] = []

    /// - Parameter service: shown in one line how it goes.
    init(style: OutputStyle, metrics: MetricsOutput, service: ServiceNotifier?) {
        self.service = service
        self.style = style
        live = LiveLine(isActive: !style.isQuiet && !style.isJSON)
        self.metrics = metrics
        metrics.begin()
    }

    func handle(_ update: RepairUpdate) {
        if totals.count(update) { show() }
        switch update {
        case .listening: metrics.setReady(true)
        case .stopped: metrics.setReady(false)
        case .progress(let snapshots): last = snapshots
        case .asked: return live.print(last.isEmpty ? RepairText.status(last) : RepairText.line(last))
        default: break
        }
        if style.isJSON { return update.lines.forEach(Console.event) }
        switch update {
        case .listening(let interface, let group, let upstream, let region, let regionInterface):
            let source = "listening to \((upstream ?? group).text) on \(interface)"
            say("\(source); \(upstream == nil ? "repairing" : "relaying") in region \(region.text) on \(regionInterface)")
        case .warning(let text): live.warn(text)
        case .notice(let text): say(text)
        case .figures: break
        case .refused(let announce, let reason): live.warn("refused \(SessionText.describe(announce)): \(RepairText.explain(reason))")
        case .began(let snapshot, let kept):
            let size = SessionText.size(of: snapshot.announce).map { ", \($0)" } ?? ""
            say("serving \(SessionText.describe(snapshot.announce))\(size)\(kept > 0 ? ", \(kept) chunks from the cache" : "")")
        case .asked: break
        case .progress(let snapshots): live.show(RepairText.line(snapshots))
        case .complete(let snapshot): say("\(Self.name(snapshot.announce)): all of it is here, \(Units.count(UInt64(snapshot.chunksHeld), "chunk"))")
        case .parentChanged(let announce, let depth):
            let parent = depth <= 1 ? "the sender" : "a repair node at depth \(depth - 1)"
            if style.isVerbose { say("\(Self.name(announce)): the parent is \(parent) from now on") }
        case .upstreamOver(let snapshot, let state):
            let what = snapshot.isComplete ? "serving on from the cache" : "\(state.reason)"
            say("\(Self.name(snapshot.announce)): the sender has left; \(what)")
            if style.isVerbose { say(RepairText.counters(snapshot)) }
        case .retired(let announce, let reason): say("\(Self.name(announce)): not served any more: \(reason.text)")
        case .stopped:
            live.clear()
            say("stopped")
        }
    }

    private func show() {
        metrics.show { [totals] in PrometheusText.of(totals, version: Version.text) }
        service?.show(RepairText.status(totals.sessions), at: Console.now())
    }

    /// The metrics' file is gone when this returns, if its disk lets it.
    func finish() { metrics.finish(keepsFile: false) }

    private func say(_ text: String) { if !style.isQuiet { live.print(text) } }

    private static func name(_ announce: Announce) -> String { SessionText.listedName(announce) }
}
