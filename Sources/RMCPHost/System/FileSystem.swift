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

    func truncate(_ descriptor: Int32, to length: Int) -> Int32 { ftruncate(descriptor, length) }

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

    func lock(_ descriptor: Int32, _ operation: Int32) -> Int32 { flock(descriptor, operation) }

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

    /// The kernel is asked to remove a directory of this name. Of what is none it says, after all that is asked before a name
    /// may be removed or replaced, that it is none: ENOTDIR means yes, and nothing is done.
    func removeDirectory(_ name: String, in directory: Int32) -> Int32 { unsafe unlinkat(directory, SystemText.cString(name), AT_REMOVEDIR) }

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

    /// Whether an error of fsync(2) means that this file system does not flush such a thing, and not that something was
    /// lost: no reason to call what is there a failure.
    static func isUnsupported(flush code: Int32) -> Bool { code != EIO && code != ENOSPC && code != EDQUOT && code != EINTR }

    /// Whether an error of flock(2) means that this file system has no locks.
    static func isUnsupported(lock code: Int32) -> Bool { [ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL].contains(code) }
}
