import OrderedCollections
import RMCPProtocol
import RMCPReport

/// Counts that a receiver keeps of sessions beyond their end, and the times at which it tells of those under way.
struct ReceiveAccounts {
    /// Sums of sessions that are over, and of what belongs to none.
    private(set) var figures = ReceiveFigures()
    var progressPace: ProgressPace

    init(at now: Instant) { progressPace = ProgressPace(at: now) }

    /// A session is over.
    mutating func close(_ session: ReceiveSession) { figures.add(session) }
    mutating func noteRefused() { figures.refused += 1 }

    /// A command after a bundle has ended.
    mutating func noteHook(_ duration: Interval) {
        figures.hooks += 1
        figures.hookTime = figures.hookTime + duration
    }
}

extension ReceiveFigures {
    fileprivate mutating func add(_ session: ReceiveSession) {
        counters += session.counters
        contentReceived += session.contentDone - session.contentKept
        contentKept += session.contentKept
    }
}

extension ReceiveSessions {
    /// All that was counted since the start, but for the network.
    var figures: ReceiveFigures {
        var sum = accounts.figures
        for session in sessions.values {
            sum.add(session)
            if session.engine.isDeaf { sum.deafSessions += 1 }
        }
        sum.strays = StrayCounters(malformed: endpoint.directory.malformed, foreign: endpoint.directory.foreign)
        return sum
    }
}
