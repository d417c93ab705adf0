import CLinux
import Glibc

/// The calls by which storage reaches the kernel's files, in one place. Each is one system call that answers as the
/// kernel does: -1 with `errno` where it fails, or fewer bytes than were asked for. The tests override them with a disk
/// that fails, stalls, and forgets at a power cut what was never flushed.
class FileSystem: @unchecked Sendable {
    /// The kernel's own.
    static let host = FileSystem()

    func open(_ path: String, _ flags: Int32, mode: mode_t = 0) -> Int32 { unsafe Glibc.open(SystemText.cString(path), flags | O_CLOEXEC, mode) }

    func open(_ name: String, in directory: Int32, _ flags: Int32, mode: mode_t = 0) -> Int32 {
        unsafe openat(directory, SystemText.cString(name), flags | O_CLOEXEC, mode)
    }

    func read(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int, at offset: Int) -> Int {
        unsafe pread(descriptor, bytes, count, offset)
    }

    func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int {
        unsafe pwrite(descriptor, bytes, count, offset)
    }

    /// Writes where the descriptor stands, or at the end with O_APPEND.
    func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { unsafe Glibc.write(descriptor, bytes, count) }

    func truncate(_ descriptor: Int32, to length: Int) -> Int32 { Self.uninterrupted { ftruncate(descriptor, length) } }

    /// A call is made again where a signal came in between, as it may on file systems across a network.
    private static func uninterrupted(_ call: () -> Int32) -> Int32 {
        while true {
            let result = call()
            if result == 0 || errno != EINTR { return result }
        }
    }

    func allocate(_ descriptor: Int32, mode: Int32, at offset: Int, _ length: Int) -> Int32 { rmcp_fallocate(descriptor, mode, offset, length) }

    func flush(_ descriptor: Int32) -> Int32 { fsync(descriptor) }

