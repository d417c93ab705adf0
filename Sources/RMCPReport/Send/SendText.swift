public import RMCPProtocol

/// A send in words.
public enum SendText {
    /// The live line.
    public static func line(_ snapshot: SendSnapshot) -> String {
        guard let streaming = snapshot.streaming else {
            return ["waiting \(Units.time(snapshot.elapsed))", receivers(snapshot.receivers)].joined(separator: " · ")
        }
        let amount = SessionText.amount(snapshot.contentSent, of: snapshot.contentLength, files: snapshot.tree?.bytes)
        let speed = Double(snapshot.contentSent) / max(0.001, streaming.inSeconds)
        var parts = [amount, "\(Units.size(UInt64(speed)))/s", receivers(snapshot.receivers)]
        if snapshot.medianLoss > 0 { parts.append("loss \(Measure.medianLoss.words(snapshot))") }
        if snapshot.counters.repairBytes + snapshot.counters.catchUpBytes > 0 { parts.append("repairs \(Measure.repairs.words(snapshot))") }
        if let eta = eta(snapshot, speed: speed) { parts.append("ETA \(eta)") }
        return parts.joined(separator: " · ")
    }

    /// Amount that there is; nil for a stream.
    public static func size(of announce: Announce, _ tree: EntryCounts?) -> String? {
        guard let tree else { return announce.contentLength.map(Units.size) }
        return
            "\(Units.count(UInt64(tree.files), "file")) in \(tree.directories == 1 ? "1 directory" : "\(tree.directories) directories"), \(Units.size(tree.bytes))"
    }

    /// Receivers by state, those states that somebody is in.
    public static func receivers(_ histogram: StatusHistogram) -> String {
        var parts: [String] = []
        for state in [ReceiverState.joined, .receiving, .behind, .finishing, .complete] where histogram.count(state) > 0 {
            parts.append("\(histogram.count(state)) \(state.reason)")
        }
        if histogram.failed > 0 { parts.append("\(histogram.failed) failed") }
        if histogram.tree.refusals.total > 0 { parts.append("\(histogram.tree.refusals.total) refuse") }
        let nodes = histogram.tree.repairNodes
        if nodes > 0 { parts.append("\(nodes) repair \(nodes == 1 ? "node" : "nodes")") }
        return parts.isEmpty ? "no receivers yet" : parts.joined(separator: ", ")
    }

    /// Receivers that take no part: a line for each reason, with what helps.
    public static func refusals(_ counts: RefusalCounts) -> [String] {
        RefusalReason.allCases.filter { counts[$0] > 0 }.map { reason in
            let help =
                switch reason {
                case .untrusted: "; rmcp recv there needs --trust and this sender's public line"
                case .outdated: "; if this is the one to have, --supersede makes it so"
                case .busy, .unsupported: ""
                }
            return "\(Units.count(counts[reason], "receiver")) refused: \(reason.text)\(help)"
        }
    }

    /// Receivers that failed: a line for each reason, with those that want to be named.
    public static func failures(_ outcome: SenderOutcome) -> [String] {
        ReceiverState.allCases.filter { $0.isFailure && outcome.receivers.count($0) > 0 }.map { state in
            let named = outcome.labels.filter { $0.state == state }.map { BundleName.printable($0.text) }
            let line = "\(Units.count(outcome.receivers.count(state), "receiver")) failed: \(state.reason)"
            guard !named.isEmpty else { return line }
            let more = named.count > namedAtMost ? " and \(named.count - namedAtMost) more" : ""
            return "\(line) (\(named.prefix(namedAtMost).joined(separator: ", "))\(more))"
        }
    }

    /// Names in one line; programs are told all of them.
    private static let namedAtMost = 100

