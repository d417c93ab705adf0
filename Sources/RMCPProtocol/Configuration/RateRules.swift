/// Rules of `--rate auto` that can be left out, so that the simulator tells what each is worth. A transfer has all of them.
public struct RateRules: OptionSet, Sendable, Hashable {
    /// A bit for each rule. Those of no rule mean nothing.
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    private init(_ position: UInt32) { rawValue = 1 << position }

    /// The first cut after doublings goes lower.
    public static let deepDrain = RateRules(0)
    /// Growth goes on from nearly all that was carried, and not from where the cut went.
    public static let resumption = RateRules(1)
    /// Growth begins when the queue is gone, and not when it is short.
    public static let emptyQueue = RateRules(2)
    /// The path carries what arrives while a queue stands, and not what is sent where both are nearly the same.
    public static let arrivalUnderQueue = RateRules(3)
    /// Cuts follow each other while a queue grows, or storage stays full.
    public static let fasterDrain = RateRules(4)
    /// Steps grow.
    public static let acceleration = RateRules(5)
    /// Steps begin in proportion to the rate above 1 Gb/s.
    public static let fastSteps = RateRules(6)
    /// Steps are due by time, and not one an answer.
    public static let severalSteps = RateRules(7)
    /// Far above what was carried the rate grows by factors.
    public static let exploring = RateRules(8)
    /// Loss that a cut did not lower is the path's own.
    public static let ownLoss = RateRules(9)
    /// Slight loss without a queue is waited for.
    public static let slightLoss = RateRules(10)
    /// A queue that stays is somebody else's: the rate does as TCP does.
    public static let competing = RateRules(11)
    /// A queue that stands whenever growth begins is somebody else's.
    public static let standingQueue = RateRules(12)
    /// Beside others a share is looked for by factors, before the first loss.
    public static let probing = RateRules(13)
    /// The rate after a loss beside others is bounded by what arrives.
    public static let arrivalAtLoss = RateRules(14)
    /// Arrival is compared with what was sent, and not with the rate.
    public static let comparison = RateRules(15)
    /// A few that are overrun are waited for.
    public static let minority = RateRules(16)

    /// The rate doubles as soon as what arrives at it has been measured, and not after a round.
    public static let measuredDoubling = RateRules(17)
    /// A sender that is late when it is cut grows by factors afterwards.
    public static let lateSender = RateRules(18)
    /// A cut goes no lower than nine tenths of what was carried without a queue.
    public static let calmRate = RateRules(19)
    /// A queue is carried after a cut at more than what is sent.
    public static let arrivalAboveSent = RateRules(20)
    /// Slight loss is lost behind the queue, whose rate is higher by that.
    public static let slightLossBehind = RateRules(21)

    /// Start-up goes on where the sender is late with small batches.
    public static let smallBatches = RateRules(22)

    /// Start-up multiplies the rate by up to four, and not by two.
    public static let largeFactor = RateRules(23)
    /// Loss by a queue is told for a while, and is no reason for another cut.
    public static let lossOfQueue = RateRules(24)

    /// The rate comes back by factors to what it was before a few were waited for.
    public static let comingBack = RateRules(25)

    /// Every bit, those of rules to come among them.
    public static let all = RateRules(rawValue: .max)

    /// Each by its name.
    public static let named: [(name: String, rule: RateRules)] = [
        ("deepDrain", .deepDrain), ("resumption", .resumption), ("emptyQueue", .emptyQueue),
        ("arrivalUnderQueue", .arrivalUnderQueue), ("fasterDrain", .fasterDrain), ("acceleration", .acceleration), ("fastSteps", .fastSteps),
        ("severalSteps", .severalSteps), ("exploring", .exploring), ("ownLoss", .ownLoss), ("slightLoss", .slightLoss), ("competing", .competing),
        ("standingQueue", .standingQueue), ("probing", .probing), ("arrivalAtLoss", .arrivalAtLoss),
        ("comparison", .comparison), ("minority", .minority), ("measuredDoubling", .measuredDoubling),
        ("lateSender", .lateSender), ("calmRate", .calmRate),
        ("arrivalAboveSent", .arrivalAboveSent), ("slightLossBehind", .slightLossBehind),
        ("smallBatches", .smallBatches), ("largeFactor", .largeFactor), ("lossOfQueue", .lossOfQueue), ("comingBack", .comingBack),
    ]
}
