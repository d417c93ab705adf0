/// What a sum says of the tree below it.
public struct TreeCounts: Hashable, Sendable {
    /// Repair nodes, at any depth. In a node's own report it is one of them.
    public var repairNodes: UInt64 = 0
    /// Repair nodes that hold the whole bundle.
    public var completeRepairNodes: UInt64 = 0
    /// Receivers that take no part. They are in none of the lists.
    public var refusals = RefusalCounts()

    public init() {}

    mutating func add(_ other: TreeCounts) {
        repairNodes.increase(by: other.repairNodes)
        completeRepairNodes.increase(by: other.completeRepairNodes)
        refusals.add(other.refusals)
    }

    mutating func subtract(_ other: TreeCounts) {
        repairNodes.decrease(by: other.repairNodes)
        completeRepairNodes.decrease(by: other.completeRepairNodes)
        refusals.subtract(other.refusals)
    }
}

extension TreeCounts {
    /// Bits of the first word behind the number of repair nodes: how many entries of refusals follow.
    private static let entriesShift: UInt32 = 28

    func write(to writer: inout ByteWriter) {
        // Receivers that a leaf has heard of are told to its parent by themselves.
        let entries = repairNodes > 0 ? UInt32(refusals.entryCount) : 0
        writer.writeUInt32(UInt32(min(repairNodes, StatusHistogram.maximumCount)) | entries << Self.entriesShift)
        writer.writeUInt32(UInt32(min(completeRepairNodes, StatusHistogram.maximumCount)))
        if entries > 0 { refusals.writeEntries(to: &writer) }
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        let word = try reader.readUInt32()
        repairNodes = UInt64(word & (1 << Self.entriesShift - 1))
        completeRepairNodes = UInt64(try reader.readUInt32())
        guard repairNodes <= StatusHistogram.maximumCount, completeRepairNodes <= repairNodes else { throw .invalidField("repair nodes") }
        let entries = Int(word >> Self.entriesShift)
        guard entries == 0 || repairNodes > 0 else { throw .invalidField("refusals") }
        refusals = try RefusalCounts(readingEntries: entries, from: &reader)
    }
}

/// Counts of receivers by state, progress, loss, pressure and arrival rate. A leaf sends a histogram of one; a parent adds those of
/// its children and sends the sum, so that nobody up the tree knows more than numbers.
public struct StatusHistogram: Hashable, Sendable {
    /// Buckets of `states` and `rehomed`: raw values of `ReceiverState`.
    public static let stateCount = 15
    /// Deciles 0...9 of progress, and 10 for all of it.
    public static let progressCount = 11
    /// No STATUS says more of anything than this, nor of all receivers together: sixteen million. A hundred thousand children that
    /// do are far from the end of 64 bits.
    public static let maximumCount: UInt64 = 1 << 24
    /// The same for the chunks that all of them have.
    public static let maximumChunksDone = maximumCount * UInt64(Limits.maximumChunks)

    /// The one receiver that this is of, when it was made or read as such: most are, and go through many hands. Then
    /// `lists` has nothing.
    private var single: LeafStatus?
    private var lists: HistogramLists
    /// Counts of what is below beside receivers.
    public var tree = TreeCounts()

    /// Makes a histogram of nobody.
    public init() { lists = .zero }

    /// A histogram of one.
    public init(_ leaf: LeafStatus) {
        single = leaf.clamped
        lists = .none
    }

    /// Receivers by state, `stateCount` of them. Of a histogram of one all six lists are made for this, as for each of the others.
    public var states: [UInt64] {
        get { written.states }
        _modify {
            write()
            yield &lists.states
        }
    }
    /// Receivers by tenths of the bundle that they have, `progressCount` of them. Repair nodes are not among them.
    public var progress: [UInt64] {
        get { written.progress }
        _modify {
            write()
            yield &lists.progress
        }
    }
    /// Receivers and repair nodes that say something of it, by `LossBucket`.
    public var loss: [UInt64] {
        get { written.loss }
        _modify {
            write()
            yield &lists.loss
        }
    }
    /// Receivers and repair nodes that say something of it, by `PressureBucket`.
    public var pressure: [UInt64] {
        get { written.pressure }
        _modify {
            write()
            yield &lists.pressure
        }
    }
    /// Receivers and repair nodes that say something of it, by `ArrivalBucket`.
    public var arrival: [UInt64] {
        get { written.arrival }
        _modify {
            write()
            yield &lists.arrival
        }
    }
    /// Receivers that a former parent counts, too, by the state that it counts them in: lost, or so they will be there.
    /// Less than none where what is taken is not there any more, so that sums stay right in whatever order things arrive.
    public var rehomed: [Int64] {
        get { written.rehomed }
        _modify {
            write()
            yield &lists.rehomed
        }
    }
    /// Chunks that they have, all together; a repair node's own among them.
    public var chunksDone: UInt64 {
        get { single.map { UInt64($0.chunksDone) } ?? lists.chunksDone }
        set {
            write()
            lists.chunksDone = newValue
        }
    }

