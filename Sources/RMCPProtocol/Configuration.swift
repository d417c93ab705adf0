/// Every tunable of the engine: its unit is in its name or type; beside it stand its reason and its source.
public struct Configuration: Sendable {
    // MARK: Packets and chunks

    /// Length of a whole datagram of DATA, bytes. 1400 leaves room for the usual tunnels below 1500-byte frames; the
    /// host lowers it to what the path carries.
    public var datagramLength = 1_400
    /// Lengths to fall back to when joined receivers do not get full-sized datagrams: below common tunnel stacks, the
    /// IPv6 minimum MTU of 1280 (RFC 8200, 5) less headers, and the IPv4 minimum of 576 (RFC 791) less headers.
    public var datagramLengthLadder = [1_400, 1_300, 1_200, 1_000, 508]
    /// Content bytes of a chunk; docs/decisions/0002 has the measurements.
    public var chunkLength: UInt32 = 1 << 20
    /// Sequence number of the first multicast datagram; nil draws one. Set where the wrap of the number is tried out.
    public var firstSequence: UInt32?

    // MARK: Joining

    /// Start as soon as this many receivers have joined; nil starts with those who came by `minimumWait`.
    public var waitForReceivers: Int?
    public var minimumWait = Interval.seconds(2)
    public var maximumWait = Interval.seconds(30)
    /// How long to stay after the last known receiver is complete.
    public var linger = Interval.zero
    /// ANNOUNCE repeats this often while receivers join: they join within a tenth of a second.
    public var announceIntervalWaiting = Interval.milliseconds(100)
    /// And this often later: a latecomer waits for one.
    public var announceInterval = Interval.milliseconds(250)

    /// Who must have everything before the sender leaves.
    public enum Until: Sendable, Hashable {
        case receivers
        /// The repair nodes, which serve the receivers from then on.
        case repairNodes
    }
    public var until = Until.receivers
    /// What multicast is sent with, 0...255: said in heartbeats, so that children can tell how far away they are.
    public var timeToLive: UInt8 = 1
    /// A child that went to another parent is counted again within this time, a few statuses up the tree: so long
    /// nothing is concluded from its absence.
    public var concludeAfterDetach = Interval.seconds(1)

    // MARK: Feedback

    /// Backoff window of a NAK in units of GRTT (RFC 5401, 3.2.3: K = 4 where NAKs are by unicast or scoped).
    public var backoffFactor = 4.0
    /// Bounds of the group round-trip time. The lower one covers scheduling at both ends: below it, NAKs and repairs
    /// would cross each other.
    public var minimumGroupRoundTrip = Interval.milliseconds(2)
    public var maximumGroupRoundTrip = Interval.seconds(2)
    /// Assumed until the first echo (RFC 5740 assumes 0.5 s; local networks are what this starts on).
    public var initialGroupRoundTrip = Interval.milliseconds(10)
    /// Packets that arrive this much after a later one were reordered, not lost. Paths reorder within a few packets;
    /// 1 ms is about the length of a batch.
    public var reorderDelay = Interval.milliseconds(1)
    /// NAKs of a receiver in one go, datagrams: bounds its share of the parent's inbound queue.
    public var maximumNAKDatagrams = 4
    /// Chunks a latecomer or far-behind receiver asks for again after this long when nothing of them came: the parent
    /// keeps the request, so that only a lost NAK needs this.
    public var catchUpHoldOff = Interval.milliseconds(300)
    /// Absent chunks that are asked for in one go: enough that a request is on the parent's books while the one before
    /// is being served.
    public var catchUpWindow = 256
    /// Hold-offs in a row that NCFs may begin while nothing of what they name comes; then a receiver asks for itself. So
    /// many repairs of one thing are hardly lost one after the other, so that large groups go on asking once, and forged
    /// NCFs delay no longer.
    public var maximumPostponements = 3
    /// STATUS datagrams a second that a parent wants from all of its children together.
    public var statusRateLimit = 1_000.0
    /// NAKs a second that a parent wants from all of its child repair nodes together: as many as STATUSes. With 10 nodes they are
    /// 10 ms apart, less than a round of repair takes; what a flat tree of a thousand saves its sender they wait for.
    public var nodeNAKRateLimit = 1_000.0
    /// And this far apart at most: children of a node wait for its repairs, and leave it when nothing comes for `uselessAfter`.
    public var maximumNAKInterval = Interval.seconds(1)
    public var minimumStatusInterval = Interval.milliseconds(10)
    public var maximumStatusInterval = Interval.seconds(10)
    /// The same, and between heartbeats, while the rate doubles: it then takes a twentieth of a second to 5 Gb/s.
    public var startupStatusInterval = Interval.milliseconds(3)
    /// And no longer than this, if the source never lets the rate be tried.
    public var startupDuration = Interval.milliseconds(500)
    /// Least time between a STATUS and one that is ahead of its turn because buffers fill: 5 ms at 10 Gb/s are 6 MB, a
    /// fraction of the assembly slots.
    public var urgentStatusInterval = Interval.milliseconds(5)
    /// A final STATUS is repeated after this long until it is acknowledged, doubling each time up to 0.8 s.
    public var finalStatusTimeout = Interval.milliseconds(50)
    /// A repair node acknowledges a final STATUS when it has told its own parent of it, or after this long: who is done and goes must
    /// not be lost with the node. Shorter than a child waits for it.
    public var acknowledgementDelay = Interval.seconds(2)
    /// Unacknowledged final STATUS datagrams before a receiver takes its parent for gone.
    public var finalStatusAttempts = 10

