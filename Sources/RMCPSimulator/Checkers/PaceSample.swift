/// Sample of how a stream fared over one stretch of time, for plots.
public struct PaceSample: Sendable {
    /// Seconds since the stream began, at the end of the stretch.
    public var time: Double
    /// Rates in bits per second: as the controller has it, what was sent, what came to a receiver on the average (headers included in both),
    /// and what others sent over the same link.
    public var rate: Double
    public var sent: Double
    public var arrived: Double
    public var others: Double
    /// Seconds that a datagram waits in the shared link's queue.
    public var queue: Double
    /// Shares (0...1) at the fullest receiver: of its socket's room, and of the chunks that it may hold, which wait for its disk.
    public var socket: Double
    public var storage: Double
    /// Share of the datagrams of the stretch that were lost (0...1).
    public var lost: Double
}

/// Amounts at one time that samples are differences of.
struct PaceCounts {
    var sentBytes: UInt64 = 0
    var sentDatagrams: UInt64 = 0
    var arrivedBytes: UInt64 = 0
    var otherBytes: UInt64 = 0
    /// Datagrams that the shared link or a socket dropped, or a link to a receiver, the latter two at a receiver on the average.
    var dropped = 0.0
}
