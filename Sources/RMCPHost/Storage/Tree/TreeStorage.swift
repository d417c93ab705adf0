import Glibc
import RMCPContent
import RMCPProtocol
import RMCPReport
import Synchronization

/// A tree on its way into a directory (docs/decisions/0029). Its stream begins with a catalog; once that is whole, every chunk is written to its
/// files as it comes, in a hidden directory that changes places with the tree of its name when all is verified and flushed.
final class TreeStorage: BundleStorage {
    private enum Phase: ~Copyable {
        case collecting(CatalogSpool)
        case placing
    }

    private struct State: ~Copyable {
        var phase: Phase
        /// Chunks that somebody places, or has placed: each is placed once.
        var claimed = IndexRangeSet()
    }

    /// State that is known once the catalog is.
    private struct Tree {
        let root: OwnedDescriptor
        let files: TreeFiles
        let builder: TreeBuilder
        let earlyFlush: EarlyFlush
    }

    let path: String
    let seeds: [any Seed]
    private let target: TreeTarget
    private let staging: TreeStaging
    private let options: TreeOptions
    private let announce: Announce
    private let map: ChunkMap
    private let files: FileSystem
    private let state: LockedValue<State>
    private let tree = LockedValue<Tree?>(nil)
    private let placing = LockedValue<Int>(0)
    private let isIdle = Monitor()
    private let notes = LockedValue<[String]>([])
    /// Set when the staging directory is nobody's any more, or what is in it cannot be trusted.
    private let isGone = Atomic<Bool>(false)
    private let isPublished = Atomic<Bool>(false)
    /// The first fault for which everything was removed: what others meet afterwards follows from that.
    private let fault = LockedValue<HostError?>(nil)
    /// The first error in placing a chunk, of any kind. Whoever came with the same chunk meanwhile was told that all is well.
    private let placingError = LockedValue<HostError?>(nil)

    init(
        announce: Announce, target: TreeTarget, directoryPath: String, options: TreeOptions, digester: ContentDigester, files: FileSystem
    ) throws(HostError) {
        guard let contentLength = announce.contentLength else { throw HostError("\(target.path): its sender does not say how long the tree is") }
        self.announce = announce
        self.target = target
        self.options = options
        self.files = files
        path = target.path
        map = ChunkMap(announce)
        let staging = try TreeStaging(name: target.name, announce, in: target.directory, path: directoryPath, files: files)
        self.staging = staging
        let spool: SpoolFile
        do throws(HostError) { spool = try SpoolFile(in: staging.descriptor, files: files) } catch {
            // Whoever could not begin leaves nothing behind, and no lock.
            if staging.journal.isEmpty { staging.remove() }
            staging.journal.unlock()
            throw error
        }
        state = LockedValue(
            State(phase: .collecting(CatalogSpool(spool: spool, map: map, contentLength: contentLength, digester: digester))))
        if let catalog = staging.leftCatalog, let root = try? staging.openTree() {
            let directories = TreeDirectories(catalog, root: root, files: files)
            seeds = [ResumedTree(directories, staging: staging.descriptor, journal: staging.journal, map: map, files: files)]
        } else {
            seeds = []
        }
        if !staging.journal.isLocked { note("\(path): its file system has no locks; let no other rmcp recv write there") }
    }

    private func note(_ text: String) { notes.withLock { $0.append(text) } }

    func takeNotes() -> [String] {
        let own = notes.withLock { notes in
            defer { notes = [] }
            return notes
        }
        return own + (tree.withLock { $0?.files.metadata.faults.take(path: path) } ?? [])
    }

    var progress: TreeProgress? { tree.withLock { $0?.files.counts } }

    func identity(in session: SessionID, drawn: UInt32) -> UInt32 {
        if let known = staging.journal.identity(in: session) { return known }
        try? staging.journal.note(identity: drawn, in: session)
        return drawn
    }

    /// Room is asked for when the catalog says how much.
    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {}

    // MARK: Chunks

