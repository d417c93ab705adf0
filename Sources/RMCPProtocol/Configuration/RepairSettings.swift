/// Repairs: of which packets, when, and to which address.
public struct RepairSettings: Sendable {
    /// Children that must lack something of a chunk for its repairs to be multicast; fewer get them at their own addresses. From
    /// the second one on one multicast is cheaper than a copy for each, and what each lacks need not be kept apart: 1 (all by
    /// multicast) and 2 are told apart.
    public var multicastRepairAskers = 2
    /// A NAK's packets wait this long for other children's NAKs before they are repaired.
    public var repairAggregationDelay = Interval.milliseconds(1)
    /// Share of the rate that latecomers and far-behind receivers may take from first transmissions (0...1): small,
    /// since the healthy must finish as if they were alone (promise 4).
    public var catchUpShareWhileStreaming = 0.01
    /// Share of the rate that live repairs leave to first transmissions while there are some to send (0...1): asking for
    /// everything again, whoever does it, must not bring the stream to a stand. The flat bound of repairs (E[M] - 1) at
    /// 30 % loss takes four fifths of the rate only from 60 receivers without a repair node on.
    public var leastFirstShareWhileStreaming = 0.2
    /// Share of the rate that requests by unicast have after the stream, and catch-up as much, while some wait (0...1): asking for everything
    /// again must keep nobody from what he lacks. What is left, three fifths, is for live repairs, by which most are done.
    public var leastLaterShare = 0.2
    /// Share of the rate that live repairs, outlines, pages and their NCFs may take that were asked for without a proof of an address (0...1): as
    /// much as catch-up, since the stream must be worth next to nothing to those who cannot be told from forgers. What is beyond is
    /// asked for again, with a cookie.
    public var strangersShare = 0.01
    /// Chunks with repairs pending; further ones are turned into catch-up requests for the whole chunk.
    public var maximumRepairChunks = 1_024
    /// Fragments of the catch-up queue; at the limit further requests are dropped, to be asked for again.
    public var maximumCatchUpRanges = 8_192

    public init() {}
}
