import RMCPProtocol

/// An address that a watcher asks, again and again, a page of child nodes at a time.
struct WatchTarget {
    static let interval = Interval.milliseconds(500)
    /// Until all pages have come once: parents answer 20 times a second, others among them.
    private static let firstPagesInterval = Interval.milliseconds(100)
    private static let longestInterval = Interval.seconds(8)

    /// When it is asked next.
    private(set) var next: Instant
    /// Node that answered, or was heard from there.
    var node: UInt32?
    /// When it was last heard, or named by its parent.
    var wanted: Instant
    private var answered: Instant
    /// Time of the last question; nil once that was answered.
    private var nonce: UInt64?
    private var firstNode: UInt32 = 0
    private var hasAllPages = false
    /// Questions without an answer, one after the other.
    private var unanswered = 0

    init(at now: Instant) {
        next = now
        wanted = now
        answered = now
    }

    /// Last sign of it: a while after this it is forgotten.
    var lastSign: Instant { max(wanted, answered) }

    /// Question for it. Who does not answer is asked less and less: it may be somebody whose address was made up.
    mutating func query(nonce: UInt64, at now: Instant) -> WatchQuery {
        self.nonce = nonce
        unanswered += 1
        if unanswered > 6 {
            firstNode = 0
            next = now + min(Self.interval * Double(1 << min(unanswered / 6, 4)), Self.longestInterval)
        } else {
            next = now + Self.interval
        }
        return WatchQuery(nonce: nonce, firstNode: firstNode)
    }

    /// True when the report answers the last question.
    mutating func accepts(_ report: WatchReport, at now: Instant) -> Bool {
        guard let nonce, report.nonce == nonce else { return false }
        self.nonce = nil
        unanswered = 0
        answered = now
        let (following, overflows) = report.firstNode.addingReportingOverflow(UInt32(report.nodes.count))
        if report.nodes.isEmpty || overflows || following >= report.nodeCount {
            hasAllPages = true
            firstNode = 0
        } else {
            firstNode = following
        }
        if !hasAllPages { next = min(next, now + Self.firstPagesInterval) }
        return true
    }
}

/// Bytes that a node sends in a second, by its totals at one report and at another.
struct WatchedThroughput {
    private var begin: (at: Instant, bytes: UInt64)?
    private(set) var bitsPerSecond: Double?

    mutating func note(_ counts: WatchReport.Counts, at now: Instant) {
        let bytes = counts.firstBytes &+ counts.repairBytes &+ counts.catchUpBytes
        // Reports come twice a second, and not evenly.
        if let begin, now - begin.at < .milliseconds(900) { return }
        if let begin {
            let sent = bytes >= begin.bytes ? Double(bytes - begin.bytes) : 0
            bitsPerSecond = sent * 8 / (now - begin.at).inSeconds
        }
        begin = (now, bytes)
    }
}
