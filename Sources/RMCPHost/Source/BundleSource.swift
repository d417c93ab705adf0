import RMCPContent
import RMCPProtocol
import RMCPReport

/// Source of a bundle's content: a file, a device, a tree, a stream.
///
/// ```
///   start ──▶ next: .data(extent, buffer) ──load, encode──▶ keep            (load, keep and reread: on worker threads)
///             next: .hole(chunks)                     later: reread
///             next: .waiting ──lookAhead──▶ ... ──wakeUp──▶ next
///             next: .ended ──▶ checkUnchanged
/// ```
protocol BundleSource: AnyObject, Sendable {
    var path: String { get }
    /// Name of the bundle where the user gives none; nil where it needs one.
    var defaultName: String? { get }
    var kind: BundleKind { get }
    /// Nil for a stream.
    var contentLength: UInt64? { get }
    /// Bytes that are not holes, as far as is known: 0 where nobody knows. What a receiver needs room for, by estimate.
    var allocatedLength: UInt64 { get }
    /// Nil where the source has none.
    var mode: UInt16? { get }
    var modificationTime: FileTime? { get }

    /// Bytes of content in a chunk; nil where any length will do.
    var chunkLength: UInt32? { get }
    /// Bytes that it keeps in memory beside buffers of the pool.
    var memory: Int { get }
    /// Counts of a tree's entries; nil for what is none.
    var counts: EntryCounts? { get }

    /// Entries of a tree that are left out, as far as they are told one by one.
    var skipped: [SkippedEntry] { get }

    /// Warnings before it is sent, a line each.
    var warnings: [String] { get }

    /// Begins to hand out content.
    /// - Parameters:
    ///   - map: how it is cut.
    ///   - pool: where buffers for it come from.
    ///   - wakeUp: signalled when `next` has more to say, unless a worker is to blame.
    func start(_ map: ChunkMap, pool: BufferPool, wakeUp: WakeUp) throws(HostError)
    /// The next piece, in the order of the content. Waits for nothing.
    func next() throws(HostError) -> SourcePiece
    /// Question for a worker before `next` can go on; nil when enough is known or the question is under way.
    func lookAhead() -> (@Sendable () -> Void)?
    /// Ends the work: none is begun any more.
    func stop()

    // On worker threads:

    /// Brings the content of a piece into its buffer, if it is not there yet.
    func load(_ extent: ContentExtent, into buffer: ChunkBuffer) throws(HostError)
    /// Keeps what was made of a piece, where the piece itself cannot be read again.
    func keep(_ encoded: RawSpan, of extent: ContentExtent) throws(HostError)
    /// Brings a chunk that was encoded before into the front of the buffer.
    func reread(_ extent: ContentExtent, _ record: ChunkRecord, into buffer: ChunkBuffer) throws(HostError) -> Reread
    /// About how long `checkUnchanged` takes; nil where there is nothing to check.
    var checkDuration: Interval? { get }
    /// Throws when the source is not what it was when it was opened.
    func checkUnchanged() throws(HostError)
    /// Error for a stretch that is not what it was.
    func changed(_ extent: ContentExtent) -> HostError
}

extension BundleSource {
    var defaultName: String? { path.split(separator: "/").last.map(String.init) ?? path }
    var chunkLength: UInt32? { nil }
    var memory: Int { 0 }
    var counts: EntryCounts? { nil }
    var skipped: [SkippedEntry] { [] }
    func changed(_ extent: ContentExtent) -> HostError { changed }

    func lookAhead() -> (@Sendable () -> Void)? { nil }
    func stop() {}
    func keep(_ encoded: RawSpan, of extent: ContentExtent) throws(HostError) {}
    var checkDuration: Interval? { nil }
    func checkUnchanged() throws(HostError) {}

    /// Error for a source whose chunks are not what they were.
    var changed: HostError {
        HostError(
            "\(path) changed while it was being sent, so that nobody has it complete. Send it again once it is at rest: receivers keep what they have, "
                + "and need only what is different")
    }
}

/// Answer of a source that is asked for its next piece.
enum SourcePiece: Sendable {
    /// One chunk, for `load`. Whoever takes the buffer gives it back to the pool.
    case data(ContentExtent, ChunkBuffer)
    /// Chunks of a hole, as many as one page of the table has room for at most.
    case hole(chunks: Int)
    case ended
    /// Not known yet, or there is no buffer for it.
    case waiting
}

/// Result of `BundleSource.reread`.
enum Reread: Sendable {
    /// The content, which has to be encoded again and to come out the same.
    case content
    /// The encoded bytes, verified.
    case encoded
}
