import Glibc
import RMCPProtocol

/// A file that takes the place of the one before it: written beside its place and renamed, so that a reader never sees half of it.
public struct ReplacedFile: Sendable {
    private let path: String
    /// Content of the file, in the plural, for messages: "metrics".
    private let content: String
    /// Mode that it has whatever the umask is; nil for what the umask leaves.
    private let mode: UInt32?

    public init(path: String, content: String, mode: UInt32? = nil) {
        self.path = path
        self.content = content
        self.mode = mode
    }

    public func write(_ text: String) throws(HostError) {
        let target = try target()
        let temporary = Self.temporary(for: target)
        let descriptor = try Self.create(temporary, beside: target)
        do throws(HostError) {
            if let mode, fchmod(descriptor.raw, mode) != 0 { throw .system("set the mode of", temporary) }
            try FileTransfer.writeSequentially(descriptor.raw, Array(text.utf8), path: temporary)
            guard unsafe rename(SystemText.cString(temporary), SystemText.cString(target)) == 0 else {
                throw .system("rename the \(content) to", target)
            }
        } catch {
            _ = unsafe unlink(SystemText.cString(temporary))
            throw error
        }
    }

    /// Removes what `write` has written.
    func remove() {
        guard let target = try? target() else { return }
        _ = unsafe unlink(SystemText.cString(target))
    }

    /// Looks whether it can be written, before there is anything to write.
    public func check() throws(HostError) {
        let target = try target()
        let temporary = Self.temporary(for: target)
        _ = try Self.create(temporary, beside: target)
        _ = unsafe unlink(SystemText.cString(temporary))
    }

    private static func create(_ temporary: String, beside target: String) throws(HostError) -> OwnedDescriptor {
        // A name of this process alone, so what is there was left by one that was killed and had its number.
        _ = unsafe unlink(SystemText.cString(temporary))
        let raw = unsafe open(SystemText.cString(temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard raw >= 0 else { throw .system("create a file beside", target, advice: errno == ENOENT ? "create its directory first" : nil) }
        return OwnedDescriptor(raw)
    }

    /// Place that the text goes to: what `path` is a link to, if it is one. Nothing but a regular file is replaced.
    private func target() throws(HostError) -> String {
        var status = stat()
        guard unsafe lstat(SystemText.cString(path), &status) == 0 else {
            guard errno == ENOENT else { throw .system("look at", path) }
            return path
        }
        var target = path
        if status.st_mode & S_IFMT == S_IFLNK {
            guard let resolved = unsafe realpath(SystemText.cString(path), nil) else { throw .system("follow the link", path) }
            target = unsafe SystemText.text(resolved)
            unsafe free(resolved)
            guard unsafe stat(SystemText.cString(target), &status) == 0 else { throw .system("look at", target) }
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw HostError("\(path) is no regular file, and \(content) replace no other") }
        return target
    }

    /// Another path leads to the file that is replaced.
    public func isSame(as other: String) -> Bool {
        guard let own = FileSystem.status(of: path), let status = FileSystem.status(of: other) else { return false }
        return own.isSameFile(as: status)
    }

    /// Characters of the name that are kept: with what is added, it is a name of 255 bytes at most.
    private static let nameLength = 200

    private static func temporary(for path: String) -> String {
        let cut = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        return "\(path[..<cut]).\(BundleName.prefix(of: String(path[cut...]), bytes: nameLength)).\(getpid()).tmp"
    }
}
