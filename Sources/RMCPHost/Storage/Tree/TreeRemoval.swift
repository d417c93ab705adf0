import Glibc

/// Removes directories with all that is in them, below an open directory and never through a link.
enum TreeRemoval {
    /// - Returns: false where something of it is left, with `errno`.
    static func remove(_ name: String, in directory: Int32, files: FileSystem) -> Bool {
        let kernelName = SystemText.cString(name)
        guard let status = files.status(of: kernelName, in: directory) else { return errno == ENOENT }
        guard status.kind == S_IFDIR else { return files.remove(kernelName, in: directory) == 0 || errno == ENOENT }
        let isEmpty = empty(kernelName, in: directory, files: files)
        let code = errno
        if files.remove(kernelName, in: directory, isDirectory: true) == 0 || errno == ENOENT { return true }
        if !isEmpty { errno = code }
        return false
    }

    /// Removes what is in a directory.
    private static func empty(_ name: KernelName, in directory: Int32, files: FileSystem) -> Bool {
        var raw = files.openInside(name, in: directory, O_RDONLY | O_DIRECTORY)
        if raw < 0, errno == EACCES, files.setMode(of: name, in: directory, 0o700) == 0 {
            raw = files.openInside(name, in: directory, O_RDONLY | O_DIRECTORY)
        }
        guard raw >= 0 else { return false }
        let opened = OwnedDescriptor(raw)
        return empty(opened, files: files)
    }

    /// The same for a directory that is open for reading.
    @discardableResult
    static func empty(_ directory: OwnedDescriptor, files: FileSystem) -> Bool {
        guard let names = files.names(in: directory.raw) else { return false }
        // Its owner may have left himself no right to write in it.
        if !names.isEmpty, geteuid() != 0, let status = files.status(of: directory.raw), status.st_mode & 0o700 != 0o700 {
            _ = files.setMode(directory.raw, 0o700)
        }
        var isEmpty = true
        for name in names { isEmpty = remove(name, in: directory.raw, files: files) && isEmpty }
        return isEmpty
    }
}
