/// Children that have left for another parent and have not come back: they must be in the sum of a repair node by now, or nobody
/// knows what becomes of them.
///
/// Sums have numbers and no names. So this finds out how many are missing at least: a receiver that never was a child here makes up
/// for one that is gone.
struct DepartedChildren: Sendable {
    /// Ids of receivers.
    private var leaves: Set<UInt32> = []
    /// Receivers in the last sum of each repair node that left, by its id.
    private var sums: [UInt32: Int] = [:]
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// - Parameters:
    ///   - child: its id. It comes back under the same one, perhaps with another address.
    ///   - report: the last one that it made.
    mutating func note(_ child: UInt32, _ report: ChildReport) {
        guard leaves.count + sums.count < limit else { return }
        switch report {
        case .leaf: leaves.insert(child)
        case .sum(let histogram): sums[child] = histogram.tree.repairNodes > 0 ? Int(clamping: histogram.withoutRehomed.population) : 1
        }
    }

    mutating func noteBack(_ child: UInt32) {
        guard !leaves.isEmpty || !sums.isEmpty else { return }
        leaves.remove(child)
        sums[child] = nil
    }

    /// Receivers that are in no sum, at least.
    /// - Parameter reported: those in the sums of repair nodes, each once.
    func missing(among reported: Int) -> Int {
        // The sum of one node that left may be in that of another by now, together with leaves: only the greatest number is sure.
        max(0, max(leaves.count, sums.values.max() ?? 0) - reported)
    }
}
