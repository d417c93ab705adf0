/// A sender's timers. Unicast children and held acknowledgements have a time each, and tell the first of them themselves.
enum SenderTimer: Int, CaseIterable, Sendable {
    case announce
    case heartbeat
    case statement
    /// Housekeeping at the pace of feedback.
    case tick
    /// The end of lingering.
    case linger
    /// The next HEARTBEAT that says LEAVING.
    case leaving
}
