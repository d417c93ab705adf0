import Glibc
import RMCPProtocol

/// The directory of a cache: one subdirectory for each session, named by the session's id, and a lock that keeps other
/// processes out.
///
/// Everything in it is reached relative to its descriptor and never through a symbolic link, and only files of the names
/// below are ever removed: a user who gives the wrong directory to --cache loses nothing.
final class CacheDirectory: Sendable {
    let path: String
    private let descriptor: OwnedDescriptor
    /// Held as long as anybody writes here.
    private let lock: OwnedDescriptor
    private static let lockName = ".rmcp-cache-lock"
    private static let asidePrefix = ".rmcp-removed-"

    init(path: String) throws(HostError) {
        self.path = path
        let advice = "name another directory with --cache"
        try Directories.make(path, advice: advice)
        let raw = unsafe Glibc.open(SystemText.cString(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { throw .system("open directory", path, advice: advice) }
        descriptor = OwnedDescriptor(raw)
        let rawLock = unsafe openat(raw, Self.lockName, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
        guard rawLock >= 0 else { throw .system("create", "\(path)/\(Self.lockName)", advice: advice) }
        lock = OwnedDescriptor(rawLock)
        // The user sees to it without locks that there is one node: what is in a cache is verified whoever wrote it.
        guard flock(rawLock, LOCK_EX | LOCK_NB) == 0 || FileSystem.isUnsupported(lock: errno) else {
            guard errno == EWOULDBLOCK else { throw .system("lock", "\(path)/\(Self.lockName)", advice: advice) }
            throw HostError("\(path) is used by another rmcp repair; give this one another directory with --cache")
        }
    }

    /// By hand: a process that is being started elsewhere in this one has the lock's descriptor too until it has begun.
    deinit { flock(lock.raw, LOCK_UN) }

    /// Bytes that its file system has left; nil where that is not known.
    var freeBytes: UInt64? {
        var space = statvfs()
        guard unsafe fstatvfs(descriptor.raw, &space) == 0, space.f_blocks > 0 else { return nil }
        return space.bytesLeft
    }

    // MARK: Sessions

    /// Names that are a session's, whatever is behind them. Removes what was set aside and outlived its process.
    func sessionNames() -> [String] {
        var sessions: [String] = []
        var leftovers: [String] = []
        forEachName { name in
            if SessionID(directoryName: name) != nil {
                sessions.append(name)
            } else if name.hasPrefix(Self.asidePrefix) {
                leftovers.append(name)
            }
        }
        for name in leftovers { remove(name) }
        return sessions
    }

    private func forEachName(_ body: (String) -> Void) {
        let raw = unsafe openat(descriptor.raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { return }
        guard let stream = unsafe fdopendir(raw) else {
            close(raw)
            return
        }
        defer { _ = unsafe closedir(stream) }
        let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        while let entry = unsafe readdir(stream) {
            // By its pointer: the structure is as long as its name, and shorter than its type.
            let name = unsafe UnsafeRawPointer(entry).advanced(by: nameOffset).assumingMemoryBound(to: CChar.self)
            body(unsafe SystemText.text(name))
        }
    }

    /// Nil when there is no directory of that name.
    func open(_ name: String) -> OwnedDescriptor? {
        let raw = unsafe openat(descriptor.raw, SystemText.cString(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        return raw >= 0 ? OwnedDescriptor(raw) : nil
    }

    /// False when this is no session of ours: the announcement is missing, or something is not what it should be, such as
    /// a symbolic link. True also for what cannot be looked at now.
    func isSound(_ name: String) -> Bool {
        var status = stat()
        guard unsafe fstatat(descriptor.raw, SystemText.cString(name), &status, AT_SYMLINK_NOFOLLOW) == 0 else { return errno != ENOENT }
        guard status.st_mode & S_IFMT == S_IFDIR else { return false }
        guard let session = open(name) else { return true }
        return CacheFile.allCases.allSatisfy { file in
            guard unsafe fstatat(session.raw, file.rawValue, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                return errno != ENOENT || file != .announce
            }
            return status.st_mode & S_IFMT == S_IFREG
        }
    }

    /// An empty directory for a session; what is in its place gives way.
    func make(_ name: String) throws(HostError) -> OwnedDescriptor {
        remove(name)
        var code = unsafe mkdirat(descriptor.raw, SystemText.cString(name), 0o700)
        if code != 0, errno == EEXIST {
            _ = setAside(name)
            code = unsafe mkdirat(descriptor.raw, SystemText.cString(name), 0o700)
        }
        guard code == 0, let session = open(name) else { throw .system("make directory", "\(path)/\(name)") }
        return session
    }

    /// Gives a session's directory a name that no session has, so that it can be emptied while a new one is made.
    func setAside(_ name: String) -> String {
        let aside = Self.asidePrefix + String(UInt64.random(in: 0...(.max)), radix: 16)
        return unsafe renameat(descriptor.raw, SystemText.cString(name), descriptor.raw, aside) == 0 ? aside : name
    }

    /// Removes a session's files and then its directory. Other people's files stay, and the directory with them.
    func remove(_ name: String) {
        // A file or symbolic link in the place of a session.
        if unsafe unlinkat(descriptor.raw, SystemText.cString(name), 0) == 0 { return }
        guard let session = open(name) else { return }
        for file in CacheFile.allCases { _ = unsafe unlinkat(session.raw, file.rawValue, 0) }
        _ = unsafe unlinkat(descriptor.raw, SystemText.cString(name), AT_REMOVEDIR)
    }
}

/// The files of a session.
enum CacheFile: String, CaseIterable {
    case announce = "announce"
    /// The next `announce`, until it is whole.
    case newAnnounce = "announce.new"
    case table = "table"
    case chunks = "chunks"
    case journal = "journal"

    /// Opens the file for reading and writing, and makes it if it is missing. What is there and is no plain file (a
    /// symbolic link, a pipe that would block) is an error.
    func open(in session: OwnedDescriptor, flags: Int32 = O_CREAT) throws(HostError) -> OwnedDescriptor {
        let raw = unsafe openat(session.raw, rawValue, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0o600)
        guard raw >= 0 else { throw .system("open", rawValue) }
        let descriptor = OwnedDescriptor(raw)
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else { throw .system("read", rawValue) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw HostError("\(rawValue) is no plain file") }
        return descriptor
    }

    /// Bytes that a session's files take on disk.
    static func diskUse(of session: OwnedDescriptor) -> UInt64 {
        var total = CacheLimits.sessionOverhead
        for file in allCases {
            var status = stat()
            guard unsafe fstatat(session.raw, file.rawValue, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            // The chunks have holes: their length says nothing.
            total = total.addingClamped(file == .chunks ? status.bytesTaken : UInt64(clamping: status.st_size))
        }
        return total
    }
}

extension SessionID {
    /// Nil unless `name` is what `text` gives: 32 digits, in lower case.
    init?(directoryName name: String) {
        guard name.utf8.count == 32, let high = UInt64(name.prefix(16), radix: 16), let low = UInt64(name.suffix(16), radix: 16) else { return nil }
        self.init(high: high, low: low)
        guard text == name else { return nil }
    }
}
