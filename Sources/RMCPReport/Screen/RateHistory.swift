public import RMCPProtocol

/// Rate at which datagrams left in the last minute, a value each half second.
public struct RateHistory: Sendable {
    static let length = 120
    private static let spacing = 0.5

    /// Bits per second, the newest last.
    private(set) var rates: [Double] = []
    /// Seconds and bytes at the last value.
    private var last: (seconds: Double, bytes: UInt64)?

    public init() {}

    /// - Parameters:
    ///   - bytes: that have left in all.
    ///   - time: since any moment.
    public mutating func note(_ bytes: UInt64, at time: Interval) {
        let seconds = time.inSeconds
        guard let last else { return self.last = (seconds, bytes) }
        let passed = seconds - last.seconds
        guard passed >= Self.spacing else { return }
        let rate = Double(bytes > last.bytes ? bytes - last.bytes : 0) * 8 / passed
        // A gap is as long in the picture as it was.
        for _ in 0..<min(Self.length, Int(passed / Self.spacing)) { rates.append(rate) }
        if rates.count > Self.length { rates.removeFirst(rates.count - Self.length) }
        self.last = (seconds, bytes)
    }

    /// The newest `count` values, with 0 where there were none yet.
    func newest(_ count: Int) -> [Double] {
        let shown = rates.suffix(count)
        return Array(repeating: 0, count: max(0, count - shown.count)) + shown
    }

    /// The same two by two, for a line that has a column a second.
    func newest(columns: Int) -> [Double] {
        let values = newest(columns * 2)
        return stride(from: 0, to: values.count - 1, by: 2).map { (values[$0] + values[$0 + 1]) / 2 }
    }
}
