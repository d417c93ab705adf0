/// Paces datagrams: tokens are bytes, they come at the rate, and what is not used is kept for a burst at most.
public struct TokenBucket: Sendable {
    /// Bytes a second.
    public private(set) var bytesPerSecond: Double
    private var tokens: Double
    private var burst: Double
    /// Bytes that are kept while something waits for tokens: a host that is late has not used what it might have.
    private var lateBurst: Double
    private let leastLateBurst: Double
    private var isAwaited = false
    private var updated: Instant

    /// Above 8 Gb/s a byte takes less than the clock's nanosecond: time must pass all the same.
    private static let shortestWait = Interval.microseconds(1)

    /// - Parameters:
    ///   - rate: bits per second, above 0.
    ///   - burst: bytes that are kept of what is not used.
    ///   - lateBurst: the same, at the least, where it could not be used since the host was late.
    public init(rate: UInt64, burst: Int, lateBurst: Int = 0, at now: Instant) {
        bytesPerSecond = Double(rate) / Units.bitsPerByte
        self.burst = Double(burst)
        leastLateBurst = Double(lateBurst)
        self.lateBurst = Double(max(burst, lateBurst))
        tokens = Double(burst)
        updated = now
    }

    /// Goes on at another rate, bits per second, above 0. Tokens beyond `burst` bytes are lost.
    public mutating func setRate(_ rate: UInt64, burst: Int, at now: Instant) {
        refill(at: now)
        // A host is told of the time first and asked for datagrams then: what it is late with must not be lost in between.
        let isLate = isAwaited || tokens > self.burst
        bytesPerSecond = Double(rate) / Units.bitsPerByte
        self.burst = Double(burst)
        lateBurst = max(self.burst, leastLateBurst)
        tokens = min(tokens, isLate ? lateBurst : self.burst)
    }

    private mutating func refill(at now: Instant) {
        guard now > updated else { return }
        let filled = tokens + (now - updated).inSeconds * bytesPerSecond
        let limit = isAwaited ? lateBurst : burst
        // Tokens beyond a burst stay, and none come to them.
        tokens = filled <= limit ? filled : max(limit, tokens)
        updated = now
    }

    /// Tokens of which more than a burst was kept for a host that is late; 0 otherwise, bytes.
    var late: Double { tokens > burst ? tokens : 0 }

    /// Something waits for nothing but tokens.
    mutating func noteAwaited() { isAwaited = true }

    /// True while a datagram may go: the bucket may be overdrawn by one batch, which is then waited for.
    public mutating func mayTransmit(at now: Instant) -> Bool {
        refill(at: now)
        return tokens > 0
    }

    /// Takes tokens for bytes that are sent, as the network carries them. There may be less than none afterwards.
    public mutating func consume(_ bytes: Int) {
        tokens -= Double(bytes)
        isAwaited = false
    }

    /// When `mayTransmit` will be true.
    public func nextTransmission(at now: Instant) -> Instant {
        let available = min(burst, tokens + max(0, (now - updated).inSeconds) * bytesPerSecond)
        guard available <= 0 else { return now }
        return now + max(Self.shortestWait, .seconds((1 - available) / bytesPerSecond))
    }
}
