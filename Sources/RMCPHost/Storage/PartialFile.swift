import CLinux
import Glibc
import RMCPContent
import RMCPProtocol
import Synchronization

/// A bundle on its way into a directory: `.NAME.rmcp-partial` beside `.NAME.rmcp-journal` until it is complete.
///
/// All names are resolved relative to the directory's descriptor and never through a symbolic link, so that nothing
/// outside the directory can be reached whatever the bundle is called.
///
/// What the page cache holds is not what the disk holds. A write-back error is told once, and the pages that it lost are
/// clean afterwards: whoever reads them back sees what was never stored. So nothing of a file is believed once flushing
/// it has failed, and a file from before is flushed and dropped from the cache before anything of it is verified.
final class PartialFile: BundleStorage {
    let path: String
    let seeds: [any Seed]
    private let files: FileSystem
    private let name: String
    private let partialName: LockedValue<String>
    /// Another session had the first choice of a partial file: this one has a second.
    private let isSecond: Bool
    private let directory: OwnedDescriptor
    private let descriptor: OwnedDescriptor
    private let journal: ChunkJournal
    private let map: ChunkMap
    /// Nil takes what new files have here.
    private let mode: mode_t?
    private let modificationTime: FileTime?
    /// Set when the file may hold something other than holes where nothing was written.
    private let mayHoldOldBytes: Atomic<Bool>
    /// Set when the file has gone: published, not wanted, or not what the disk has. Nothing more is done with its names,
    /// which may be somebody else's by then.
    private let isGone = Atomic<Bool>(false)

    private static let suffix = ".rmcp-partial"

    /// Opens or resumes the partial file of `announce` in `directory`.
    init(announce: Announce, name: String, directoryPath: String, files: FileSystem = .host) throws(HostError) {
        self.files = files
        let directory = try files.openDirectory(directoryPath)
        self.directory = directory
        self.name = name
        path = Self.join(directoryPath, name)
        map = ChunkMap(announce)
        mode = announce.mode.map { mode_t($0) }
        modificationTime = announce.modificationTime
        try Self.checkTarget(name, in: directory, path: path, files: files)
        var stem = Self.stem(for: name)
        // Another session under way has this name's partial file: this one gets its own.
        var opened = try ChunkJournal.open(stem: stem, chunkLength: announce.chunkLength, in: directory, files: files)
        isSecond = opened == nil
        if opened == nil {
            stem = Self.stem(for: "\(BundleName.prefix(of: name, bytes: 200)).\(String(announce.session.tag, radix: 16))")
            opened = try ChunkJournal.open(stem: stem, chunkLength: announce.chunkLength, in: directory, files: files)
        }
        guard let opened else { throw HostError("cannot lock the journal of \(path); is another rmcp recv writing it?") }
        journal = opened
        let partialName = stem + Self.suffix
        self.partialName = LockedValue(partialName)
        do throws(HostError) {
            descriptor = try StagingFile.open(partialName, in: directory, label: Self.join(directoryPath, partialName), files: files)
        } catch {
            // Whoever could not begin leaves nothing behind.
            if opened.isEmpty { opened.remove() }
            opened.unlock()
            throw error
        }
        // What is verified must have come from the disk. A file that cannot be flushed is begun anew: its journal speaks
        // of what is lost, and each of its chunks would be believed by the cache alone.
        var isKept = !opened.isEmpty
        if isKept {
            if files.flush(descriptor.raw) == 0 { files.dropCache(descriptor.raw) } else { isKept = errno == EINVAL || errno == EROFS }
        }
        seeds = isKept ? [ResumedFile(descriptor, journal: journal, map: map, path: path, files: files)] : []
        // Without a journal that vouches for it, what an old partial file holds is only in the way. Its errors are, too: told
        // now, they are not taken for this session's.
        if !isKept {
            let isOld = files.status(of: descriptor.raw).map { $0.st_size > 0 } ?? true
            guard files.truncate(descriptor.raw, to: 0) == 0 else { throw .system("truncate", path) }
            if isOld { _ = files.flush(descriptor.raw) }
        }
        mayHoldOldBytes = Atomic(isKept)
    }

