/// How a receiver fares, as it says itself.
public enum ReceiverState: UInt8, Sendable, Hashable, CaseIterable {
    case joined = 0
    case receiving = 1
    /// Catching up: it does not ask for live repairs.
    case behind = 2
    case complete = 3
    case failedDiskFull = 4
    case failedVerification = 5
    case failedStorage = 6
    case failedHook = 7
    case failedSender = 8
    case failedName = 9
    case interrupted = 10
    /// Never sent: a parent counts a child here that went silent before it was done.
    case lost = 11

    public var isFailure: Bool { rawValue >= ReceiverState.failedDiskFull.rawValue }
    public var isFinal: Bool { self == .complete || isFailure }

    /// For the summary: "2 failed: disk full".
    public var reason: String {
        switch self {
        case .joined: "joined"
        case .receiving: "receiving"
        case .behind: "behind"
        case .complete: "complete"
        case .failedDiskFull: "disk full"
        case .failedVerification: "verification failed"
        case .failedStorage: "storage error"
        case .failedHook: "hook failed"
        case .failedSender: "gave up waiting for the sender"
        case .failedName: "name refused"
        case .interrupted: "interrupted"
        case .lost: "lost"
        }
    }
}

/// What one receiver says of itself.
public struct LeafStatus: Hashable, Sendable {
    /// What the rate follows.
    public struct Network: Hashable, Sendable {
        public var loss: UInt8
        public var pressure: UInt8
        /// Nil while there is no stream to measure it by.
        public var arrival: UInt8?

        public init(loss: UInt8, pressure: UInt8, arrival: UInt8?) {
            self.loss = loss
            self.pressure = pressure
            self.arrival = arrival
        }
    }

    public var state: ReceiverState
    /// 0...10.
    public var progress: UInt8
    /// Nil for a receiver that has no say in the rate.
    public var network: Network?
    /// It left a parent that has not confirmed it, and is counted there, too.
    public var isRehomed: Bool

