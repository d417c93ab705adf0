/// A parent's secret, of which its children's cookies are made. Who knows it can make the cookie of each address, so it must follow from nothing
/// that the parent says: ids and sequence numbers, which stand in every header, tell of the seed that they are drawn from.
public struct CookieSecret: Sendable {
    /// 128 bits: a cookie that somebody has got must not tell of it to who can try 2^64.
    let high: UInt64
    let low: UInt64

    /// - Parameter generator: in production the system's, and never one that ids come from.
    public init(using generator: inout some RandomNumberGenerator) {
        high = generator.next()
        low = generator.next()
    }
}
