/// `--rate auto`: finds the rate that the healthy part of the group can take.
///
/// *Pressure* (queueing delay, storage that fills, socket overflow) comes before loss does. *Loss* is a reason to slow
/// down only as far as it depends on the rate: links that lose one packet in a hundred at any rate are not helped by
/// sending slower, so after a cut that did not bring loss down, the loss is taken for the path's own (the floor) and the
/// cut is undone. How far to go down is not guessed: what arrives while a queue stands is what the path carries (as in
/// BBR, Cardwell et al., 2016).
///
/// Growth is the same for everybody who shares a queue, whatever rate he is at, and cuts are in proportion: so those
/// who share it come to equal rates (Chiu and Jain, 1989). A queue that stays although the rate went down twice, or that is
/// there again and again as soon as the rate grows, is somebody else's, who gives way to loss only: beside him the rate does
/// as TCP does (a switch of mode as in Copa, Arun and Balakrishnan, 2018), until the queue is gone.
///
/// Hosts that are late are no queue. Datagrams are stamped as they arrive, not as they are read, and what arrives is held
/// against what was really sent.
///
/// ```
///   startup ──first queue, loss──▶ draining ──queue gone──▶ growing
///   (doubles, or more)              │    ▲                   │  ▲
///                                   │    └────queue, loss────┘  │
///                  queue stays twice└────▶ competing ◀──▶┘  gone; stands all the time
/// ```
///
/// Each phase is a file that says what it does and by which numbers: `StartUp`, `Growth`, `Drain`, `Competition`. Here is what they share.
public struct RateController: Sendable {
    enum Phase: Sendable {
        /// The user has set the rate.
        case fixed
        case startup(StartUp)
        case growing(Growth)
        case draining(Drain)
        case competing(Competition)
    }

    /// Bits per second.
    public private(set) var rate: Double
    private let minimum: Double
    private let maximum: Double
    let rules: RateRules
    var phase: Phase
    var loss: LossMemory
    var standing = StandingQueue()
    var rivals = RivalMemory()
    var minority = MinorityPatience()
    /// Until when what was done last has not shown yet.
    var nextGrowth: Instant
    private(set) var changedAt: Instant
    /// Bits per second that arrived, and were sent, without any queue since the last cut, at the most.
    private var calm: Double?

    /// Begins in start-up at `initialRate`, within the bounds, or at the fixed rate, which no bound holds for.
    public init(configuration: Configuration, at now: Instant) {
        minimum = Double(max(1, configuration.rate.minimumRate))
        rules = configuration.rate.rules
        maximum = Double(max(configuration.rate.maximumRate, configuration.rate.minimumRate))
        if let fixed = configuration.rate.fixedRate {
            phase = .fixed
            rate = Double(max(1, fixed))
        } else {
            phase = .startup(StartUp())
            rate = min(max(Double(configuration.rate.initialRate), minimum), maximum)
        }
        nextGrowth = now
        changedAt = now
        loss = LossMemory(at: now)
    }

    /// True until the first cut, or until the beginning of a queue stays.
    var isStartingUp: Bool { if case .startup = phase { true } else { false } }

    /// True until the path's rate has been found once, and what went beyond it is gone: feedback is worth more than its cost then.
    var isFinding: Bool {
        switch phase {
        case .startup: true
        case .draining(let drain): !drain.wasFound
        case .fixed, .growing, .competing: false
        }
    }

    /// The stream begins: nothing has been sent at the first rate before.
    mutating func begin(at now: Instant) { changedAt = now }

    /// Takes what the group says now.
    /// - Returns: what that did to the rate, and why.
    @discardableResult
    public mutating func update(_ signal: RateSignal, _ moment: RateMoment) -> Decision {
        let before = rate
        let reason = decide(signal, moment)
        return Decision(before: before, after: rate, reason: reason)
    }

    private mutating func decide(_ signal: RateSignal, _ moment: RateMoment) -> Reason {
        if case .fixed = phase { return .fixed }
        loss.note(signal.loss, at: moment.now)
        noteCalm(signal, moment)
        switch phase {
        case .fixed: return .fixed
        case .startup(let startUp): return update(startUp, signal, moment)
        case .growing(let growth): return update(growth, signal, moment)
        case .draining(let drain): return update(drain, signal, moment)
        case .competing(let competition): return update(competition, signal, moment)
        }
    }

    // MARK: The rate

    mutating func set(_ newRate: Double, at now: Instant) {
        rate = min(max(newRate, minimum), maximum)
        changedAt = now
    }

    /// Follows a curve of growth: what was sent a moment ago is as good an answer.
    mutating func drift(to newRate: Double) { rate = min(max(newRate, minimum), maximum) }

    /// A few are overrun while most are calm.
    /// - Returns: nil where they have had their time.
    mutating func waitForMinority(_ moment: RateMoment) -> Reason? {
        guard rules.contains(.minority) else { return nil }
        guard moment.now >= nextGrowth else { return .tooSoon }
        guard let waiting = minority.spend(from: rate, at: moment.now) else { return nil }
        if case .growing = phase { phase = .growing(Growth(at: rate, comingBackTo: minority.previousRate, rules)) }
        nextGrowth = moment.now + moment.round
        set(waiting, at: moment.now)
        return .minority
    }

    // MARK: What was carried without a queue

    /// Share of what is sent above which all of it arrives: arrival is told in buckets 9 % apart.
    private static let shareOfAll = 0.9

    private mutating func noteCalm(_ signal: RateSignal, _ moment: RateMoment) {
        guard signal.pressure == 0, moment.heardOf >= changedAt, let arrival = signal.arrival, arrival >= offered(moment) * Self.shareOfAll else { return }
        calm = max(calm ?? 0, min(arrival, used(moment)))
    }

    /// - Returns: bits per second; nil where there is nothing to go by.
    mutating func takeCalm() -> Double? {
        defer { calm = nil }
        return rules.contains(.calmRate) ? calm : nil
    }

    // MARK: What the signal says of the rate

    /// Share of the rate (0...1) from which it counts as used: a host that is late, or whose source is, sends less than it may. A quarter
    /// is left to what measuring may be wrong by, since arrival is told in buckets 9 % apart, and what was sent is sampled.
    static let usedShare = 0.75

    func mayGrow(_ moment: RateMoment) -> Bool {
        moment.isLimitedByRate && moment.now >= nextGrowth && moment.heardOf >= changedAt && used(moment) >= rate * Self.usedShare
    }

    /// Rate of sending of late, at the most and at the least, bits per second: less than `rate` where the host was late or had
    /// nothing to send.
    func used(_ moment: RateMoment) -> Double { rules.contains(.comparison) ? min(rate, moment.sent?.most ?? rate) : rate }
    func offered(_ moment: RateMoment) -> Double { rules.contains(.comparison) ? min(rate, moment.sent?.least ?? rate) : rate }

    /// Clearly less than `share` of what is sent: the rate has passed what the path carries.
    func arrivesLess(_ signal: RateSignal, _ moment: RateMoment, than share: Double = RateController.usedShare) -> Bool {
        signal.arrival.map { $0 < offered(moment) * share * (1 - min(signal.loss, LossMemory.congestion)) } ?? false
    }
}