    /// Watchers that a parent answers in a second, all together: ten of them twice a second, at 16 KB in all.
    public var maximumReportsPerSecond = 20

    // MARK: Heartbeats and silence

    /// While receivers join, as often as ANNOUNCE: the first round trips are measured then.
    public var heartbeatIntervalWaiting = Interval.milliseconds(100)
    /// While streaming, heartbeats carry the clock that round trips and queueing are measured by; at slow rates they
    /// are spaced out so as to stay below `heartbeatShare` of the rate.
    public var minimumHeartbeatInterval = Interval.milliseconds(10)
    public var maximumHeartbeatInterval = Interval.milliseconds(200)
    public var heartbeatShare = 0.005
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
    /// LEAVING is said this often, `leavingInterval` apart: one lost datagram must not cost a receiver its timeout.
    public var leavingRepeats = 4
    public var leavingInterval = Interval.milliseconds(15)

    // MARK: The tree

    /// Parents that a child keeps an eye on.
    public var maximumParents = 8
    /// A parent that has been silent for this long, five heartbeats at their rarest, is left for the next best.
    public var parentTimeout = Interval.seconds(1)
    /// A better parent is asked after a random part of this, so that not all children run to it at once.
    public var parentJitter = Interval.milliseconds(200)
    /// A newcomer has found its parent by then: two heartbeats and the jitter. So long one that knows of repair nodes does not
    /// report and does not ask: a hundred thousand that told the sender first, and then left, would be as many datagrams there.
    public var parentSettlingTime = Interval.milliseconds(400)
    /// It waits so much longer for the answer of the parent that it has asked: for one ATTACH that was lost, and its repetition.
    public var parentSettlingGrace = Interval.milliseconds(600)
    /// Not again so soon after a change, unless the parent fails.
    public var parentHysteresis = Interval.seconds(5)
    /// A parent that says that it has what its child asks for, and does not send it for this long, is left; one that does
    /// not have it gets three times as long.
    public var uselessAfter = Interval.seconds(3)
    /// A parent that was of no use or refused is not asked again for this long.
    public var parentAvoidance = Interval.seconds(30)
    /// Chunks that a repair node may have a part in spoiling before what it sends is not taken any more.
    public var tolerableSpoiltChunks = 3
    /// An ATTACH is repeated after this long, and then after twice as long each time.
    public var attachTimeout = Interval.milliseconds(200)
    public var attachAttempts = 3
    /// The same for the ATTACH by which a child makes itself known to its sender: this long, or two GRTTs, doubling up to
    /// `attachTimeout`. It takes the place of a first STATUS that was repeated every 10 ms; of 100,000 whose answers are lost few ask
    /// at one time.
    public var firstAttachTimeout = Interval.milliseconds(20)
    public var firstAttachAttempts = 10
    /// A parent that was left is told after this long, or two statuses of the new one: each child's new parent has told its
    /// own of it by then.
    public var detachDelay = Interval.milliseconds(500)
    public var detachAttempts = 5
    /// A former parent that is there and has not answered so often is told again after this long: what it counts, or does not,
    /// must not stay wrong for good.
    public var detachRepeatInterval = Interval.seconds(5)

