import DequeModule

/// Front of the stream a few milliseconds ago. Nobody can have lost what was sent since: it is on its way, and who asks for it has
/// been led astray by a forged packet from further ahead.
struct RecentSends: Sendable {
    /// Positions of the stream just before it went on, now and then.
    private var marks: Deque<(time: Instant, front: StreamPosition)> = []

    /// Marks closer together tell little more: a fraction of the delay within which packets are taken for reordered.
    private static let spacing = Interval.microseconds(250)
    /// So that a round trip of 100 ms is covered.
    private static let limit = 256

    /// The stream goes on from `front`.
    mutating func note(_ front: StreamPosition, at now: Instant) {
        if let last = marks.last, now - last.time < Self.spacing { return }
        if marks.count == Self.limit { marks.removeFirst() }
        marks.append((now, front))
    }

    /// Everything before this was sent before `time`, as far back as is known.
    /// - Parameter front: where the stream is.
    func front(before time: Instant, now front: StreamPosition) -> StreamPosition {
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].time < time { low = middle + 1 } else { high = middle }
        }
        return low < marks.count ? min(marks[low].front, front) : front
    }
}
