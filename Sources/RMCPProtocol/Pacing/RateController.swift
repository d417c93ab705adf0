/// What the group says about the network, at the quantile that the rate follows.
public struct RateSignal: Sendable {
    /// Fraction (0...1) of datagrams lost.
    public var loss: Double
    /// `PressureBucket`.
    public var pressure: Int
    /// Bits per second that arrive at a receiver; nil when nobody says.
    public var arrival: Double?
    /// Somebody in profile is about to lose datagrams for want of room, whatever the quantile says.
    public var isStorageFull: Bool

    public init(loss: Double, pressure: Int, arrival: Double?, isStorageFull: Bool) {
        self.loss = loss
        self.pressure = pressure
        self.arrival = arrival
        self.isStorageFull = isStorageFull
    }

    var isOverload: Bool { pressure >= Int(PressureBucket.overload) }
}

/// `--rate auto`: finds the rate that the healthy part of the group can take.
///
/// *Pressure* (queueing delay, storage that fills, socket overflow) comes before loss does and is always a reason to
/// slow down. *Loss* is a reason only as far as it depends on the rate: links that lose one packet in a hundred at any
/// rate are not helped by sending slower, so after a decrease that did not bring loss down, the loss is taken for the
/// path's own (the floor) and the decrease is undone. How far to go down is not guessed: what arrives while a queue
/// stands is what the path carries (as in BBR, Cardwell et al., 2016). The rate stays well below it until the queue has
/// drained, and then just below it.
///
/// ```
///   startup ──first sign of overload──▶ recovering ──queue drained──▶ steady
///   (doubles each round)                    ▲                          │ (grows)
///                                           └────────overload──────────┘
/// ```
public struct RateController: Sendable {
    private enum Phase: Sendable {
        case startup
        case steady
        /// Draining until `until`, then on with `resume`; or with `previousRate` if it turns out that loss does not
        /// depend on the rate. `previousLoss` is 0 when loss was not the reason.
        case recovering(until: Instant, resume: Double, previousRate: Double, previousLoss: Double)
    }

    /// Bits per second.
    public private(set) var rate: Double
    private let minimum: Double
    private let maximum: Double
    private let isFixed: Bool
    private let decrease: Double
    private var phase = Phase.startup
    /// Loss that does not depend on the rate.
    private var lossFloor = 0.0
    private var floorAgedAt: Instant
    private var nextGrowth: Instant
    private var changedAt: Instant
    /// What the path carried at the last overload: growth is careful near it and fast well above it.
    private var ceiling: Double?
    /// The least that a minority may bring the rate down to, while it tries.
    private var minorityFloor = 0.0
    private var minorityUntil = Instant.zero
    private var growth = RateController.slowestGrowth

    /// Loss is told in buckets about 1.6 times apart and wavers between neighbours: overload is what lies two buckets
    /// above the floor, and a decrease has helped when loss is two buckets lower than before.
    private static let tolerance = 0.02
    private static let noise = 2.0
    /// No path that is worth sending on loses this much by itself: beyond, it is always the rate.
    private static let congestion = 0.5
    /// The floor is forgotten over this long: paths change.
    private static let floorLifetime = 10.0
    /// Shares of what the path carries: while a queue drains, afterwards, and while a few are overrun.
    private static let drainShare = 0.6
    private static let resumeShare = 0.92
    private static let minorityShare = 0.4
    /// Growth a round. The faster one doubles the rate in nine rounds: feedback is two rounds behind, and what it
    /// finds must not be a flood.
    private static let slowestGrowth = 0.02
    private static let fastestGrowth = 0.08

    public init(configuration: Configuration, at now: Instant) {
        minimum = Double(max(1, configuration.minimumRate))
        maximum = Double(max(configuration.maximumRate, configuration.minimumRate))
        decrease = configuration.rateDecrease
        if let fixed = configuration.fixedRate {
            isFixed = true
            rate = Double(max(1, fixed))
        } else {
            isFixed = false
            rate = min(max(Double(configuration.initialRate), minimum), maximum)
        }
        nextGrowth = now
        changedAt = now
        floorAgedAt = now
    }