    private var written: HistogramLists {
        guard let single else { return lists }
        var lists = HistogramLists.zero
        lists.add(single)
        return lists
    }

    private mutating func write() {
        guard single != nil else { return }
        lists = written
        single = nil
    }

    /// Compares counts: a histogram of one equals the lists that say as much.
    public static func == (left: StatusHistogram, right: StatusHistogram) -> Bool {
        guard left.tree == right.tree else { return false }
        if let leaf = left.single, let other = right.single { return leaf == other }
        return left.written == right.written
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(written)
        hasher.combine(tree)
    }

    // MARK: Counts

    /// Receivers that this counts.
    public var population: UInt64 { single == nil ? lists.states.total : 1 }
    /// Receivers in one state.
    public func count(_ state: ReceiverState) -> UInt64 { single.map { $0.state == state ? 1 : 0 } ?? lists.states[Int(state.rawValue)] }
    /// Receivers that failed, the lost among them.
    public var failed: UInt64 { single.map { $0.state.isFailure ? 1 : 0 } ?? lists.states[Self.failures...].total }
    /// Receivers that are not done, those that are counted elsewhere too among them.
    public var active: UInt64 { single.map { $0.state.isActive ? 1 : 0 } ?? lists.states[..<Self.finals].total }

    /// Raw values from here on are states that a receiver does not leave, and from `failures` on those that are no success.
    private static let finals = Int(ReceiverState.complete.rawValue)
    private static let failures = Int(ReceiverState.failedDiskFull.rawValue)

    /// Counts as one receiver has them of itself: one in each of the first two lists, at most one in those that the rate follows, and debts of as many
    /// former parents as it can have. A receiver that said more would weigh as much as it likes where each has one voice.
    var isOfOne: Bool {
        guard single == nil else { return true }
        let measured = lists.loss.total
        return lists.states.total == 1 && lists.progress.total == 1 && measured <= 1 && lists.pressure.total == measured
            && lists.arrival.total <= measured && lists.rehomed.allSatisfy { $0.magnitude <= Self.mostDebts }
    }

    /// Debts of one receiver in one state, either way: 16 former parents are told apart, and hardly ever are there any before those.
    private static let mostDebts: UInt64 = 32

    /// Whether anybody is counted elsewhere, too.
    var hasRehomed: Bool { single?.isRehomed ?? lists.rehomed.contains { $0 != 0 } }
    /// The same with receivers that are counted twice, since they changed parents, counted once.
    public var withoutRehomed: StatusHistogram { withoutRehomed(among: states) }

    /// The same where only some of the receivers can be counted elsewhere, too.
    /// - Parameter some: those, by state.
    func withoutRehomed(among some: [UInt64]) -> StatusHistogram {
        guard hasRehomed else { return self }
        var result = self
        let left = Self.settle(some, owed: rehomed)
        for index in some.indices {
            result.states[index].decrease(by: some[index])
            result.states[index].increase(by: left[index])
            result.rehomed[index] = 0
        }
        return result
    }

    /// Population and active ones of `withoutRehomed(among:)`: asked with every datagram.
    func eachOnce(among some: [UInt64]) -> (population: Int, active: Int) {
        guard hasRehomed else { return (Int(clamping: population), Int(clamping: active)) }
        let result = withoutRehomed(among: some)
        return (Int(clamping: result.population), Int(clamping: result.active))
    }

    /// Takes off what is owed: as many of the lost are not lost, and where there are not so many, of those that seem to be
    /// under way.
    private static func settle(_ states: [UInt64], owed: [Int64]) -> [UInt64] {
        var result = states
        var surplus: UInt64 = 0
        for index in states.indices where owed[index] != 0 {
            let taken = owed[index].magnitude
            guard owed[index] > 0 else {
                result[index].increase(by: taken)
                continue
            }
            // Counted as lost there soon, but not yet.
            if index == Int(ReceiverState.lost.rawValue), taken > states[index] { surplus = taken - states[index] }
            result[index].decrease(by: taken)
        }
        for state in [ReceiverState.finishing, .behind, .receiving, .joined] {
            let taken = min(surplus, result[Int(state.rawValue)])
            result[Int(state.rawValue)] -= taken
            surplus -= taken
        }
        return result
    }

