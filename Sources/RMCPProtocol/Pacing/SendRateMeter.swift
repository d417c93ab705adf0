import DequeModule

/// How fast the sender has really sent, of late: a host that is late, or has nothing to send, sends less than it may, and
/// then less arrives, too, which says nothing of the path.
struct SendRateMeter: Sendable {
    private struct Sample: Sendable {
        var time: Instant
        /// Bytes with IP and UDP headers since the beginning: all, and those to the group.
        var total: UInt64
        var group: UInt64
    }

    private var samples: Deque<Sample> = []

    /// Samples over the time that is looked at: enough to find a report's span in it, few enough to look through at each status.
    private static let resolution = 12.0
    /// Spans that are looked at beyond what reports are about: one may have begun a span before.
    private static let spans = 2.0
    /// Bits of a full-sized datagram of 1,500 bytes.
    private static let datagramBits = 12_000.0

    /// Time in which so many datagrams leave that a receiver says how fast they arrive.
    /// - Parameter rate: bits per second.
    static func timeToTell(at rate: Double) -> Interval { .seconds(Double(ArrivalRateMeter.minimumSample) * datagramBits / rate) }

    /// Rates over spans of a report's length, bits per second.
    struct Spans: Sendable {
        /// To the group, at the least.
        var least: Double
        /// In all, at the most.
        var most: Double
    }

    /// - Parameters:
    ///   - rate: bits per second that may be sent; at low rates it takes longer to tell anything.
    ///   - heardOf: when the newest was sent that reports are about; the oldest of them begin two of their lengths before.
    /// - Returns: nil until enough time has passed.
    mutating func note(total: UInt64, group: UInt64, rate: Double, statusInterval: Interval, heardOf: Instant, at now: Instant) -> Spans? {
        let span = max(statusInterval, ArrivalRateMeter.shortestInterval, Self.timeToTell(at: rate))
        let memory = max(.zero, now - heardOf) + span * Self.spans
        let sample = Sample(time: now, total: total, group: group)
        // The newest one moves on until it is far enough from the one before.
        if samples.count > 1, now - samples[samples.count - 2].time < memory * (1 / Self.resolution) {
            samples[samples.count - 1] = sample
        } else {
            samples.append(sample)
        }
        while samples.count > 2, now - samples[1].time >= memory { samples.removeFirst() }
        return spans(of: span)
    }

    private func spans(of length: Interval) -> Spans? {
        var result: Spans?
        var end = 0
        for start in samples.indices {
            while end < samples.count, samples[end].time - samples[start].time < length { end += 1 }
            guard end < samples.count else { break }
            let seconds = (samples[end].time - samples[start].time).inSeconds
            let group = Double(samples[end].group - samples[start].group) * Units.bitsPerByte / seconds
            let total = Double(samples[end].total - samples[start].total) * Units.bitsPerByte / seconds
            result = Spans(least: min(result?.least ?? group, group), most: max(result?.most ?? total, total))
        }
        return result
    }
}
