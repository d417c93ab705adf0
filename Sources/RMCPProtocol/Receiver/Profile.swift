/// Whether this receiver keeps up with the others. One that is behind does not ask for live repairs, which would hold
/// back the rest, and has no say in the rate: it fetches what it missed after them.
///
/// ```
///   in profile ──loss beyond the limit for 0.5 s, or the host overrun──▶ behind
///       ▲                                                                  │
///       └────────── loss within it for 1 s, and the penalty is over ───────┘
/// ```
struct Profile: Sendable {
    private(set) var isBehind = false
    /// Loss bucket beyond which a receiver does not belong to the stream, as the parent says it.
    private var lossLimit = UInt8(LossBucket.count)
    /// The same for its host's pressure.
    private var pressureLimit = UInt8(PressureBucket.count)
    /// Since when the loss says something else than `isBehind`; nil while they agree.
    private var changesSince: Instant?
    /// Not back in profile before this, since the host itself was overrun.
    private var behindUntil = Instant.zero
    /// How long it is behind when its host is overrun the next time.
    private var penalty = Self.firstPenalty
    private var fullSince: Instant?

    /// A few statuses of a large group: one that measures a burst is not put behind, and one that recovers is soon back. Chosen, not
    /// measured.
    private static let leavesAfter = Interval.seconds(0.5)
    private static let returnsAfter = Interval.seconds(1)
    /// Longer each time, so that a disk that is too slow for good does not hold up the others again and again.
    private static let firstPenalty = Interval.seconds(2)
    private static let longestPenalty = Interval.seconds(60)

    /// The parent's limits. Where it has none there is nobody to hold back: most are behind, or all others are gone.
    /// - Returns: whether that brings it back, and it asks for live repairs again.
    mutating func follow(_ heartbeat: Heartbeat) -> Bool {
        lossLimit = heartbeat.liveLossLimit
        pressureLimit = heartbeat.livePressureLimit
        guard isBehind, lossLimit >= UInt8(LossBucket.count), pressureLimit >= UInt8(PressureBucket.count) else { return false }
        isBehind = false
        changesSince = nil
        behindUntil = .zero
        return true
    }

    /// Beyond the sender's limit for half a second: catching up afterwards. Below it for a second: back in profile.
    /// - Parameter loss: smoothed (0...1).
    /// - Returns: whether it is back, and asks for live repairs again.
    mutating func judge(loss: Double, at now: Instant) -> Bool {
        let isBeyond = LossBucket.index(of: loss) > lossLimit || now < behindUntil
        guard isBeyond != isBehind else {
            changesSince = nil
            return false
        }
        let since = changesSince ?? now
        changesSince = since
        guard now - since >= (isBehind ? Self.returnsAfter : Self.leavesAfter) else { return false }
        isBehind = isBeyond
        changesSince = nil
        return !isBehind
    }

    /// A host that takes in less than most others do may slow them down for half a second; then it falls behind, for
    /// longer each time, and fetches what it missed after them.
    mutating func judgeHost(isFull: Bool, hasOverflowed: Bool, isStreaming: Bool, at now: Instant) {
        guard pressureLimit < UInt8(PressureBucket.count), isStreaming, !isBehind else {
            fullSince = nil
            return
        }
        let since = fullSince ?? now
        fullSince = isFull ? since : nil
        guard hasOverflowed || (isFull && now - since >= Self.leavesAfter) else { return }
        isBehind = true
        fullSince = nil
        behindUntil = now + penalty
        penalty = min(penalty * 2, Self.longestPenalty)
    }
}
