/// Bounds of the rate, and of what is sent back to back.
public struct RateSettings: Sendable {
    /// A fixed rate in bits per second of datagrams; nil adapts.
    public var fixedRate: UInt64?
    /// Bounds of a rate that adapts, bits per second. A maximum below the minimum counts as the minimum. A repair node follows a faster stream no
    /// further than to the maximum.
    public var minimumRate: UInt64 = 1_000_000
    public var maximumRate: UInt64 = 100_000_000_000
    /// Low enough for a slow link's queue: 60 KB until there is an answer, on a short path. A twenty-fifth of a second from 5 Gb/s.
    public var initialRate: UInt64 = 40_000_000
    /// Quantile of the loss and pressure histograms that the rate follows (0...1).
    public var rateQuantile = 0.9
    /// Rules that the search for a rate has: all of them, but where it is told what one is worth.
    public var rules = RateRules.all
    /// Longest train of packets sent back to back: small switch buffers survive it.
    public var batchDuration = Interval.milliseconds(1)
    /// Packets in one segmentation-offload send: the kernel takes at most 64 KiB and 64 segments.
    public var maximumBatchPackets = 46

    public init() {}
}
