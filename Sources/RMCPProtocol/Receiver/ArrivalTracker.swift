/// Measures loss by the gaps in one transmitter's sequence numbers. Reordered and duplicated datagrams count as
/// received, which errs on the calm side.
struct ArrivalTracker: Sendable {
    private var highest: UInt32?
    /// A number far ahead that the next datagram has to bear out (RFC 3550, A.1: probation); nil while there is none.
    private var suspect: UInt32?
    private var expected = 0
    private var received = 0
    /// Smoothed fraction lost (0...1).
    private(set) var loss = 0.0
    private(set) var totalExpected: UInt64 = 0

    private var meter = ArrivalRateMeter()
    /// Bits per second of datagrams, IP and UDP headers included; nil while there is nothing to measure it by.
    /// - Parameter isRead: as they are read, which is what a host takes in that has more than enough to read; as they arrive,
    ///   otherwise, which does not depend on when it comes to read them.
    func rate(isRead: Bool) -> Double? { isRead ? meter.readBitsPerSecond : meter.bitsPerSecond }

    /// A jump of more than this many datagrams is a new start, not a loss.
    private static let maximumJump = 1 << 22
    /// A gap of more datagrams is believed when two in a row show it.
    private static let plausibleGap = 256
    /// Datagrams that may be between the signing of a statement and what comes after it, reordered.
    private static let anchorTolerance = 1_024
    /// Fewer datagrams than this say nothing about loss.
    private static let minimumSample = 20
    /// Datagrams that what is smoothed already weighs as much as.
    private static let smoothing = 100

    /// How many datagrams were skipped right before this one: 0 in order, nil for one from the past.
    /// - Parameters:
    ///   - family: of the addresses that it came between.
    ///   - dataAt: when it arrived and when it was read, for DATA; nil for everything else.
    @discardableResult
    @inline(__always)
    mutating func record(
        _ sequence: UInt32, bytes length: Int, over family: SocketAddress.Family = .ipv4, dataAt times: (arrival: Instant, read: Instant)? = nil
    ) -> Int? {
        meter.record(bytes: length + DatagramOverhead.bytes(over: family), dataAt: times)
        guard let last = highest else {
            highest = sequence
            expected += 1
            received += 1
            return 0
        }
        let distance = SerialNumber.distance(from: last, to: sequence)
        received += 1
        guard distance > 0 else { return nil }
        let wasSuspected = suspect != nil
        guard accept(sequence, distance) else { return 0 }
        highest = sequence
        // A new start is shown by two.
        expected += distance < Self.maximumJump ? distance : wasSuspected ? 2 : 1
        return distance - 1
    }

    /// - Returns: false for a number that is far ahead, until another one confirms it.
    private mutating func accept(_ sequence: UInt32, _ distance: Int) -> Bool {
        if distance <= Self.plausibleGap {
            suspect = nil
            return true
        }
        let isConfirmed = suspect.map { (1...Self.plausibleGap).contains(SerialNumber.distance(from: $0, to: sequence)) } ?? false
        suspect = isConfirmed ? nil : sequence
        return isConfirmed
    }

    /// The transmitter's next datagram had this number a moment ago. Numbers far above it were forged, and real loss would go unseen
    /// until the stream has come that far.
    mutating func anchor(at next: UInt32) {
        guard let last = highest, SerialNumber.distance(from: next, to: last) > Self.anchorTolerance else { return }
        highest = next
        expected = 0
        received = 0
    }

    /// Closes a measuring interval and folds it into the smoothed loss.
    mutating func closeInterval(at now: Instant) {
        meter.closeInterval(at: now)
        guard expected >= Self.minimumSample else { return }
        let fraction = max(0, 1 - Double(received) / Double(expected))
        // A long interval says more than what was before it. Before the first one nothing was lost: one datagram of twenty is chance.
        let weight = Double(expected) / Double(expected + Self.smoothing)
        loss += (fraction - loss) * weight
        totalExpected += UInt64(expected)
        expected = 0
        received = 0
    }
}