    /// Line about repair nodes of which something is not complete at the end, if there are any.
    public static func lackingNodes(_ outcome: SenderOutcome) -> [String] {
        let nodes = outcome.receivers.tree
        guard outcome.kind == .partial, nodes.repairNodes > nodes.completeRepairNodes else { return [] }
        let lacking = nodes.repairNodes - nodes.completeRepairNodes
        return [
            "\(Units.count(lacking, "repair node")) \(lacking == 1 ? "does" : "do") not hold everything: no room in the cache, or a disk that fails; "
                + "the node's own lines say which"
        ]
    }

    /// Words for a send that did not end well, and what helps.
    public static func verdict(_ outcome: SenderOutcome, _ snapshot: SendSnapshot) -> (message: String, hint: String) {
        let time = Units.time(snapshot.elapsed)
        switch outcome.kind {
        case .nobodyCame:
            return (
                "nobody came in \(time)", "is rmcp recv running on the same group, does it --accept the name, and does multicast reach it?"
            )
        case .refused: return ("nobody took it in \(time)", refusals(outcome.receivers.tree.refusals).joined(separator: "; "))
        case .noProgress: return ("no receiver is complete: all of them were lost", "what they have is kept for the next session")
        case .stopped: return ("stopped by a signal", "receivers keep what they have for the next session")
        case .complete, .partial:
            let complete = outcome.receivers.count(.complete)
            let came = outcome.receivers.population + UInt64(outcome.unaccounted)
            let wanted = snapshot.required.map { complete < UInt64($0) ? ", and \($0) have to be" : "" } ?? ""
            let reasons = failures(outcome) + refusals(outcome.receivers.tree.refusals) + lackingNodes(outcome)
            return ("\(complete) of \(Units.count(came, "receiver")) complete\(wanted)", reasons.joined(separator: "; "))
        }
    }

    /// A number of receivers, and how many were waited for if those are more.
    public static func of(_ receivers: UInt64, wanted: Int?) -> String {
        guard let wanted, wanted > receivers else { return Units.count(receivers, "receiver") }
        return "\(receivers) of \(wanted) that were waited for"
    }

    /// The counters of `-v`.
    public static func counters(_ snapshot: SendSnapshot) -> String { Measure<SendSnapshot>.counters(Measure<SendSnapshot>.send, of: snapshot) }

    /// Time until the receiver that nine in ten are ahead of has everything, and until the slowest has, at the speed so far. Nil while nobody
    /// can tell.
    public static func etaRange(_ snapshot: SendSnapshot) -> String? {
        guard let total = snapshot.contentLength, total > 0, let streaming = snapshot.streaming, streaming > .zero, snapshot.contentSent > 0,
            snapshot.receivers.active > 0
        else { return nil }
        let speed = Double(snapshot.contentSent) / streaming.inSeconds
        let sent = Double(snapshot.contentSent) / Double(total)
        let progress = snapshot.receivers.progress
        let tenths = Double(StatusHistogram.progressCount - 1)
        func time(_ share: Double) -> String { Units.time(.seconds(Double(total) * max(0, 1 - share) / speed)) }
        // Receivers in a bucket have at least its share, and less than that of the next; nobody has what was not sent.
        let nineInTen = min(sent, Double(StatusHistogram.quantile(0.1, of: progress) + 1) / tenths)
        let slowest = min(sent, Double(progress.firstIndex { $0 > 0 } ?? 0) / tenths)
        let (first, last) = (time(nineInTen), time(slowest))
        return first == last ? first : "\(first) to \(last)"
    }

    /// To the slowest receiver that keeps up: what is left to send, and the decile that it has reached.
    private static func eta(_ snapshot: SendSnapshot, speed: Double) -> String? {
        guard let total = snapshot.contentLength, speed > 0, snapshot.receivers.active > 0 else { return nil }
        let slowest = snapshot.receivers.progress.prefix(10).firstIndex { $0 > 0 } ?? 10
        let reached = max(Double(slowest) / 10 * Double(total), Double(snapshot.contentSent) * (slowest == 10 ? 1 : 0))
        let left = max(Double(total) - max(reached, Double(snapshot.contentSent)), 0)
        return Units.time(.seconds(left / speed))
    }
}
