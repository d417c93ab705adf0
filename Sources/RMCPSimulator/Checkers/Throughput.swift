import RMCPProtocol

/// Bytes that senders and cross traffic got through, noted every so often.
struct Throughput {
    /// Amounts that had been sent and carried at one time.
    struct Sample {
        /// Time since the world began.
        var time: Interval
        /// Traffic by sender: bytes with the headers of IP and UDP, and datagrams.
        var sentBytes: [UInt64]
        var sentDatagrams: [UInt64]
        /// Bytes by flow of cross traffic.
        var crossBytes: [UInt64]
        /// Datagrams that links into subnets dropped.
        var dropped: UInt64
    }

    private var samples: [Sample] = []

    mutating func note(_ sample: Sample) { samples.append(sample) }

    /// The first and the last sample between two times, in seconds since the world began.
    private func ends(from start: Double, to end: Double) -> (Sample, Sample)? {
        let inside = samples.filter { $0.time.inSeconds >= start - 1e-6 && $0.time.inSeconds <= end + 1e-6 }
        guard let first = inside.first, let last = inside.last, last.time > first.time else { return nil }
        return (first, last)
    }

    /// Share of a link of `megabits` that a sender's datagrams took (0...1, more where the link dropped some).
    func sentShare(ofSender index: Int, of megabits: Double, from start: Double, to end: Double) -> Double {
        guard let (first, last) = ends(from: start, to: end), index < first.sentBytes.count else { return 0 }
        return Double(last.sentBytes[index] - first.sentBytes[index]) * 8 / (last.time - first.time).inSeconds / megabits / 1e6
    }

    /// The same of the first flow of cross traffic.
    func crossShare(of megabits: Double, from start: Double, to end: Double) -> Double {
        guard let (first, last) = ends(from: start, to: end) else { return 0 }
        return Double(last.crossBytes[0] - first.crossBytes[0]) * 8 / (last.time - first.time).inSeconds / megabits / 1e6
    }

    /// Datagrams that the link dropped, of those that were sent; all of them where nothing was noted.
    func droppedShare(from start: Double, to end: Double) -> Double {
        guard let (first, last) = ends(from: start, to: end) else { return 1 }
        let sent = last.sentDatagrams.reduce(0, +) - first.sentDatagrams.reduce(0, +)
        return Double(last.dropped - first.dropped) / Double(max(1, sent))
    }
}
