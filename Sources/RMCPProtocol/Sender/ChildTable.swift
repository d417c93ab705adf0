import DequeModule

/// A child's name: the id that it says, and the host that it has proven to be at. Anybody can say an id; the port changes when a
/// receiver is started again.
struct ChildName: Hashable, Sendable {
    let transmitter: UInt32
    private let high: UInt64
    private let low: UInt64

    init(_ transmitter: UInt32, at address: SocketAddress) {
        self.transmitter = transmitter
        high = address.high
        low = address.low
    }

    static func < (left: ChildName, right: ChildName) -> Bool {
        (left.transmitter, left.high, left.low) < (right.transmitter, right.high, right.low)
    }
}

/// A parent's children: their names, their addresses, and the last histogram of each. Sums are kept as statuses come, so that each
/// STATUS costs the same whatever the number of children. All have proven their address; nobody else counts.
struct ChildTable: Sendable {
    private struct Child: Sendable {
        let name: ChildName
        var report: ChildReport
        /// Whether it was a repair node when it was heard.
        var isNode: Bool
        var lastHeard: Instant
        var longestDatagram: UInt16
        var isLost: Bool
        /// The address that it showed its cookie from.
        var address: SocketAddress
        var cookie: UInt64
        /// The furthest that it has said it has come (`ChildReport.reached`).
        var reached: UInt64
        var roundTrip: RoundTripEstimator.Sample

        mutating func take(_ echo: TimestampEcho, into echoes: inout Echoes, at now: Instant) { echoes.take(echo, of: &roundTrip, at: now) }
    }

    /// A child that asks for something.
    struct Asker {
        /// It says that it is not done.
        let isActive: Bool
        /// Its own round trip at last; zero where none is known.
        let roundTrip: Interval
    }

    /// Children by id, as nearly all can be kept; `namesakes` has those whose id another host's child had before.
    private var children: [UInt32: Child] = [:]
    private var namesakes: [ChildName: Child] = [:]
    /// Among 100,000 children who draw their ids there is one pair with the same one.
    private static let namesakeLimit = 256
    /// Names of children that are repair nodes, in order.
    private var nodes: [ChildName] = []
    /// Number of children that are repair nodes and not lost.
    private(set) var repairNodeChildren = 0
    private let limit: Int
    /// Children that left lately: a STATUS that their DETACH overtook must not bring them back.
    private var detached: Deque<(name: ChildName, at: Instant)> = []
    private static let detachedLimit = 256
    private static let detachedMemory = Interval.milliseconds(500)
    /// Names that have shown another address's cookie lately, and the child whose cookie it is.
    private var moves: Deque<(from: ChildName, to: ChildName)> = []
    private static let moveLimit = 64
    /// Sum of all reports, as they are.
    private(set) var summary = StatusHistogram()
    /// The part of its states that repair nodes have reported: only a receiver below one can be counted by two.
    private var nodeStates = Array(repeating: UInt64(0), count: StatusHistogram.stateCount)
    /// How often the sums of states or progress have changed by what a child said.
    private(set) var movements: UInt64 = 0
    /// How often a child has said that it has more than before, or came anew. Asking for something is no such thing.
    private(set) var advances: UInt64 = 0
    private var departed: DepartedChildren
    private var refusals: RefusalTable
    private var labels = FailureLabels()
    private var eachOnce: (population: Int, active: Int) = (0, 0)
    /// All receivers that ever joined, the lost among them, each counted once.
    var receivers: StatusHistogram { summary.withoutRehomed(among: nodeStates) }

    init(configuration: Configuration) {
        limit = configuration.memory.maximumChildren
        departed = DepartedChildren(limit: limit)
        refusals = RefusalTable(limit: limit)
    }

