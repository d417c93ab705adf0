/// How a receiver fares, as it says itself.
public enum ReceiverState: UInt8, Sendable, Hashable, CaseIterable {
    case joined = 0
    case receiving = 1
    /// Catching up: it does not ask for live repairs.
    case behind = 2
    /// Everything is here: it is being flushed, or the command after it runs.
    case finishing = 3
    case complete = 4
    case failedDiskFull = 5
    case failedVerification = 6
    case failedStorage = 7
    case failedHook = 8
    case failedSender = 9
    case failedName = 10
    /// A newer version of the bundle is here.
    case outdated = 11
    case interrupted = 12
    /// Never sent: a parent counts a child here that went silent before it was done.
    case lost = 13

    public var isFailure: Bool { rawValue >= ReceiverState.failedDiskFull.rawValue }
    public var isFinal: Bool { self == .complete || isFailure }
    /// Not over yet, for better or worse.
    public var isActive: Bool { !isFinal }

    /// For the summary: "2 failed: disk full".
    public var reason: String {
        switch self {
        case .joined: "joined"
        case .receiving: "receiving"
        case .behind: "behind"
        case .finishing: "finishing"
        case .complete: "complete"
        case .failedDiskFull: "disk full"
        case .failedVerification: "verification failed"
        case .failedStorage: "storage error"
        case .failedHook: "hook failed"
        case .failedSender: "gave up waiting for the sender"
        case .failedName: "name refused"
        case .outdated: "a newer version is here"
        case .interrupted: "interrupted"
        case .lost: "lost"
        }
    }
}

/// What a sum says of the tree below it.
public struct TreeCounts: Hashable, Sendable {
    public var repairNodes: UInt32 = 0
    /// Repair nodes that hold the whole bundle.
    public var completeRepairNodes: UInt32 = 0

    public init() {}

    mutating func combine(_ other: TreeCounts, _ operation: (UInt32, UInt32) -> UInt32) {
        repairNodes = operation(repairNodes, other.repairNodes)
        completeRepairNodes = operation(completeRepairNodes, other.completeRepairNodes)
    }
}

/// Counts of receivers by state, progress, loss, pressure and arrival rate. A leaf sends a histogram of one; a parent adds those of
/// its children and sends the sum, so that nobody up the tree knows more than numbers.
public struct StatusHistogram: Hashable, Sendable {
    public static let stateCount = 14
    /// Deciles 0...9 of progress, and 10 for all of it.
    public static let progressCount = 11

    /// The one receiver that this is of, when it was made or read as such: most are, and go through many hands. Then
    /// `lists` has nothing.
    private var single: LeafStatus?
    private var lists: HistogramLists
    public var tree = TreeCounts()

    public init() { lists = .zero }

    /// A histogram of one.
    public init(_ leaf: LeafStatus) {
        single = leaf.clamped
        lists = .none
    }

    public var states: [UInt32] {
        get { written.states }
        _modify {
            write()
            yield &lists.states
        }
    }
    public var progress: [UInt32] {
        get { written.progress }
        _modify {
            write()
            yield &lists.progress
        }
    }
    public var loss: [UInt32] {
        get { written.loss }
        _modify {
            write()
            yield &lists.loss
        }
    }
    public var pressure: [UInt32] {
        get { written.pressure }
        _modify {
            write()
            yield &lists.pressure
        }
    }
    public var arrival: [UInt32] {
        get { written.arrival }
        _modify {
            write()
            yield &lists.arrival
        }
    }
    /// Receivers that a former parent counts, too, by the state that it counts them in: lost, or so they will be there.
    /// Wraps, so that sums stay right whatever is taken from what.
    public var rehomed: [UInt32] {
        get { written.rehomed }
        _modify {
            write()
            yield &lists.rehomed
        }
    }

    private var written: HistogramLists {
        guard let single else { return lists }
        var lists = HistogramLists.zero
        lists.change(single) { $0 &+= 1 }
        return lists
    }

    private mutating func write() {
        guard single != nil else { return }
        lists = written
        single = nil
    }

    public static func == (left: StatusHistogram, right: StatusHistogram) -> Bool {
        guard left.tree == right.tree else { return false }
        if let leaf = left.single, let other = right.single { return leaf == other }
        return left.written == right.written
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(written)
        hasher.combine(tree)
    }

