/// How fast datagrams arrive while there is a stream. Before it begins, and while its source has nothing to say, only
/// control comes, and that tells nothing of what the path carries: taken for it, it would cut the rate to a tenth.
struct ArrivalRateMeter: Sendable {
    /// Times of the first DATA after a gap, or of the last of an interval that was long enough.
    private var start: (arrival: Instant, read: Instant)?
    private var last: (arrival: Instant, read: Instant) = (.zero, .zero)
    /// Lengths and number of the datagrams that came after `start`.
    private var bytes = 0
    private var dataCount = 0
    private(set) var bitsPerSecond: Double?
    private(set) var readBitsPerSecond: Double?

    /// Without DATA for so long, the sender had none: at 1 Mb/s they are 11 ms apart.
    private static let gap = Interval.milliseconds(100)
    /// A batch arrives at the speed of the link; over two or more, which are a millisecond long at most, it does not matter.
    static let shortestInterval = Interval.milliseconds(2)
    /// One DATA more or less is a twentieth.
    static let minimumSample = 20
    /// Share of the shortest interval that must lie between the first datagram and the last: it may have begun in the middle.
    private static let leastSpan = 0.5

    /// - Parameter dataAt: when it arrived and when it was read, for DATA.
    mutating func record(bytes length: Int, dataAt times: (arrival: Instant, read: Instant)?) {
        bytes += length
        guard let times else { return }
        dataCount += 1
        if let start, times.arrival - last.arrival < Self.gap {
            // What arrived together with the first tells no time.
            if times.arrival == start.arrival { bytes = 0 }
        } else {
            start = times
            bytes = 0
            dataCount = 0
            bitsPerSecond = nil
            readBitsPerSecond = nil
        }
        last = times
    }

    /// An interval that is too short, or has too few DATA, goes on.
    mutating func closeInterval(at now: Instant) {
        guard let begun = start, now - begun.read >= Self.shortestInterval else { return }
        guard now - last.read < Self.gap else {
            start = nil
            bitsPerSecond = nil
            readBitsPerSecond = nil
            return
        }
        guard dataCount >= Self.minimumSample, last.arrival - begun.arrival >= Self.shortestInterval * Self.leastSpan else { return }
        bitsPerSecond = Double(bytes) * Units.bitsPerByte / (last.arrival - begun.arrival).inSeconds
        readBitsPerSecond = Double(bytes) * Units.bitsPerByte / (now - begun.read).inSeconds
        start = (last.arrival, now)
        bytes = 0
        dataCount = 0
    }
}