    public init(state: ReceiverState, progress: UInt8, network: Network?, isRehomed: Bool = false) {
        self.state = state
        self.progress = progress
        self.network = network
        self.isRehomed = isRehomed
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
    public static let stateCount = 12
    /// Deciles 0...9 of progress, and 10 for all of it.
    public static let progressCount = 11

    public var states: [UInt32]
    public var progress: [UInt32]
    public var loss: [UInt32]
    public var pressure: [UInt32]
    public var arrival: [UInt32]
    /// Receivers that a former parent counts, too, by the state that it counts them in: lost, or so they will be there.
    /// Wraps, so that sums stay right whatever is taken from what.
    public var rehomed: [UInt32]
    public var tree = TreeCounts()

    public init() {
        states = Array(repeating: 0, count: Self.stateCount)
        progress = Array(repeating: 0, count: Self.progressCount)
        loss = Array(repeating: 0, count: LossBucket.count)
        pressure = Array(repeating: 0, count: PressureBucket.count)
        arrival = Array(repeating: 0, count: ArrivalBucket.count)
        rehomed = Array(repeating: 0, count: Self.stateCount)
    }

    /// A histogram of one.
    public init(_ leaf: LeafStatus) {
        self.init()
        add(leaf)
    }

    /// Receivers that this counts.
    public var population: UInt32 { states.reduce(0, &+) }
    /// The same with receivers that are counted twice, since they changed parents, counted once: as many of the lost
    /// are not lost, and where there are not so many, of those that seem to be under way.
    public var withoutRehomed: StatusHistogram {
        guard rehomed.contains(where: { $0 != 0 }) else { return self }
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
        for state in [ReceiverState.behind, .receiving, .joined] {
            let taken = UInt32(min(surplus, Int(result.count(state))))
            result.states[Int(state.rawValue)] -= taken
            surplus -= Int(taken)
        }
        return result
    }
    public func count(_ state: ReceiverState) -> UInt32 { states[Int(state.rawValue)] }
    public var failed: UInt32 { ReceiverState.allCases.reduce(0) { $1.isFailure ? $0 &+ count($1) : $0 } }
    public var active: UInt32 { count(.joined) &+ count(.receiving) &+ count(.behind) }

    public mutating func add(_ other: StatusHistogram) { combine(other) { $0 &+ $1 } }
    public mutating func subtract(_ other: StatusHistogram) { combine(other) { $0 &- $1 } }

    private mutating func combine(_ other: StatusHistogram, _ operation: (UInt32, UInt32) -> UInt32) {
        for index in states.indices { states[index] = operation(states[index], other.states[index]) }
        for index in progress.indices { progress[index] = operation(progress[index], other.progress[index]) }
        for index in loss.indices { loss[index] = operation(loss[index], other.loss[index]) }
        for index in pressure.indices { pressure[index] = operation(pressure[index], other.pressure[index]) }
        for index in arrival.indices { arrival[index] = operation(arrival[index], other.arrival[index]) }
        for index in rehomed.indices { rehomed[index] = operation(rehomed[index], other.rehomed[index]) }
        tree.combine(other.tree, operation)
    }

    // One receiver more or less costs the same whatever the number of buckets.
    public mutating func add(_ leaf: LeafStatus) { change(leaf) { $0 &+= 1 } }
    public mutating func subtract(_ leaf: LeafStatus) { change(leaf) { $0 &-= 1 } }

    private mutating func change(_ leaf: LeafStatus, _ operation: (inout UInt32) -> Void) {
        operation(&states[Int(leaf.state.rawValue)])
        operation(&progress[min(Int(leaf.progress), Self.progressCount - 1)])
        if leaf.isRehomed { operation(&rehomed[Int(ReceiverState.lost.rawValue)]) }
        if let network = leaf.network { change(network, operation) }
    }

    /// What a repair node hears itself, which is no receiver.
    mutating func add(_ network: LeafStatus.Network) { change(network) { $0 &+= 1 } }

    mutating func removeNetwork() {
        for index in loss.indices { loss[index] = 0 }
        for index in pressure.indices { pressure[index] = 0 }
        for index in arrival.indices { arrival[index] = 0 }
    }

    private mutating func change(_ network: LeafStatus.Network, _ operation: (inout UInt32) -> Void) {
        operation(&loss[min(Int(network.loss), LossBucket.count - 1)])
        operation(&pressure[min(Int(network.pressure), PressureBucket.count - 1)])
        if let bucket = network.arrival { operation(&arrival[min(Int(bucket), ArrivalBucket.count - 1)]) }
    }

    /// The one receiver that this counts; nil for none or several.
    public var leaf: LeafStatus? {
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
        for counts in [states, progress, loss, pressure, arrival, rehomed] {
            writer.writeUInt8(UInt8(counts.reduce(0) { $1 > 0 ? $0 + 1 : $0 }))
            for (index, count) in counts.enumerated() where count > 0 {
                writer.writeUInt8(UInt8(index))
                writer.writeUInt32(count)
            }
        }
        for count in [tree.repairNodes, tree.completeRepairNodes] { writer.writeUInt32(count) }
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        self.init()
        try Self.read(into: &states, from: &reader)
        try Self.read(into: &progress, from: &reader)
        try Self.read(into: &loss, from: &reader)
        try Self.read(into: &pressure, from: &reader)
        try Self.read(into: &arrival, from: &reader)
        try Self.read(into: &rehomed, from: &reader)
        tree.repairNodes = try reader.readUInt32()
        tree.completeRepairNodes = try reader.readUInt32()
    }

    private static func read(into counts: inout [UInt32], from reader: inout ByteReader) throws(WireError) {
        for _ in 0..<(try reader.readUInt8()) {
            let index = Int(try reader.readUInt8())
            guard index < counts.count else { throw .invalidField("histogram bucket") }
            counts[index] = try reader.readUInt32()
        }
    }
}