    /// Receivers that failed and want to be named.
    var failureLabels: [FailureLabel] { labels.all }
    /// Receivers that joined, whatever became of them.
    var population: Int { eachOnce.population }
    /// Receivers that have left for another parent, and are in no repair node's sum.
    var unaccounted: Int {
        let direct = Int(clamping: summary.population) - Int(clamping: nodeStates.total)
        return departed.missing(among: eachOnce.population - direct)
    }
    /// Repair nodes below, at any depth: their number is told, and not their names.
    var repairNodes: Int { Int(clamping: summary.tree.repairNodes) }
    /// Repair nodes that lack something.
    var incompleteRepairNodes: Int { repairNodes - Int(clamping: summary.tree.completeRepairNodes) }
    var childCount: Int { children.count + namesakes.count }
    /// Whether some receivers are counted twice, or have just been: sums and what settles them cross on their way.
    var hasDebts: Bool { summary.hasRehomed }
    /// Receivers that are not done.
    var active: Int { eachOnce.active }
    /// Receivers that are not done as the children report them, with those that two children count taken twice. Nothing ends while there
    /// are any: a debt may be a lie, and takes nobody off who says that it is under way.
    var saidToBeActive: UInt64 { summary.active }
    /// Receivers that have everything and are not done with it.
    var finishing: UInt64 { summary.count(.finishing) }

    // MARK: One child

    private func child(_ name: ChildName) -> Child? {
        guard let child = children[name.transmitter] else { return nil }
        return child.name == name ? child : namesakes[name]
    }

    private mutating func set(_ child: Child) {
        if let other = children[child.name.transmitter], other.name != child.name {
            namesakes[child.name] = child
        } else {
            children[child.name.transmitter] = child
        }
    }

    private mutating func take(_ name: ChildName) -> Child? {
        guard let child = children[name.transmitter], child.name == name else { return namesakes.removeValue(forKey: name) }
        children[name.transmitter] = nil
        // The lookup of the others begins at one that has their id.
        if !namesakes.isEmpty, let next = namesakes.keys.filter({ $0.transmitter == name.transmitter }).min(by: <) {
            children[name.transmitter] = namesakes.removeValue(forKey: next)
        }
        return child
    }

    private func hasRoom(for name: ChildName) -> Bool {
        childCount < limit && (children[name.transmitter] == nil || namesakes.count < Self.namesakeLimit)
    }

    /// - Parameters:
    ///   - address: where the report came from, which its cookie proves.
    ///   - echoes: what the report's echo is told to, once the child is on the books.
    /// - Returns: whether this is the child's first status.
    @discardableResult
    mutating func update(id: UInt32, report: StatusReport, from address: SocketAddress, into echoes: inout Echoes, at now: Instant) -> Bool {
        let name = ChildName(id, at: address)
        if hasJustLeft(name, at: now) { return false }
        let old = child(name)
        if old == nil { forget(whoMovedTo: name) }
        guard old != nil || hasRoom(for: name) else { return false }
        let said = ChildReport(report.histogram)
        if let old { subtract(old) }
        if old.map({ !$0.report.isAsFar(as: said) }) ?? true { movements += 1 }
        if old.map({ said.reached > $0.reached }) ?? true { advances += 1 }
        var child = Child(
            name: name, report: said, isNode: said.isRepairNode, lastHeard: now, longestDatagram: report.longestDatagram, isLost: false,
            address: address, cookie: report.cookie, reached: max(old?.reached ?? 0, said.reached),
            roundTrip: old?.roundTrip ?? RoundTripEstimator.Sample())
        child.take(report.echo, into: &echoes, at: now)
        set(child)
        add(child)
        labels.set(said.admitted(report.labels), of: name)
        eachOnce = summary.eachOnce(among: nodeStates)
        noteNode(name, isNode: said.isRepairNode)
        if old == nil {
            departed.noteBack(id)
            if let reason = refusals.remove(name) { summary.tree.refusals[reason].decrease(by: 1) }
        }
        return old == nil
    }

