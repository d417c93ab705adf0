/// Every tunable of the engine: its unit is in its name or type; beside it stand its reason and its source.
public struct Configuration: Sendable {
    /// How a bundle is cut into chunks and datagrams.
    public var packets = PacketSettings()
    /// When a session begins and ends, and how it is announced.
    public var joining = JoiningSettings()
    /// NAKs and STATUSes: how soon, how many, how often again.
    public var feedback = FeedbackSettings()
    /// Heartbeats, and what is made of silence.
    public var presence = PresenceSettings()
    /// How a child finds, keeps and leaves a parent.
    public var tree = TreeSettings()
    /// Repairs: of which packets, when, and to which address.
    public var repairs = RepairSettings()
    /// Children that multicast does not reach.
    public var unicast = UnicastSettings()
    /// Bounds of what is held.
    public var memory = MemorySettings()
    /// Bounds of the rate, and of what is sent back to back.
    public var rate = RateSettings()

    public init() {}
}

/// A configuration that many engines of one host read: each of a hundred thousand has a reference, and no copy.
public final class SharedConfiguration: Sendable {
    public let value: Configuration
    public init(_ value: Configuration) { self.value = value }
}
