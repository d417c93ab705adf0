/// Paces datagrams: tokens are bytes, they come at the rate, and what is not used is kept for a burst at most.
public struct TokenBucket: Sendable {
    /// Bytes a second.
    public private(set) var bytesPerSecond: Double
    private var tokens: Double
    private var burst: Double
    private var updated: Instant

    /// Above 8 Gb/s a byte takes less than the clock's nanosecond: time must pass all the same.
    private static let shortestWait = Interval.microseconds(1)

    /// - Parameter rate: bits per second, above 0.
    public init(rate: UInt64, burst: Int, at now: Instant) {
        bytesPerSecond = Double(rate) / Units.bitsPerByte
        self.burst = Double(burst)
        tokens = Double(burst)
        updated = now
    }

    public mutating func setRate(_ rate: UInt64, burst: Int, at now: Instant) {
        refill(at: now)
        bytesPerSecond = Double(rate) / Units.bitsPerByte
        self.burst = Double(burst)
        tokens = min(tokens, self.burst)
    }

    private mutating func refill(at now: Instant) {
        guard now > updated else { return }
        tokens = min(burst, tokens + (now - updated).inSeconds * bytesPerSecond)
        updated = now
    }

    /// True while a datagram may go: the bucket may be overdrawn by one batch, which is then waited for.
    public mutating func mayTransmit(at now: Instant) -> Bool {
        refill(at: now)
        return tokens > 0
    }

    public mutating func consume(_ bytes: Int) { tokens -= Double(bytes) }

    /// When `mayTransmit` will be true.
    public func nextTransmission(at now: Instant) -> Instant {
        let available = min(burst, tokens + max(0, (now - updated).inSeconds) * bytesPerSecond)
        guard available <= 0 else { return now }
        return now + max(Self.shortestWait, .seconds((1 - available) / bytesPerSecond))
    }
}