    /// Whether anybody is under pressure of `bound` or more.
    func hasPressure(from bound: UInt8) -> Bool {
        if let single { return (single.network?.pressure ?? 0) >= bound }
        return lists.pressure.dropFirst(Int(bound)).contains { $0 > 0 }
    }

    /// Adds the counts of another one. Each stops where 64 bits end.
    public mutating func add(_ other: StatusHistogram) {
        write()
        if let leaf = other.single { lists.add(leaf) } else { lists.add(other.lists) }
        tree.add(other.tree)
    }

    /// Takes the counts of another one away, which was added before. Each stops at 0, and those of `rehomed` go below.
    public mutating func subtract(_ other: StatusHistogram) {
        write()
        if let leaf = other.single { lists.subtract(leaf) } else { lists.subtract(other.lists) }
        tree.subtract(other.tree)
    }

    // One receiver more or less costs the same whatever the number of buckets.
    /// Adds one receiver. Buckets beyond a list's end count in its last one.
    public mutating func add(_ leaf: LeafStatus) {
        write()
        lists.add(leaf.clamped)
    }

    /// Takes one receiver away that was added before.
    public mutating func subtract(_ leaf: LeafStatus) {
        write()
        lists.subtract(leaf.clamped)
    }

    /// What a repair node hears itself, which is no receiver.
    mutating func add(_ network: LeafStatus.Network) {
        write()
        lists.add(network.clamped)
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
        guard rehomed.allSatisfy({ $0 == 0 || isRehomed && $0 == 1 }), rehomed.count(where: { $0 != 0 }) == (isRehomed ? 1 : 0),
            chunksDone <= UInt64(Limits.maximumChunks)
        else { return nil }
        var leaf = LeafStatus(
            state: state, progress: UInt8(decile), network: nil, isRehomed: isRehomed, chunksDone: UInt32(clamping: chunksDone))
        guard let loss = loss.firstIndex(of: 1), let pressure = pressure.firstIndex(of: 1) else { return leaf }
        leaf.network = LeafStatus.Network(loss: UInt8(loss), pressure: UInt8(pressure), arrival: arrival.firstIndex(of: 1).map { UInt8($0) })
        return leaf
    }

    /// Quantile `q` (0...1) for scales on which higher is better: counted from the top, so that the lowest outliers are
    /// left out.
    public static func upperQuantile(_ q: Double, of counts: [UInt64]) -> Int {
        let reversed = quantile(1 - q, of: counts.reversed())
        return counts.contains { $0 > 0 } ? counts.count - 1 - reversed : 0
    }

    /// Whole numbers that a `Double` tells apart.
    private static let exactIntegers: UInt64 = 1 << 53

    /// The bucket at quantile `q` (0...1) of a histogram, by the lower nearest rank: of four, the 90th percentile is
    /// the third, so that one bad receiver in a small group does not hold back the rest.
    public static func quantile(_ q: Double, of counts: [UInt64]) -> Int {
        let total = counts.total
        guard total > 0 else { return 0 }
        let rank = min(total - 1, UInt64(clamping: Int64(q * Double(min(total, exactIntegers) - 1))))
        var seen: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            seen.increase(by: count)
            if seen > rank { return bucket }
        }
        return counts.count - 1
    }

    // MARK: On the wire

    // Sparse: a leaf's histogram of one is 5 entries of 6 bytes.
    func write(to writer: inout ByteWriter) {
        if let single { single.write(to: &writer) } else { lists.write(to: &writer) }
        tree.write(to: &writer)
        writer.writeUInt64(min(chunksDone, Self.maximumChunksDone))
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        var ahead = reader
        let leaf = try LeafStatus(reading: &ahead)
        if let leaf {
            self.init(leaf)
            reader = ahead
        } else {
            self.init()
            try lists.read(from: &reader)
        }
        tree = try TreeCounts(reading: &reader)
        let done = try reader.readUInt64()
        guard done <= Self.maximumChunksDone else { throw .invalidField("chunks done") }
        if let leaf, tree.repairNodes == 0 {
            guard done <= UInt64(Limits.maximumChunks) else { throw .invalidField("chunks done") }
            single = leaf
            single?.chunksDone = UInt32(clamping: done)
        } else {
            // However its lists are written, one receiver has no more than there are.
            guard tree.repairNodes > 0 || population > 1 || done <= UInt64(Limits.maximumChunks) else { throw .invalidField("chunks done") }
            chunksDone = done
        }
    }
}

extension Sequence<UInt64> {
    /// The sum, up to where 64 bits end.
    var total: UInt64 { reduce(into: 0) { $0.increase(by: $1) } }
}