    // MARK: Repairs

    /// Children that must lack something of a chunk for its repairs to be multicast; fewer get them at their own addresses. From
    /// the second one on one multicast is cheaper than a copy for each, and what each lacks need not be kept apart: 1 (all by
    /// multicast) and 2 are told apart.
    public var multicastRepairAskers = 2
    /// A NAK's packets wait this long for other children's NAKs before they are repaired.
    public var repairAggregationDelay = Interval.milliseconds(1)
    /// Share of the rate that latecomers and far-behind receivers may take from first transmissions (0...1): small,
    /// since the healthy must finish as if they were alone (promise 4).
    public var catchUpShareWhileStreaming = 0.01
    /// Share of the rate that live repairs leave to first transmissions while there are some to send (0...1): asking for
    /// everything again, whoever does it, must not bring the stream to a stand. The flat bound of repairs (E[M] - 1) at
    /// 30 % loss takes four fifths of the rate only from 60 receivers without a repair node on.
    public var leastFirstShareWhileStreaming = 0.2
    /// Chunks with repairs pending; further ones are turned into catch-up requests for the whole chunk.
    public var maximumRepairChunks = 1_024
    /// Fragments of the catch-up queue; at the limit further requests are dropped, to be asked for again.
    public var maximumCatchUpRanges = 8_192

    // MARK: Unicast fallback

    /// A receiver that hears its sender's unicast but nothing from the group for this long, having joined anew twice,
    /// is deaf: multicast does not reach it.
    public var deafAfter = Interval.milliseconds(2_500)
    /// Heartbeats to a child served by unicast: half as long as those to the group at their rarest.
    public var unicastHeartbeatInterval = Interval.milliseconds(100)
    /// Children served by unicast, relays and deaf ones: each costs as much as the whole group.
    public var maximumUnicastChildren = 8
    /// Share of the rate that they may take from first transmissions (0...1).
    public var unicastShareWhileStreaming = 0.1

    // MARK: Memory

    /// Encoded chunks that the sender's host holds: what is being encoded, sent and repaired.
    public var maximumResidentChunks = 96
    /// Of these, chunks encoded before their turn to be sent.
    public var encodeAhead = 24
    /// Old chunks that are read and encoded again at one time.
    public var maximumFetches = 6
    /// Chunks that a receiver assembles at one time: loss is repaired within this window.
    public var assemblySlots = 96
    /// Children of one parent.
    public var maximumChildren = 100_000
    /// Control datagrams waiting to be sent; at the limit the oldest is dropped.
    public var maximumControlQueue = 256

    // MARK: Rate

    /// A fixed rate in bits per second of datagrams; nil adapts.
    public var fixedRate: UInt64?
    public var minimumRate: UInt64 = 1_000_000
    public var maximumRate: UInt64 = 100_000_000_000
    /// Low enough for a slow link's queue; eight doublings, a fifth of a second, from 5 Gb/s.
    public var initialRate: UInt64 = 20_000_000
    /// Quantile of the loss and pressure histograms that the rate follows (0...1).
    public var rateQuantile = 0.9
    /// Longest train of packets sent back to back: small switch buffers survive it.
    public var batchDuration = Interval.milliseconds(1)
    /// Packets in one segmentation-offload send: the kernel takes at most 64 KiB and 64 segments.
    public var maximumBatchPackets = 46

    public init() {}
}

/// A configuration that many engines of one host read: each of a hundred thousand has a reference, and no copy.
public final class SharedConfiguration: Sendable {
    public let value: Configuration
    public init(_ value: Configuration) { self.value = value }
}
