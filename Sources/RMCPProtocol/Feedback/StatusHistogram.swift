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
        public var arrival: UInt8

        public init(loss: UInt8, pressure: UInt8, arrival: UInt8) {
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

    public init(state: ReceiverState, progress: UInt8, network: Network?) {
        self.state = state
        self.progress = progress
        self.network = network
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

    public init() {
        states = Array(repeating: 0, count: Self.stateCount)
        progress = Array(repeating: 0, count: Self.progressCount)
        loss = Array(repeating: 0, count: LossBucket.count)
        pressure = Array(repeating: 0, count: PressureBucket.count)
        arrival = Array(repeating: 0, count: ArrivalBucket.count)
    }

    /// A histogram of one.
    public init(_ leaf: LeafStatus) {
        self.init()
        add(leaf)
    }

    /// Receivers that this counts.
    public var population: UInt32 { states.reduce(0, &+) }
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
    }

    // One receiver more or less costs the same whatever the number of buckets.
    public mutating func add(_ leaf: LeafStatus) { change(leaf) { $0 &+= 1 } }
    public mutating func subtract(_ leaf: LeafStatus) { change(leaf) { $0 &-= 1 } }

    private mutating func change(_ leaf: LeafStatus, _ operation: (inout UInt32) -> Void) {
        operation(&states[Int(leaf.state.rawValue)])
        operation(&progress[min(Int(leaf.progress), Self.progressCount - 1)])
        guard let network = leaf.network else { return }
        operation(&loss[min(Int(network.loss), LossBucket.count - 1)])
        operation(&pressure[min(Int(network.pressure), PressureBucket.count - 1)])
        operation(&arrival[min(Int(network.arrival), ArrivalBucket.count - 1)])
    }

    /// The one receiver that this counts; nil for none or several.
    public var leaf: LeafStatus? {
        guard population == 1, let state = states.firstIndex(of: 1).flatMap({ ReceiverState(rawValue: UInt8($0)) }),
            let decile = progress.firstIndex(of: 1)
        else { return nil }
        guard let loss = loss.firstIndex(of: 1), let pressure = pressure.firstIndex(of: 1), let arrival = arrival.firstIndex(of: 1)
        else { return LeafStatus(state: state, progress: UInt8(decile), network: nil) }
        let network = LeafStatus.Network(loss: UInt8(loss), pressure: UInt8(pressure), arrival: UInt8(arrival))
        return LeafStatus(state: state, progress: UInt8(decile), network: network)
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
        for counts in [states, progress, loss, pressure, arrival] {
            writer.writeUInt8(UInt8(counts.reduce(0) { $1 > 0 ? $0 + 1 : $0 }))
            for (index, count) in counts.enumerated() where count > 0 {
                writer.writeUInt8(UInt8(index))
                writer.writeUInt32(count)
            }
        }
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        self.init()
        try Self.read(into: &states, from: &reader)
        try Self.read(into: &progress, from: &reader)
        try Self.read(into: &loss, from: &reader)
        try Self.read(into: &pressure, from: &reader)
        try Self.read(into: &arrival, from: &reader)
    }

    private static func read(into counts: inout [UInt32], from reader: inout ByteReader) throws(WireError) {
        for _ in 0..<(try reader.readUInt8()) {
            let index = Int(try reader.readUInt8())
            guard index < counts.count else { throw .invalidField("histogram bucket") }
            counts[index] = try reader.readUInt32()
        }
    }
}
