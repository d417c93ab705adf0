import CLinuxNetwork
import Glibc
import RMCPProtocol
import Synchronization

/// A bundle on its way into a directory: `.NAME.rmcp-partial` beside `.NAME.rmcp-journal` until it is complete.
///
/// All names are resolved relative to the directory's descriptor and never through a symbolic link, so that nothing
/// outside the directory can be reached whatever the bundle is called.
final class PartialFile: BundleStorage {
    let path: String
    let isResumable: Bool
    private let name: String
    private let partialName: String
    private let directory: OwnedDescriptor
    private let descriptor: OwnedDescriptor
    private let journal: ChunkJournal
    private let chunkLength: UInt64
    /// Nil takes what new files have here.
    private let mode: mode_t?
    private let modificationTime: FileTime?
    /// Set when the file may hold something other than holes where nothing was written.
    private let mayHoldOldBytes: Atomic<Bool>

    /// Opens or resumes the partial file of `announce` in `directory`.
    init(announce: Announce, name: String, directoryPath: String) throws(HostError) {
        directory = try Self.openDirectory(directoryPath)
        self.name = name
        path = directoryPath == "." ? name : "\(directoryPath)/\(name)"
        chunkLength = UInt64(announce.chunkLength)
        mode = announce.mode.map { mode_t($0) }
        modificationTime = announce.modificationTime
        try Self.checkTarget(name, in: directory, path: path)
        var stem = Self.stem(for: name)
        // Another session under way has this name's partial file: this one gets its own.
        var opened = try ChunkJournal.open(stem: stem, chunkLength: announce.chunkLength, in: directory)
        if opened == nil {
            stem = Self.stem(for: "\(name.prefix(200)).\(String(announce.session.tag, radix: 16))")
            opened = try ChunkJournal.open(stem: stem, chunkLength: announce.chunkLength, in: directory)
        }
        guard let opened else { throw HostError("cannot lock the journal of \(path); is another rmcp recv writing it?") }
        journal = opened
        partialName = stem + ".rmcp-partial"
        let raw = unsafe openat(directory.raw, partialName, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw .system("create", "\(directoryPath)/\(partialName)") }
        descriptor = OwnedDescriptor(raw)
        isResumable = !journal.isEmpty
        // Without a journal that vouches for it, what an old partial file holds is only in the way.
        if !isResumable, ftruncate(raw, 0) != 0 { throw .system("truncate", path) }
        mayHoldOldBytes = Atomic(isResumable)
    }

    static func openDirectory(_ path: String) throws(HostError) -> OwnedDescriptor {
        let raw = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else {
            throw .system("open directory", path, advice: errno == ENOENT ? "create it first or name another with -d" : nil)
        }
        return OwnedDescriptor(raw)
    }

    /// The finished file replaces what has its name: a regular file, or a symbolic link as rsync does it, which is not
    /// followed. Anything else is not what a bundle is meant to become: a FIFO or `/dev/null` would be gone for all who
    /// use it, and who names `/dev/stdout` does not mean the link.
    private static func checkTarget(_ name: String, in directory: OwnedDescriptor, path: String) throws(HostError) {
        var status = stat()
        guard unsafe fstatat(directory.raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return }
        var prefix = ""
        if status.st_mode & S_IFMT == S_IFLNK {
            prefix = "a symbolic link to "
            // One that leads nowhere is in nobody's way.
            guard unsafe fstatat(directory.raw, name, &status, 0) == 0 else { return }
        }
        let kind: String
        switch status.st_mode & S_IFMT {
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
        let suffixRoom = 255 - 1 - ".rmcp-partial".utf8.count
        guard name.utf8.count > suffixRoom else { return "." + name }
        // Too long with the suffix: cut it, and tell cut names apart by a hash (FNV-1a).
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var cut = name
        while cut.utf8.count > suffixRoom - 17 { cut.removeLast() }
        return ".\(cut).\(String(hash, radix: 16))"
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {
        guard let contentLength, contentLength > 0 else { return }
        var status = stat()
        _ = unsafe fstat(descriptor.raw, &status)
        let present = UInt64(clamping: status.st_blocks) * 512
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
        guard rmcp_fallocate(descriptor.raw, RMCP_FALLOC_FL_KEEP_SIZE, 0, Int(contentLength)) == 0 else {
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

    func mayHave(chunk: UInt32, record: ChunkRecord) -> Bool { journal.has(chunk: chunk, record: record) }

    func read(chunk: UInt32, into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Bool {
        unsafe try FileTransfer.read(descriptor.raw, into: buffer, at: UInt64(chunk) * chunkLength, path: path) == buffer.count
    }

    func write(chunk: UInt32, record: ChunkRecord, content: UnsafeRawBufferPointer) throws(HostError) {
        unsafe try FileTransfer.write(descriptor.raw, content, at: UInt64(chunk) * chunkLength, path: path)
        try journal.append(chunk: chunk, record: record)
    }

    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        guard mayHoldOldBytes.load(ordering: .relaxed) else { return }
        let start = UInt64(chunks.lowerBound) * chunkLength
        let mode = RMCP_FALLOC_FL_PUNCH_HOLE | RMCP_FALLOC_FL_KEEP_SIZE
        if rmcp_fallocate(descriptor.raw, mode, Int(start), Int(contentLength)) == 0 { return }
        guard errno == EOPNOTSUPP || errno == ENOSYS else { throw .system("punch a hole into", path) }
        let zeros = [UInt8](repeating: 0, count: 1 << 16)
        var offset = start
        while offset < start + contentLength {
            let count = min(UInt64(zeros.count), start + contentLength - offset)
            let failure: HostError? = unsafe zeros.withUnsafeBytes { bytes in
                do throws(HostError) {
                    unsafe try FileTransfer.write(
                        descriptor.raw, UnsafeRawBufferPointer(rebasing: bytes.prefix(Int(count))), at: offset, path: path)
                    return nil
                } catch { return error }
            }
            if let failure { throw failure }
            offset += count
        }
    }

    func commit(contentLength: UInt64) throws(HostError) {
        guard ftruncate(descriptor.raw, Int(contentLength)) == 0 else { throw .system("set the length of", path) }
        guard fchmod(descriptor.raw, mode ?? ProcessUmask.fileMode) == 0 else { throw .system("set the mode of", path) }
        if let modificationTime {
            let time = timespec(tv_sec: Int(modificationTime.seconds), tv_nsec: Int(modificationTime.nanoseconds))
            let times = [time, time]
            _ = unsafe futimens(descriptor.raw, times)
        }
        guard fsync(descriptor.raw) == 0 else { throw .system("flush", path) }
        guard unsafe renameat(directory.raw, partialName, directory.raw, name) == 0 else {
            throw .system("rename the finished file to", path)
        }
        guard fsync(directory.raw) == 0 else { throw .system("flush the directory of", path) }
        journal.remove()
    }

    func abandon() { if journal.isEmpty { discard() } }

    /// Nothing worth keeping came: no trace stays.
    private func discard() {
        _ = unsafe unlinkat(directory.raw, partialName, 0)
        journal.remove()
    }
}
