import DequeModule
import RMCPProtocol

/// Datagrams that wait at a receiver to be read: trains in the order in which they came, as many bytes as there is room for.
struct SimulatedSocket {
    struct Queued {
        var payload: Payload
        /// Time on the world's clock.
        var arrival: Arrival
        var bytes: Int
    }

    private var queue: Deque<Queued> = []
    private var bytes = 0
    /// Room, in bytes.
    private let limit: Int
    /// Datagrams waited when the engines were last told of it.
    private var hasBacklog = false
    private(set) var isEmpty = true
    /// Datagrams that found no room since this was last taken.
    private var dropped: UInt64 = 0
    /// Bytes that found room since the beginning, and datagrams that found none.
    private(set) var takenBytes: UInt64 = 0
    private(set) var droppedTotal: UInt64 = 0

    /// Share of the room that is taken (0...1).
    var share: Double { Double(bytes) / Double(max(1, limit)) }

    init(limit: Int) { self.limit = limit }

    /// Takes a train of datagrams; what does not fit is lost and counted.
    mutating func enqueue(_ item: Queued, datagrams: Int) {
        guard bytes + item.bytes <= limit else {
            dropped += UInt64(datagrams)
            droppedTotal += UInt64(datagrams)
            return
        }
        bytes += item.bytes
        takenBytes += UInt64(item.bytes)
        queue.append(item)
        isEmpty = false
    }

    mutating func dequeue() -> Queued? {
        guard let item = queue.popFirst() else { return nil }
        bytes -= item.bytes
        isEmpty = queue.isEmpty
        return item
    }

    mutating func removeAll() {
        queue = []
        bytes = 0
        isEmpty = true
    }

    /// Share of the room (0...1) that waiting datagrams take; nil while there are none and nothing else was said.
    mutating func takeBacklog() -> Double? {
        guard !isEmpty || hasBacklog else { return nil }
        hasBacklog = !isEmpty
        return Double(bytes) / Double(max(1, limit))
    }

    /// Number of datagrams that were lost since the last call.
    mutating func takeDropped() -> UInt64 {
        defer { dropped = 0 }
        return dropped
    }
}
