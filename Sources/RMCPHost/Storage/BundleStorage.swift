import RMCPContent
import RMCPProtocol
import RMCPReport

/// Where a bundle's chunks go until it is complete. Everything here may wait for a disk, and is called on worker threads:
/// chunks are written by several at once and in any order; `flush` and `publish` come last and alone.
protocol BundleStorage: AnyObject, Sendable {
    /// The path shown to the user.
    var path: String { get }
    /// Where chunks may be that were here before this session, best first; empty when nothing can be.
    var seeds: [any Seed] { get }

    /// The ephemeral id of this receiver in a session: the one it had before it was restarted, or `drawn`.
    func identity(in session: SessionID, drawn: UInt32) -> UInt32
    /// Makes room for the bundle, so that a full disk is known at the start.
    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError)
    func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError)
    /// Makes holes of zero chunks.
    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError)
    /// Puts all of the bundle on stable storage, not yet under its final name.
    func flush(contentLength: UInt64) throws(HostError)
    /// Gives what was flushed its final name, durably. Where there is no name to give, it does nothing.
    func publish() throws(HostError)
    /// The bundle will not be completed by this session; what is there stays for the next.
    func abandon()
    /// The bundle is not wanted any more: nothing of it stays.
    func discard()
    /// Progress of a tree's files; nil where there are none. Waits for nothing: the network thread asks.
    var progress: TreeProgress? { get }
    /// Warnings of what was done so far, a line each; told once.
    func takeNotes() -> [String]
    /// Lets others have what this had locked. Nothing is called after this but `takeNotes`.
    func close()
}

extension BundleStorage {
    var seeds: [any Seed] { [] }
    func identity(in session: SessionID, drawn: UInt32) -> UInt32 { drawn }
    func publish() throws(HostError) {}
    var progress: TreeProgress? { nil }
    func abandon() {}
    func discard() {}
    func takeNotes() -> [String] { [] }
    func close() {}
}
