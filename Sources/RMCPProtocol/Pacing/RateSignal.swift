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
}

/// When a signal was taken, and what it can be an answer to.
public struct RateMoment: Sendable {
    public var now: Instant
    /// Time from one STATUS of a child to the next, above zero: growth divides by it.
    public var statusInterval: Interval
    /// Group round-trip time (RFC 5401, 3.2.3).
    public var roundTrip: Interval
    /// When the newest datagram that receivers have answered was sent. Nothing is concluded before something that was
    /// sent at this rate has been answered: a long queue, once filled, must not be filled more.
    public var heardOf: Instant
    /// False while the sender had nothing to send; the rate proves nothing then.
    public var isLimitedByRate: Bool
    /// Rates of sending; nil while they are not known.
    var sent: SendRateMeter.Spans?

    init(
        now: Instant, statusInterval: Interval, roundTrip: Interval, heardOf: Instant, isLimitedByRate: Bool, sent: SendRateMeter.Spans? = nil
    ) {
        self.now = now
        self.statusInterval = statusInterval
        self.roundTrip = roundTrip
        self.heardOf = heardOf
        self.isLimitedByRate = isLimitedByRate
        self.sent = sent
    }

    /// How long feedback of a change takes to come back.
    var round: Interval { statusInterval + roundTrip }
}

extension RateController {
    /// Levels of `PressureBucket` that a phase acts on.
    enum Pressure {
        /// Five milliseconds: what datagrams wait in a host is not in it.
        static let queue = 2
        static let overload = Int(PressureBucket.overload)
        static let storage = Int(PressureBucket.storageFull)
    }
}
