/// State of a session at a repair node.
public struct SessionActivity: Sendable {
    /// Time at which anything of it last came from above; nil while it has nobody above.
    public var lastHeard: Instant?
    /// Time since which it is of no use to anybody: it has nobody above, and no child that is not done. Nil while it is of use.
    public var idleSince: Instant?
    /// Whether nothing is known of it but what its ANNOUNCE says, which anybody can repeat.
    public var isAnnouncedOnly: Bool

    public init(lastHeard: Instant? = nil, idleSince: Instant? = nil, isAnnouncedOnly: Bool = false) {
        self.lastHeard = lastHeard
        self.idleSince = idleSince
        self.isAnnouncedOnly = isAnnouncedOnly
    }
}

/// Memory of when a session's engine was last of use to anybody: kept beside it by whoever drives it.
public struct SessionUse: Sendable {
    private var last: Instant

    /// Begins as of use now.
    public init(at now: Instant) { last = now }

    /// Looks at the engine; called whenever that is driven.
    public mutating func note(_ engine: inout RepairEngine, at now: Instant) { if engine.isOfUse() { last = now } }

    /// One that is leaving already cannot give way once more.
    public func activity(of engine: inout RepairEngine) -> SessionActivity {
        SessionActivity(
            lastHeard: engine.lastHeardFromSender(), idleSince: engine.isOfUse() || engine.isRetired() ? nil : last,
            isAnnouncedOnly: engine.downstream.chunkCount == 0)
    }
}
