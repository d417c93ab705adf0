/// What a parent knows of its children: an ephemeral id, where to answer, and the last histogram. Sums are kept as
/// statuses come, so that each costs the same whatever their number.
struct ChildTable: Sendable {
    /// Most children are leaves: five bytes instead of five arrays.
    private enum Report: Sendable {
        case leaf(LeafStatus)
        case sum(StatusHistogram)

        init(_ histogram: StatusHistogram) { self = histogram.leaf.map { .leaf($0) } ?? .sum(histogram) }

        var isActive: Bool {
            switch self {
            case .leaf(let leaf): !leaf.state.isFinal
            case .sum(let histogram): histogram.active > 0
            }
        }

        /// The same with everybody who was not done counted as lost.
        var lost: Report {
            switch self {
            case .leaf(var leaf):
                leaf.network = nil
                leaf.state = .lost
                return .leaf(leaf)
            case .sum(let histogram):
                var lost = StatusHistogram()
                for state in ReceiverState.allCases {
                    let target: ReceiverState = state.isFinal ? state : .lost
                    lost.states[Int(target.rawValue)] &+= histogram.count(state)
                }
                lost.progress = histogram.progress
                return .sum(lost)
            }
        }
    }

    private struct Child: Sendable {
        var report: Report
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
            subtract(old.report)
        } else if children.count >= limit {
            refused += 1
            return false
        }
        let isNew = children[id] == nil
        let report = (kept: Report(report.histogram), longest: report.longestDatagram)
        children[id] = Child(report: report.kept, lastHeard: now, longestDatagram: report.longest, isLost: false)
        add(report.kept)
        return isNew
    }

    private mutating func add(_ report: Report) {
        switch report {
        case .leaf(let leaf): summary.add(leaf)
        case .sum(let histogram): summary.add(histogram)
        }
    }

    private mutating func subtract(_ report: Report) {
        switch report {
        case .leaf(let leaf): summary.subtract(leaf)
        case .sum(let histogram): summary.subtract(histogram)
        }
    }

    /// A NAK shows that its child lives, too.
    mutating func heard(_ id: UInt32, at now: Instant) {
        guard let child = children[id], !child.isLost else { return }
        children[id]?.lastHeard = now
    }

    /// Nothing came of it for long, or there was no room for it.
    func isLost(_ id: UInt32) -> Bool { children[id]?.isLost ?? true }

    /// Counts those who fell silent before they were done as lost.
    mutating func expire(silentFor timeout: Interval, at now: Instant) {
        for (id, child) in children where !child.isLost && now - child.lastHeard >= timeout {
            guard child.report.isActive else { continue }
            let lost = child.report.lost
            subtract(child.report)
            add(lost)
            children[id]?.report = lost
            children[id]?.isLost = true
        }
    }

    /// Every active child's longest datagram, the shortest of them; nil without one.
    var shortestLongestDatagram: Int? {
        children.values.lazy.filter { $0.report.isActive }.map { Int($0.longestDatagram) }.min()
    }
}
