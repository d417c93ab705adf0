import Glibc
import RMCPContent
import RMCPProtocol
import RMCPReport

/// Writes the pieces of a tree's stream into its files, in whatever order they come, by several threads at once.
///
/// A file is made when its first piece comes, and gets its owner, mode and time when its last has. Nothing in the tree is a symbolic link until
/// all files are whole.
final class TreeFiles: Sendable {
    /// Progress of a file of several pieces.
    private enum Progress {
        case written(left: UInt64, holdsOldBytes: Bool, isUnchanged: Bool)
        /// All that came is what the old file has.
        case same(left: UInt64, OldTree.File, ranges: [Range<UInt64>])
        /// A thread links to the old file, or copies what came: as much as the file is long. Further pieces of this file wait for that, and those of
        /// others do not.
        case turning

        var holdsOldBytes: Bool { if case .written(_, let holdsOldBytes, _) = self { holdsOldBytes } else { false } }
    }

    let catalog: Catalog
    let directories: TreeDirectories
    let metadata: TreeMetadata
    private let old: OldTree?
    /// Files that an earlier session has left may be there.
    private let isResumed: Bool
    /// Bytes of the file system that are left to others.
    private let kept: UInt64
    private let path: String
    private let files: FileSystem
    private let progress = LockedValue<[Int: Progress]>([:])
    /// Told when a file is not `turning` any more. Its lock comes before that of `progress`.
    private let hasTurned = Monitor()
    private let counters: LockedValue<TreeProgress>
    private let made = MadeFiles()
    private let earlyFlush: EarlyFlush

    /// - Parameters:
    ///   - directories: of the tree that is being made; all are there.
    ///   - kept: bytes of the file system that stay free.
    ///   - path: of the tree, for messages.
    init(
        _ directories: TreeDirectories, metadata: TreeMetadata, old: OldTree?, isResumed: Bool, kept: UInt64, earlyFlush: EarlyFlush, path: String,
        files: FileSystem
    ) {
        self.directories = directories
        self.kept = kept
        self.earlyFlush = earlyFlush
        catalog = directories.catalog
        self.metadata = metadata
        self.old = old
        self.isResumed = isResumed
        let count = (0..<catalog.count).count { directories.catalog.kind(of: $0) == .file }
        counters = LockedValue(TreeProgress(files: count, bytes: catalog.layout.filesLength))
        self.path = path
        self.files = files
    }

    var counts: TreeProgress { counters.withLock { $0 } }

    private func count(isUnchanged: Bool) {
        counters.withLock {
            $0.done += 1
            if isUnchanged { $0.unchanged += 1 }
        }
    }

    /// A file has all its bytes.
    /// - Parameter isUnchanged: nothing was written, since it shares the blocks of the old one.
    private func finish(_ file: Staged, _ index: Int, _ wanted: EntryMetadata, isUnchanged: Bool = false) {
        metadata.set(wanted, on: file.descriptor.raw, of: index, made: file.made)
        count(isUnchanged: isUnchanged)
    }

    /// Whether every file that was begun has all its bytes.
    var isWhole: Bool { progress.withLock { $0.isEmpty } }

    /// Puts a range of the stream where it belongs. Each range comes once.
    /// - Parameter content: nil stands for zeros.
    func place(_ range: Range<UInt64>, _ content: RawSpan?) throws(HostError) {
        var done = 0
        var small: UInt64 = 0
        try catalog.layout.visit(range) { piece throws(HostError) in
            switch piece {
            case .catalog(let range): done += range.count
            case .padding(let length): done += Int(length)
            case .file(let index, let offset, let length):
                let start = done
                done += Int(length)
                let entry = catalog[index]
                if let content {
                    if !isFlushed(length) { small += length }
                    try place(index, entry, content.extracting(start..<done), at: offset, length: length)
                } else {
                    try place(index, entry, nil, at: offset, length: length)
                }
            }
        }
        if small > 0 { earlyFlush.note(written: small) }
    }

    /// Pieces of a whole chunk begin to be flushed as soon as they are written. Shorter ones are better written together, in the order of the disk.
    private func isFlushed(_ length: UInt64) -> Bool { length >= UInt64(catalog.layout.chunkLength) }

    private func place(_ index: Int, _ entry: CatalogEntry, _ content: RawSpan?, at offset: UInt64, length: UInt64) throws(HostError) {
        if length == entry.size { try placeWhole(index, entry, content) } else { try placePart(index, entry, content, at: offset, length: length) }
    }

    // MARK: Files of one piece

