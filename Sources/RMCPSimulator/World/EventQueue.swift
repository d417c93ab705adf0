import HeapModule
import RMCPProtocol

/// What will happen when, in order of time; what happens at the same time keeps the order in which it was scheduled, so
/// that a seed replays a run.
struct EventQueue<Event> {
    private struct Entry: Comparable {
        var time: Instant
        var order: UInt64
        var event: Event

        static func < (left: Entry, right: Entry) -> Bool { (left.time, left.order) < (right.time, right.order) }
        static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
    }

    private var heap = Heap<Entry>()
    private var scheduled: UInt64 = 0

    var nextTime: Instant? { heap.min?.time }

    mutating func schedule(_ event: Event, at time: Instant) {
        scheduled += 1
        heap.insert(Entry(time: time, order: scheduled, event: event))
    }

    mutating func popFirst() -> (Instant, Event)? {
        heap.popMin().map { ($0.time, $0.event) }
    }
}
