/// How a datagram came: from where, with how much of its time to live left, and when.
public struct Arrival: Sendable, Hashable {
    public var source: SocketAddress
    /// When the host got it, on the engine's clock. It may have waited in the socket until it is read.
    public var at: Instant
    /// Routers that it could still have passed, 0...255; nil where the host does not know, and for a datagram by unicast.
    public var timeToLive: UInt8?

    public init(source: SocketAddress, timeToLive: UInt8? = nil, at instant: Instant) {
        self.source = source
        self.timeToLive = timeToLive
        at = instant
    }
}