    private func placeWhole(_ index: Int, _ entry: CatalogEntry, _ content: RawSpan?) throws(HostError) {
        let directory = try directories.descriptor(ofParent: index, path: path)
        let known = old?.file(index)
        let wanted = metadata.wanted(entry)
        if let known, canLink(known, entry, wanted, in: directory),
            FileComparison.isSame(known.descriptor.raw, at: 0, content, length: entry.size, files: files),
            link(known, index, wanted, in: directory)
        {
            return count(isUnchanged: true)
        }
        let file = try make(index, entry, known, isWritten: content != nil && !entry.isSparse, wanted, in: directory)
        let isWritten = try write(content, length: entry.size, at: 0, to: file, index, entry)
        finish(file, index, wanted, isUnchanged: file.sharesBlocks && !isWritten && known?.status.st_size == Int(entry.size))
    }

    /// A file without content has no piece.
    func makeEmpty(_ index: Int, _ entry: CatalogEntry) throws(HostError) {
        let wanted = metadata.wanted(entry)
        let file = try make(index, entry, nil, wanted, in: try directories.descriptor(ofParent: index, path: path))
        finish(file, index, wanted)
    }

    private func canLink(_ known: OldTree.File, _ entry: CatalogEntry, _ wanted: EntryMetadata, in directory: OwnedDescriptor) -> Bool {
        guard let old, UInt64(clamping: known.status.st_size) == entry.size, !old.shares(known, in: directory) else { return false }
        return metadata.isSame(wanted, as: known.status, known.descriptor.raw)
    }

    /// - Returns: false where it cannot be linked to.
    private func link(_ known: OldTree.File, _ index: Int, _ wanted: EntryMetadata, in directory: OwnedDescriptor) -> Bool {
        // Somebody may have changed its mode or owner since it was opened.
        old?.link(known, as: catalog.kernelName(of: index), in: directory.raw, replaces: isResumed) { metadata.isSame(wanted, as: $0, known.descriptor.raw) }
            ?? false
    }

    // MARK: Files of several pieces

    private func placePart(_ index: Int, _ entry: CatalogEntry, _ content: RawSpan?, at offset: UInt64, length: UInt64) throws(HostError) {
        let directory = try directories.descriptor(ofParent: index, path: path)
        switch try begin(index, entry, in: directory) {
        case .written: break
        case .same(_, let known, _):
            let isSame = FileComparison.isSame(known.descriptor.raw, at: offset, content, length: length, files: files)
            if isSame, try note(offset..<offset + length, sameAs: known, index, entry, in: directory) { return }
            try turn(index, entry, in: directory)
        case .turning: try turn(index, entry, in: directory)
        }
        let holdsOldBytes = progress.withLock { $0[index]?.holdsOldBytes ?? true }
        let file = try reopen(index, entry, holdsOldBytes: holdsOldBytes, in: directory)
        let isWritten = try write(content, length: length, at: offset, to: file, index, entry)
        let isUnchanged: Bool? = progress.withLock { progress in
            guard case .written(let left, let holdsOldBytes, let wasUnchanged)? = progress[index] else { return nil }
            let isUnchanged = wasUnchanged && !isWritten
            progress[index] = left > length ? .written(left: left - length, holdsOldBytes: holdsOldBytes, isUnchanged: isUnchanged) : nil
            return left > length ? nil : isUnchanged
        }
        if let isUnchanged { finish(file, index, metadata.wanted(entry), isUnchanged: isUnchanged) }
    }

    /// The first to come makes the file, or finds that the old one may do.
    private func begin(_ index: Int, _ entry: CatalogEntry, in directory: OwnedDescriptor) throws(HostError) -> Progress {
        try progress.withLock { progress throws(HostError) in
            if let known = progress[index] { return known }
            let known = old?.file(index)
            let begun: Progress
            if let known, canLink(known, entry, metadata.wanted(entry), in: directory) {
                begun = .same(left: entry.size, known, ranges: [])
            } else {
                let file = try make(index, entry, known, in: directory)
                let isUnchanged = file.sharesBlocks && known?.status.st_size == Int(entry.size)
                begun = .written(left: entry.size, holdsOldBytes: file.holdsOldBytes, isUnchanged: isUnchanged)
            }
            progress[index] = begun
            return begun
        }
    }

    /// A piece is what the old file has. The last one makes the new file a link to it.
    /// - Returns: false where the file is being written after all.
    private func note(
        _ range: Range<UInt64>, sameAs known: OldTree.File, _ index: Int, _ entry: CatalogEntry, in directory: OwnedDescriptor
    ) throws(HostError) -> Bool {
        let noted: (before: Progress, ranges: [Range<UInt64>], isLast: Bool)? = progress.withLock { progress in
            guard let before = progress[index], case .same(let left, let known, var ranges) = before else { return nil }
            let length = UInt64(range.count)
            ranges.append(range)
            progress[index] = left == length ? .turning : .same(left: left - length, known, ranges: ranges)
            return (before, ranges, left == length)
        }
        guard let noted else { return false }
        guard noted.isLast else { return true }
        do throws(HostError) { try finish(sameAs: known, noted.ranges, index, entry, in: directory) } catch {
            settle(index, noted.before)
            throw error
        }
        settle(index, nil)
        return true
    }