    private static func join(_ directory: String, _ name: String) -> String {
        if directory == "." { return name }
        return directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
    }

    /// The finished file replaces what has its name: a regular file, or a symbolic link as rsync does it, which is not
    /// followed. Anything else is not what a bundle is meant to become: a FIFO or `/dev/null` would be gone for all who
    /// use it, and who names `/dev/stdout` does not mean the link.
    private static func checkTarget(_ name: String, in directory: OwnedDescriptor, path: String, files: FileSystem) throws(HostError) {
        guard var status = files.status(of: name, in: directory.raw) else {
            guard errno == ENOENT else { throw .system("look at", path) }
            return
        }
        var prefix = ""
        if status.kind == S_IFLNK {
            prefix = "a symbolic link to "
            // One that leads nowhere is in nobody's way.
            guard unsafe fstatat(directory.raw, name, &status, 0) == 0 else { return }
        }
        let kind: String
        switch status.kind {
        case S_IFREG: return
        case S_IFDIR: kind = "a directory"
        case S_IFIFO: kind = "a FIFO"
        case S_IFSOCK: kind = "a socket"
        case S_IFCHR: kind = "a character device"
        case S_IFBLK: kind = "a block device"
        default: kind = "no regular file"
        }
        throw HostError("\(path) is \(prefix)\(kind), which a received file does not replace; move it away or receive elsewhere")
    }

