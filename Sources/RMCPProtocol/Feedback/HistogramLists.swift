/// The six lists of a status histogram, and what its receivers have in all.
struct HistogramLists: Hashable, Sendable {
    var states: [UInt64]
    var progress: [UInt64]
    var loss: [UInt64]
    var pressure: [UInt64]
    var arrival: [UInt64]
    var rehomed: [Int64]
    var chunksDone: UInt64

    /// Nothing anywhere. Copies share this until they are written to.
    static let zero = HistogramLists(
        states: Array(repeating: 0, count: StatusHistogram.stateCount),
        progress: Array(repeating: 0, count: StatusHistogram.progressCount),
        loss: Array(repeating: 0, count: LossBucket.count), pressure: Array(repeating: 0, count: PressureBucket.count),
        arrival: Array(repeating: 0, count: ArrivalBucket.count),
        rehomed: Array(repeating: 0, count: StatusHistogram.stateCount), chunksDone: 0)
    /// No buckets at all, where lists are not used.
    static let none = HistogramLists(states: [], progress: [], loss: [], pressure: [], arrival: [], rehomed: [], chunksDone: 0)

    // What is read from the wire is far below where 64 bits end: to stop there is for what is not.

    mutating func add(_ other: HistogramLists) {
        for index in states.indices { states[index].increase(by: other.states[index]) }
        for index in progress.indices { progress[index].increase(by: other.progress[index]) }
        for index in loss.indices { loss[index].increase(by: other.loss[index]) }
        for index in pressure.indices { pressure[index].increase(by: other.pressure[index]) }
        for index in arrival.indices { arrival[index].increase(by: other.arrival[index]) }
        for index in rehomed.indices { rehomed[index].increase(by: other.rehomed[index]) }
        chunksDone.increase(by: other.chunksDone)
    }

    mutating func subtract(_ other: HistogramLists) {
        for index in states.indices { states[index].decrease(by: other.states[index]) }
        for index in progress.indices { progress[index].decrease(by: other.progress[index]) }
        for index in loss.indices { loss[index].decrease(by: other.loss[index]) }
        for index in pressure.indices { pressure[index].decrease(by: other.pressure[index]) }
        for index in arrival.indices { arrival[index].decrease(by: other.arrival[index]) }
        for index in rehomed.indices { rehomed[index].decrease(by: other.rehomed[index]) }
        chunksDone.decrease(by: other.chunksDone)
    }

    /// One receiver more; its buckets are clamped.
    mutating func add(_ leaf: LeafStatus) {
        states[Int(leaf.state.rawValue)].increase(by: 1)
        progress[Int(leaf.progress)].increase(by: 1)
        chunksDone.increase(by: UInt64(leaf.chunksDone))
        if leaf.isRehomed { rehomed[Int(ReceiverState.lost.rawValue)].increase(by: 1) }
        if let network = leaf.network { add(network) }
    }

    mutating func subtract(_ leaf: LeafStatus) {
        states[Int(leaf.state.rawValue)].decrease(by: 1)
        progress[Int(leaf.progress)].decrease(by: 1)
        chunksDone.decrease(by: UInt64(leaf.chunksDone))
        if leaf.isRehomed { rehomed[Int(ReceiverState.lost.rawValue)].decrease(by: 1) }
        guard let network = leaf.network else { return }
        loss[Int(network.loss)].decrease(by: 1)
        pressure[Int(network.pressure)].decrease(by: 1)
        if let bucket = network.arrival { arrival[Int(bucket)].decrease(by: 1) }
    }

    mutating func add(_ network: LeafStatus.Network) {
        loss[Int(network.loss)].increase(by: 1)
        pressure[Int(network.pressure)].increase(by: 1)
        if let bucket = network.arrival { arrival[Int(bucket)].increase(by: 1) }
    }

    // MARK: On the wire

    func write(to writer: inout ByteWriter) {
        func write(_ entries: [(index: Int, value: UInt32)]) {
            writer.writeUInt8(UInt8(entries.count))
            for (index, value) in entries {
                writer.writeUInt8(UInt8(index))
                writer.writeUInt32(value)
            }
        }
        for counts in [Self.withinLimit(states), progress, loss, pressure, arrival] {
            write(counts.enumerated().filter { $1 > 0 }.map { ($0, UInt32(min($1, StatusHistogram.maximumCount))) })
        }
        let most = Int64(StatusHistogram.maximumCount)
        write(rehomed.enumerated().filter { $1 != 0 }.map { ($0, UInt32(bitPattern: Int32(max(-most, min($1, most))))) })
    }

    /// Not more than may be said in all: what is left out is first of what is complete, then of who is under way, and a failure
    /// only when there are as many.
    private static func withinLimit(_ states: [UInt64]) -> [UInt64] {
        var surplus = states.total
        surplus.decrease(by: StatusHistogram.maximumCount)
        guard surplus > 0 else { return states }
        var result = states
        for state in [ReceiverState.complete] + ReceiverState.allCases where surplus > 0 {
            let taken = min(surplus, result[Int(state.rawValue)])
            result[Int(state.rawValue)] -= taken
            surplus -= taken
        }
        return result
    }

    mutating func read(from reader: inout ByteReader) throws(WireError) {
        try Self.read(into: &states, from: &reader)
        try Self.read(into: &progress, from: &reader)
        try Self.read(into: &loss, from: &reader)
        try Self.read(into: &pressure, from: &reader)
        try Self.read(into: &arrival, from: &reader)
        try readRehomed(from: &reader)
        guard states.reduce(0, +) <= StatusHistogram.maximumCount else { throw .invalidField("population") }
    }

    private static func read(into counts: inout [UInt64], from reader: inout ByteReader) throws(WireError) {
        for _ in 0..<(try reader.readUInt8()) {
            let index = Int(try reader.readUInt8())
            guard index < counts.count else { throw .invalidField("histogram bucket") }
            let count = UInt64(try reader.readUInt32())
            guard count <= StatusHistogram.maximumCount else { throw .invalidField("count") }
            counts[index] = count
        }
    }

    /// What a former parent counts is final or will be: nobody is owed for as active.
    private mutating func readRehomed(from reader: inout ByteReader) throws(WireError) {
        for _ in 0..<(try reader.readUInt8()) {
            let index = Int(try reader.readUInt8())
            guard index < rehomed.count else { throw .invalidField("histogram bucket") }
            let count = Int64(Int32(bitPattern: try reader.readUInt32()))
            guard count.magnitude <= StatusHistogram.maximumCount else { throw .invalidField("count") }
            guard index >= Int(ReceiverState.complete.rawValue) || count == 0 else { throw .invalidField("rehomed") }
            rehomed[index] = count
        }
    }
}

extension FixedWidthInteger {
    /// Stops at the end of its range.
    mutating func increase(by other: Self) {
        let (sum, isTooMuch) = addingReportingOverflow(other)
        self = !isTooMuch ? sum : other < 0 ? .min : .max
    }

    mutating func decrease(by other: Self) {
        let (difference, isTooMuch) = subtractingReportingOverflow(other)
        self = !isTooMuch ? difference : other < 0 ? .max : .min
    }
}