    /// All pieces are what the old file has.
    private func finish(
        sameAs known: OldTree.File, _ ranges: [Range<UInt64>], _ index: Int, _ entry: CatalogEntry, in directory: OwnedDescriptor
    ) throws(HostError) {
        let wanted = metadata.wanted(entry)
        if known.isUnchanged(files), link(known, index, wanted, in: directory) { return count(isUnchanged: true) }
        finish(try copy(known, ranges, index, entry, in: directory), index, wanted)
    }

    /// The old file has not all of the new content: what was the same so far is copied, and the rest is written.
    private func turn(_ index: Int, _ entry: CatalogEntry, in directory: OwnedDescriptor) throws(HostError) {
        guard let before = beginTurn(index), case .same(let left, let known, let ranges) = before else { return }
        let file: Staged
        do throws(HostError) { file = try copy(known, ranges, index, entry, in: directory) } catch {
            settle(index, before)
            throw error
        }
        settle(index, .written(left: left, holdsOldBytes: file.holdsOldBytes, isUnchanged: false))
    }

    /// - Returns: progress of the file, once no other thread turns it.
    private func beginTurn(_ index: Int) -> Progress? {
        hasTurned.withLock {
            while true {
                let found = progress.withLock { progress in
                    let found = progress[index]
                    if case .same? = found { progress[index] = .turning }
                    return found
                }
                guard case .turning? = found else { return found }
                hasTurned.wait()
            }
        }
    }

    /// - Parameter state: nil where the file has all its bytes.
    private func settle(_ index: Int, _ state: Progress?) {
        progress.withLock { $0[index] = state }
        hasTurned.withLock { hasTurned.notifyAll() }
    }

    private func copy(
        _ known: OldTree.File, _ ranges: [Range<UInt64>], _ index: Int, _ entry: CatalogEntry, in directory: OwnedDescriptor
    ) throws(HostError) -> Staged {
        let file = try make(index, entry, nil, in: directory)
        let label = catalog.text(of: index, below: path)
        for range in ranges {
            try checkKept(UInt64(range.count), file, label)
            try FileCopy.copy(known.descriptor.raw, to: file.descriptor.raw, range, path: label, files: files)
        }
        guard known.isUnchanged(files) else {
            throw HostError("\(label): somebody writes to the old file while its content is taken over; what came is kept, send again", kind: .changed)
        }
        return file
    }

    // MARK: One file

    /// A file of the tree that is being made.
    private struct Staged {
        let descriptor: OwnedDescriptor
        /// Something other than holes may be where nothing was written.
        let holdsOldBytes: Bool
        /// Blocks are those of the old file, of which it was made as a copy.
        var sharesBlocks = false
        /// Owner and mode that it was made with, where they are known.
        var made: MadeFiles.Look?
    }

    /// Makes an entry's file, as long as it will be.
    /// - Parameters:
    ///   - isWritten: all of its bytes are written next.
    ///   - wanted: what it gets next; nil where it is opened again before that.
    private func make(
        _ index: Int, _ entry: CatalogEntry, _ known: OldTree.File?, isWritten: Bool = false, _ wanted: EntryMetadata? = nil,
        in directory: OwnedDescriptor
    ) throws(HostError) -> Staged {
        // Some network file systems ask for the right to write at each write.
        let mode = (wanted.map { $0.mode & 0o777 } ?? 0) | MadeFiles.ownMode
        let raw = files.openInside(catalog.kernelName(of: index), in: directory.raw, O_RDWR | O_CREAT | O_EXCL, mode: mode)
        let file: Staged
        if raw >= 0 {
            let descriptor = OwnedDescriptor(raw)
            let isShared = if let old, let known, old.shares(known, in: directory) { old.share(known, with: raw) } else { false }
            let look = wanted.flatMap { _ in made.look(of: raw, mode: mode, directory: catalog.parent(of: index), files: files) }
            file = Staged(descriptor: descriptor, holdsOldBytes: isShared, sharesBlocks: isShared, made: look)
        } else {
            guard errno == EEXIST else { throw .system("create", catalog.text(of: index, below: path), in: directory.raw) }
            guard isResumed else { throw clash(index, in: directory) }
            file = try adopt(index, in: directory)
        }
        // Writing all of a new file makes it as long as it is.
        if isWritten, !file.holdsOldBytes { return file }
        guard files.truncate(file.descriptor.raw, to: Int(entry.size)) == 0 else {
            throw .system("set the length of", catalog.text(of: index, below: path), in: directory.raw)
        }
        return file
    }

