import OrderedCollections
import RMCPProtocol
import RMCPReport

/// Counts that a repair node keeps of sessions beyond their end, and the times at which it tells of those under way.
struct RepairAccounts {
    private var sender = SenderCounters()
    private var receiver = ReceiverCounters()
    private(set) var advertisedBytes: UInt64 = 0
    var progressPace: ProgressPace
    var figurePace: FigurePace

    init(at now: Instant) {
        progressPace = ProgressPace(at: now)
        figurePace = FigurePace(at: now)
    }

    mutating func noteAdvertised(bytes: Int) { advertisedBytes += UInt64(bytes) }

    /// A session is over.
    mutating func close(_ session: RepairSession) {
        sender += session.engine.downstream.counters
        receiver += session.engine.upstreamCounters()
    }

    /// Figures of all sessions since the beginning.
    func figures(with sessions: some Sequence<RepairSession>) -> RepairFigures {
        var sum = RepairFigures()
        sum.sender = sender
        sum.receiver = receiver
        for session in sessions {
            sum.sender += session.engine.downstream.counters
            sum.receiver += session.engine.upstreamCounters()
            if session.engine.isDeaf() { sum.deafSessions += 1 }
        }
        return sum
    }
}

extension RepairLoop {
    /// Tells how sessions stand, a few times a second, and all that was counted, once a second.
    func report(at now: Instant) {
        if accounts.progressPace.advance(to: now, isEmpty: sessions.isEmpty) { observer(.progress(sessions.values.map { $0.snapshot() })) }
        if accounts.figurePace.advance(to: now) { observer(.figures(figures)) }
    }

    private var figures: RepairFigures {
        var result = accounts.figures(with: sessions.values)
        result.strays = StrayCounters(
            malformed: endpoint.directory.malformed + reception.truncated + regionSlab.truncated,
            foreign: endpoint.directory.foreign + (guarding?.forged ?? 0) + (guarding?.replayed ?? 0))
        result.network = network
        result.cache = cache.figures
        return result
    }

    /// Counts of both sides' sockets.
    private var network: NetworkFigures {
        var sum = reception.figures
        sum += regionSlab.figures
        sum.answeredBytes += accounts.advertisedBytes
        sum.unsentDatagrams += outlet.unsent.datagrams
        sum.unsentBytes += outlet.unsent.bytes
        return sum
    }
}
