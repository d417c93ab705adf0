/// How a datagram came: from where, whether to a group, with how much of its time to live left, and when.
public struct Arrival: Sendable, Hashable {
    /// Address and port that it came from. Anybody can forge them.
    public var source: SocketAddress
    /// When the host got it, on the engine's clock. It may have waited in the socket until it is read.
    public var at: Instant
    /// Routers that it could still have passed, 0...255; nil where the host does not know, and for a datagram by unicast.
    public let timeToLive: UInt8?
    /// By multicast, as far as the socket tells that it came to.
    public let isToGroup: Bool

    /// By multicast where the time to live is known.
    public init(source: SocketAddress, timeToLive: UInt8? = nil, at instant: Instant) {
        self.init(source: source, toGroup: timeToLive != nil, timeToLive: timeToLive, at: instant)
    }

    public init(source: SocketAddress, toGroup isToGroup: Bool, timeToLive: UInt8?, at instant: Instant) {
        self.source = source
        self.timeToLive = timeToLive
        self.isToGroup = isToGroup
        at = instant
    }
}
