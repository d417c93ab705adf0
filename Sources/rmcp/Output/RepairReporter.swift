import RMCPHost
import RMCPProtocol
import RMCPReport

/// Tells the user how a repair node fares.
final class RepairReporter {
    private let style: OutputStyle
    private var live: LiveLine
    private let metrics: MetricsFile?
    private let service: ServiceNotifier?
    /// How its bundles stood at last.
    private var last: [RepairSnapshot] = []

    /// - Parameter service: shown in one line how it goes.
    init(style: OutputStyle, metricsPath: String?, service: ServiceNotifier?) {
        self.service = service
        self.style = style
        live = LiveLine(isActive: !style.isQuiet && !style.isJSON)
        metrics = metricsPath.map { MetricsFile(path: $0) }
    }

    func handle(_ update: RepairUpdate) {
        switch update {
        case .listening: show([])
        case .progress(let snapshots):
            last = snapshots
            show(snapshots)
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
        case .refused(let announce, let reason): live.warn("refused \(SessionText.describe(announce)): \(RepairText.explain(reason))")
        case .began(let snapshot, let kept):
            let size = snapshot.announce.contentLength.map { ", \(Units.size($0))" } ?? ""
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

    private func show(_ snapshots: [RepairSnapshot]) {
        metrics?.replace(with: PrometheusText.of(snapshots))
        service?.show(RepairText.status(snapshots), at: Console.now())
    }

    /// The last metrics are written when this returns, if their disk lets them.
    func finish() { metrics?.finish() }

    private func say(_ text: String) { if !style.isQuiet { live.print(text) } }

    private static func name(_ announce: Announce) -> String { BundleName.printable(announce.name) }
}
