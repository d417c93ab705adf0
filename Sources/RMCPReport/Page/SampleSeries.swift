import RMCPProtocol

/// Samples in the order of time, so many at most: when there are too many, every second one goes, and from then on the time between
/// two of them is twice as long. However long a session is, its report has the same size.
struct SampleSeries: Sendable {
    static let limit = 2_048

    private(set) var all: [TransferReport.Sample] = []
    /// Seconds between two that are kept, at least.
    private var spacing = 0.0
    /// Spacing at first, when there have been too many.
    private static let firstSpacing = 0.4

    var last: TransferReport.Sample? { all.last }

    /// - Parameter isMilestone: kept whatever came just before it.
    mutating func append(_ sample: TransferReport.Sample, isMilestone: Bool = false) {
        // The newest is always here; it gives way if it is too near to the one before it.
        if !isMilestone, all.count >= 2, all[all.count - 1].seconds - all[all.count - 2].seconds < spacing { all.removeLast() }
        all.append(sample)
        guard all.count > Self.limit else { return }
        let last = all.count - 1
        all = all.indices.filter { $0 % 2 == 0 || $0 == last }.map { all[$0] }
        spacing = max(Self.firstSpacing, spacing * 2)
    }

    /// A measure at a time between samples: what lies between them is taken for a straight line.
    func value(at seconds: Double, _ measure: (TransferReport.Sample) -> Double) -> Double {
        guard let first = all.first, let last else { return 0 }
        if seconds <= first.seconds { return measure(first) }
        if seconds >= last.seconds { return measure(last) }
        let after = index(after: seconds)
        let (left, right) = (all[after - 1], all[after])
        let share = right.seconds > left.seconds ? (seconds - left.seconds) / (right.seconds - left.seconds) : 1
        return measure(left) + (measure(right) - measure(left)) * share
    }

    /// The newest sample that is not later; the first, where there is none.
    func sample(at seconds: Double) -> TransferReport.Sample? {
        guard let first = all.first else { return nil }
        return seconds < first.seconds ? first : all[index(after: seconds) - 1]
    }

    /// Index of the first sample that is later.
    private func index(after seconds: Double) -> Int {
        var low = 0
        var high = all.count
        while low < high {
            let middle = (low + high) / 2
            if all[middle].seconds <= seconds { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
