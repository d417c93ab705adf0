import RealModule

/// How the rate grows beside somebody who fills the queue until packets are lost: as the window of one TCP connection
/// would (CUBIC, RFC 9438), so that both lose at about the same time and give way alike. Told in rates: a window is what
/// is sent in a round trip.
struct CompetingGrowth: Sendable {
    /// Since the last loss.
    private let start: Instant
    /// No loss has been seen beside others yet.
    let isProbing: Bool
    /// Bits per second at the last loss.
    let rateAtLoss: Double
    /// Bits per second.
    private let packetRate: Double
    private let roundTripSeconds: Double

    /// Packets per cubed second (RFC 9438, 4.1: C).
    private static let scale = 0.4
    /// Share that is left after a loss (RFC 9438, 4.6: beta).
    static let share = 0.7
    /// The curve is a cube's.
    private static let degree = 3
    /// Packets a round trip that make it fair to Reno (RFC 9438, 4.3: alpha).
    private static let friendlySlope = 3 * (1 - share) / (1 + share)
    /// Bits of a TCP segment with its headers.
    private static let packetBits = 12_000.0
    /// Seconds: below a millisecond a round trip is mostly the hosts'.
    private static let shortestRoundTrip = 0.001

    init(rateAtLoss: Double, roundTrip: Interval, isProbing: Bool = false, at now: Instant) {
        self.isProbing = isProbing
        start = now
        self.rateAtLoss = rateAtLoss
        roundTripSeconds = max(roundTrip.inSeconds, Self.shortestRoundTrip)
        packetRate = Self.packetBits / roundTripSeconds
    }

    /// Bits per second.
    func rate(at now: Instant) -> Double {
        let time = max(0, (now - start).inSeconds)
        let window = rateAtLoss / packetRate
        let plateau = Double.root(window * (1 - Self.share) / Self.scale, Self.degree)
        let cubic = window + Self.scale * Double.pow(time - plateau, Self.degree)
        let friendly = window * Self.share + Self.friendlySlope * time / roundTripSeconds
        return max(cubic, friendly) * packetRate
    }
}
