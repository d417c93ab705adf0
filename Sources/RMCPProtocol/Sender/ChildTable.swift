/// What a parent knows of its children: an ephemeral id, where to answer, and the last histogram. Sums are kept as
/// statuses come, so that each costs the same whatever their number.
struct ChildTable: Sendable {
    private struct Child: Sendable {
        var histogram: StatusHistogram
        var lastHeard: Instant
        var longestDatagram: UInt16
        var isLost: Bool
    }

    private var children: [UInt32: Child] = [:]
    private let limit: Int
    /// Everybody who ever joined, the lost among them.
    private(set) var summary = StatusHistogram()
    /// Children that could not be taken for want of room.
    private(set) var refused = 0

    init(configuration: Configuration) { limit = configuration.maximumChildren }

    /// Receivers that joined, whatever became of them.
    var population: Int { Int(summary.population) }
    var childCount: Int { children.count }
    var active: Int { Int(summary.active) }

    /// True when this is the child's first status.
    @discardableResult
    mutating func update(id: UInt32, report: StatusReport, at now: Instant) -> Bool {
        if let old = children[id] {
            summary.subtract(old.histogram)
        } else if children.count >= limit {
            refused += 1
            return false
        }
        let isNew = children[id] == nil
        children[id] = Child(
            histogram: report.histogram, lastHeard: now, longestDatagram: report.longestDatagram, isLost: false)
        summary.add(report.histogram)
        return isNew
    }

    /// A NAK shows that its child lives, too.
    mutating func heard(_ id: UInt32, at now: Instant) {
        guard let child = children[id], !child.isLost else { return }
        children[id]?.lastHeard = now
    }

    /// Counts those who fell silent before they were done as lost.
    mutating func expire(silentFor timeout: Interval, at now: Instant) {
        for (id, child) in children where !child.isLost && now - child.lastHeard >= timeout {
            guard child.histogram.active > 0 else { continue }
            var lost = StatusHistogram()
            for state in ReceiverState.allCases {
                let target: ReceiverState = state.isFinal ? state : .lost
                lost.states[Int(target.rawValue)] &+= child.histogram.count(state)
            }
            lost.progress = child.histogram.progress
            summary.subtract(child.histogram)
            summary.add(lost)
            children[id]?.histogram = lost
            children[id]?.isLost = true
        }
    }

    /// Every child's longest datagram, the shortest of them; nil without children.
    var shortestLongestDatagram: Int? {
        children.values.lazy.filter { !$0.isLost }.map { Int($0.longestDatagram) }.min()
    }
}
