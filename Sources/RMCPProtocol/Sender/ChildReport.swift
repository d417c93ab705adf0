/// The last thing that a child said of itself and of those below it. Most children are leaves: a few bytes instead of six lists, which
/// the others have elsewhere.
enum ChildReport: Sendable {
    case leaf(LeafStatus)
    indirect case sum(StatusHistogram)

    init(_ histogram: StatusHistogram) { self = histogram.leaf.map { .leaf($0) } ?? .sum(histogram) }

    var isActive: Bool {
        switch self {
        case .leaf(let leaf): leaf.state.isActive
        case .sum(let histogram): histogram.active > 0
        }
    }

    var isRepairNode: Bool {
        switch self {
        case .leaf: false
        case .sum(let histogram): histogram.tree.repairNodes > 0
        }
    }

    /// Whether both say the same of states and progress.
    func isAsFar(as other: ChildReport) -> Bool {
        switch (self, other) {
        case (.leaf(let own), .leaf(let other)): own.state == other.state && own.progress == other.progress
        case (.sum(let own), .sum(let other)): own.states == other.states && own.progress == other.progress
        default: false
        }
    }

    /// How far they have come, all together: chunks, and a step each for having everything, for the end, and for a whole repair
    /// node. A state that changes to and fro does not add to it.
    var reached: UInt64 {
        switch self {
        case .leaf(let leaf): return UInt64(leaf.chunksDone) + (leaf.state.isFinal ? 2 : leaf.state == .finishing ? 1 : 0)
        case .sum(let histogram):
            let finals = histogram.states[Int(ReceiverState.complete.rawValue)...].total
            return [histogram.chunksDone, histogram.count(.finishing), finals, finals, histogram.tree.completeRepairNodes].total
        }
    }

    /// Labels of no more receivers than failed so, as the report says.
    func admitted(_ labels: [FailureLabel]) -> [FailureLabel] {
        guard !labels.isEmpty else { return [] }
        var left = Array(repeating: UInt64(0), count: StatusHistogram.stateCount)
        switch self {
        case .leaf(let leaf): left[Int(leaf.state.rawValue)] = 1
        case .sum(let histogram): left = histogram.states
        }
        return labels.filter { label in
            let index = Int(label.state.rawValue)
            guard left[index] > 0 else { return false }
            left[index] -= 1
            return true
        }
    }

    /// The same with everybody who was not done counted as lost, and without the repair node that said it.
    var lost: ChildReport {
        switch self {
        case .leaf(var leaf):
            leaf.network = nil
            leaf.state = .lost
            return .leaf(leaf)
        case .sum(let histogram):
            var lost = StatusHistogram()
            lost.rehomed = histogram.rehomed
            for state in ReceiverState.allCases {
                let target: ReceiverState = state.isFinal ? state : .lost
                lost.states[Int(target.rawValue)].increase(by: histogram.count(state))
            }
            lost.progress = histogram.progress
            lost.chunksDone = histogram.chunksDone
            lost.tree.refusals = histogram.tree.refusals
            return .sum(lost)
        }
    }
}