    /// Receivers that this counts.
    public var population: UInt32 { single == nil ? lists.states.reduce(0, &+) : 1 }
    /// The same with receivers that are counted twice, since they changed parents, counted once: as many of the lost
    /// are not lost, and where there are not so many, of those that seem to be under way.
    public var withoutRehomed: StatusHistogram {
        guard hasRehomed else { return self }
        var result = self
        var surplus = 0
        for state in ReceiverState.allCases {
            let index = Int(state.rawValue)
            let left = Int(states[index]) - Int(Int32(bitPattern: rehomed[index]))
            result.states[index] = UInt32(clamping: left)
            // Counted as lost there soon, but not yet.
            if state == .lost, left < 0 { surplus = -left }
            result.rehomed[index] = 0
        }
        for state in [ReceiverState.finishing, .behind, .receiving, .joined] {
            let taken = UInt32(min(surplus, Int(result.count(state))))
            result.states[Int(state.rawValue)] -= taken
            surplus -= Int(taken)
        }
        return result
    }
    /// Whether anybody is counted elsewhere, too.
    var hasRehomed: Bool { single?.isRehomed ?? lists.rehomed.contains { $0 != 0 } }
    /// The population of `withoutRehomed`, and how many of it are active: asked with every datagram.
    var eachOnce: (population: Int, active: Int) {
        guard single == nil, hasRehomed else { return (Int(population), Int(active)) }
        var (finals, actives, surplus) = (0, 0, 0)
        for index in lists.states.indices {
            let left = Int(lists.states[index]) - Int(Int32(bitPattern: lists.rehomed[index]))
            if index >= Int(ReceiverState.complete.rawValue) { finals += max(0, left) } else { actives += max(0, left) }
            if index == Int(ReceiverState.lost.rawValue) { surplus = max(0, -left) }
        }
        actives -= min(surplus, actives)
        return (finals + actives, actives)
    }
    public func count(_ state: ReceiverState) -> UInt32 { single.map { $0.state == state ? 1 : 0 } ?? lists.states[Int(state.rawValue)] }
    public var failed: UInt32 { ReceiverState.allCases.reduce(0) { $1.isFailure ? $0 &+ count($1) : $0 } }
    public var active: UInt32 { ReceiverState.allCases.reduce(0) { $1.isActive ? $0 &+ count($1) : $0 } }

    /// Whether anybody is under pressure of `bound` or more.
    func hasPressure(from bound: UInt8) -> Bool {
        if let single { return (single.network?.pressure ?? 0) >= bound }
        return lists.pressure.dropFirst(Int(bound)).contains { $0 > 0 }
    }

    public mutating func add(_ other: StatusHistogram) {
        write()
        if let leaf = other.single { lists.change(leaf) { $0 &+= 1 } } else { lists.combine(other.lists) { $0 &+ $1 } }
        tree.combine(other.tree) { $0 &+ $1 }
    }

    public mutating func subtract(_ other: StatusHistogram) {
        write()
        if let leaf = other.single { lists.change(leaf) { $0 &-= 1 } } else { lists.combine(other.lists) { $0 &- $1 } }
        tree.combine(other.tree) { $0 &- $1 }
    }

    // One receiver more or less costs the same whatever the number of buckets.
    public mutating func add(_ leaf: LeafStatus) {
        write()
        lists.change(leaf.clamped) { $0 &+= 1 }
    }

    public mutating func subtract(_ leaf: LeafStatus) {
        write()
        lists.change(leaf.clamped) { $0 &-= 1 }
    }

    /// What a repair node hears itself, which is no receiver.
    mutating func add(_ network: LeafStatus.Network) {
        write()
        lists.change(network.clamped) { $0 &+= 1 }
    }

    mutating func removeNetwork() {
        write()
        lists.loss = HistogramLists.zero.loss
        lists.pressure = HistogramLists.zero.pressure
        lists.arrival = HistogramLists.zero.arrival
    }

    /// The one receiver that this counts; nil for none or several.
    public var leaf: LeafStatus? {
        if let single { return tree == TreeCounts() ? single : nil }
        guard population == 1, tree.repairNodes == 0, let state = states.firstIndex(of: 1).flatMap({ ReceiverState(rawValue: UInt8($0)) }),
            let decile = progress.firstIndex(of: 1)
        else { return nil }
        let isRehomed = rehomed[Int(ReceiverState.lost.rawValue)] == 1
        guard rehomed.reduce(0, &+) == (isRehomed ? 1 : 0) else { return nil }
        guard let loss = loss.firstIndex(of: 1), let pressure = pressure.firstIndex(of: 1)
        else { return LeafStatus(state: state, progress: UInt8(decile), network: nil, isRehomed: isRehomed) }
        let network = LeafStatus.Network(loss: UInt8(loss), pressure: UInt8(pressure), arrival: arrival.firstIndex(of: 1).map { UInt8($0) })
        return LeafStatus(state: state, progress: UInt8(decile), network: network, isRehomed: isRehomed)
    }

    /// The bucket at quantile `q` counted so that the worst of a scale on which more is better are left out.
    public static func upperQuantile(_ q: Double, of counts: [UInt32]) -> Int {
        let reversed = quantile(1 - q, of: counts.reversed())
        return counts.contains { $0 > 0 } ? counts.count - 1 - reversed : 0
    }

    /// The bucket at quantile `q` (0...1) of a histogram, by the lower nearest rank: of four, the 90th percentile is
    /// the third, so that one bad receiver in a small group does not hold back the rest.
    public static func quantile(_ q: Double, of counts: [UInt32]) -> Int {
        let total = counts.reduce(0) { $0 + Int($1) }
        guard total > 0 else { return 0 }
        let rank = Int(q * Double(total - 1))
        var seen = 0
        for (bucket, count) in counts.enumerated() {
            seen += Int(count)
            if seen > rank { return bucket }
        }
        return counts.count - 1
    }

    // Sparse on the wire: a leaf's histogram of one is 5 entries of 6 bytes.
    func write(to writer: inout ByteWriter) {
        if let single { single.write(to: &writer) } else { lists.write(to: &writer) }
        for count in [tree.repairNodes, tree.completeRepairNodes] { writer.writeUInt32(count) }
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        var ahead = reader
        if let leaf = try LeafStatus(reading: &ahead) {
            self.init(leaf)
            reader = ahead
        } else {
            self.init()
            try lists.read(from: &reader)
        }
        tree.repairNodes = try reader.readUInt32()
        tree.completeRepairNodes = try reader.readUInt32()
    }
}