    /// A DETACH of the child is so new that a STATUS may be from before it, and is not counted.
    func hasJustLeft(_ name: ChildName, at now: Instant) -> Bool { detached.contains { $0.name == name && now - $0.at < Self.detachedMemory } }

    /// The child has found another parent, which counts it from now on.
    mutating func remove(_ name: ChildName, at now: Instant) {
        guard let child = take(name) else { return }
        if detached.count >= Self.detachedLimit { detached.removeFirst() }
        detached.append((name, now))
        departed.note(name.transmitter, child.report)
        drop(child)
    }

    /// A receiver takes no part in the session, or no longer.
    mutating func noteRefusal(_ name: ChildName, _ reason: RefusalReason) {
        if let child = take(name) { drop(child) }
        let noted = refusals.note(name, reason)
        guard noted.isCounted else { return }
        if let former = noted.former { summary.tree.refusals[former].decrease(by: 1) }
        summary.tree.refusals[reason].increase(by: 1)
    }

    private mutating func drop(_ child: Child) {
        subtract(child)
        labels.set([], of: child.name)
        eachOnce = summary.eachOnce(among: nodeStates)
        noteNode(child.name, isNode: false)
    }

    /// The child's address; nil where there is no such child.
    func address(of name: ChildName) -> SocketAddress? { child(name)?.address }

    /// Whether a child with this id has shown the cookie from this address before.
    func hasShown(_ cookie: UInt64, from source: SocketAddress, _ id: UInt32) -> Bool {
        guard let child = child(ChildName(id, at: source)) else { return false }
        return child.address == source && child.cookie == cookie
    }

    var isFull: Bool { childCount >= limit }
    func contains(_ name: ChildName) -> Bool { child(name) != nil }

    func isRepairNode(_ name: ChildName) -> Bool { child(name)?.isNode ?? false }

    /// Whether there is a child with this id at any host.
    func hasNamesake(_ id: UInt32) -> Bool { children[id] != nil }

    /// A NAK shows that its child lives, too. All that is asked of the child is read together: each look at it is a copy.
    /// - Returns: nil where there is no such child.
    mutating func hear(_ name: ChildName, _ echo: TimestampEcho, into echoes: inout Echoes, at now: Instant) -> Asker? {
        guard var child = child(name) else { return nil }
        child.take(echo, into: &echoes, at: now)
        if !child.isLost { child.lastHeard = now }
        set(child)
        return Asker(isActive: child.report.isActive, roundTrip: child.roundTrip.roundTrip)
    }

    /// Whether the child says that it is not done; false where it is lost, and where there is no such child.
    func isActive(_ name: ChildName) -> Bool { child(name)?.report.isActive ?? false }

    /// Whether the child has been silent for too long, or there is none of that name: it was refused, or has left.
    func isLostOrUnknown(_ name: ChildName) -> Bool { child(name)?.isLost ?? true }

    // MARK: Children whose address changes

    /// Notes that a cookie that only one child has been told was shown from another address: it is that child, and will prove the new one.
    mutating func noteMove(showing cookie: UInt64, id: UInt32, to address: SocketAddress) {
        let name = ChildName(id, at: address)
        let owner = children[id].flatMap { $0.cookie == cookie ? $0 : nil } ?? namesakes.values.first { $0.name.transmitter == id && $0.cookie == cookie }
        guard let owner, owner.name != name, !moves.contains(where: { $0 == (owner.name, name) }) else { return }
        if moves.count >= Self.moveLimit { moves.removeFirst() }
        moves.append((owner.name, name))
    }

    private mutating func forget(whoMovedTo name: ChildName) {
        guard let index = moves.firstIndex(where: { $0.to == name }) else { return }
        let former = moves.remove(at: index).from
        if let child = take(former) { drop(child) }
    }

    // MARK: Repair nodes

    var nodeCount: Int { nodes.count }

