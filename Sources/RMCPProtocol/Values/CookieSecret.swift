/// A parent's secret, of which its children's cookies are made. Who knows it can make the cookie of each address, so it must follow from nothing
/// that the parent says: ids and sequence numbers, which stand in every header, tell of the seed that they are drawn from.
public struct CookieSecret: Sendable {
    let value: UInt64

    /// - Parameter generator: in production the system's, and never one that ids come from.
    public init(using generator: inout some RandomNumberGenerator) { value = generator.next() }
}
