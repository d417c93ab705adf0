import RMCPProtocol
import RMCPReport

/// Counts that a receiver keeps of sessions beyond their end, and when it tells of those under way.
struct ReceiveAccounts {
    /// Sums of sessions that are over, and of what belongs to none.
    private(set) var figures = ReceiveFigures()
    private var nextProgress: Instant
    /// Whether sessions were reported last: that there are none any more is told, too.
    private var isReported = false

    init(at now: Instant) { nextProgress = now }

    /// Time at which progress is told next; nil where there is none to tell.
    func deadline(isEmpty: Bool) -> Instant? { isEmpty && !isReported ? nil : nextProgress }

    mutating func isProgressDue(isEmpty: Bool, at now: Instant) -> Bool {
        guard now >= nextProgress, !isEmpty || isReported else { return false }
        isReported = !isEmpty
        nextProgress = now + .milliseconds(200)
        return true
    }

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
