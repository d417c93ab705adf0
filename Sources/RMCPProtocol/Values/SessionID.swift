/// 128 random bits drawn by the sender for one `rmcp send`.
public struct SessionID: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    /// What every packet of the session carries in place of the whole id.
    public var tag: UInt32 { UInt32(truncatingIfNeeded: high >> 32) }
}