    /// Opens a file of this session, which has its length since it was made.
    private func reopen(_ index: Int, _ entry: CatalogEntry, holdsOldBytes: Bool, in directory: OwnedDescriptor) throws(HostError) -> Staged {
        let raw = files.openInside(catalog.kernelName(of: index), in: directory.raw, O_RDWR | O_NONBLOCK)
        guard raw >= 0 else { throw .system("open", catalog.text(of: index, below: path), in: directory.raw) }
        let descriptor = OwnedDescriptor(raw)
        guard let status = files.status(of: raw), status.kind == S_IFREG, status.st_nlink == 1 else {
            throw HostError("\(catalog.text(of: index, below: path)) was replaced by somebody while the tree came; receive where nobody else writes")
        }
        guard UInt64(clamping: status.st_size) == entry.size else {
            throw HostError("\(catalog.text(of: index, below: path)) was truncated by somebody while the tree came; receive where nobody else writes")
        }
        return Staged(descriptor: descriptor, holdsOldBytes: holdsOldBytes)
    }

    /// Opens what an earlier session has left. One with a second name may be of the old tree, and is not written to.
    private func adopt(_ index: Int, in directory: OwnedDescriptor) throws(HostError) -> Staged {
        let name = catalog.kernelName(of: index)
        if let status = files.status(of: name, in: directory.raw), status.kind == S_IFREG, status.st_nlink == 1 {
            if status.st_mode & 0o600 != 0o600 { _ = files.setMode(of: name, in: directory.raw, 0o600) }
            let raw = files.openInside(name, in: directory.raw, O_RDWR | O_NONBLOCK)
            let descriptor = raw >= 0 ? OwnedDescriptor(raw) : nil
            if let descriptor, files.takeBack(raw, status) { return Staged(descriptor: descriptor, holdsOldBytes: true) }
        }
        _ = files.remove(name, in: directory.raw)
        let made = files.openInside(name, in: directory.raw, O_RDWR | O_CREAT | O_EXCL, mode: MadeFiles.ownMode)
        guard made >= 0 else { throw .system("create", catalog.text(of: index, below: path), in: directory.raw) }
        return Staged(descriptor: OwnedDescriptor(made), holdsOldBytes: false)
    }

    /// Two names that the file system takes for one.
    private func clash(_ index: Int, in directory: OwnedDescriptor) -> HostError {
        let label = catalog.text(of: index, below: path)
        guard let there = files.status(of: catalog.kernelName(of: index), in: directory.raw) else { return HostError("\(label) was made by somebody else") }
        let parent = catalog.parent(of: index)
        let other = (0..<catalog.count).first { other in
            other != index && other != 0 && catalog.parent(of: other) == parent
                && files.status(of: catalog.kernelName(of: other), in: directory.raw)?.isSameFile(as: there) == true
        }
        guard let other else { return HostError("\(label) was made by somebody else while the tree came; receive where nobody else writes") }
        return HostError(
            "\(label) and \(catalog.printablePath(of: other)) are one name to this file system; receive on one that tells them apart")
    }

    /// - Parameter length: bytes of content.
    /// - Returns: false where the file has it already.
    private func write(
        _ content: RawSpan?, length: UInt64, at offset: UInt64, to file: Staged, _ index: Int, _ entry: CatalogEntry
    ) throws(HostError) -> Bool {
        let raw = file.descriptor.raw
        if file.holdsOldBytes {
            if FileComparison.isSame(raw, at: offset, content, length: length, files: files) { return false }
        } else if content == nil {
            return false
        }
        if content != nil { try checkKept(length, file, catalog.text(of: index, below: path)) }
        if let content, entry.isSparse, !file.holdsOldBytes {
            try SparseWrite.write(raw, content, at: offset, path: catalog.text(of: index, below: path), files: files)
        } else if let content {
            try FileTransfer.write(raw, content, at: offset, path: catalog.text(of: index, below: path), files: files)
            if isFlushed(length) { files.beginFlush(raw, at: offset, length) }
        } else {
            try FileTransfer.writeZeros(raw, count: length, at: offset, path: catalog.text(of: index, below: path), files: files)
        }
        return true
    }

    /// Room was asked for when the catalog came; somebody else may have taken it since.
    private func checkKept(_ length: UInt64, _ file: Staged, _ label: @autoclosure () -> String) throws(HostError) {
        guard kept > 0 else { return }
        try FileRoom(descriptor: file.descriptor, directory: file.descriptor, path: label(), kept: kept, files: files).checkKept(length)
    }
}