    private static func stem(for name: String) -> String {
        let suffixRoom = BundleName.maximumLength - 1 - "\(ChunkJournal.suffix)-new".utf8.count
        guard name.utf8.count > suffixRoom else { return "." + name }
        // Too long with the suffix: cut it, and tell cut names apart by a hash (FNV-1a).
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return ".\(BundleName.prefix(of: name, bytes: suffixRoom - 17)).\(String(hash, radix: 16))"
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {
        guard let contentLength, contentLength > 0 else { return }
        let present = UInt64(clamping: files.status(of: descriptor.raw)?.st_blocks ?? 0) * 512
        let needed = allocatedLength > present ? allocatedLength - present : 0
        var fileSystem = statvfs()
        if unsafe fstatvfs(descriptor.raw, &fileSystem) == 0 {
            let available = UInt64(fileSystem.f_bavail) * UInt64(fileSystem.f_frsize)
            guard available >= needed else {
                throw HostError(
                    "\(path) needs \(needed) bytes and its file system has \(available) left; make room or receive elsewhere with -d",
                    kind: .diskFull)
            }
        }
        // A sparse source stays sparse: only where (nearly) all of it is data is the whole extent reserved.
        guard allocatedLength >= contentLength - contentLength / 16 else { return }
        while files.allocate(descriptor.raw, mode: RMCP_FALLOC_FL_KEEP_SIZE, at: 0, Int(contentLength)) != 0 {
            if errno == EINTR { continue }
            if errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL { return }
            throw .system("reserve \(contentLength) bytes for", path)
        }
        mayHoldOldBytes.store(true, ordering: .relaxed)
    }

    func identity(in session: SessionID, drawn: UInt32) -> UInt32 {
        if let known = journal.identity(in: session) { return known }
        // Without it a restart makes this another receiver, which costs the sender's exit code and nothing else.
        try? journal.note(identity: drawn, in: session)
        return drawn
    }

    // MARK: Chunks

    func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError) {
        try checkIsThere()
        do throws(HostError) {
            try FileTransfer.write(descriptor.raw, content, at: map.offset(of: chunk), path: path, files: files)
        } catch {
            // A disk that is full has lost nothing: what is there is worth keeping until there is room.
            if error.kind != .diskFull { discard() }
            throw error
        }
        try journal.append(chunk: chunk, record: record)
    }

    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        try checkIsThere()
        guard mayHoldOldBytes.load(ordering: .relaxed) else { return }
        let start = map.offset(of: chunks.lowerBound)
        let mode = RMCP_FALLOC_FL_PUNCH_HOLE | RMCP_FALLOC_FL_KEEP_SIZE
        while files.allocate(descriptor.raw, mode: mode, at: Int(start), Int(contentLength)) != 0 {
            if errno == EINTR { continue }
            guard errno == EOPNOTSUPP || errno == ENOSYS else { throw .system("punch a hole into", path) }
            return try FileTransfer.writeZeros(descriptor.raw, count: contentLength, at: start, path: path, files: files)
        }
    }

    // MARK: The end

    func flush(contentLength: UInt64) throws(HostError) {
        try checkIsThere()
        guard files.truncate(descriptor.raw, to: Int(contentLength)) == 0 else { throw .system("set the length of", path) }
        guard files.setMode(descriptor.raw, mode ?? ProcessUmask.fileMode) == 0 else { throw .system("set the mode of", path) }
        if let modificationTime {
            _ = files.setTimes(descriptor.raw, timespec(tv_sec: Int(modificationTime.seconds), tv_nsec: Int(modificationTime.nanoseconds)))
        }
        while files.flush(descriptor.raw) != 0 {
            if errno == EINTR { continue }
            let error = HostError.system("flush", path, advice: "what was received cannot be trusted to be on the disk, and is removed")
            discard()
            throw error
        }
    }

    func publish() throws(HostError) {
        try checkIsThere()
        let partialName = partialName.withLock { $0 }
        // The name is what is renamed, and the descriptor what was verified.
        guard let named = files.status(of: partialName, in: directory.raw), let written = files.status(of: descriptor.raw), named.isSameFile(as: written)
        else { throw HostError("\(path): somebody has replaced its partial file, \(partialName), which is not what was received") }
        guard files.rename(partialName, to: name, in: directory.raw) == 0 else { throw .system("rename the finished file to", path) }
        while files.flush(directory.raw) != 0 {
            if errno == EINTR { continue }
            // Some file systems have nothing to flush there, and say so.
            if errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS { break }
            throw .system("flush the directory of", path, advice: "the file is there, and may be gone after a power failure")
        }
        isGone.store(true, ordering: .relaxed)
        journal.remove()
    }

    func abandon() {
        if isGone.load(ordering: .relaxed) { return }
        if journal.isEmpty { return discard() }
        if isSecond { takeFirstName() }
    }

    /// The journal goes first: without it nobody believes the rest.
    func discard() {
        guard !isGone.exchange(true, ordering: .relaxed) else { return }
        journal.remove()
        if isOwnName { _ = files.remove(partialName.withLock { $0 }, in: directory.raw) }
    }

    func close() { journal.unlock() }

    /// What a second session of one name has received is found by the next under the name that it looks for first, if
    /// that is free by now.
    private func takeFirstName() {
        let stem = Self.stem(for: name)
        guard files.status(of: stem + ChunkJournal.suffix, in: directory.raw) == nil, files.status(of: stem + Self.suffix, in: directory.raw) == nil
        else { return }
        partialName.withLock { partialName in
            guard files.rename(partialName, to: stem + Self.suffix, in: directory.raw) == 0 else { return }
            partialName = stem + Self.suffix
            if !journal.rename(to: stem) { journal.remove() }
        }
    }

    /// Whether the partial file's name is still that of the file which is written here.
    private var isOwnName: Bool {
        guard let named = files.status(of: partialName.withLock { $0 }, in: directory.raw), let written = files.status(of: descriptor.raw) else { return false }
        return named.isSameFile(as: written)
    }

    private func checkIsThere() throws(HostError) {
        guard !isGone.load(ordering: .relaxed) else {
            throw HostError("\(path): an earlier write was lost; what was received is removed")
        }
    }
}
