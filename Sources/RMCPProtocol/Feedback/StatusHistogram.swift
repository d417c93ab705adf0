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

/// Loss on a logarithmic scale of 16 buckets: 0 is none, each bucket is about 1.6 times the one before.
public enum LossBucket {
    /// Upper bound of each bucket, as a fraction of the packets sent. Bucket 15 is anything above the 14th.
    public static let bounds: [Double] = [
        0.000_01, 0.000_5, 0.001, 0.002, 0.004, 0.007, 0.012, 0.02, 0.035, 0.06, 0.1, 0.17, 0.28, 0.45, 0.7,
    ]
    public static let count = 16

    public static func index(of fraction: Double) -> UInt8 {
        UInt8(bounds.firstIndex { fraction < $0 } ?? bounds.count)
    }

    /// The loss fraction that a bucket stands for: its upper bound, so that a decision errs on the careful side.
    public static func fraction(of index: Int) -> Double { index == 0 ? 0 : index < bounds.count ? bounds[index] : 1 }
}

/// How close a receiver is to being overrun: by the time its datagrams queue, by its buffers, or by its disk. It comes
/// before loss does, and tells a slow receiver from a lossy path.
public enum PressureBucket {
    /// Upper bound of the queueing delay of each bucket, milliseconds.
    public static let delayBounds: [Int64] = [2, 5, 10, 20, 50, 100]
    public static let count = 8
    /// From `hold` on the rate must not grow; from `overload` on it must fall, and from `severe` on, fast.
    public static let hold: UInt8 = 3
    public static let overload: UInt8 = 4
    public static let severe: UInt8 = 6

    /// Storage that does not keep up, as opposed to a delay that passes: worth slowing down for even if only one
    /// receiver in profile says so.
    public static let storageFull: UInt8 = 7

    public static func index(queueingDelay: Interval) -> UInt8 {
        UInt8(delayBounds.firstIndex { queueingDelay < .milliseconds($0) } ?? delayBounds.count)
    }

    /// From the share of assembly slots that wait for storage (0...1): calm until a third of them do, full from two
    /// thirds on, so that what is under way when the sender hears of it still finds room.
    public static func index(storageShare: Double) -> UInt8 {
        storageShare < 1.0 / 3 ? 0 : min(storageFull, 2 + UInt8(min(1, (storageShare - 1.0 / 3) * 3) * 5))
    }
}

/// Counts of receivers by state, progress, loss and pressure. A leaf sends a histogram of one; a parent adds those of
/// its children and sends the sum, so that nobody up the tree knows more than numbers.
public struct StatusHistogram: Hashable, Sendable {
    public static let stateCount = 12
    /// Deciles 0...9 of progress, and 10 for all of it.
    public static let progressCount = 11

    public var states: [UInt32]
    public var progress: [UInt32]
    public var loss: [UInt32]
    public var pressure: [UInt32]

    public init() {
        states = Array(repeating: 0, count: Self.stateCount)
        progress = Array(repeating: 0, count: Self.progressCount)
        loss = Array(repeating: 0, count: LossBucket.count)
        pressure = Array(repeating: 0, count: PressureBucket.count)
    }

    public init(state: ReceiverState, progress decile: UInt8, loss lossBucket: UInt8, pressure pressureBucket: UInt8) {
        self.init()
        states[Int(state.rawValue)] = 1
        progress[min(Int(decile), Self.progressCount - 1)] = 1
        loss[min(Int(lossBucket), LossBucket.count - 1)] = 1
        pressure[min(Int(pressureBucket), PressureBucket.count - 1)] = 1
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

    // Sparse on the wire: a leaf's histogram of one is 4 entries of 6 bytes.
    func write(to writer: inout ByteWriter) {
        for counts in [states, progress, loss, pressure] {
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
    }

    private static func read(into counts: inout [UInt32], from reader: inout ByteReader) throws(WireError) {
        for _ in 0..<(try reader.readUInt8()) {
            let index = Int(try reader.readUInt8())
            guard index < counts.count else { throw .invalidField("histogram bucket") }
            counts[index] = try reader.readUInt32()
        }
    }
}
