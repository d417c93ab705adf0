import Glibc
import RMCPProtocol

/// Opens a file that is written before it has its final name. Its name is known beforehand, so that what lies there may
/// be anybody's: a link to a file elsewhere, another user's file who still holds it open, a FIFO.
enum StagingFile {
    private static let attempts = 8
    /// Names that are tried for what is moved aside.
    private static let asideNames = 100

    /// The regular file of this name that is the caller's alone: opened where there is one, made where there is none.
    /// Anything else of that name is moved aside, to the name with a number, and never written to.
    /// - Parameter label: the path that errors name.
    static func open(
        _ name: String, in directory: OwnedDescriptor, label: String, files: FileSystem
    ) throws(HostError) -> OwnedDescriptor {
        for _ in 0..<attempts {
            let raw = files.open(name, in: directory.raw, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
            if raw >= 0 {
                let descriptor = OwnedDescriptor(raw)
                guard let status = files.status(of: raw) else { throw .system("open", label) }
                if isOwn(status, in: directory, files: files) { return descriptor }
                try moveAside(name, in: directory, label: label, files: files)
                continue
            }
            switch errno {
            case ENOENT:
                let made = files.open(name, in: directory.raw, O_RDWR | O_NOFOLLOW | O_CREAT | O_EXCL, mode: 0o600)
                if made >= 0 { return OwnedDescriptor(made) }
                guard errno == EEXIST else { throw .system("create", label, in: directory.raw) }
            case ELOOP, EISDIR, ENXIO, ENODEV, EACCES: try moveAside(name, in: directory, label: label, files: files)
            default: throw .system("open", label, in: directory.raw)
            }
        }
        throw HostError("\(label) is made anew by somebody else each time that it is moved aside; receive elsewhere")
    }

    /// Whether nobody else can have a hand in it: a second link may be in anybody's folder, and another user may have it
    /// open. Where only the directory's owner can make files, as on file systems that know no owners, all are his.
    private static func isOwn(_ status: stat, in directory: OwnedDescriptor, files: FileSystem) -> Bool {
        guard status.kind == S_IFREG, status.st_nlink == 1 else { return false }
        if status.st_uid == geteuid() { return true }
        return files.status(of: directory.raw).map { $0.st_mode & 0o022 == 0 } ?? false
    }

    private static func moveAside(_ name: String, in directory: OwnedDescriptor, label: String, files: FileSystem) throws(HostError) {
        for number in 1...asideNames {
            var newName = "\(name).\(number)"
            if newName.utf8.count > 255 { newName = "\(BundleName.prefix(of: name, bytes: 240)).\(number)" }
            if files.status(of: newName, in: directory.raw) != nil { continue }
            if files.rename(name, to: newName, in: directory.raw) == 0 || errno == ENOENT { return }
            throw .system("move aside", label, advice: "it is no file that a bundle may be written to")
        }
        throw HostError("\(label) is no file that a bundle may be written to, and too many were moved aside already; remove them")
    }
}
