import RMCPContent
import RMCPProtocol
import Synchronization

/// A number that no other session of this process has had: what storage threads name a session by. An id may come back
/// with another engine and another file; results of the first are nothing to the second.
struct SessionGeneration: Hashable, Sendable {
    let number: UInt64
}

/// One session's storage, as the storage threads and the network thread share it.
final class StorageHandle: Sendable {
    /// Fate of a bundle whose session is over.
    enum Cancellation: UInt8, AtomicRepresentable, Sendable {
        case none
        /// The partial file stays for the next session.
        case keeping
        /// Something newer has taken its place.
        case discarding
    }

    let generation: SessionGeneration
    let announce: Announce
    let storage: any BundleStorage
    /// Where chunks may be found that need not be received, best first.
    let seeds: [any Seed]
    let identity: UInt32
    /// Opens what is sealed; nil where nothing is.
    let sealer: ChunkSealer?
    /// The gate's turn when this session began.
    let turn: UInt64
    private let cancellation = Atomic<Cancellation>(.none)
    /// Chunks that were written to, or verified in, this very file.
    private let present = LockedValue(IndexRangeSet())

    /// - Parameter seeds: nil takes those of the storage.
    init(
        generation: SessionGeneration, announce: Announce, storage: any BundleStorage, seeds: [any Seed]? = nil, identity: UInt32, sealer: ChunkSealer? = nil,
        turn: UInt64
    ) {
        self.sealer = sealer
        self.seeds = seeds ?? storage.seeds
        self.generation = generation
        self.announce = announce
        self.storage = storage
        self.identity = identity
        self.turn = turn
    }

    /// Digester of the session's content.
    var digester: ContentDigester { sealer?.digester ?? .plain }

    /// A record as seeds and storage know it: of the digest of the content, not masked.
    func readable(_ record: ChunkRecord, of chunk: UInt32) -> ChunkRecord { sealer?.readable(record, of: chunk) ?? record }

    var isCancelled: Bool { cancellation.load(ordering: .relaxed) != .none }
    var isDiscarded: Bool { cancellation.load(ordering: .relaxed) == .discarding }

    /// Jobs that have not begun do nothing from now on, and nothing is published.
    func cancel(_ kind: Cancellation) { cancellation.store(kind, ordering: .relaxed) }

    /// Whether the chunk was written or verified already.
    func has(_ chunk: UInt32) -> Bool { present.withLock { $0.contains(chunk) } }
    func note(_ chunks: Range<UInt32>) { present.withLock { $0.insert(chunks) } }

    /// Whether every chunk below `count` was seen in this file by somebody who wrote or verified it.
    func isWhole(_ count: UInt32) -> Bool { present.withLock { $0.count == Int(count) && ($0.ranges.last?.upperBound ?? 0) == count } }
}

/// Everything that opening a session's storage needs.
struct StorageOpening: Sendable {
    var generation: SessionGeneration
    var announce: Announce
    var output: ReceiveRequest.Output
    /// Where bundles land that go to a directory.
    var directory: String
    /// The ephemeral id that this receiver has in the session unless it had another before.
    var drawn: UInt32
    var turn: UInt64
    /// Opens what is sealed; nil where nothing is taken that is.
    var groupKey: GroupKey?
    /// The file that a bundle replaces may be removed where there is no room for two.
    var replacesFirst = false
    var tree = TreeOptions()
    /// Bytes of the file system that stay free.
    var reserve: UInt64 = 0
    var files = FileSystem.host

    func open() throws(HostError) -> StorageHandle {
        let sealer = groupKey.flatMap { ChunkSealer(announce, key: $0) }
        let storage = try makeStorage(sealer?.digester ?? .plain)
        return StorageHandle(
            generation: generation, announce: announce, storage: storage, identity: storage.identity(in: announce.session, drawn: drawn),
            sealer: sealer, turn: turn)
    }

    private func makeStorage(_ digester: ContentDigester) throws(HostError) -> any BundleStorage {
        // The name is used where the user names the place, too: it is in front of each path of an archive, and commands get it.
        if let objection = BundleName.objection(to: announce.name) {
            throw HostError("the name \"\(BundleName.printable(announce.name))\" is refused: \(objection)")
        }
        switch output {
        case .standardOutput: return DeferredStorage.ofOutput(announce, digester: digester)
        case .device(let path): return try DeviceStorage.whenNeeded(path: path, announce: announce, files: files)
        case .path(let path):
            switch try OutputPath(path) {
            case .device: return try DeviceStorage.whenNeeded(path: path, announce: announce, files: files)
            case .file(let name, let directory):
                return try PartialFile.whenNeeded(
                    announce: announce, name: name, directoryPath: directory, replacesFirst: replacesFirst, reserve: reserve, files: files)
            }
        case .directory:
            let name = SystemText.text(of: Array(announce.name.utf8))
            guard announce.kind == .tree else {
                return try PartialFile.whenNeeded(
                    announce: announce, name: name, directoryPath: directory, replacesFirst: replacesFirst, reserve: reserve, files: files)
            }
            return try makeTree(name, digester)
        }
    }

    private func makeTree(_ name: String, _ digester: ContentDigester) throws(HostError) -> any BundleStorage {
        var options = tree
        options.reserve = reserve
        options.replacesFirst = replacesFirst
        return try TreeStorage.whenNeeded(
            announce: announce, name: name, directoryPath: directory, options: options, digester: digester, files: files)
    }
}
