/// When a session begins and ends, and how it is announced.
public struct JoiningSettings: Sendable {
    /// Receivers that have to be there for the start, once `minimumWait` has passed; nil for one. Those that are lost, or were stopped, are not.
    public var waitForReceivers: Int?
    /// Receivers that have to be complete at the end; of fewer the session is partial. Nil asks for no number.
    public var requiredReceivers: Int?
    /// Earliest and latest start, from the beginning of the session on. At the latter the stream begins with whoever is there, or the session
    /// ends. An earliest start above the latest has no effect.
    public var minimumWait = Interval.seconds(2)
    public var maximumWait = Interval.seconds(30)
    /// How long to stay after the last known receiver is complete.
    public var linger = Interval.zero
    /// ANNOUNCE repeats this often while receivers join: they join within a tenth of a second.
    public var announceIntervalWaiting = Interval.milliseconds(100)
    /// And this often later: a latecomer waits for one.
    public var announceInterval = Interval.milliseconds(250)

    /// Nodes that must have everything before the sender leaves.
    public enum Until: Sendable, Hashable {
        /// All receivers that have joined, wherever in the tree they are.
        case receivers
        /// The repair nodes, which serve the receivers from then on.
        case repairNodes
    }
    /// Nodes that the end waits for, `--until`. With repair nodes these count as having come, too, at the start.
    public var until = Until.receivers
    /// Time after which repair nodes, where nobody else is waited for, will not have the rest: none has come further or asked for anything.
    /// A node that has no room for a chunk passes it on, and does not ask for it again.
    public var nodePatience = Interval.seconds(30)
    /// Time to live of multicast, 0...255: said in heartbeats, so that children can tell how far away they are.
    public var timeToLive: UInt8 = 1
    /// A child that went to another parent is counted again within this time, a few statuses up the tree: so long
    /// nothing is concluded from its absence.
    public var concludeAfterDetach = Interval.seconds(1)

    /// A child that went below a repair node that does not report gets nothing there, finds that out within 9 s
    /// (`TreeSettings.uselessAfter`) and comes back. So long, and as long again, nothing is concluded from its absence.
    public var concludeUnaccounted = Interval.seconds(20)

    public init() {}
}
