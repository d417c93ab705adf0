/// Reports to the parent of this receiver, or of its region, and their distance in time.
///
/// What a parent counts for a child is the last report that has reached it: a child that moves on owes the former parent's
/// count to the new one (decision 0007), and so keeps the last report that it knows has been heard.
struct StatusReporter: Sendable {
    /// Parts of a report that others know.
    struct Facts {
        var state: ReceiverState
        /// Tenths of the bundle, 0...10.
        var progress: UInt8
        var chunksDone: UInt32
        /// Nil for a receiver that has no say in the rate.
        var network: LeafStatus.Network?
        var role: ReceiverRole
        /// Counts of former parents, by state.
        var debt: [Int64]?
    }

    /// How full this host is.
    struct Pressure {
        /// `PressureBucket` of the path or of the host, whichever is worse.
        var bucket: UInt8
        var isStorageFull: Bool
        var hasOverflowed: Bool
    }

    private let shared: SharedConfiguration
    /// Time from one STATUS to the next, as the parent wants it.
    private(set) var interval: Interval
    private(set) var hasReported = false
    /// Until then neither STATUS nor NAK is sent, because the nearest repair node is still being chosen. Nil after the first STATUS.
    private(set) var settlesAt: Instant?
    /// When the last STATUS was sent.
    private(set) var lastTime: Instant
    private var reportedPressure: UInt8 = 0
    /// The last report, with the debt for former parents.
    private var last = StatusHistogram()
    /// The last report that the parent has been heard after, or the first one; nil when it has got none.
    private var heard: StatusHistogram?
    /// Everybody below a repair node.
    var region = StatusHistogram()
    /// Labels of those that failed and want to be named.
    var regionLabels: [FailureLabel] = []
    /// A repair node's cache has taken all that came: it can serve without anybody above.
    private var keepsEverything = true
    /// The socket has dropped datagrams since the last STATUS.
    private var hasOverflowed = false
    /// Share of the socket's room that datagrams take which stand there (0...1).
    private var socketShare = 0.0
    /// Time from which on datagrams have been left in the socket each time that it was read; nil where none were.
    private var leftSince: Instant?

    init(sharing shared: SharedConfiguration, at now: Instant) {
        self.shared = shared
        interval = shared.value.feedback.minimumStatusInterval
        lastTime = now
    }

    // MARK: When

    /// A STATUS is not due before this, however urgent it is.
    func earliest(_ instant: Instant) -> Instant { max(instant, settlesAt ?? .zero) }

    /// Nobody is told before the nearest parent has been found, or looked for.
    mutating func settle(by instant: Instant) { settlesAt = instant }

    /// Whether the choice of a parent, which is under way, is to be waited for.
    func waitsForParent(at now: Instant) -> Bool { settlesAt.map { now < $0 + shared.value.tree.parentSettlingGrace } ?? false }

    /// A parent wants STATUSes at another pace.
    /// - Parameter due: when the next one is due.
    /// - Returns: whether it has to be hastened.
    mutating func adopt(_ interval: Interval, due: Instant, at now: Instant) -> Bool {
        // A floor for all: as many as there are receivers would do what one forged HEARTBEAT says.
        let interval = max(interval, shared.value.feedback.finding.statusInterval)
        guard interval != self.interval || due - now > interval * Self.latestShare else { return false }
        self.interval = interval
        return true
    }

    /// The longest time between two STATUSes, in intervals.
    private static let latestShare = 1.1
    /// A tenth of the interval less, and up to as much more: receivers drift apart.
    private static let leastShare = 0.9
    private static let spread = 0.2

    /// When the STATUS after one that is sent now is due.
    /// - Parameter silence: how far apart they are at least, since the parent is not heard.
    func next(silence: Interval, at now: Instant, using random: inout RandomSource) -> Instant {
        now + max(interval, silence) * (Self.leastShare + Self.spread * random.uniform())
    }

    /// Buffers fill within milliseconds on a fast network: a receiver that is about to be overrun says so ahead of
    /// its turn, and when, if it is.
    /// - Parameter storageShare: of the slots that wait for the host's storage (0...1).
    func urgentTime(storageShare: Double) -> Instant? {
        let pressure = PressureBucket.index(storageShare: max(storageShare, socketShare))
        guard pressure >= PressureBucket.overload, pressure > reportedPressure else { return nil }
        return lastTime + max(shared.value.feedback.urgentStatusInterval, interval * Self.urgentShare)
    }

