public import RMCPProtocol

/// Figures of a receiver since it began, of all its sessions. None of the counts goes back: those of sessions that are over are in them.
public struct ReceiveFigures: Sendable, Hashable {
    public var counters = ReceiverCounters()
    /// Verified content bytes that came over the network, holes among them, and those that were on this host from an earlier attempt.
    public var contentReceived: UInt64 = 0
    public var contentKept: UInt64 = 0
    /// Sessions that were not taken part in.
    public var refused: UInt64 = 0
    /// Commands after bundles that have ended, and how long they took.
    public var hooks: UInt64 = 0
    public var hookTime = Interval.zero
    /// Sessions that multicast does not reach now.
    public var deafSessions = 0
    public var strays = StrayCounters()
    public var network = NetworkFigures()

    public init() {}
}

extension PrometheusText {
    /// Ends that a bundle at a receiver can have, but for being complete. Nobody is lost to itself, and what is interrupted goes on later.
    private static let failures = ReceiverState.allCases.filter { $0.isFailure && $0 != .lost && $0 != .interrupted }

    public static func of(_ totals: ReceiveTotals, version: String) -> String {
        var result = PrometheusText(role: "recv", version: version)
        result.add(totals.sessions)
        result.add(totals.figures)
        var results = [("complete", Double(totals.completed))]
        results += failures.map { ($0.identifier, Double(totals.failures[$0] ?? 0)) }
        result.add(.bundles, "result", results + [("refused", Double(totals.figures.refused))])
        result.add(.lastComplete, ifKnown: totals.lastCompleted.map { Double($0) / 1_000 })
        return result.text
    }

    private mutating func add(_ sessions: [ReceiveSnapshot]) {
        func state(_ snapshot: ReceiveSnapshot) -> String {
            switch snapshot.state {
            case .joined: "offering"
            case .finishing: "draining"
            case .complete: "serving"
            default: "active"
            }
        }
        add(.sessions, "state", ["offering", "active", "draining", "serving"].map { name in (name, Double(sessions.count { state($0) == name })) })
        addProgress(sessions.map { snapshot in (snapshot.announce, snapshot.contentLength.map { $0 > 0 ? Double(snapshot.contentDone) / Double($0) : 1 }) })
        add(.loss, ifKnown: sessions.map(\.loss).max())
    }

    private mutating func add(_ figures: ReceiveFigures) {
        let (counters, network) = (figures.counters, figures.network)
        add(.sentBytes, "kind", ["control": network.answeredBytes])
        add(network)
        add(
            .dropped, "reason",
            [
                "overflow": network.overflowed, "malformed": counters.malformed + figures.strays.malformed,
                "foreign": counters.foreign + figures.strays.foreign, "forged": counters.forged, "window": counters.windowDrops,
                "unanswerable": network.unanswerable,
            ])
        add(.naks, "direction", ["sent": counters.naksSent])
        add(.rejectedChunks, counters.chunksRejected)
        add(.rejoins, "cause", RejoinCause.allCases.map { ($0.rawValue, Double(network.rejoins[$0])) })
        add(.deaf, figures.deafSessions > 0 ? 1.0 : 0.0)
        add(.bundleBytes, "source", ["wire": figures.contentReceived, "kept": figures.contentKept])
        addSummary(.hookDuration, sum: figures.hookTime.inSeconds, count: figures.hooks)
    }
}