    /// Lets go of the clean pages of a file, so that what is read next comes from the disk.
    func dropCache(_ descriptor: Int32) { _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) }

    func setMode(_ descriptor: Int32, _ mode: mode_t) -> Int32 { fchmod(descriptor, mode) }

    func setTimes(_ descriptor: Int32, _ time: timespec) -> Int32 { unsafe futimens(descriptor, [time, time]) }

    /// Renames within a directory.
    func rename(_ name: String, to newName: String, in directory: Int32) -> Int32 {
        unsafe renameat(directory, SystemText.cString(name), directory, SystemText.cString(newName))
    }

    func remove(_ name: String, in directory: Int32) -> Int32 { unsafe unlinkat(directory, SystemText.cString(name), 0) }

    func lock(_ descriptor: Int32, _ operation: Int32) -> Int32 { Self.uninterrupted { flock(descriptor, operation) } }

    func seek(_ descriptor: Int32, to offset: Int) -> Int { lseek(descriptor, offset, SEEK_SET) }

    /// Attributes of a name itself; of the directory for an empty name. None where they cannot be asked for.
    func attributes(of name: String, in directory: Int32) -> NameAttributes {
        unsafe NameAttributes(rawValue: max(0, rmcp_name_attributes(directory, SystemText.cString(name))))
    }

    /// Fill of a file's file system.
    func space(of descriptor: Int32) -> statvfs? {
        var space = statvfs()
        return unsafe fstatvfs(descriptor, &space) == 0 ? space : nil
    }

    /// Magic number of its file system (statfs(2)).
    func kind(of descriptor: Int32) -> Int { rmcp_file_system_kind(descriptor) }

    /// The kernel is asked to remove a directory of this name. Of what is none it says, after all that is asked before a name
    /// may be removed or replaced, that it is none: ENOTDIR means yes, and nothing is done.
    func removeDirectory(_ name: String, in directory: Int32) -> Int32 { unsafe unlinkat(directory, SystemText.cString(name), AT_REMOVEDIR) }

    // MARK: Trees

    /// Opens a name of one component in its directory: no symbolic link, and nothing that is mounted there (openat2(2)).
    func openConfined(_ name: KernelName, in directory: Int32, _ flags: Int32, mode: mode_t) -> Int32 {
        unsafe rmcp_open_confined(directory, name, flags, mode)
    }

    func makeDirectory(_ name: KernelName, in directory: Int32, mode: mode_t) -> Int32 { unsafe mkdirat(directory, name, mode) }

    func makeFIFO(_ name: KernelName, in directory: Int32) -> Int32 { unsafe mkfifoat(directory, name, 0o600) }

    /// The name itself is linked to, not what it leads to.
    func link(_ name: KernelName, in directory: Int32, as newName: KernelName, in newDirectory: Int32) -> Int32 {
        unsafe linkat(directory, name, newDirectory, newName, 0)
    }

    func makeLink(_ name: KernelName, in directory: Int32, to target: KernelName) -> Int32 { unsafe symlinkat(target, directory, name) }

    func remove(_ name: KernelName, in directory: Int32, isDirectory: Bool = false) -> Int32 {
        unsafe unlinkat(directory, name, isDirectory ? AT_REMOVEDIR : 0)
    }

    /// - Parameter flags: of renameat2(2).
    func rename(_ name: KernelName, in directory: Int32, to newName: KernelName, in newDirectory: Int32, flags: Int32 = 0) -> Int32 {
        unsafe rmcp_rename(directory, name, newDirectory, newName, UInt32(flags))
    }

    func setOwner(_ descriptor: Int32, _ user: uid_t, _ group: gid_t) -> Int32 { fchown(descriptor, user, group) }

    /// Owner of the name itself.
    func setOwner(of name: KernelName, in directory: Int32, _ user: uid_t, _ group: gid_t) -> Int32 {
        unsafe fchownat(directory, name, user, group, AT_SYMLINK_NOFOLLOW)
    }

    /// Mode of the name itself. A symbolic link has none, and what it leads to is not touched: somebody may have put it there just now.
    func setMode(of name: KernelName, in directory: Int32, _ mode: mode_t) -> Int32 { unsafe rmcp_set_mode(directory, name, mode) }

    /// Time of the name itself.
    func setTimes(of name: KernelName, in directory: Int32, _ time: timespec) -> Int32 {
        unsafe utimensat(directory, name, [time, time], AT_SYMLINK_NOFOLLOW)
    }

    func setAttribute(_ descriptor: Int32, _ name: KernelName, _ value: [UInt8]) -> Int32 { unsafe fsetxattr(descriptor, name, value, value.count, 0) }

    /// Makes a file share another's blocks.
    func clone(_ source: Int32, to target: Int32) -> Int32 { rmcp_clone(target, source) }

    /// Has the kernel begin to write a range to the disk. Left to itself it waits until a tenth of the memory is to be written, and then
    /// whoever flushes at the end waits for all of it. Whether it worked is nobody's concern: fsync(2) comes at the end.
    func beginFlush(_ descriptor: Int32, at offset: UInt64, _ length: UInt64) { _ = rmcp_begin_flush(descriptor, Int(offset), Int(length)) }

    /// Flushes the whole file system that a descriptor is in, and says what was lost of it since the descriptor was opened.
    func flushFileSystem(_ descriptor: Int32) -> Int32 { rmcp_flush_file_system(descriptor) }

    // MARK: What is made of them

    func status(of descriptor: Int32) -> stat? {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 ? status : nil
    }

    /// State of a name itself, not of what a link leads to.
    func status(of name: String, in directory: Int32) -> stat? {
        var status = stat()
        return unsafe fstatat(directory, SystemText.cString(name), &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    /// The same for a name as the kernel has it.
    func status(of name: KernelName, in directory: Int32) -> stat? {
        var status = stat()
        return unsafe fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    /// Status of what a name leads to; nil with `errno`.
    static func status(of path: String) -> stat? {
        var status = stat()
        return unsafe fstatat(AT_FDCWD, SystemText.cString(path), &status, 0) == 0 ? status : nil
    }

    /// A path without links, dots and double slashes; nil with `errno` where it leads nowhere.
    static func resolved(_ path: String) -> String? {
        guard let resolved = unsafe realpath(SystemText.cString(path), nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe SystemText.text(resolved)
    }
}

/// A name as the kernel takes it: bytes with a zero behind them.
typealias KernelName = [CChar]

/// Reason that keeps a name from being replaced, whoever asks.
struct NameAttributes: OptionSet {
    let rawValue: Int32
    static let immutable = NameAttributes(rawValue: RMCP_IMMUTABLE)
    static let appendOnly = NameAttributes(rawValue: RMCP_APPEND_ONLY)
    /// Something is mounted there.
    static let mountPoint = NameAttributes(rawValue: RMCP_MOUNT_POINT)
}

extension stat {
    var kind: mode_t { st_mode & S_IFMT }

    /// Whether both are of one and the same file.
    func isSameFile(as other: stat) -> Bool { st_ino == other.st_ino && st_dev == other.st_dev }
}

/// Identity of a file, whatever its name.
struct FileIdentity: Hashable, Sendable {
    private let device: UInt
    private let number: UInt

    init(_ status: stat) {
        device = UInt(status.st_dev)
        number = UInt(status.st_ino)
    }
}

extension FileSystem {
    /// A directory that files are made in, held open: its name may come to mean another one meanwhile.
    func openDirectory(_ path: String) throws(HostError) -> OwnedDescriptor {
        let raw = open(path, O_RDONLY | O_DIRECTORY)
        guard raw >= 0 else {
            throw .system("open directory", path, advice: errno == ENOENT ? "create it first, or name another" : nil)
        }
        return OwnedDescriptor(raw)
    }

    /// A bundle must come to be where it is said to be: its directory may have been moved since it was opened, or something mounted there.
    /// - Parameters:
    ///   - path: of the bundle.
    ///   - name: the last component of it.
    func checkPath(_ path: String, to name: String, in directory: OwnedDescriptor) throws(HostError) {
        let outer = String(decoding: path.utf8.dropLast(name.utf8.count), as: UTF8.self)
        let raw = open(outer.isEmpty ? "." : outer, O_DIRECTORY | rmcp_o_path())
        // A directory that cannot be looked at for another reason says nothing.
        guard raw >= 0 || errno == ENOENT || errno == ENOTDIR else { return }
        let there = raw >= 0 ? status(of: raw) : nil
        if raw >= 0 { close(raw) }
        guard let here = status(of: directory.raw), there?.isSameFile(as: here) != true else { return }
        throw HostError(
            "\(path): its directory was moved, or another was mounted there, while the bundle came; what came is kept in it: put it back, and send again")
    }

    /// Makes what was renamed in a directory outlive a power failure.
    /// - Parameter path: what has its name there, for messages.
    /// - Returns: a line for the user, where the file system does not do that.
    func flushNames(in directory: OwnedDescriptor, of path: String) throws(HostError) -> String? {
        while flush(directory.raw) != 0 {
            if errno == EINTR { continue }
            guard Self.isUnsupported(flush: errno) else {
                throw .system("flush the directory of", path, advice: "it is there, and may be gone after a power failure")
            }
            return "\(path): its file system does not flush directories (\(HostError.errorText(errno))); the name may be gone after a power failure"
        }
        return nil
    }

    /// An error of fsync(2) that means that this file system does not flush such a thing: no reason to call what is there a failure. Any
    /// other may mean that something was lost. What a disk says comes through as it is: ENODATA of a bad sector, ETIMEDOUT of a path that
    /// is gone, EROFS of a file system that has stopped itself.
    static func isUnsupported(flush code: Int32) -> Bool { [EINVAL, EOPNOTSUPP, ENOSYS].contains(code) }

    /// Whether an error of flock(2) means that this file system has no locks.
    static func isUnsupported(lock code: Int32) -> Bool { [ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL].contains(code) }
}

extension FileSystem {
    /// Opens a name of one component in its directory and nowhere else. Where the kernel, or a filter before it, has no
    /// openat2(2), O_NOFOLLOW does for one component what that does, but for what is mounted there.
    func openInside(_ name: KernelName, in directory: Int32, _ flags: Int32, mode: mode_t = 0) -> Int32 {
        var raw = openConfined(name, in: directory, flags | O_NOFOLLOW, mode: mode)
        if raw >= 0 || (errno != ENOSYS && errno != EPERM) { return raw }
        raw = unsafe openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode)
        guard raw >= 0, let inner = status(of: raw), let outer = status(of: directory), inner.st_dev != outer.st_dev else { return raw }
        close(raw)
        errno = EXDEV
        return -1
    }

    /// Names in a directory, sorted; nil with `errno` where it cannot be read.
    func names(in directory: Int32) -> [String]? {
        var names: [String] = []
        guard unsafe visitNames(in: directory, { unsafe names.append(SystemText.text($0)) }) else { return nil }
        return names.sorted()
    }

    /// Number of names in a directory, without a text for each; nil with `errno` where it cannot be read.
    func nameCount(in directory: Int32) -> Int? {
        var count = 0
        return unsafe visitNames(in: directory) { _ in count += 1 } ? count : nil
    }

    /// All names but `.` and `..`, in the order of the directory.
    private func visitNames(in directory: Int32, _ body: (UnsafePointer<CChar>) -> Void) -> Bool {
        let raw = unsafe openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { return false }
        guard let stream = unsafe fdopendir(raw) else {
            close(raw)
            return false
        }
        defer { _ = unsafe closedir(stream) }
        let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        while let entry = unsafe readdir(stream) {
            let name = unsafe UnsafeRawPointer(entry).advanced(by: nameOffset).assumingMemoryBound(to: CChar.self)
            if unsafe strcmp(name, ".") != 0, unsafe strcmp(name, "..") != 0 { unsafe body(name) }
        }
        return true
    }
}
