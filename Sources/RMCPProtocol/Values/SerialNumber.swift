/// Serial-number arithmetic over 32 bits (RFC 1982).
public enum SerialNumber {
    /// How far `later` is ahead of `earlier`: negative when it is behind.
    public static func distance(from earlier: UInt32, to later: UInt32) -> Int {
        Int(Int32(truncatingIfNeeded: later &- earlier))
    }
}
