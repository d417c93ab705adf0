public import RMCPProtocol

/// A send as its metrics tell of it.
public struct SendTotals: Sendable {
    public private(set) var announce: Announce?
    public private(set) var snapshot: SendSnapshot?
    public private(set) var outcome: SenderOutcome.Kind?
    /// The source or the network failed, whatever the outcome says of receivers.
    public private(set) var hasFailed = false
    /// Milliseconds since 1970; nil while it is not complete.
    public private(set) var completed: UInt64?

    public init() {}

    /// Takes in what the session tells.
    /// - Parameter time: milliseconds since 1970.
    /// - Returns: whether anything is different now.
    public mutating func count(_ update: SendUpdate, at time: UInt64) -> Bool {
        switch update {
        case .ready(_, _, let announce, _): self.announce = announce
        case .progress(let snapshot), .sentOnce(let snapshot): self.snapshot = snapshot
        case .finished(let outcome, let snapshot, let hasFailed):
            self.snapshot = snapshot
            self.outcome = outcome.kind
            self.hasFailed = hasFailed
            if outcome.kind == .complete, !hasFailed { completed = time }
        default: return false
        }
        return true
    }
}

extension SendSnapshot {
    /// Share of the bundle that has been sent once; nil for a stream.
    var progress: Double? { contentLength.map { $0 > 0 ? Double(contentSent) / Double($0) : 1 } }
}

extension PrometheusText {
    public static func of(_ totals: SendTotals, version: String) -> String {
        var result = PrometheusText(role: "send", version: version)
        if let snapshot = totals.snapshot {
            if totals.outcome == nil, let announce = totals.announce { result.addProgress([(announce, snapshot.progress)]) }
            result.add(snapshot, isOver: totals.outcome != nil)
        }
        let end = totals.hasFailed ? "failed" : totals.outcome?.identifier
        result.add(.bundles, "result", (SenderOutcome.Kind.allCases.map(\.identifier) + ["failed"]).map { ($0, $0 == end ? 1 : 0) })
        result.add(.lastComplete, ifKnown: totals.completed.map { Double($0) / 1_000 })
        return result.text
    }

    private mutating func add(_ snapshot: SendSnapshot, isOver: Bool) {
        let state: String? =
            switch snapshot.phase {
            case _ where isOver: nil
            case .waiting: "offering"
            case .streaming: "active"
            case .draining: "draining"
            case .lingering, .leaving, .aborted: "serving"
            }
        add(.sessions, "state", ["offering", "active", "draining", "serving"].map { ($0, $0 == state ? 1 : 0) })
        addReceivers(snapshot.receivers)
        add(.refusing, "reason", RefusalReason.allCases.map { ($0.identifier, Double(snapshot.receivers.tree.refusals[$0])) })
        let nodes = snapshot.receivers.tree
        add(
            .repairNodes, "state", ["complete": nodes.completeRepairNodes, "incomplete": nodes.repairNodes - min(nodes.repairNodes, nodes.completeRepairNodes)])
        add(.sentBytes, "kind", Self.sent(snapshot.counters, unsent: snapshot.network, answers: 0))
        add(.unsent, snapshot.network.unsentDatagrams)
        add(snapshot.network)
        add(
            .dropped, "reason",
            [
                "overflow": snapshot.network.overflowed, "malformed": snapshot.counters.malformed + snapshot.network.truncated,
                "foreign": snapshot.counters.foreign, "unanswerable": snapshot.network.unanswerable,
            ])
        add(.naks, "direction", ["received": snapshot.counters.naksReceived])
        guard !isOver else { return }
        add(.rate, snapshot.rate / 8)
        add(.loss, snapshot.medianLoss)
        add(.roundTrip, snapshot.groupRoundTrip.inSeconds)
    }

    mutating func add(_ network: NetworkFigures) {
        add(.receivedBytes, network.receivedBytes)
        add(.receivedDatagrams, network.receivedDatagrams)
    }

    /// Bytes that were handed to the network, by kind. The sum is all of it: control packets are what is left.
    static func sent(_ counters: SenderCounters, unsent: NetworkFigures, answers: UInt64) -> KeyValuePairs<String, UInt64> {
        let named = counters.firstBytes &+ counters.repairBytes &+ counters.catchUpBytes &+ counters.relayedBytes
        let all = counters.bytesSent &+ unsent.unsentBytes
        return [
            "first": counters.firstBytes, "repair": counters.repairBytes, "catch_up": counters.catchUpBytes, "unicast": counters.relayedBytes,
            "control": (all > named ? all - named : 0) + answers,
        ]
    }
}
