import Glibc

/// Whether a received file can have the name that it is meant to get. rename(2) answers that after the last byte, and so
/// it is asked for before the first.
enum FinalName {
    /// The finished file replaces what has its name: a regular file, or a symbolic link as rsync does it, which is not
    /// followed. Anything else is not what a bundle is meant to become: a FIFO or `/dev/null` would be gone for all who
    /// use it, and who names `/dev/stdout` does not mean the link.
    /// - Parameter path: what errors name.
    static func check(_ name: String, in directory: OwnedDescriptor, path: String, files: FileSystem) throws(HostError) {
        if files.attributes(of: "", in: directory.raw).contains(.appendOnly) {
            throw HostError("\(path): nothing can be renamed in its directory, which is append-only; chattr -a it, or receive elsewhere")
        }
        guard var status = files.status(of: name, in: directory.raw) else {
            guard errno == ENOENT else { throw .system("look at", path) }
            return
        }
        var prefix = ""
        if status.kind == S_IFLNK {
            prefix = "a symbolic link to "
            // One that leads nowhere is in nobody's way.
            guard unsafe fstatat(directory.raw, SystemText.cString(name), &status, 0) == 0 else { return }
        }
        let kind: String
        switch status.kind {
        case S_IFREG: return try checkMayBeReplaced(name, in: directory, path: path, files: files)
        case S_IFDIR: kind = "a directory"
        case S_IFIFO: kind = "a FIFO"
        case S_IFSOCK: kind = "a socket"
        case S_IFCHR: kind = "a character device"
        case S_IFBLK: kind = "a block device"
        default: kind = "no regular file"
        }
        throw HostError("\(path) is \(prefix)\(kind), which a received file does not replace; move it away or receive elsewhere")
    }

    /// Whether nothing can take the place of a name, whoever asks.
    static func checkAttributes(_ name: String, in directory: OwnedDescriptor, path: String, files: FileSystem) throws(HostError) {
        let attributes = files.attributes(of: name, in: directory.raw)
        if attributes.contains(.mountPoint) {
            throw HostError("\(path) is mounted on its own (a bind mount?), so that nothing else can take its place; unmount it, or mount its directory")
        }
        if attributes.contains(.immutable) || attributes.contains(.appendOnly) {
            let letter = attributes.contains(.immutable) ? "i" : "a"
            throw HostError("\(path) is not to be replaced (chattr +\(letter)); chattr -\(letter) it, or receive elsewhere")
        }
    }

    private static func checkMayBeReplaced(_ name: String, in directory: OwnedDescriptor, path: String, files: FileSystem) throws(HostError) {
        try checkAttributes(name, in: directory, path: path, files: files)
        guard files.removeDirectory(name, in: directory.raw) != 0, errno == EPERM || errno == EACCES || errno == EROFS else { return }
        let isSticky = files.status(of: directory.raw).map { $0.st_mode & S_ISVTX != 0 } ?? false
        throw .system(
            "replace", path, advice: errno != EROFS && isSticky ? "it is another user's, in a directory where everybody has his own" : nil, in: directory.raw)
    }
}
