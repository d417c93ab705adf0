internal import RMCPProtocol

/// Datagrams that came to a sender, by kind, in tenths of a second since a start.
struct FeedbackMeter {
    private var counts: [PacketKind: [Int]] = [:]
    private let start: Instant
    private static let tenth: Int64 = 100_000_000

    init(since start: Instant) { self.start = start }

    private func position(of instant: Instant) -> Int { Int((instant - start).nanoseconds / Self.tenth) }

    mutating func note(_ kind: PacketKind, at now: Instant) {
        let position = self.position(of: now)
        var tenths = counts[kind] ?? []
        // Or the array in the dictionary would be copied.
        counts[kind] = nil
        while tenths.count <= position { tenths.append(0) }
        tenths[position] += 1
        counts[kind] = tenths
    }

    func count(_ kind: PacketKind, from start: Instant, to end: Instant) -> Int {
        (counts[kind] ?? []).prefix(position(of: end) + 1).dropFirst(position(of: start)).reduce(0, +)
    }

    /// NAKs and statuses in the busiest ten tenths in a row that begin between two instants.
    func busiestSecond(from start: Instant, to end: Instant) -> Int {
        (position(of: start)...position(of: end)).reduce(0) { most, first in
            let sum = [PacketKind.nak, .status].reduce(0) { $0 + (counts[$1] ?? []).dropFirst(first).prefix(10).reduce(0, +) }
            return max(most, sum)
        }
    }
}
