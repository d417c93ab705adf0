import DequeModule

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

        var isRepairNode: Bool {
            switch self {
            case .leaf: false
            case .sum(let histogram): histogram.tree.repairNodes > 0
            }
        }

        /// Whether both say the same of states and progress.
        func isAsFar(as other: Report) -> Bool {
            switch (self, other) {
            case (.leaf(let own), .leaf(let other)): own.state == other.state && own.progress == other.progress
            case (.sum(let own), .sum(let other)): own.states == other.states && own.progress == other.progress
            default: false
            }
        }

        /// The same with everybody who was not done counted as lost, and without the repair node that said it.
        var lost: Report {
            switch self {
            case .leaf(var leaf):
                leaf.network = nil
                leaf.state = .lost
                return .leaf(leaf)
            case .sum(let histogram):
                var lost = StatusHistogram()
                lost.rehomed = histogram.rehomed
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
        /// Where it showed a cookie from; nil while nothing proves its address.
        var address: SocketAddress?
        /// Which, if it did.
        var cookie: UInt64
    }

    private var children: [UInt32: Child] = [:]
    /// Those that are repair nodes at an address that they have proven, in the order of their ids.
    private var nodeIDs: [UInt32] = []
    /// Children that are repair nodes and not lost, wherever they say that they are.
    private(set) var repairNodeChildren = 0
    private let limit: Int
    /// Those that left lately: a STATUS that their DETACH overtook must not bring them back.
    private var detached: Deque<(id: UInt32, at: Instant)> = []
    private static let detachedLimit = 256
    private static let detachedMemory = Interval.milliseconds(500)
    /// The sum of all reports, as they are.
    private(set) var summary = StatusHistogram()
    /// How often the sums of states or progress have changed by what a child said.
    private(set) var movements: UInt64 = 0
    private var eachOnce: (population: Int, active: Int) = (0, 0)
    /// Everybody who ever joined, the lost among them, each counted once.
    var receivers: StatusHistogram { summary.withoutRehomed }
    /// Children that could not be taken for want of room.
    private(set) var refused = 0

    init(configuration: Configuration) { limit = configuration.maximumChildren }

    /// Receivers that joined, whatever became of them.
    var population: Int { eachOnce.population }
    /// The sender is not told of these by name, but how many there are.
    var repairNodes: Int { Int(summary.tree.repairNodes) }
    /// Repair nodes that lack something.
    var incompleteRepairNodes: Int { Int(summary.tree.repairNodes &- summary.tree.completeRepairNodes) }
    var childCount: Int { children.count }
    /// Some are counted twice, or have just been: sums and what settles them cross on their way.
    var hasDebts: Bool { summary.hasRehomed }
    /// Receivers that are not done.
    var active: Int { eachOnce.active }

    /// True when this is the child's first status.
    @discardableResult
    mutating func update(id: UInt32, report: StatusReport, provenAddress: SocketAddress? = nil, at now: Instant) -> Bool {
        if detached.contains(where: { $0.id == id && now - $0.at < Self.detachedMemory }) { return false }
        let old = children[id]
        guard old != nil || children.count < limit else {
            refused += 1
            return false
        }
        let isNew = old == nil
        let (report, cookie) = ((kept: Report(report.histogram), longest: report.longestDatagram), report.cookie)
        if let old { subtract(old.report) }
        if old.map({ !$0.report.isAsFar(as: report.kept) }) ?? true { movements += 1 }
        children[id] = Child(report: report.kept, lastHeard: now, longestDatagram: report.longest, isLost: false, address: provenAddress, cookie: cookie)
        add(report.kept)
        eachOnce = summary.eachOnce
        noteNode(id, isNode: report.kept.isRepairNode && provenAddress != nil)
        return isNew
    }

    /// It has found another parent, which counts it from now on.
    mutating func remove(_ id: UInt32, at now: Instant) {
        guard let child = children.removeValue(forKey: id) else { return }
        if detached.count >= Self.detachedLimit { detached.removeFirst() }
        detached.append((id, now))
        subtract(child.report)
        eachOnce = summary.eachOnce
        noteNode(id, isNode: false)
    }

    /// Where a child is known to be; nil for one that has not proven it.
    func address(of id: UInt32) -> SocketAddress? { children[id]?.address }

    /// Whether it has shown this cookie from there before.
    func hasShown(_ cookie: UInt64, from source: SocketAddress, _ id: UInt32) -> Bool {
        guard let child = children[id] else { return false }
        return child.address == source && child.cookie == cookie
    }

    var nodeCount: Int { nodeIDs.count }

    /// Child repair nodes that can be asked themselves.
    func nodes(from index: UInt32, limit: Int) -> [ChildNode] {
        nodeIDs.dropFirst(Int(index)).prefix(limit).compactMap { id in
            address(of: id).map { ChildNode(transmitter: id, address: $0) }
        }
    }

    private mutating func noteNode(_ id: UInt32, isNode: Bool) {
        var low = 0
        var high = nodeIDs.count
        while low < high {
            let middle = (low + high) / 2
            if nodeIDs[middle] < id { low = middle + 1 } else { high = middle }
        }
        let isKnown = low < nodeIDs.count && nodeIDs[low] == id
        if isNode, !isKnown { nodeIDs.insert(id, at: low) }
        if !isNode, isKnown { nodeIDs.remove(at: low) }
    }

    var isFull: Bool { children.count >= limit }
    func contains(_ id: UInt32) -> Bool { children[id] != nil }

    private mutating func add(_ report: Report) {
        if report.isRepairNode { repairNodeChildren += 1 }
        switch report {
        case .leaf(let leaf): summary.add(leaf)
        case .sum(let histogram): summary.add(histogram)
        }
    }

    private mutating func subtract(_ report: Report) {
        if report.isRepairNode { repairNodeChildren -= 1 }
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
            guard child.report.isActive || child.report.isRepairNode else { continue }
            let lost = child.report.lost
            subtract(child.report)
            add(lost)
            eachOnce = summary.eachOnce
            children[id]?.report = lost
            children[id]?.isLost = true
            noteNode(id, isNode: false)
        }
    }

    /// Every active child's longest datagram, the shortest of them; nil without one.
    var shortestLongestDatagram: Int? {
        children.values.lazy.filter { $0.report.isActive }.map { Int($0.longestDatagram) }.min()
    }
}
