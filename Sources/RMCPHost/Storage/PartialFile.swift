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
    /// The old file may be removed where there is no room for two.
    private let replacesFirst: Bool
    /// Bytes of the file system that stay free.
    private let reserve: UInt64
    /// Less of it is data than it is long.
    private let isSparse: Bool
    private let notes = LockedValue<[String]>([])
    /// Held by the thread that writes. The kernel lets one write to a file at a time as well, and has the others spin: a tenth of a
    /// receiver's processor time, where two threads store. What it reserves beside is what is left of the file.
    private let writing = LockedValue(UInt64(0)..<0)
    /// Length that the file had, or was written up to: it grows, and is no shorter unless somebody else has truncated it.
    private let leastLength = Atomic<UInt64>(0)
    /// Set when the file may hold something other than holes where nothing was written.
    private let mayHoldOldBytes: Atomic<Bool>
    /// Set when all of its room is taken: nothing that is written takes more.
    private let isReserved = Atomic<Bool>(false)
    /// Set when the file has gone: published, not wanted, or not what the disk has. Nothing more is done with its names,
    /// which may be somebody else's by then.
    private let isGone = Atomic<Bool>(false)

    /// Opens or resumes the partial file of `announce` in `directory`.
    /// - Parameter replacesFirst: the file that has the name is removed at the start where there is no room for two.
    init(
        announce: Announce, name: String, directoryPath: String, replacesFirst: Bool = false, reserve: UInt64 = 0, files: FileSystem = .host
    ) throws(HostError) {
        self.files = files
        let directory = try files.openDirectory(directoryPath)
        self.directory = directory
        self.name = name
        path = Self.join(directoryPath, name)
        map = ChunkMap(announce)
        mode = announce.mode.map { mode_t($0) }
        modificationTime = announce.modificationTime
        self.replacesFirst = replacesFirst
        self.reserve = reserve
        isSparse = announce.contentLength.map { announce.allocatedLength < $0 } ?? true
        try FinalName.check(name, in: directory, path: path, files: files)
        let place = try PartialPlace(of: name, announce, in: directory, path: directoryPath, files: files)
        let opened = place.journal
        isSecond = place.isSecond
        journal = opened
        let partialName = place.partialName
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
        if isKept, let status = files.status(of: descriptor.raw) { leastLength.store(UInt64(clamping: status.st_size), ordering: .relaxed) }
        if !opened.isLocked { note("\(path): its file system has no locks; let no other rmcp recv write there") }
    }

    static func join(_ directory: String, _ name: String) -> String {
        if directory == "." { return name }
        return directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {
        guard let contentLength, contentLength > 0 else { return }
        try room.checkLength(contentLength)
        let outcome = try room.check(contentLength: contentLength, expected: allocatedLength, replacing: name, first: replacesFirst)
        if outcome.needsRemoval {
            try removeTarget()
            // A process that has the old file open keeps its room.
            try room.check(contentLength: contentLength, expected: allocatedLength).map(note)
        } else {
            outcome.note.map(note)
        }
        // A sparse source stays sparse: only where (nearly) all of it is data is the whole extent reserved.
        guard allocatedLength >= contentLength - contentLength / 16 else { return }
        try writing.withLock { rest throws(HostError) in
            rest = 0..<contentLength
            guard try reserve(&rest, of: room) else { return }
            mayHoldOldBytes.store(true, ordering: .relaxed)
        }
    }

    private func reserve(_ rest: inout Range<UInt64>, of room: FileRoom) throws(HostError) -> Bool {
        guard try room.reserve(&rest, mayFit: isSparse) else { return false }
        if rest.isEmpty { isReserved.store(true, ordering: .relaxed) }
        return true
    }

    /// Makes room for what comes by removing what it will replace.
    private func removeTarget() throws(HostError) {
        guard files.remove(name, in: directory.raw) == 0 else { throw .system("remove", path, in: directory.raw) }
        note("\(path): the old one is removed, since there is no room for two; until the new one is complete there is none")
    }

    private var room: FileRoom { FileRoom(descriptor: descriptor, directory: directory, path: path, kept: reserve, files: files) }

    // MARK: What the user should know

    private func note(_ text: String) { notes.withLock { $0.append(text) } }

    func takeNotes() -> [String] {
        notes.withLock { notes in
            defer { notes = [] }
            return notes
        }
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
            try writing.withLock { rest throws(HostError) in
                // A part that is reserved has its room already.
                let isTaken = isReserved.load(ordering: .relaxed) || (map.offset(of: chunk) + UInt64(content.byteCount) <= rest.lowerBound && !rest.isEmpty)
                if reserve > 0, !isTaken { try room.checkKept(UInt64(record.contentLength)) }
                try checkLength()
                try FileTransfer.write(descriptor.raw, content, at: map.offset(of: chunk), path: path, files: files)
                leastLength.max(map.offset(of: chunk) + UInt64(content.byteCount), ordering: .relaxed)
                if !rest.isEmpty { _ = try reserve(&rest, of: room) }
            }
            files.beginFlush(descriptor.raw, at: map.offset(of: chunk), UInt64(content.byteCount))
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
        try checkLength()
        guard files.truncate(descriptor.raw, to: Int(contentLength)) == 0 else { throw .system("set the length of", path) }
        decorate()
        while files.flush(descriptor.raw) != 0 {
            if errno == EINTR { continue }
            if FileSystem.isUnsupported(flush: errno) {
                note("\(path): its file system does not flush files (\(HostError.errorText(errno))); it may be gone after a power failure")
                break
            }
            let error = HostError.system("flush", path, advice: "what was received cannot be trusted to be on the disk, and is removed")
            discard()
            throw error
        }
    }

    /// Gives it its mode and its time, as far as its file system has such.
    private func decorate() {
        let mode = mode ?? ProcessUmask.fileMode
        if files.setMode(descriptor.raw, mode) != 0 {
            note("\(path): its mode is not \(String(mode, radix: 8)): \(HostError.errorText(errno))")
        }
        guard let modificationTime else { return }
        if files.setTimes(descriptor.raw, timespec(tv_sec: Int(modificationTime.seconds), tv_nsec: Int(modificationTime.nanoseconds))) != 0 {
            note("\(path): it does not have its modification time: \(HostError.errorText(errno))")
        }
    }

    func publish() throws(HostError) {
        try checkIsThere()
        let partialName = partialName.withLock { $0 }
        // The name is what is renamed, and the descriptor what was verified.
        guard let named = files.status(of: partialName, in: directory.raw), let written = files.status(of: descriptor.raw), named.isSameFile(as: written)
        else { throw HostError("\(path): somebody has replaced its partial file, \(partialName), which is not what was received") }
        try files.checkPath(path, to: name, in: directory)
        guard files.rename(partialName, to: name, in: directory.raw) == 0 else { throw .system("rename the finished file to", path, in: directory.raw) }
        try files.flushNames(in: directory, of: path).map(note)
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

    private func takeFirstName() {
        partialName.withLock { PartialPlace.takeFirstName(of: name, from: &$0, journal, in: directory, files: files) }
    }

    /// Whether the partial file's name is still that of the file which is written here.
    private var isOwnName: Bool {
        guard let named = files.status(of: partialName.withLock { $0 }, in: directory.raw), let written = files.status(of: descriptor.raw) else { return false }
        return named.isSameFile(as: written)
    }

    /// Writing behind the end, and setting the length, would make holes of what somebody has cut off.
    private func checkLength() throws(HostError) {
        guard let status = files.status(of: descriptor.raw), UInt64(clamping: status.st_size) < leastLength.load(ordering: .relaxed) else { return }
        discard()
        throw HostError("\(path): somebody has truncated its partial file; what was received is lost, and is removed")
    }

    private func checkIsThere() throws(HostError) {
        guard !isGone.load(ordering: .relaxed) else {
            throw HostError("\(path): an earlier write was lost; what was received is removed")
        }
    }
}

extension PartialFile {
    /// The same once something has to be stored; at once where part of the bundle is here from before, which has to be looked at, and where
    /// the file system has no nameless files to try its room with.
    static func whenNeeded(
        announce: Announce, name: String, directoryPath: String, replacesFirst: Bool, reserve: UInt64 = 0, files: FileSystem
    ) throws(HostError) -> any BundleStorage {
        let make: @Sendable () throws(HostError) -> any BundleStorage = { () throws(HostError) in
            try PartialFile(
                announce: announce, name: name, directoryPath: directoryPath, replacesFirst: replacesFirst, reserve: reserve, files: files)
        }
        let directory = try files.openDirectory(directoryPath)
        let path = join(directoryPath, name)
        try FinalName.check(name, in: directory, path: path, files: files)
        if PartialPlace.hasLeftJournal(of: name, in: directory, files: files) { return try make() }
        let raw = files.open(".", in: directory.raw, rmcp_o_tmpfile() | O_RDWR, mode: 0o600)
        guard raw >= 0 else { return try make() }
        let nameless = OwnedDescriptor(raw)
        // A journal and a partial file take two, one of which is taken by now. Where they are not counted there are none in all.
        if files.space(of: raw)?.filesLeft == 0 { return try make() }
        let probe = FileRoom(descriptor: nameless, directory: directory, path: path, kept: reserve, files: files)
        // The receiver has not joined yet. A sender that starts at once would be through before a busy machine has looked.
        var told: String?
        if let contentLength = announce.contentLength, contentLength > 0 {
            try probe.checkLength(contentLength)
            told = try probe.check(contentLength: contentLength, expected: announce.allocatedLength, replacing: name, first: replacesFirst).note
        }
        return DeferredStorage(path: path, announce: announce, told: told, make: make)
    }
}
