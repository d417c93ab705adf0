import CLinux
import Glibc
import RMCPContent

/// The tree that has the final name, looked at by the paths of the new catalog. A file of it that has the new content need not be written
/// again: the new file shares its blocks where the file system does that, or is a link to it where all else of it is the same, too.
///
/// The old tree may change meanwhile. What is compared is the content that was verified, and a file that changed since is not linked to.
final class OldTree: Sendable {
    /// A file of it that is open.
    struct File {
        let descriptor: OwnedDescriptor
        let status: stat
        let directory: OwnedDescriptor
        let name: KernelName

        /// Whether its size and time are those that it was opened with. Its ctime does not count: a link of a backup changes that, and so does one
        /// of our own.
        func isUnchanged(_ files: FileSystem) -> Bool { files.status(of: descriptor.raw).map(hasContent) ?? false }

        fileprivate func hasContent(of other: stat) -> Bool {
            other.st_size == status.st_size && other.st_mtim.tv_sec == status.st_mtim.tv_sec && other.st_mtim.tv_nsec == status.st_mtim.tv_nsec
        }
    }

    private let directories: TreeDirectories
    private let files: FileSystem
    /// Nil until the file system was asked.
    private let sharing = LockedValue<Bool?>(nil)
    /// Files with several names that have one in the new tree.
    private let linked = LockedValue<Set<FileIdentity>>([])

    init(_ directories: TreeDirectories, files: FileSystem) {
        self.directories = directories
        self.files = files
    }

    /// Whether files in a directory of the new tree can share the blocks of old ones: tried once, with a nameless file.
    func shares(_ file: File, in directory: OwnedDescriptor) -> Bool {
        sharing.withLock { sharing in
            if let sharing { return sharing }
            guard file.status.st_size > 0 else { return false }
            let raw = files.open(".", in: directory.raw, rmcp_o_tmpfile() | O_RDWR, mode: 0o600)
            guard raw >= 0 else {
                sharing = false
                return false
            }
            let nameless = OwnedDescriptor(raw)
            let isShared = files.clone(file.descriptor.raw, to: nameless.raw) == 0
            sharing = isShared
            return isShared
        }
    }

    /// The regular file that is there under the path of an entry; nil where there is none.
    func file(_ entry: Int) -> File? {
        let catalog = directories.catalog
        guard let directory = directories.find(catalog.parent(of: entry)) else { return nil }
        let name = catalog.kernelName(of: entry)
        // Its kind first: opening a FIFO or a device may do something.
        guard let known = files.status(of: name, in: directory.raw), known.kind == S_IFREG else { return nil }
        let raw = files.openInside(name, in: directory.raw, O_RDONLY | O_NONBLOCK)
        guard raw >= 0 else { return nil }
        let descriptor = OwnedDescriptor(raw)
        guard let status = files.status(of: raw), status.kind == S_IFREG else { return nil }
        return File(descriptor: descriptor, status: status, directory: directory, name: name)
    }

    /// Makes a new file share the blocks of an old one.
    func share(_ file: File, with target: Int32) -> Bool { files.clone(file.descriptor.raw, to: target) == 0 }

    /// Gives the old file a name in the new tree: one, since two files of the new tree stay two, though they were one in the old tree.
    /// - Parameters:
    ///   - replaces: an earlier session may have left something of that name.
    ///   - isWanted: says whether the file is still what it has to be.
    /// - Returns: false where that cannot be, or where the file is not what it was: nothing that was linked here has that name then.
    func link(_ file: File, as name: KernelName, in directory: Int32, replaces: Bool, isWanted: (stat) -> Bool) -> Bool {
        guard file.status.st_nlink < 2 || linked.withLock({ $0.insert(FileIdentity(file.status)).inserted }) else { return false }
        if replaces, let there = files.status(of: name, in: directory), !there.isSameFile(as: file.status) { _ = files.remove(name, in: directory) }
        guard files.link(file.name, in: file.directory.raw, as: name, in: directory) == 0 || replaces && errno == EEXIST else { return false }
        // The old name may lead to another file by now.
        guard let made = files.status(of: name, in: directory) else { return false }
        if made.isSameFile(as: file.status), file.hasContent(of: made), isWanted(made) { return true }
        _ = files.remove(name, in: directory)
        return false
    }
}

/// Holds what is in a file against what is to be in it.
enum FileComparison {
    /// Bytes that are read at a time.
    private static let step = 1 << 20

    /// - Parameters:
    ///   - content: nil stands for zeros.
    ///   - length: bytes.
    static func isSame(_ descriptor: Int32, at offset: UInt64, _ content: RawSpan?, length: UInt64, files: FileSystem) -> Bool {
        var done: UInt64 = 0
        var buffer = [UInt8](repeating: 0, count: Int(min(length, UInt64(step))))
        while done < length {
            let count = Int(min(UInt64(buffer.count), length - done))
            if count < buffer.count { buffer.removeLast(buffer.count - count) }
            guard (try? FileTransfer.read(descriptor, into: &buffer, at: offset + done, path: "", files: files)) == count else { return false }
            let isSame =
                if let content {
                    unsafe content.extracting(Int(done)..<Int(done) + count).withUnsafeBytes { wanted in
                        unsafe memcmp(wanted.baseAddress.unsafelyUnwrapped, buffer, count) == 0
                    }
                } else {
                    isZero(buffer)
                }
            guard isSame else { return false }
            done += UInt64(count)
        }
        return true
    }

    private static func isZero(_ bytes: [UInt8]) -> Bool { unsafe isZero(bytes.span.bytes) }

    static func isZero(_ bytes: RawSpan) -> Bool {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, bytes.count > 0 else { return true }
            // All are as the one before, and the first is zero.
            return unsafe bytes[0] == 0 && memcmp(start, start + 1, bytes.count - 1) == 0
        }
    }
}