    /// Child repair nodes that can be asked themselves.
    func nodes(from index: UInt32, limit: Int) -> [ChildNode] {
        nodes.dropFirst(Int(index)).prefix(limit).compactMap { name in
            address(of: name).map { ChildNode(transmitter: name.transmitter, address: $0) }
        }
    }

    /// Repair nodes among the children, the lost ones too, in order of their addresses, and the last that they said. Looks at every child.
    func nodeReports(limit: Int) -> [(address: SocketAddress, histogram: StatusHistogram, isLost: Bool)] {
        var found = children.values.filter(\.isNode) + namesakes.values.filter(\.isNode)
        found.sort { ($0.address.high, $0.address.low, $0.address.port) < ($1.address.high, $1.address.low, $1.address.port) }
        return found.prefix(limit).map { child in
            switch child.report {
            case .leaf(let leaf): (child.address, StatusHistogram(leaf), child.isLost)
            case .sum(let histogram): (child.address, histogram, child.isLost)
            }
        }
    }

    private mutating func noteNode(_ name: ChildName, isNode: Bool) {
        var low = 0
        var high = nodes.count
        while low < high {
            let middle = (low + high) / 2
            if nodes[middle] < name { low = middle + 1 } else { high = middle }
        }
        let isKnown = low < nodes.count && nodes[low] == name
        if isNode, !isKnown { nodes.insert(name, at: low) }
        if !isNode, isKnown { nodes.remove(at: low) }
    }

    // MARK: Sums

    private mutating func add(_ child: Child) {
        if child.report.isRepairNode { repairNodeChildren += 1 }
        switch child.report {
        case .leaf(let leaf): summary.add(leaf)
        case .sum(let histogram):
            summary.add(histogram)
            guard child.isNode else { return }
            for (index, count) in histogram.states.enumerated() { nodeStates[index].increase(by: count) }
        }
    }

    private mutating func subtract(_ child: Child) {
        if child.report.isRepairNode { repairNodeChildren -= 1 }
        switch child.report {
        case .leaf(let leaf): summary.subtract(leaf)
        case .sum(let histogram):
            summary.subtract(histogram)
            guard child.isNode else { return }
            for (index, count) in histogram.states.enumerated() { nodeStates[index].decrease(by: count) }
        }
    }

    // MARK: Silence

    /// Takes receivers off the books that said that they were stopped, or are lost. Those below a repair node stay in its sum.
    mutating func forgetGone() {
        func isGone(_ child: Child) -> Bool {
            guard case .leaf(let leaf) = child.report else { return false }
            return leaf.state == .interrupted || leaf.state == .lost
        }
        for child in Array(children.values.filter(isGone)) + namesakes.values.filter(isGone) { if let child = take(child.name) { drop(child) } }
    }

    /// Counts children that fell silent before they were done as lost.
    mutating func expire(silentFor timeout: Interval, at now: Instant) {
        func isOverdue(_ child: Child) -> Bool {
            !child.isLost && now - child.lastHeard >= timeout && (child.report.isActive || child.report.isRepairNode)
        }
        for child in children.values where isOverdue(child) { lose(child) }
        for child in namesakes.values where isOverdue(child) { lose(child) }
    }

    private mutating func lose(_ child: Child) {
        var lost = child
        subtract(child)
        lost.report = child.report.lost
        lost.isLost = true
        add(lost)
        set(lost)
        eachOnce = summary.eachOnce(among: nodeStates)
        noteNode(child.name, isNode: false)
    }

    /// Active children, and those of them that have got no datagram of `length` bytes. Repair nodes count that have nobody below them yet, but for those
    /// that are lost.
    func active(without length: Int) -> (all: Int, lacking: Int) {
        var (all, lacking) = (0, 0)
        func count(_ child: Child) {
            guard !child.isLost, child.report.isActive || child.isNode else { return }
            all += 1
            if Int(child.longestDatagram) < length { lacking += 1 }
        }
        children.values.forEach(count)
        namesakes.values.forEach(count)
        return (all, lacking)
    }
}
