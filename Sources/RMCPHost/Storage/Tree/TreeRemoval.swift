import Glibc
import RMCPContent

/// Removes directories with all that is in them, below an open directory and never through a link. Directories that lie deeper than any of a
/// tree that is sent were made by somebody else: they are moved up, so that no depth takes more stack or descriptors than the usual one.
struct TreeRemoval {
    /// Levels below `top`.
    private static let depth = CatalogLimits.depth

    private let files: FileSystem
    /// The directory that is emptied.
    private let top: Int32
    /// A directory was moved to `top`, where it is still to be removed.
    private var hasMoved = false

    private init(of top: Int32, files: FileSystem) {
        self.top = top
        self.files = files
    }

    /// - Returns: false where something of it is left, with `errno`.
    static func remove(_ name: String, in directory: Int32, files: FileSystem) -> Bool {
        remove(SystemText.cString(name), in: directory, files: files) { empty($0, files: files) }
    }

    /// Removes what is in a directory that is open for reading.
    @discardableResult
    static func empty(_ directory: OwnedDescriptor, files: FileSystem) -> Bool {
        var removal = TreeRemoval(of: directory.raw, files: files)
        var isEmpty = removal.empty(directory, at: 0)
        while removal.hasMoved {
            removal.hasMoved = false
            isEmpty = removal.empty(directory, at: 0)
        }
        return isEmpty
    }

    private static func remove(_ name: KernelName, in directory: Int32, files: FileSystem, emptying: (OwnedDescriptor) -> Bool) -> Bool {
        guard let status = files.status(of: name, in: directory) else { return errno == ENOENT }
        guard status.kind == S_IFDIR else { return files.remove(name, in: directory) == 0 || errno == ENOENT }
        let isEmpty = open(name, in: directory, files: files).map(emptying) ?? false
        let code = errno
        if files.remove(name, in: directory, isDirectory: true) == 0 || errno == ENOENT { return true }
        if !isEmpty { errno = code }
        return false
    }

    private static func open(_ name: KernelName, in directory: Int32, files: FileSystem) -> OwnedDescriptor? {
        var raw = files.openInside(name, in: directory, O_RDONLY | O_DIRECTORY)
        if raw < 0, errno == EACCES, geteuid() != 0, files.setMode(of: name, in: directory, 0o700) == 0 {
            raw = files.openInside(name, in: directory, O_RDONLY | O_DIRECTORY)
        }
        return raw >= 0 ? OwnedDescriptor(raw) : nil
    }

    /// - Parameter level: of the directory below `top`.
    private mutating func empty(_ directory: OwnedDescriptor, at level: Int) -> Bool {
        guard let names = files.names(in: directory.raw) else { return false }
        // Its owner may have left himself no right to write in it.
        if !names.isEmpty, geteuid() != 0, let status = files.status(of: directory.raw), status.st_mode & 0o700 != 0o700 {
            _ = files.setMode(directory.raw, 0o700)
        }
        var isEmpty = true
        for name in names {
            let name = SystemText.cString(name)
            if level == Self.depth, move(name, from: directory.raw) { continue }
            isEmpty = Self.remove(name, in: directory.raw, files: files) { level < Self.depth && empty($0, at: level + 1) } && isEmpty
        }
        return isEmpty
    }

    /// Moves a directory to `top`; false for all else, and where it cannot be moved.
    private mutating func move(_ name: KernelName, from directory: Int32) -> Bool {
        guard let status = files.status(of: name, in: directory), status.kind == S_IFDIR else { return false }
        // Its entry for the one above is changed, so that it has to be writable itself, but for root. Somebody else may still be in that directory,
        // and put another thing under the name.
        if geteuid() != 0, status.st_mode & 0o200 == 0 { _ = files.setMode(of: name, in: directory, 0o700) }
        let newName = SystemText.cString("removed.\(String(UInt64.random(in: 0...(.max)), radix: 36))")
        guard files.rename(name, in: directory, to: newName, in: top) == 0 else { return false }
        hasMoved = true
        return true
    }
}
