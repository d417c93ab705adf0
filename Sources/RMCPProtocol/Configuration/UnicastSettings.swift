/// Children that multicast does not reach.
public struct UnicastSettings: Sendable {
    /// A receiver that hears its sender's unicast but nothing from the group for this long, having joined anew twice,
    /// is deaf: multicast does not reach it.
    public var deafAfter = Interval.milliseconds(2_500)
    /// A parent that is not heard by multicast for this long is asked whether it is there: so that its answer is here by `deafAfter`.
    public var askAfter = Interval.seconds(2)
    /// Unicast has to come for this long without anything by multicast: two heartbeats at their rarest. A sender that was suspended
    /// answers what it finds waiting before its first heartbeat.
    public var answerLead = Interval.milliseconds(400)
    /// Heartbeats to a child served by unicast: half as long as those to the group at their rarest.
    public var unicastHeartbeatInterval = Interval.milliseconds(100)
    /// Children served by unicast, relays and deaf ones: each costs as much as the whole group.
    public var maximumUnicastChildren = 8
    /// Share of the rate that they may take from first transmissions (0...1).
    public var unicastShareWhileStreaming = 0.1

    public init() {}
}
