/// `--rate auto`: finds the rate that the healthy part of the group can take.
///
/// It listens to two quantiles of the receivers' histograms. *Pressure* (queueing delay, buffers filling, socket
/// overflow) comes first and is always a reason to slow down. *Loss* is a reason only as far as it depends on the rate:
/// links that lose one packet in a hundred at any rate are not helped by sending slower. So after a decrease that did
/// not bring loss down, the loss is taken for the path's own (the floor) and the decrease is undone.
///
/// ```
///   startup ──first sign of overload──▶ steady ──overload──▶ recovering(until feedback of the new rate is in)
///   (doubles each round)                (grows)  ◀───────────┘
/// ```
public struct RateController: Sendable {
    private enum Phase: Sendable {
        case startup
        case steady
        /// The rate was cut from `previousRate` at `previousLoss`; no judgement before `until`.
        case recovering(until: Instant, previousRate: Double, previousLoss: Double)
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
    /// The rate at the last overload: growth is careful near it and fast well below it.
    private var ceiling: Double?

    /// Loss is told in buckets about 1.6 times apart and wavers between neighbours: overload is what lies two buckets
    /// above the floor, and a decrease has helped when loss is two buckets lower than before.
    private static let tolerance = 0.02
    private static let noise = 2.0
    /// No path that is worth sending on loses this much by itself: beyond, it is always the rate.
    private static let congestion = 0.5
    /// The floor is forgotten over this long: paths change.
    private static let floorLifetime = 10.0
    private static let holdPressure = Int(PressureBucket.hold)
    private static let overloadPressure = Int(PressureBucket.overload)

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
    ///   - loss: fraction (0...1) at the quantile.
    ///   - pressure: `PressureBucket` at the quantile.
    ///   - isStorageFull: somebody in profile is about to lose datagrams for want of room, whatever the quantile says.
    ///   - round: how long feedback of a change takes to come back: a status interval and a round trip.
    ///   - heardOf: when the newest datagram that receivers have answered was sent. The rate does not grow before
    ///     something that was sent at this rate has been answered: a long queue, once filled, must not be filled more.
    ///   - isLimitedByRate: false while the sender had nothing to send; the rate proves nothing then.
    public mutating func update(
        loss: Double, pressure: Int, isStorageFull: Bool, round: Interval, heardOf: Instant, isLimitedByRate: Bool, at now: Instant
    ) {
        guard !isFixed else { return }
        forgetFloor(loss: loss, at: now)
        let isLossy = loss > max(lossFloor + Self.tolerance, lossFloor * Self.noise)
        let isOverload = pressure >= Self.overloadPressure || isLossy
        if case .recovering(let until, let previousRate, let previousLoss) = phase {
            guard now >= until else { return }
            if pressure < Self.overloadPressure, previousLoss > 0, loss * Self.noise > previousLoss,
                loss < Self.congestion
            {
                // Slower, and as lossy as before: the path loses that much at any rate.
                lossFloor = max(lossFloor, loss)
                rate = previousRate
                phase = .steady
                nextGrowth = now + round
                return
            }
            phase = .steady
        }
        if isOverload {
            slowDown(loss: loss, pressure: pressure, round: round, at: now)
        } else if isStorageFull {
            slowDown(loss: 0, pressure: Self.overloadPressure, round: round, at: now)
        } else if pressure >= Self.holdPressure {
            // Close enough: from here on growth is careful.
            if case .startup = phase {
                phase = .steady
                ceiling = rate
            }
        } else if isLimitedByRate, now >= nextGrowth, heardOf >= changedAt {
            speedUp(round: round, at: now)
        }
    }

    private mutating func forgetFloor(loss: Double, at now: Instant) {
        let share = min(1, max(0, (now - floorAgedAt).inSeconds / Self.floorLifetime))
        floorAgedAt = now
        if loss < lossFloor { lossFloor = max(loss, lossFloor * (1 - share)) }
    }

    private mutating func slowDown(loss: Double, pressure: Int, round: Interval, at now: Instant) {
        ceiling = rate
        // Only loss above the floor can be undone by the check after recovery; pressure cannot be misread that way.
        let isLossy = loss > max(lossFloor + Self.tolerance, lossFloor * Self.noise)
        let lossAtCut = isLossy && pressure < Self.overloadPressure ? loss : 0
        phase = .recovering(until: now + round * 1.5, previousRate: rate, previousLoss: lossAtCut)
        var factor = pressure >= Int(PressureBucket.severe) ? decrease * decrease : decrease
        // Far above what the path carries, what arrives says how much that is.
        if lossAtCut > 0 { factor = min(factor, loss < Self.congestion ? 1 - loss : 0.4) }
        rate = max(minimum, rate * factor)
        changedAt = now
        nextGrowth = now + round
    }

    private mutating func speedUp(round: Interval, at now: Instant) {
        switch phase {
        case .startup: rate *= 2
        case .steady, .recovering:
            // A twentieth of the ceiling each round; a tenth of the rate where that is far off.
            if let ceiling, rate < ceiling * 1.2 { rate += ceiling * 0.05 } else { rate *= 1.25 }
        }
        rate = min(rate, maximum)
        nextGrowth = now + round
        changedAt = now
    }

    /// Leaves start-up, since something other than the rate limits.
    public mutating func endStartup() { if case .startup = phase { phase = .steady } }
}