    /// Not more often than four times as often as the parent wants.
    private static let urgentShare = 0.25

    // MARK: What the host says

    mutating func noteOverflow() { hasOverflowed = true }
    /// Datagrams were left in the socket, or none were. A batch that waited for the thread that reads it is no queue: one is what stays
    /// while it is read (CoDel, RFC 8289, 3.2: the least in an interval, and not what comes and goes in it).
    /// - Parameter share: of the socket's room that they take (0...1). No number that is none gets any further.
    mutating func note(socketShare share: Double, at now: Instant) {
        guard share > 0 else {
            socketShare = 0
            leftSince = nil
            return
        }
        let since = leftSince ?? now
        leftSince = since
        socketShare = now - since >= shared.value.feedback.standingBacklog ? min(share, 1) : 0
    }

    mutating func noteNotKept() { keepsEverything = false }
    /// Whether the host has more than enough to read.
    func isPressed(storageShare: Double) -> Bool { PressureBucket.index(storageShare: max(storageShare, socketShare)) > 0 }

    /// How full the host is, for the report that is made now.
    mutating func takePressure(queueingDelay: Interval, storageShare: Double) -> Pressure {
        defer { hasOverflowed = false }
        let storage = PressureBucket.index(storageShare: max(storageShare, socketShare))
        var bucket = max(PressureBucket.index(queueingDelay: queueingDelay), storage)
        if hasOverflowed { bucket = max(bucket, PressureBucket.severe) }
        reportedPressure = bucket
        return Pressure(bucket: bucket, isStorageFull: storage == PressureBucket.storageFull, hasOverflowed: hasOverflowed)
    }

    // MARK: What is reported

    /// A parent that has not been heard since a report may have died before it: what it counts is an earlier one.
    mutating func noteHeard(_ isHeard: Bool) { if hasReported, isHeard { heard = last } }

    /// The report that is sent now.
    mutating func report(_ facts: Facts, at now: Instant) -> StatusHistogram {
        lastTime = now
        var histogram = histogram(of: facts)
        if let debt = facts.debt { for index in debt.indices { histogram.rehomed[index].increase(by: debt[index]) } }
        last = histogram
        hasReported = true
        settlesAt = nil
        if case .none = heard { heard = histogram }
        return histogram
    }

    /// Receivers that are named in the report: this one, or those below a repair node.
    func labels(of facts: Facts) -> [FailureLabel] {
        guard !facts.role.isRepairNode else { return regionLabels }
        return shared.value.feedback.label.flatMap { FailureLabel($0, facts.state) }.map { [$0] } ?? []
    }

    /// A histogram of one, or a repair node's sum.
    private func histogram(of facts: Facts) -> StatusHistogram {
        guard facts.role.isRepairNode else {
            return StatusHistogram(
                LeafStatus(state: facts.state, progress: facts.progress, network: facts.network, chunksDone: facts.chunksDone))
        }
        var sum = region
        // Behind a relay nobody hears the sender: how they fare is for the relay's own rate.
        if facts.role.wantsStream { sum.removeNetwork() }
        if let network = facts.network { sum.add(network) }
        sum.tree.repairNodes.increase(by: 1)
        if facts.state == .complete, keepsEverything { sum.tree.completeRepairNodes.increase(by: 1) }
        sum.chunksDone.increase(by: UInt64(facts.chunksDone))
        return sum
    }

    /// Count that a parent that is left keeps of this child, by state; nil when it has got no report.
    var contribution: [Int64]? { hasReported ? (heard ?? last).debtWhenLost : nil }

    /// Another parent knows nothing yet.
    mutating func forgetParent() { heard = nil }
}

extension StatusHistogram {
    /// Count that a parent that loses this child keeps of it: the debt of a child that lives on elsewhere.
    var debtWhenLost: [Int64] {
        var debt = states.map { Int64(clamping: $0) }
        let lost = Int(ReceiverState.lost.rawValue)
        for state in ReceiverState.allCases where state.isActive {
            debt[lost].increase(by: debt[Int(state.rawValue)])
            debt[Int(state.rawValue)] = 0
        }
        for (index, owed) in rehomed.enumerated() { debt[index].decrease(by: owed) }
        return debt
    }
}
