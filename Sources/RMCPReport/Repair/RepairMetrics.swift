public import RMCPProtocol

/// Figures of a repair node since it began, of all its sessions. None of the counts goes back: those of sessions that are over are in them.
public struct RepairFigures: Sendable, Hashable {
    /// Counters of the lower halves, and of the upper ones.
    public var sender = SenderCounters()
    public var receiver = ReceiverCounters()
    /// Sessions that multicast from above does not reach now.
    public var deafSessions = 0
    public var strays = StrayCounters()
    public var network = NetworkFigures()
    public var cache = CacheFigures()

    public init() {}
}

/// Figures of the cache of a repair node.
public struct CacheFigures: Sendable, Hashable {
    public var bytes: UInt64
    public var limit: UInt64
    /// Bytes of sessions that had to leave since it was opened.
    public var evictedBytes: UInt64
    public var sessions: Int

    public init(bytes: UInt64 = 0, limit: UInt64 = 0, evictedBytes: UInt64 = 0, sessions: Int = 0) {
        self.bytes = bytes
        self.limit = limit
        self.evictedBytes = evictedBytes
        self.sessions = sessions
    }
}

/// A repair node as a whole.
public struct RepairTotals: Sendable {
    public var sessions: [RepairSnapshot]
    public var figures: RepairFigures

    public init(sessions: [RepairSnapshot] = [], figures: RepairFigures = RepairFigures()) {
        self.sessions = sessions
        self.figures = figures
    }

    /// Takes in what the node tells.
    /// - Returns: whether anything is different now.
    public mutating func count(_ update: RepairUpdate) -> Bool {
        switch update {
        case .listening: break
        case .progress(let snapshots): sessions = snapshots
        case .figures(let figures): self.figures = figures
        default: return false
        }
        return true
    }
}

extension RepairSnapshot {
    /// Share of the bundle's chunks that are here; nil for a stream that has not ended. How many there are is known of other bundles before
    /// their table says so.
    var progress: Double? {
        let length = max(1, UInt64(announce.chunkLength))
        let total = chunkCount.map { UInt64($0) } ?? announce.contentLength.map { $0 / length + ($0 % length > 0 ? 1 : 0) }
        return total.map { $0 > 0 ? min(1, Double(chunksHeld) / Double($0)) : 1 }
    }
}

extension PrometheusText {
    public static func of(_ totals: RepairTotals, version: String) -> String {
        var result = PrometheusText(role: "repair", version: version)
        result.add(totals.sessions)
        result.add(totals.figures)
        return result.text
    }

    private mutating func add(_ sessions: [RepairSnapshot]) {
        let complete = sessions.count(where: \.isComplete)
        add(.sessions, "state", ["active": UInt64(sessions.count - complete), "serving": UInt64(complete)])
        addProgress(sessions.filter { !$0.isComplete }.map { ($0.announce, $0.progress) })
        var receivers = StatusHistogram()
        for snapshot in sessions { receivers.add(snapshot.receivers) }
        addReceivers(receivers)
        add(.children, UInt64(sessions.reduce(0) { $0 + $1.children }))
        add(.rate, sessions.reduce(0) { $0 + $1.rate } / 8)
        add(.loss, ifKnown: sessions.map(\.loss).max())
        add(.roundTrip, ifKnown: sessions.map(\.groupRoundTrip.inSeconds).max())
    }

    private mutating func add(_ figures: RepairFigures) {
        let (sender, receiver, network) = (figures.sender, figures.receiver, figures.network)
        add(.sentBytes, "kind", Self.sent(sender, unsent: NetworkFigures(), answers: network.answeredBytes))
        add(.unsent, network.unsentDatagrams)
        add(network)
        add(
            .dropped, "reason",
            [
                "overflow": network.overflowed, "malformed": sender.malformed + receiver.malformed + figures.strays.malformed,
                "foreign": sender.foreign + receiver.foreign + figures.strays.foreign, "forged": receiver.forged, "window": receiver.windowDrops,
                "unanswerable": network.unanswerable,
            ])
        add(.naks, "direction", ["received": sender.naksReceived, "sent": receiver.naksSent])
        add(.rejectedChunks, receiver.chunksRejected)
        add(.rejoins, "cause", RejoinCause.allCases.map { ($0.rawValue, Double(network.rejoins[$0])) })
        add(.deaf, figures.deafSessions > 0 ? 1.0 : 0.0)
        add(.cacheBytes, figures.cache.bytes)
        add(.cacheLimit, figures.cache.limit)
        add(.cacheEvicted, figures.cache.evictedBytes)
        add(.cacheSessions, UInt64(figures.cache.sessions))
    }
}
