public import RMCPProtocol

/// Steps at which a line about progress is worth its place in a log: after every tenth of the whole, and when nothing was said for half a minute.
public struct ProgressSteps: Sendable {
    private static let steps = 10.0
    private static let silence = Interval.seconds(30)

    private var step = 0
    private var last: Interval?

    public init() {}

    /// - Parameters:
    ///   - share: of the whole, 0...1; nil where that is not known.
    ///   - time: since any moment; a time before the last one begins anew.
    /// - Returns: true when a line is due.
    public mutating func advance(toShare share: Double?, at time: Interval) -> Bool {
        // The end has a line of its own.
        let reached = share.map { min(Int(Self.steps) - 1, Int((min(1, max(0, $0)) * Self.steps).rounded(.down))) } ?? 0
        guard let last, time >= last, reached >= step else {
            self.last = time
            step = reached
            return false
        }
        guard reached > step || time - last >= Self.silence else { return false }
        self.last = time
        step = reached
        return true
    }
}