    /// Takes what the group says now.
    /// - Parameters:
    ///   - round: how long feedback of a change takes to come back: a status interval and a round trip.
    ///   - heardOf: when the newest datagram that receivers have answered was sent. The rate does not grow before
    ///     something that was sent at this rate has been answered: a long queue, once filled, must not be filled more.
    ///   - isLimitedByRate: false while the sender had nothing to send; the rate proves nothing then.
    public mutating func update(
        _ signal: RateSignal, round: Interval, heardOf: Instant, isLimitedByRate: Bool, at now: Instant
    ) {
        guard !isFixed else { return }
        forgetFloor(loss: signal.loss, at: now)
        if case .recovering(let until, let resume, let previousRate, let previousLoss) = phase {
            guard now >= until else { return }
            phase = .steady
            nextGrowth = now + round
            if previousLoss > 0, !signal.isOverload, signal.loss < Self.congestion, signal.loss * Self.noise > previousLoss {
                // Slower, and as lossy as before: the path loses that much at any rate.
                lossFloor = max(lossFloor, signal.loss)
                set(previousRate, at: now)
                return
            }
            if !signal.isOverload, !isLossy(signal) { return set(resume, at: now) }
        }
        if signal.isOverload || isLossy(signal) {
            slowDown(signal, round: round, at: now)
        } else if signal.isStorageFull {
            waitForMinority(round: round, at: now)
        } else if case .startup = phase, signal.pressure >= Int(PressureBucket.hold) - 1 {
            // The first queue: close enough, from here on growth is careful.
            phase = .steady
            ceiling = rate
        } else if signal.pressure < Int(PressureBucket.hold), isLimitedByRate, now >= nextGrowth, heardOf >= changedAt {
            speedUp(round: round, at: now)
        }
    }

    private func isLossy(_ signal: RateSignal) -> Bool {
        signal.loss > max(lossFloor + Self.tolerance, lossFloor * Self.noise)
    }

    private mutating func set(_ newRate: Double, at now: Instant) {
        rate = min(max(newRate, minimum), maximum)
        changedAt = now
    }

    private mutating func forgetFloor(loss: Double, at now: Instant) {
        let share = min(1, max(0, (now - floorAgedAt).inSeconds / Self.floorLifetime))
        floorAgedAt = now
        if loss < lossFloor { lossFloor = max(loss, lossFloor * (1 - share)) }
    }

    private mutating func slowDown(_ signal: RateSignal, round: Interval, at now: Instant) {
        // Only loss can be misread; pressure cannot.
        let lossAtCut = isLossy(signal) && !signal.isOverload ? signal.loss : 0
        var carried = rate * (signal.loss < Self.congestion ? decrease : 0.4)
        // What arrives is what the path carries, if clearly less arrives than is sent. A tenth of the rate is the least
        // to believe in: a receiver that slept tells nothing of the path.
        if let arrival = signal.arrival, arrival < rate * 0.9 { carried = max(arrival, rate * 0.1) }
        ceiling = carried
        growth = Self.slowestGrowth
        let queue = Interval.milliseconds(PressureBucket.delayBound(of: signal.pressure))
        phase = .recovering(
            until: now + round + queue * 2, resume: carried * Self.resumeShare, previousRate: rate, previousLoss: lossAtCut)
        set(carried * Self.drainShare, at: now)
    }

    /// A few are overrun while most are calm: they get some time, at no less than two fifths of the rate. It ends by
    /// itself, since they fall behind if that does not help them.
    private mutating func waitForMinority(round: Interval, at now: Instant) {
        guard now >= nextGrowth else { return }
        if now >= minorityUntil { minorityFloor = rate * Self.minorityShare }
        minorityUntil = now + .seconds(1)
        if case .startup = phase { phase = .steady }
        if ceiling == nil { ceiling = rate }
        growth = Self.slowestGrowth
        nextGrowth = now + round
        set(max(minorityFloor, rate * 0.8), at: now)
    }

    private mutating func speedUp(round: Interval, at now: Instant) {
        switch phase {
        case .startup: set(rate * 2, at: now)
        case .steady, .recovering:
            // A fiftieth each round up to what the path carried; beyond, in steps that grow.
            growth = rate < (ceiling ?? 0) * 1.05 ? Self.slowestGrowth : min(growth * 1.2, Self.fastestGrowth)
            set(rate * (1 + growth), at: now)
        }
        nextGrowth = now + round
    }
}
