/// Bounds of what is held.
public struct MemorySettings: Sendable {
    /// Encoded chunks that the sender's host holds at the most: what is being encoded, sent and repaired.
    public var maximumResidentChunks = 96
    /// Chunks among the resident ones that are encoded before their turn to be sent: four for each of up to four threads.
    public var encodeAhead = 16
    /// Old chunks that are read and encoded again at one time.
    public var maximumFetches = 6
    /// Chunks that a receiver assembles at one time: loss is repaired within this window.
    public var assemblySlots = 96
    /// Children of one parent.
    public var maximumChildren = 100_000
    /// Control datagrams waiting to be sent; at the limit the oldest is dropped.
    public var maximumControlQueue = 256

    public init() {}
}
