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
    /// Bytes of chunks that may wait for a receiver's storage while it keeps up: memory that is used in turn is memory that no cache holds,
    /// and that the kernel has to clear first.
    public var storageQueue = 24 << 20
    /// A storage that has stored nothing for this long, although something waits, has stood still, as disks do. All slots may wait for it then.
    public var storageStandstill = Interval.milliseconds(50)
    /// Children of one parent.
    public var maximumChildren = 100_000
    /// Control datagrams waiting to be sent; at the limit the oldest is dropped.
    public var maximumControlQueue = 256

    public init() {}

    /// Chunks that may wait for storage while it keeps up.
    /// - Parameter length: of a chunk, bytes.
    func storageQueue(ofChunks length: UInt32) -> Int { max(Self.fewestWaiting, storageQueue / Int(max(1, length))) }

    /// Two for each of up to four threads that store.
    private static let fewestWaiting = 8
}
