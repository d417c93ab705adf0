/// How the stream arrives here: from whom, how fast, and how much of it is lost on its way or waits in queues.
struct StreamMeter: Sendable {
    /// Ephemeral id of who multicasts the first transmissions, and whose sequence loss is measured by.
    private(set) var transmitter: UInt32
    /// Length in bytes of the longest datagram that has come whole, which shows what the path carries.
    private(set) var longestDatagram = 0
    /// Whether what is sent in full length comes in.
    var path = PathWatch()
    private(set) var arrivals = ArrivalTracker()
    private var queueing = QueueingDelayEstimator()
    /// Arrival of the transmitter's last HEARTBEAT.
    private var lastHeartbeat: Instant?
    /// Bits per second, as the transmitter's last HEARTBEAT says; 0 before.
    private(set) var rate = 0.0

    init(of transmitter: UInt32) { self.transmitter = transmitter }

    /// How long datagrams wait in queues on the way.
    var queueingDelay: Interval { queueing.delay }

    /// A datagram of the stream has come.
    /// - Parameters:
    ///   - length: bytes.
    ///   - family: of the addresses that it came between.
    ///   - times: when it arrived and when it was read, for DATA.
    @inline(__always)
    mutating func note(_ header: PacketHeader, length: Int, over family: SocketAddress.Family, dataAt times: (arrival: Instant, read: Instant)?) {
        if header.transmitter == transmitter { arrivals.record(header.sequence, bytes: length, over: family, dataAt: times) }
        noteLength(length)
    }

    /// - Parameter length: bytes of a datagram that has come whole.
    mutating func noteLength(_ length: Int) { longestDatagram = max(longestDatagram, length) }

    mutating func note(_ heartbeat: Heartbeat, from sender: UInt32, arrivedAt: Instant) {
        guard sender == transmitter else { return }
        rate = Double(heartbeat.rate)
        lastHeartbeat = arrivedAt
        queueing.record(timestamp: heartbeat.timestamp, at: arrivedAt)
    }

    /// End of the stream: its transmitter was heard, and has said nothing for so long. What was measured is of the past then.
    func hasEnded(for silence: Interval, at now: Instant) -> Bool { lastHeartbeat.map { now - $0 >= silence } ?? false }

    /// The transmitter's next datagram to the group had this number when it signed that.
    mutating func anchor(at sequence: UInt32) { arrivals.anchor(at: sequence) }

    mutating func closeInterval(at now: Instant) { arrivals.closeInterval(at: now) }

    /// Measures somebody else's stream from now on.
    mutating func follow(_ transmitter: UInt32) {
        self.transmitter = transmitter
        arrivals = ArrivalTracker()
        queueing = QueueingDelayEstimator()
        lastHeartbeat = nil
    }
}
