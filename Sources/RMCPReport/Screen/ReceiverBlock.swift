public import RMCPProtocol

/// Lines that show how a fleet fares: it is what a sender and a watcher both know of it, numbers alone.
public enum ReceiverBlock {
    /// Columns of what stands before a bar, and behind it.
    private static let labelWidth = 6
    private static let leastBar = 4

    /// States that somebody is in; failures with their reasons.
    public static func states(_ histogram: StatusHistogram, _ style: ScreenStyle) -> String {
        let shown = ReceiverState.allCases.filter { histogram.count($0) > 0 }
        guard !shown.isEmpty else { return "no receivers yet" }
        return shown.map { state in
            let text = "\(histogram.count(state)) \(state.reason)"
            return state == .complete ? style.good(text) : state.isFailure ? style.bad(text) : text
        }.joined(separator: " · ")
    }

    /// The same without emphasis, for widths.
    static func plainStates(_ histogram: StatusHistogram) -> String { states(histogram, ScreenStyle(isUnicode: true, hasColor: false)) }

    /// Receivers by tenths of the bundle: a line each, with their number.
    public static func progress(_ histogram: StatusHistogram, width: Int, _ style: ScreenStyle) -> [String] {
        let counts = histogram.progress
        let largest = Double(max(1, counts.max() ?? 1))
        let numberWidth = max(1, counts.map { "\($0)".count }.max() ?? 1)
        let barWidth = max(leastBar, width - labelWidth - numberWidth - 2)
        return counts.indices.reversed().map { bucket in
            let label = bucket == counts.count - 1 ? "all" : bucket == 0 ? "0-9 %" : "\(bucket * 10)+ %"
            let bar = style.bar(Double(counts[bucket]) / largest, width: barWidth, isTrackShown: false)
            return "\(TextWidth.right(label, to: labelWidth)) \(bar) \(TextWidth.right("\(counts[bucket])", to: numberWidth))"
        }
    }

    /// Loss that half of the receivers, nine in ten, and all of them do not exceed.
    public static func loss(_ histogram: StatusHistogram) -> String {
        let values = [("p50", 0.5), ("p90", 0.9), ("max", 1)].map { name, q in
            "\(name) \(Units.percent(LossBucket.fraction(of: StatusHistogram.quantile(q, of: histogram.loss))))"
        }
        return "loss " + values.joined(separator: ", ")
    }
}
