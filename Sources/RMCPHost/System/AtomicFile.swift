import Glibc

/// A file that has its name whole or not at all: it is written beside, under another name, and then renamed.
final class AtomicFile {
    /// Where it is written.
    let descriptor: OwnedDescriptor
    private let name: String
    private let temporary: String
    private let directory: OwnedDescriptor
    private let label: String
    private let files: FileSystem
    private var isNamed = false

    /// - Parameters:
    ///   - temporary: its name until then. What has that name was left by a process that was killed, and is removed.
    ///   - label: the path that errors name.
    init(_ name: String, as temporary: String, in directory: OwnedDescriptor, label: String, files: FileSystem = .host) throws(HostError) {
        _ = files.remove(temporary, in: directory.raw)
        let raw = files.open(temporary, in: directory.raw, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        guard raw >= 0 else { throw .system("create", label, in: directory.raw) }
        descriptor = OwnedDescriptor(raw)
        self.name = name
        self.temporary = temporary
        self.directory = directory
        self.label = label
        self.files = files
    }

    /// A file that was not given its name leaves nothing behind.
    deinit { if !isNamed { _ = files.remove(temporary, in: directory.raw) } }

    /// Gives it its name.
    /// - Parameter isDurable: so that both the file and its name outlive a power failure.
    func publish(isDurable: Bool) throws(HostError) {
        if isDurable, files.flush(descriptor.raw) != 0, !FileSystem.isUnsupported(flush: errno) { throw .system("write", label) }
        guard files.rename(temporary, to: name, in: directory.raw) == 0 else { throw .system("rename the new", label) }
        isNamed = true
        guard !isDurable || files.flush(directory.raw) == 0 || FileSystem.isUnsupported(flush: errno) else {
            throw .system("flush the directory of", label)
        }
    }
}
