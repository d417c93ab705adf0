/// 128 random bits drawn by the sender for one `rmcp send`.
public struct SessionID: Hashable, Sendable {
    /// The first 8 bytes as they travel, the tag foremost.
    public var high: UInt64
    /// The last 8 bytes.
    public var low: UInt64
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    /// Short form of the id that every packet of the session carries.
    public var tag: UInt32 { UInt32(truncatingIfNeeded: high >> 32) }
}

extension SessionID {
    /// 32 hexadecimal digits.
    public var text: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
