import DequeModule
import HeapModule
import RMCPProtocol

/// What will happen when, in order of time; what happens at the same time keeps the order in which it was scheduled, so
/// that a seed replays a run.
///
/// A multicast datagram reaches thousands of nodes at one instant. So the heap holds instants and not events, and each
/// instant has a queue: scheduling the next of many costs the same whatever their number.
struct EventQueue<Event> {
    private struct Entry: Comparable {
        var time: Instant
        var slot: Int

        static func < (left: Entry, right: Entry) -> Bool { left.time < right.time }
    }

    /// What happens at one instant. Most have one event only, which allocates nothing.
    private struct Slot {
        var first: Event?
        var rest: Deque<Event> = []
    }

    private var heap = Heap<Entry>()
    private var slots: [Slot] = []
    private var free: [Int] = []
    /// Slots of the instants that something is scheduled at.
    private var slotOfTime: [Instant: Int] = [:]
    /// The instant that was scheduled at last: most often the next event is at the same.
    private var latest: (time: Instant, slot: Int)?

    var nextTime: Instant? { heap.min?.time }

    mutating func schedule(_ event: Event, at time: Instant) {
        if let latest, latest.time == time { return slots[latest.slot].rest.append(event) }
        if let slot = slotOfTime[time] {
            latest = (time, slot)
            return slots[slot].rest.append(event)
        }
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            slots[slot].first = event
        } else {
            slot = slots.count
            slots.append(Slot(first: event))
        }
        slotOfTime[time] = slot
        latest = (time, slot)
        heap.insert(Entry(time: time, slot: slot))
    }

    mutating func popFirst() -> (Instant, Event)? {
        guard let entry = heap.min else { return nil }
        let event = slots[entry.slot].first.take() ?? slots[entry.slot].rest.popFirst()
        if slots[entry.slot].rest.isEmpty {
            // Not kept: thousands of events need room for one instant and hardly ever again.
            slots[entry.slot].rest = []
            free.append(entry.slot)
            slotOfTime[entry.time] = nil
            if latest?.slot == entry.slot { latest = nil }
            heap.removeMin()
        }
        return event.map { (entry.time, $0) }
    }
}
