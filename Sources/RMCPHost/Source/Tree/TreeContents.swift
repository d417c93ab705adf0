import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// Reads what a catalog lists, and tells when it is not what was listed. Nothing is followed out of the tree, whatever somebody makes of
/// its names meanwhile.
final class TreeContents: Sendable {
    let catalog: Catalog
    /// The tree's path, as the user has it.
    private let path: String
    private let marks: [UInt32]
    private let bases: [TreeBase]
    /// Large files, the last one used first: their chunks come one after the other.
    private let opened = LockedValue<[(entry: Int, descriptor: OwnedDescriptor)]>([])
    /// Files held open: more than threads that read.
    private static let openedLimit = 16
    private let directories = LockedValue(BusyDirectories())
    private static let slash = UInt8(ascii: "/")

    init(_ tree: TreeScan.Tree, path: String) {
        catalog = tree.catalog
        marks = tree.marks
        bases = tree.bases
        self.path = path
    }

    // MARK: Opening

    /// Base of an entry, and its path from there.
    private func place(of entry: Int) -> (base: Int32, path: [UInt8]) {
        let base = base(of: entry)
        let path = catalog.path(of: entry)
        guard base.dropsName else { return (base.descriptor.raw, path) }
        guard let slash = path.firstIndex(of: Self.slash) else { return (base.descriptor.raw, []) }
        return (base.descriptor.raw, Array(path[(slash + 1)...]))
    }

    /// The last base that begins at the entry or before. There may be one for each of thousands of paths.
    private func base(of entry: Int) -> TreeBase {
        var (first, end) = (0, bases.count)
        while end - first > 1 {
            let middle = (first + end) / 2
            if bases[middle].first <= entry { first = middle } else { end = middle }
        }
        return bases[first]
    }

    private static func cString(_ path: [UInt8]) -> [CChar] { path.map { CChar(bitPattern: $0) } + [0] }

    /// -1 with `errno`.
    private func open(_ entry: Int, _ flags: Int32) -> Int32 {
        let (base, path) = place(of: entry)
        if path.isEmpty { return unsafe openat(base, ".", flags | O_CLOEXEC) }
        let raw = unsafe rmcp_open_beneath(base, Self.cString(path), flags | O_NOFOLLOW)
        // Old kernels have no openat2(2), and some sandboxes forbid it.
        guard raw < 0, errno == ENOSYS || errno == EPERM else { return raw }
        return Self.openStepwise(base, path, flags)
    }

