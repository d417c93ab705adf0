/// What a sender does by the clock. Parts that have a time of their own, unicast children and held acknowledgements, tell it.
enum SenderTimer: Int, CaseIterable, Sendable {
    case announce
    case heartbeat
    /// Housekeeping at the pace of feedback.
    case tick
    /// The end of lingering.
    case linger
    /// The next HEARTBEAT that says LEAVING.
    case leaving
}
