import RMCPProtocol

/// What will happen when, in order of time; what happens at the same time keeps the order in which it was scheduled, so
/// that a seed replays a run.
///
/// A heap with four children to a node: half as deep as one with two, and a node's children share a cache line or two. It
/// holds times and not events, which stay where they are.
struct EventQueue<Event> {
    private struct Entry {
        var time: Instant
        /// Of two at one time, which was first.
        var order: UInt64
        var slot: Int

        func isBefore(_ other: Entry) -> Bool { time == other.time ? order < other.order : time < other.time }
    }

    private var heap: ContiguousArray<Entry> = []
    private var events: ContiguousArray<Event?> = []
    private var free: ContiguousArray<Int> = []
    private var scheduled: UInt64 = 0

    var nextTime: Instant? { heap.first?.time }

    mutating func schedule(_ event: Event, at time: Instant) {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            events[slot] = event
        } else {
            slot = events.count
            events.append(event)
        }
        scheduled += 1
        let entry = Entry(time: time, order: scheduled, slot: slot)
        heap.append(entry)
        var position = heap.count - 1
        while position > 0 {
            let parent = (position - 1) / 4
            guard entry.isBefore(heap[parent]) else { break }
            heap[position] = heap[parent]
            position = parent
        }
        heap[position] = entry
    }

    mutating func popFirst() -> (Instant, Event)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty { sink(last) }
        free.append(first.slot)
        return events[first.slot].take().map { (first.time, $0) }
    }

    /// Finds the place of an entry that takes the first one's.
    private mutating func sink(_ entry: Entry) {
        var position = 0
        while true {
            let first = position * 4 + 1
            guard first < heap.count else { break }
            var least = first
            for child in (first + 1)..<min(first + 4, heap.count) where heap[child].isBefore(heap[least]) { least = child }
            guard heap[least].isBefore(entry) else { break }
            heap[position] = heap[least]
            position = least
        }
        heap[position] = entry
    }
}
