/// How the group below a parent is, as its last HEARTBEAT says it.
struct GroupPace: Sendable {
    var groupRoundTrip: Interval
    /// Receivers that may lack the same.
    var population = 1.0
    /// How far apart the NAKs of a child repair node are to be.
    var nakInterval = Interval.zero
}
