/// The six lists of a status histogram.
struct HistogramLists: Hashable, Sendable {
    var states: [UInt32]
    var progress: [UInt32]
    var loss: [UInt32]
    var pressure: [UInt32]
    var arrival: [UInt32]
    var rehomed: [UInt32]

    /// Nothing anywhere. Copies share this until they are written to.
    static let zero = HistogramLists(
        states: Array(repeating: 0, count: StatusHistogram.stateCount),
        progress: Array(repeating: 0, count: StatusHistogram.progressCount),
        loss: Array(repeating: 0, count: LossBucket.count), pressure: Array(repeating: 0, count: PressureBucket.count),
        arrival: Array(repeating: 0, count: ArrivalBucket.count),
        rehomed: Array(repeating: 0, count: StatusHistogram.stateCount))
    /// No buckets at all, where lists are not used.
    static let none = HistogramLists(states: [], progress: [], loss: [], pressure: [], arrival: [], rehomed: [])

    mutating func combine(_ other: HistogramLists, _ operation: (UInt32, UInt32) -> UInt32) {
        for index in states.indices { states[index] = operation(states[index], other.states[index]) }
        for index in progress.indices { progress[index] = operation(progress[index], other.progress[index]) }
        for index in loss.indices { loss[index] = operation(loss[index], other.loss[index]) }
        for index in pressure.indices { pressure[index] = operation(pressure[index], other.pressure[index]) }
        for index in arrival.indices { arrival[index] = operation(arrival[index], other.arrival[index]) }
        for index in rehomed.indices { rehomed[index] = operation(rehomed[index], other.rehomed[index]) }
    }

    /// One receiver more or less; its buckets are clamped.
    mutating func change(_ leaf: LeafStatus, _ operation: (inout UInt32) -> Void) {
        operation(&states[Int(leaf.state.rawValue)])
        operation(&progress[Int(leaf.progress)])
        if leaf.isRehomed { operation(&rehomed[Int(ReceiverState.lost.rawValue)]) }
        if let network = leaf.network { change(network, operation) }
    }

    mutating func change(_ network: LeafStatus.Network, _ operation: (inout UInt32) -> Void) {
        operation(&loss[Int(network.loss)])
        operation(&pressure[Int(network.pressure)])
        if let bucket = network.arrival { operation(&arrival[Int(bucket)]) }
    }

    // MARK: On the wire

    func write(to writer: inout ByteWriter) {
        for counts in [states, progress, loss, pressure, arrival, rehomed] {
            writer.writeUInt8(UInt8(counts.reduce(0) { $1 > 0 ? $0 + 1 : $0 }))
            for (index, count) in counts.enumerated() where count > 0 {
                writer.writeUInt8(UInt8(index))
                writer.writeUInt32(count)
            }
        }
    }

    mutating func read(from reader: inout ByteReader) throws(WireError) {
        try Self.read(into: &states, from: &reader)
        try Self.read(into: &progress, from: &reader)
        try Self.read(into: &loss, from: &reader)
        try Self.read(into: &pressure, from: &reader)
        try Self.read(into: &arrival, from: &reader)
        try Self.read(into: &rehomed, from: &reader)
    }

    private static func read(into counts: inout [UInt32], from reader: inout ByteReader) throws(WireError) {
        for _ in 0..<(try reader.readUInt8()) {
            let index = Int(try reader.readUInt8())
            guard index < counts.count else { throw .invalidField("histogram bucket") }
            counts[index] = try reader.readUInt32()
        }
    }
}
