/// How a child finds, keeps and leaves a parent.
public struct TreeSettings: Sendable {
    /// Parents that a child keeps an eye on.
    public var maximumParents = 8
    /// A parent that has been silent for this long, five heartbeats at their rarest, is left for the next best.
    public var parentTimeout = Interval.seconds(1)
    /// A better parent is asked after a random part of this, so that not all children run to it at once.
    public var parentJitter = Interval.milliseconds(200)
    /// A newcomer has found its parent by then: two heartbeats and the jitter. So long one that knows of repair nodes does not
    /// report and does not ask: a hundred thousand that told the sender first, and then left, would be as many datagrams there.
    public var parentSettlingTime = Interval.milliseconds(400)
    /// A newcomer waits so much longer for the parent that it has asked: for one ATTACH that was lost, and its repetition.
    public var parentSettlingGrace = Interval.milliseconds(600)
    /// Not again so soon after a change, unless the parent fails.
    public var parentHysteresis = Interval.seconds(5)
    /// A parent that says that it has what its child asks for, and does not send it for this long, is left; one that does
    /// not have it gets three times as long.
    public var uselessAfter = Interval.seconds(3)
    /// A parent that was of no use or refused is not asked again for this long.
    public var parentAvoidance = Interval.seconds(30)
    /// Repair nodes that a child goes below before they have given it anything: one that restarts now and then is among them, and a
    /// stranger who plays ever new ones costs so many times `uselessAfter`. A child that needs nothing loses nothing by staying
    /// with the sender.
    public var maximumTrials = 4
    /// Keys of the repair nodes that are taken as parents, and whose sums are counted; nil where anybody's are.
    public var trustedNodes: Set<PublicKey>?
    /// A trusted repair node signs where it stands once a second, and is taken at its word for so long: two of three may be lost.
    public var placeValidity = Interval.seconds(3.5)
    /// Chunks that a repair node may have a part in spoiling before what it sends is not taken any more.
    public var tolerableSpoiltChunks = 3
    /// An ATTACH is repeated after this long, and then after twice as long each time.
    public var attachTimeout = Interval.milliseconds(200)
    /// ATTACHes to one parent, the first among them; then the next best is looked for.
    public var attachAttempts = 3
    /// The same for the ATTACH by which a child makes itself known to its sender: this long, or two GRTTs, doubling up to
    /// `attachTimeout`. It takes the place of a first STATUS that was repeated every 10 ms; of 100,000 whose answers are lost few ask
    /// at one time.
    public var firstAttachTimeout = Interval.milliseconds(20)
    /// ATTACHes to the sender, the first among them. Together they take 1.5 s, and longer where the sender is silent or far away.
    public var firstAttachAttempts = 10
    /// A parent that was left is told after this long, or two statuses of the new one: each child's new parent has told its
    /// own of it by then.
    public var detachDelay = Interval.milliseconds(500)
    /// DETACHes to a parent that is not heard. One that is alive is told on, see `detachRepeatInterval`.
    public var detachAttempts = 5
    /// A former parent that is there and has not answered so often is told again after this long: what it counts, or does not,
    /// must not stay wrong for good.
    public var detachRepeatInterval = Interval.seconds(5)

    public init() {}
}
