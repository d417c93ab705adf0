import RMCPProtocol

/// What will happen when, in order of time; what happens at the same time keeps the order in which it was scheduled, so
/// that a seed replays a run.
///
/// Only what is due within the current span of time, a quarter of a millisecond, is kept in order. What is later waits
/// in a list for its span, unsorted, and what is later than all spans in a heap of its own, which hardly anything is. So
/// an event costs the same whether a thousand timers wait or some millions.
///
/// ```
///   due:  ordered │ spans: ┌───┐┌───┐┌───┐ ... ┌───┐ │ far: ordered
///                 │        └───┘└───┘└───┘     └───┘ │
///   now ──────────┼── current span ── 2.1 s ─────────┼────────────▶
/// ```
struct EventQueue<Event: ShortEvent> {
    private var due = EventHeap()
    private var spans: ContiguousArray<ContiguousArray<EventEntry>>
    private var far = EventHeap()
    /// The span that `due` is of; its list is empty.
    private var current: Int64 = 0
    private var countInSpans = 0
    private var events: ContiguousArray<Event?> = []
    private var free: ContiguousArray<Int> = []
    private var scheduled: UInt64 = 0

    /// Nanoseconds, as a power of two.
    private static var spanShift: Int64 { 18 }
    /// Together longer than the second that most timers are set to; a power of two.
    private static var spanCount: Int { 8_192 }
    /// Events that an empty list keeps room for.
    private static var keptCapacity: Int { 64 }

    init() { spans = ContiguousArray(repeating: [], count: Self.spanCount) }

    var nextTime: Instant? { due.first?.time }

    mutating func schedule(_ event: Event, at time: Instant) {
        let slot: Int
        if let code = event.code {
            slot = -1 - Int(code)
        } else if let reused = free.popLast() {
            slot = reused
            events[slot] = event
        } else {
            slot = events.count
            events.append(event)
        }
        scheduled += 1
        put(EventEntry(time: time, order: scheduled, slot: slot))
        if due.isEmpty { refill() }
    }

    /// What is due at `nextTime`.
    mutating func popFirst() -> Event? {
        guard let first = due.popFirst() else { return nil }
        if due.isEmpty { refill() }
        if first.slot < 0 { return Event(code: UInt64(-1 - first.slot)) }
        free.append(first.slot)
        return events[first.slot].take()
    }

    private static func span(of time: Instant) -> Int64 { time.nanoseconds >> spanShift }

    private mutating func put(_ entry: EventEntry) {
        let span = Self.span(of: entry.time)
        if span <= current {
            due.insert(entry)
        } else if span - current < Int64(Self.spanCount) {
            spans[Int(span) & (Self.spanCount - 1)].append(entry)
            countInSpans += 1
        } else {
            far.insert(entry)
        }
    }

    /// Goes on to the next span in which anything happens, so that `due` is empty only when nothing is scheduled.
    private mutating func refill() {
        while due.isEmpty, countInSpans > 0 || !far.isEmpty {
            // Where no span has anything, there is nothing to look through.
            current = countInSpans > 0 ? current + 1 : far.first.map { Self.span(of: $0.time) } ?? current
            while let first = far.first, Self.span(of: first.time) - current < Int64(Self.spanCount), let entry = far.popFirst() { put(entry) }
            let position = Int(current) & (Self.spanCount - 1)
            guard !spans[position].isEmpty else { continue }
            countInSpans -= spans[position].count
            for entry in spans[position] { due.insert(entry) }
            // Each list would keep room for the busiest moment that it ever had.
            spans[position].removeAll(keepingCapacity: spans[position].capacity <= Self.keptCapacity)
        }
    }
}

/// An event that may be told by 63 bits. A million timers are such events: each is read once, long after it was written,
/// and would be fetched from far away.
protocol ShortEvent {
    /// Below 2^63; nil for one that is more than that.
    var code: UInt64? { get }
    init?(code: UInt64)
}

/// When something happens; what it is stays where it is.
private struct EventEntry {
    var time: Instant
    /// Of two at one time, which was first.
    var order: UInt64
    /// Where what happens is; below 0 it is all told by its code.
    var slot: Int

    func isBefore(_ other: EventEntry) -> Bool { time == other.time ? order < other.order : time < other.time }
}

/// A heap with four children to a node: half as deep as one with two, and a node's children share a cache line or two.
private struct EventHeap {
    private var entries: ContiguousArray<EventEntry> = []

    var first: EventEntry? { entries.first }
    var isEmpty: Bool { entries.isEmpty }

    mutating func insert(_ entry: EventEntry) {
        entries.append(entry)
        var position = entries.count - 1
        while position > 0 {
            let parent = (position - 1) / 4
            guard entry.isBefore(entries[parent]) else { break }
            entries[position] = entries[parent]
            position = parent
        }
        entries[position] = entry
    }

    mutating func popFirst() -> EventEntry? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        if !entries.isEmpty { sink(last) }
        return first
    }

    /// Finds the place of an entry that takes the first one's.
    private mutating func sink(_ entry: EventEntry) {
        var position = 0
        while true {
            let first = position * 4 + 1
            guard first < entries.count else { break }
            var least = first
            for child in (first + 1)..<min(first + 4, entries.count) where entries[child].isBefore(entries[least]) { least = child }
            guard entries[least].isBefore(entry) else { break }
            entries[position] = entries[least]
            position = least
        }
        entries[position] = entry
    }
}
