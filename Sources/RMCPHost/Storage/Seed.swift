import RMCPContent
import RMCPProtocol

/// Content that was on this host before a session, and need not cross the network again: a partial file from before.
///
/// Its word is a hint. A chunk counts only once its bytes have been read and held against the signed record.
protocol Seed: AnyObject, Sendable {
    /// Whether what it has is in its place in the bundle already; else it is copied there.
    var isInPlace: Bool { get }
    /// Where the content of a chunk may be in this seed; nil where it is not. Waits for nothing: the network thread asks.
    func locate(_ chunk: UInt32, _ record: ChunkRecord) -> ContentExtent?
    /// Reads what is there into `bytes`, which are as many as the extent's; false when it is not all there. On worker
    /// threads, by several at once.
    func read(_ extent: ContentExtent, into bytes: inout MutableRawSpan) throws(HostError) -> Bool
}

/// Place of a chunk in a seed, as far as the seed knows.
struct SeedMatch: Sendable {
    let seed: any Seed
    let extent: ContentExtent
}

extension Sequence<any Seed> {
    /// Where a chunk may be, best first.
    func matches(of chunk: UInt32, _ record: ChunkRecord) -> [SeedMatch] {
        compactMap { seed in seed.locate(chunk, record).map { SeedMatch(seed: seed, extent: $0) } }
    }
}

/// The partial file of a session that was here before: each chunk is where it has to be, if its journal names it.
final class ResumedFile: Seed {
    let isInPlace = true
    private let descriptor: OwnedDescriptor
    private let journal: ChunkJournal
    private let map: ChunkMap
    private let path: String
    private let files: FileSystem

    init(_ descriptor: OwnedDescriptor, journal: ChunkJournal, map: ChunkMap, path: String, files: FileSystem) {
        self.descriptor = descriptor
        self.journal = journal
        self.map = map
        self.path = path
        self.files = files
    }

    func locate(_ chunk: UInt32, _ record: ChunkRecord) -> ContentExtent? {
        journal.has(chunk: chunk, record: record) ? map.extent(of: chunk, record) : nil
    }

    func read(_ extent: ContentExtent, into bytes: inout MutableRawSpan) throws(HostError) -> Bool {
        let wanted = bytes.byteCount
        return try FileTransfer.read(descriptor.raw, into: &bytes, at: extent.offset, path: path, files: files) == wanted
    }
}