    func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError) {
        try checkIsThere()
        guard let placer = try claim(chunk, record, content) else { return }
        defer { release() }
        try place(map.extent(of: chunk, record), content, with: placer)
        try staging.journal.append(chunk: chunk, record: record)
    }

    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        try checkIsThere()
        for (chunk, extent) in zip(chunks, map.extents(of: chunks, contentLength: contentLength)) {
            let record = ChunkRecord.zero(contentLength: UInt32(extent.length))
            guard let placer = try claim(chunk, record, nil) else { continue }
            defer { release() }
            try place(extent, nil, with: placer)
        }
    }

    /// - Returns: who places it; nil where it waits for the catalog, or is placed already.
    private func claim(_ chunk: UInt32, _ record: ChunkRecord, _ content: RawSpan?) throws(HostError) -> TreeFiles? {
        try state.withLock { state throws(HostError) in
            guard !state.claimed.contains(chunk) else { return nil }
            if try collect(chunk, record, content, in: &state.phase) {
                state.claimed.insert(chunk)
                return nil
            }
            state.claimed.insert(chunk)
            placing.withLock { $0 += 1 }
            return tree.withLock { $0?.files }
        }
    }

    private func release() {
        let left = placing.withLock { placing in
            placing -= 1
            return placing
        }
        if left == 0 { isIdle.withLock { isIdle.notifyAll() } }
    }

    /// - Returns: whether the chunk has been dealt with here, since the catalog was not whole.
    private func collect(_ chunk: UInt32, _ record: ChunkRecord, _ content: RawSpan?, in phase: inout Phase) throws(HostError) -> Bool {
        switch consume phase {
        case .placing:
            phase = .placing
            return false
        case .collecting(var spool):
            do throws(HostError) { try spool.add(chunk, record, content, label: path) } catch {
                phase = .collecting(spool)
                throw error
            }
            guard spool.isWhole else {
                phase = .collecting(spool)
                return true
            }
            do throws(HostError) { try begin(with: spool) } catch {
                phase = .collecting(spool)
                throw error
            }
            phase = .placing
            return true
        }
    }

    /// The catalog is whole: what waited for it is placed.
    private func begin(with spool: borrowing CatalogSpool) throws(HostError) {
        let (catalog, isResumed) = try catalog(of: spool)
        if !isResumed { try staging.clear() }
        let root = try staging.openTree()
        let directories = TreeDirectories(catalog, root: root, files: files)
        let former = try findRoom(for: catalog, staged: isResumed ? directories : nil)
        let metadata = TreeMetadata(catalog, options: options, path: path, files: files)
        let earlyFlush = EarlyFlush(root, step: options.flushStep, files: files)
        let placer = TreeFiles(
            directories, metadata: metadata, old: former, isResumed: isResumed, kept: options.reserve, earlyFlush: earlyFlush, path: path,
            files: files)
        let builder = TreeBuilder(files: placer, isResumed: isResumed, path: path, system: files)
        try builder.makeDirectories()
        if !isResumed { try staging.keep(catalog.bytes, of: root) }
        tree.withLock { $0 = Tree(root: root, files: placer, builder: builder, earlyFlush: earlyFlush) }
        for (chunk, record) in spool.ready {
            if record.kind == .zero {
                try place(map.extent(of: chunk, record), nil, with: placer)
            } else {
                let content = try spool.content(of: chunk)
                unsafe try place(map.extent(of: chunk, record), content.span.bytes, with: placer)
                try staging.journal.append(chunk: chunk, record: record)
            }
        }
    }

    /// - Parameter staged: what an earlier session has left of this tree: it needs no more room.
    /// - Returns: the tree that has the name now; nil where there is none, or none any more.
    private func findRoom(for catalog: Catalog, staged: TreeDirectories?) throws(HostError) -> OldTree? {
        let former = target.openFormer()
        let old = former.map { OldTree(TreeDirectories(catalog, root: $0, files: files), files: files) }
        let room = TreeRoom(catalog: catalog, path: path, reserve: options.reserve, files: files)
        do throws(HostError) {
            try room.check(in: staging.descriptor, former: old, staged: staged, keepsAttributes: options.keepsAttributes)
            return old
        } catch let refusal {
            guard refusal.kind == .diskFull, let former else { throw refusal }
            let freed = TreeRoom.taken(by: former, files: files)
            let isEnough =
                (try? room.check(in: staging.descriptor, former: nil, staged: staged, freed: freed, keepsAttributes: options.keepsAttributes)) != nil
            guard isEnough else { throw refusal }
            guard options.replacesFirst else {
                throw HostError("\(refusal.description), or let --replace-first remove the old tree, of \(freed.bytes) bytes, before", kind: .diskFull)
            }
            try target.clear(in: staging)
            note("\(path): the old one is removed, since there is no room for two; until the new one is complete there is none")
            return nil
        }
    }

    /// The one that is here from before where it is the same: a large catalog is not kept twice.
    private func catalog(of spool: borrowing CatalogSpool) throws(HostError) -> (Catalog, isResumed: Bool) {
        let bytes = try spool.catalog()
        if let left = staging.leftCatalog, left.bytes == bytes { return (left, true) }
        do { return (try Catalog(bytes, chunkLength: announce.chunkLength, contentLength: announce.contentLength ?? 0), false) } catch {
            throw HostError("\(path): \(error.text)")
        }
    }

    private func place(_ extent: ContentExtent, _ content: RawSpan?, with placer: TreeFiles) throws(HostError) {
        do throws(HostError) { try placer.place(extent.offset..<extent.end, content) } catch {
            placingError.withLock { $0 = $0 ?? error }
            throw discard(after: error)
        }
    }

    /// - Returns: the fault that ends it.
    private func discard(after error: HostError) -> HostError {
        // A disk that is full has lost nothing, and neither has an old tree that changes: what is there is worth keeping until the next session.
        if error.kind == .diskFull || error.kind == .changed, !isGone.load(ordering: .relaxed) { return error }
        let first = fault.withLock { fault in
            let first = fault ?? error
            fault = first
            return first
        }
        discard()
        return first
    }

    // MARK: The end

    func flush(contentLength: UInt64) throws(HostError) {
        waitForPlacers()
        try checkIsThere()
        if let error = placingError.withLock({ $0 }) { throw error }
        guard let tree = tree.withLock({ $0 }) else { throw HostError("\(path): its catalog is not here") }
        do throws(HostError) { try tree.builder.finish() } catch { throw discard(after: error) }
        while files.flushFileSystem(staging.descriptor.raw) != 0 {
            if errno == EINTR { continue }
            if FileSystem.isUnsupported(flush: errno) {
                note("\(path): its file system does not flush (\(HostError.errorText(errno))); it may be gone after a power failure")
                break
            }
            throw discard(after: .system("flush", path, advice: "what was received cannot be trusted to be on the disk, and is removed"))
        }
    }

    /// A chunk may come over the network while it is read back: whoever comes second is done before the first.
    private func waitForPlacers() {
        isIdle.withLock { while placing.withLock({ $0 > 0 }) { isIdle.wait() } }
    }

    func publish() throws(HostError) {
        try checkIsThere()
        guard let tree = tree.withLock({ $0 }) else { throw HostError("\(path): its catalog is not here") }
        let staged = SystemText.cString(TreeStaging.treeName)
        // The name is what is renamed, and the descriptor what was verified.
        guard let named = files.status(of: staged, in: staging.descriptor.raw), let written = files.status(of: tree.root.raw), named.isSameFile(as: written)
        else { throw HostError("\(path): somebody has replaced the directory in which it was received") }
        try files.checkPath(path, to: target.name, in: target.directory)
        try target.publish(staged, in: staging.descriptor, version: announce.session.text)
        tree.builder.finishRoot()
        isPublished.store(true, ordering: .relaxed)
        for directory in [staging.descriptor, target.directory] { try files.flushNames(in: directory, of: path).map(note) }
        staging.journal.remove()
    }

    func abandon() {
        if isGone.load(ordering: .relaxed) || isPublished.load(ordering: .relaxed) { return }
        if staging.journal.isEmpty { return discard() }
        staging.takeFirstName()
    }

    func discard() {
        guard !isPublished.load(ordering: .relaxed), !isGone.exchange(true, ordering: .relaxed) else { return }
        staging.remove()
    }

    /// The old tree goes when the command that follows a bundle has ended, which may want to look at it.
    func close() {
        tree.withLock { $0 }?.earlyFlush.finish()
        if isPublished.load(ordering: .relaxed) {
            staging.remove().map { note("\(path) is complete; \($0)") }
            target.removeFormer()
        } else if isGone.load(ordering: .relaxed) {
            // Others may have written while it was being removed.
            staging.remove()
        }
        staging.journal.unlock()
    }

    private func checkIsThere() throws(HostError) {
        guard !isGone.load(ordering: .relaxed) else {
            throw fault.withLock { $0 } ?? HostError("\(path): an earlier write was lost; what was received is removed")
        }
    }
}

extension TreeStorage {
    /// The same once something has to be stored; at once where part of the tree is here from before.
    static func whenNeeded(
        announce: Announce, name: String, directoryPath: String, options: TreeOptions, digester: ContentDigester, files: FileSystem
    ) throws(HostError) -> any BundleStorage {
        let directory = try files.openDirectory(directoryPath)
        let path = PartialFile.join(directoryPath, name)
        let target = TreeTarget(name: name, directory: directory, path: path, replacement: options.replacement, files: files)
        try target.check()
        let make: @Sendable () throws(HostError) -> any BundleStorage = { () throws(HostError) in
            try TreeStorage(
                announce: announce, target: target, directoryPath: directoryPath, options: options, digester: digester, files: files)
        }
        if PartialPlace.hasLeftJournal(of: name, in: directory, files: files) { return try make() }
        return DeferredStorage(path: path, announce: announce, make: make)
    }
}
