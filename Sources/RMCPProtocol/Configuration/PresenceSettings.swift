/// Heartbeats, and what is made of silence.
public struct PresenceSettings: Sendable {
    /// While receivers join, as often as ANNOUNCE: the first round trips are measured then.
    public var heartbeatIntervalWaiting = Interval.milliseconds(100)
    /// While streaming, heartbeats carry the clock that round trips and queueing are measured by; at slow rates they
    /// are spaced out so as to stay below `heartbeatShare` of the rate.
    public var minimumHeartbeatInterval = Interval.milliseconds(10)
    public var maximumHeartbeatInterval = Interval.milliseconds(200)
    /// Housekeeping comes round this often while nothing is sent and nobody is served: a sender may wait for hours. What can be lost
    /// meanwhile is a tenth of a second after a child that has fallen silent.
    public var idleTickInterval = Interval.milliseconds(100)
    /// Share of the rate (0...1) that heartbeats take while streaming; statements take as much.
    public var heartbeatShare = 0.005
    /// The sender signs where it stands this often: a forged claim is believed no longer. Ed25519 takes half a millisecond to verify on
    /// the slowest boards (Cortex-A53), so that this is a quarter of a percent of one.
    public var statementInterval = Interval.milliseconds(200)
    /// And this often at low rates, while nothing is sent, and at repair nodes, which repeat the last one.
    public var idleStatementInterval = Interval.seconds(1)
    /// A child that has been silent for this long, or for four of its status intervals if that is longer, is lost.
    public var childTimeout = Interval.seconds(5)
    /// A receiver joins the group anew when nothing came for this long: a snooping switch without a querier, or an
    /// interface that was down, may have forgotten it.
    public var rejoinAfterSilence = Interval.seconds(1)
    /// A receiver gives a silent sender up after this long. Its partial file stays.
    public var senderTimeout = Interval.seconds(30)
    /// When no receiver has come any further for this long, those that are left are given up; to ask is not to come further. Who
    /// says that it is finishing is waited for, and who falls silent is lost after `childTimeout` already.
    public var stalledTimeout = Interval.seconds(600)
    /// A parent that is said to leave has left when nothing of the session contradicts that for so long: five heartbeats at their
    /// rarest. HEARTBEATs are not signed, and anybody can say it.
    public var leavingSilence = Interval.seconds(1)
    /// A parent whose datagrams come from another address has moved there when nothing came from the former one for so long: five
    /// heartbeats at their rarest, and well below `childTimeout`, so that the child is not lost meanwhile.
    public var movingSilence = Interval.seconds(1)
    /// The stream is over when nobody has sent a HEARTBEAT of it for so long, five at their rarest: from then on loss, delay and arrival are
    /// measured by what the parent sends.
    public var streamSilence = Interval.seconds(1)
    /// LEAVING is said this often, `leavingInterval` apart: one lost datagram must not cost a receiver its timeout.
    public var leavingRepeats = 4
    public var leavingInterval = Interval.milliseconds(15)

    public init() {}
}