    /// One component after the other, none of them a link.
    static func openStepwise(_ base: Int32, _ path: [UInt8], _ flags: Int32) -> Int32 {
        var directory: OwnedDescriptor?
        let components = path.split(separator: slash)
        for (index, component) in components.enumerated() {
            let isLast = index == components.count - 1
            let flags = (isLast ? flags : rmcp_o_path() | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC
            let raw = unsafe openat(directory?.raw ?? base, cString(Array(component)), flags)
            if isLast || raw < 0 { return raw }
            directory = OwnedDescriptor(raw)
        }
        errno = ENOENT
        return -1
    }

    func open(file entry: Int) throws(HostError) -> OwnedDescriptor {
        let isLarge = !catalog.layout.body(of: entry).isEmpty
        if isLarge, let known = opened.withLock({ Self.use(entry, &$0) }) { return known }
        let raw = openSmall(entry)
        guard raw >= 0 else {
            if [ENOENT, ENOTDIR, ELOOP, EXDEV].contains(errno) { throw changed(entry) }
            throw unreadable(entry)
        }
        let descriptor = OwnedDescriptor(raw)
        if isLarge { opened.withLock { Self.note(entry, descriptor, &$0) } }
        return descriptor
    }

    /// Files after the first of a directory are opened by their names in it: a path would be made, and walked, for each.
    /// - Returns: -1 with `errno`.
    private func openSmall(_ entry: Int) -> Int32 {
        let flags = O_RDONLY | O_NONBLOCK
        let parent = catalog.parent(of: entry)
        // Names in the root may be below another base, and are paths of one component.
        guard parent != 0 else { return open(entry, flags) }
        let (known, isBusy) = directories.withLock { $0.use(parent) }
        if let known { return open(entry, in: known, flags) }
        guard isBusy else { return open(entry, flags) }
        let raw = open(parent, rmcp_o_path() | O_DIRECTORY)
        guard raw >= 0 else { return open(entry, flags) }
        let directory = OwnedDescriptor(raw)
        directories.withLock { $0.note(directory, of: parent) }
        return open(entry, in: directory, flags)
    }

    /// One component, which is no link, leads nowhere else.
    private func open(_ entry: Int, in directory: OwnedDescriptor, _ flags: Int32) -> Int32 {
        unsafe openat(directory.raw, catalog.kernelName(of: entry), flags | O_NOFOLLOW | O_CLOEXEC)
    }

    private static func use(_ entry: Int, _ opened: inout [(entry: Int, descriptor: OwnedDescriptor)]) -> OwnedDescriptor? {
        guard let index = opened.firstIndex(where: { $0.entry == entry }) else { return nil }
        let found = opened.remove(at: index)
        opened.insert(found, at: 0)
        return found.descriptor
    }

    private static func note(_ entry: Int, _ descriptor: OwnedDescriptor, _ opened: inout [(entry: Int, descriptor: OwnedDescriptor)]) {
        opened.insert((entry, descriptor), at: 0)
        if opened.count > openedLimit { opened.removeLast() }
    }

    // MARK: Reading

    /// Fills `bytes` with what the file has from `offset` on.
    /// - Throws: where the file is not what was listed, before or afterwards.
    func read(_ entry: Int, at offset: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(HostError) {
        let descriptor = try open(file: entry)
        var span = unsafe MutableRawSpan(_unsafeBytes: bytes)
        let count = try FileTransfer.read(descriptor.raw, into: &span, at: offset, path: text(of: entry))
        guard count == bytes.count, let status = FileSystem.host.status(of: descriptor.raw), isSame(entry, status) else { throw changed(entry) }
    }

    /// A file's size and time change when it is written to. Its ctime changes with its names and links, too.
    private func isSame(_ entry: Int, _ status: stat) -> Bool {
        guard TreeBase.mark(status) == marks[entry] else { return false }
        switch catalog.kind(of: entry) {
        case .file, .hardLink:
            let listed = catalog.content(of: entry)
            return status.kind == S_IFREG && UInt64(max(0, status.st_size)) == listed.size && FileTime(of: status) == listed.modified
        case .symbolicLink: return status.kind == S_IFLNK && FileTime(of: status) == catalog[entry].modified
        case .fifo: return status.kind == S_IFIFO
        case .directory: return status.kind == S_IFDIR
        }
    }

    /// Looks at each name once more.
    /// - Throws: for the first that does not stand for what was listed.
    func checkUnchanged() throws(HostError) {
        var parent = -1
        var base: Int32 = -1
        var directory: OwnedDescriptor?
        for entry in 1..<max(1, catalog.count) where catalog.kind(of: entry) != .directory {
            // Names in the root may be below another base each.
            if parent != catalog.parent(of: entry) || parent == 0 {
                parent = catalog.parent(of: entry)
                directory = nil
                let path: [UInt8]
                (base, path) = place(of: entry)
                if path.contains(Self.slash) {
                    let raw = open(parent, rmcp_o_path() | O_DIRECTORY)
                    guard raw >= 0 else { throw gone(entry) }
                    directory = OwnedDescriptor(raw)
                }
            }
            var status = stat()
            guard unsafe fstatat(directory?.raw ?? base, catalog.kernelName(of: entry), &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw gone(entry) }
            guard isSame(entry, status) else { throw changed(entry) }
        }
    }

    // MARK: What is said

    private func text(of entry: Int) -> String { "\(path)/\(catalog.printablePath(of: entry))" }

    func changed(_ entry: Int) -> HostError {
        var error = changed(text(of: entry))
        error.files = [HostError.File(path: catalog.printablePath(of: entry), message: "changed while the tree was being sent")]
        return error
    }

    /// Error for a name that the call that has just failed did not find, or could not look at.
    private func gone(_ entry: Int) -> HostError { [ENOENT, ENOTDIR, ELOOP].contains(errno) ? changed(entry) : unreadable(entry) }

    /// Error for the errno of the call that has just failed.
    private func unreadable(_ entry: Int) -> HostError {
        let reason = HostError.errorText(errno)
        var error = HostError.system("read", text(of: entry))
        error.files = [HostError.File(path: catalog.printablePath(of: entry), message: reason)]
        return error
    }

    /// Record of one of the files that a stretch of the content has.
    func changed(_ extent: ContentExtent) -> HostError {
        var files: [Int] = []
        catalog.layout.visit(extent.offset..<extent.end) { piece in
            if case .file(let entry, _, _) = piece { files.append(entry) }
        }
        guard let first = files.first, let last = files.last else { return changed(path) }
        return first == last ? changed(first) : changed("one of the files from \(text(of: first)) to \(text(of: last))")
    }

    private func changed(_ what: String) -> HostError {
        HostError(
            "\(what) changed while the tree was being sent, so that nobody has it complete. Send it again once it is at rest: receivers keep what they have, "
                + "and need only what is different")
    }
}

/// Directories that files were read in last, held open.
private struct BusyDirectories {
    /// More than threads that read.
    private static let limit = 8

    private var open: [(entry: Int, descriptor: OwnedDescriptor)] = []
    /// Directories of which one file was read: the next one opens them.
    private var seen: [Int] = []

    /// - Returns: the directory where it is open; else whether it is worth opening.
    mutating func use(_ entry: Int) -> (OwnedDescriptor?, isBusy: Bool) {
        if let known = open.last(where: { $0.entry == entry }) { return (known.descriptor, true) }
        if seen.contains(entry) { return (nil, true) }
        seen.append(entry)
        if seen.count > Self.limit { seen.removeFirst() }
        return (nil, false)
    }

    mutating func note(_ descriptor: OwnedDescriptor, of entry: Int) {
        guard !open.contains(where: { $0.entry == entry }) else { return }
        open.append((entry, descriptor))
        if open.count > Self.limit { open.removeFirst() }
    }
}
