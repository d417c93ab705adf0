import CLinux
import Glibc

/// The name that a tree gets. Whoever opens it finds the old tree or the new one, whole, at any time.
struct TreeTarget {
    /// Thing that is in the place of the tree that comes.
    enum Former {
        case nothing
        case directory
        /// A link into the folder of trees.
        case link
    }

    let name: String
    let directory: OwnedDescriptor
    let path: String
    let replacement: TreeOptions.Replacement
    let files: FileSystem

    /// Ending of the folder in which a name's trees are when the name is a link.
    static let folderSuffix = ".rmcp-trees"
    /// Ending of a tree's name in there when the same session's is in use.
    private static let againSuffix = ".again"
    /// Name of a link until it has the tree's.
    private static let linkName = "link"
    private var folderName: String { PartialPlace.stem(for: name) + Self.folderSuffix }
    private var kernelName: KernelName { SystemText.cString(name) }

    // MARK: Before

    /// Looks, and where a directory has the name tries with others, which are made beside it and removed again, what will be done to it.
    /// - Returns: what is there.
    /// - Throws: when the tree could not get its name.
    @discardableResult
    func check() throws(HostError) -> Former {
        if files.attributes(of: "", in: directory.raw).contains(.appendOnly) {
            throw HostError("\(path): nothing can be renamed in its directory, which is append-only; chattr -a it, or receive elsewhere")
        }
        guard let status = files.status(of: name, in: directory.raw) else {
            guard errno == ENOENT else { throw .system("look at", path) }
            return .nothing
        }
        switch (status.kind, replacement) {
        case (S_IFDIR, .exchange):
            try checkMayBeReplaced(status)
            return .directory
        case (S_IFDIR, .symlink):
            throw HostError("\(path) is a directory, and --replace=symlink replaces links; move it away once, or leave that option out")
        case (S_IFLNK, .symlink):
            guard linkTarget() != nil else {
                throw HostError("\(path) is a symbolic link that leads elsewhere than to \(folderName); move it away or receive elsewhere")
            }
            return .link
        case (S_IFLNK, .exchange):
            throw HostError("\(path) is a symbolic link, which a received tree does not replace; use --replace=symlink, or move it away")
        default: throw HostError("\(path) is no directory, and a received tree does not replace it; move it away or receive elsewhere")
        }
    }

    private func checkMayBeReplaced(_ status: stat) throws(HostError) {
        try FinalName.checkAttributes(name, in: directory, path: path, files: files)
        let above = files.status(of: directory.raw)
        let isAnothers = geteuid() != 0 && status.st_uid != geteuid()
        if isAnothers, above.map({ $0.st_mode & S_ISVTX != 0 && $0.st_uid != geteuid() }) ?? false {
            throw HostError("\(path) is another user's, in a directory where everybody has his own; receive elsewhere")
        }
        // Its entry for the directory above changes with the renaming.
        if isAnothers, unsafe faccessat(directory.raw, kernelName, W_OK, AT_EACCESS) != 0 {
            throw HostError("\(path) is another user's and not writable, so that it cannot change places; receive elsewhere")
        }
        switch innerMounts() {
        case .nothing: break
        case .mount(let inner):
            throw HostError("\(path): something is mounted in it, at \(inner), which would go away with the old tree; unmount it first")
        case .unknown:
            throw HostError(
                "\(path): \(MountTable.path) cannot be read to its end, so that nobody knows what is mounted in the old tree; move it away, or receive elsewhere"
            )
        }
        if let code = try tryExchange() { throw immovable(code) }
        if let code = try movingFailure() { throw immovable(code) }
    }

    /// File systems that are mounted in the old tree.
    private func innerMounts() -> MountTable.Inner {
        guard let above = FileSystem.resolved("/proc/self/fd/\(directory.raw)") else { return .nothing }
        return MountTable.inner(below: PartialFile.join(above == "/" ? "" : above, name))
    }

    private func immovable(_ code: Int32) -> HostError {
        HostError(
            "\(path): its file system cannot let it change places with another (\(HostError.errorText(code))); move it away before; with --replace=symlink, once is enough"
        )
    }

    /// Magic number (statfs(2)) of overlayfs.
    private static let overlay = 0x794C_7630

    /// An overlay's lower layers are read-only, and a directory of theirs stays where it is, unless the
    /// overlay was mounted with `redirect_dir`. Nothing tells which directories are of a lower layer but to rename them: onto a directory with
    /// something in it, which never happens.
    /// - Returns: why the old tree cannot be renamed, an error number; nil where it can.
    private func movingFailure() throws(HostError) -> Int32? {
        guard rmcp_file_system_kind(directory.raw) == Self.overlay else { return nil }
        let name = SystemText.cString(Self.probeName)
        guard files.makeDirectory(name, in: directory.raw, mode: 0o700) == 0 else { throw .system("create a directory beside", path, in: directory.raw) }
        defer { _ = files.remove(name, in: directory.raw, isDirectory: true) }
        let raw = files.openInside(name, in: directory.raw, O_RDONLY | O_DIRECTORY)
        guard raw >= 0 else { throw .system("open a directory beside", path, in: directory.raw) }
        let probe = OwnedDescriptor(raw)
        let inner = SystemText.cString("full")
        guard files.makeDirectory(inner, in: raw, mode: 0o700) == 0 else { throw .system("create a directory beside", path, in: directory.raw) }
        defer { _ = files.remove(inner, in: probe.raw, isDirectory: true) }
        let isRefused = files.rename(kernelName, in: directory.raw, to: name, in: directory.raw) != 0
        return isRefused && [ENOTEMPTY, EEXIST].contains(errno) ? nil : errno
    }

    private static var probeName: String { "\(PartialPlace.trialPrefix)\(UInt64.random(in: 0...(.max)))" }

    /// File systems that were asked, and what they said: 0, or the error number of those that cannot do it.
    private static let exchanging = LockedValue<[UInt: Int32]>([:])
    private static let cannotExchange: Set<Int32> = [EINVAL, ENOSYS, EOPNOTSUPP]

    /// Makes two empty directories change places, once for each file system.
    /// - Returns: why they cannot, an error number; nil where they can.
    private func tryExchange() throws(HostError) -> Int32? {
        let device = files.status(of: directory.raw).map { UInt($0.st_dev) } ?? 0
        if let known = Self.exchanging.withLock({ $0[device] }) { return known == 0 ? nil : known }
        let names = (0..<2).map { _ in SystemText.cString(Self.probeName) }
        defer { for name in names { _ = files.remove(name, in: directory.raw, isDirectory: true) } }
        for name in names where files.makeDirectory(name, in: directory.raw, mode: 0o700) != 0 {
            throw .system("create a directory beside", path, in: directory.raw)
        }
        let isDone = files.rename(names[0], in: directory.raw, to: names[1], in: directory.raw, flags: RMCP_RENAME_EXCHANGE) == 0
        let code = isDone ? 0 : errno
        // Any other error may be of this moment.
        if isDone || Self.cannotExchange.contains(code) { Self.exchanging.withLock { $0[device] = code } }
        return isDone ? nil : code
    }

    // MARK: The old tree

    /// The tree that has the name now; nil where there is none to take anything from.
    func openFormer() -> OwnedDescriptor? {
        let flags = O_RDONLY | O_DIRECTORY
        var raw = files.openInside(kernelName, in: directory.raw, flags)
        if raw < 0, replacement == .symlink, let target = linkTarget(), let folder = openFolder() { raw = files.openInside(target, in: folder.raw, flags) }
        return raw >= 0 ? OwnedDescriptor(raw) : nil
    }

    private func openFolder() -> OwnedDescriptor? {
        let raw = files.openInside(SystemText.cString(folderName), in: directory.raw, O_RDONLY | O_DIRECTORY)
        return raw >= 0 ? OwnedDescriptor(raw) : nil
    }

    /// Name in the folder of trees that the link leads to; nil where it leads elsewhere, or is none.
    private func linkTarget() -> KernelName? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = unsafe readlinkat(directory.raw, kernelName, &target, target.count - 1)
        guard length > 0 else { return nil }
        let prefix = SystemText.bytes(of: folderName + "/").map { CChar(bitPattern: $0) }
        let found = target.prefix(length)
        guard found.starts(with: prefix) else { return nil }
        let rest = found.dropFirst(prefix.count)
        return rest.isEmpty || rest.contains(CChar(bitPattern: UInt8(ascii: "/"))) || rest.first == CChar(bitPattern: UInt8(ascii: "."))
            ? nil : Array(rest) + [0]
    }

    /// Takes the name from the old tree, and removes it.
    func clear(in staging: TreeStaging) throws(HostError) {
        let result: Int32
        switch replacement {
        case .symlink: result = files.remove(kernelName, in: directory.raw)
        case .exchange:
            result = files.rename(kernelName, in: directory.raw, to: SystemText.cString(TreeStaging.formerName), in: staging.descriptor.raw)
        }
        guard result == 0 else { throw .system("remove the old", path, in: directory.raw) }
        if replacement == .symlink { removeTrees(but: nil) }
        try staging.removeFormer()
    }

    // MARK: The end

    /// Gives the finished tree its name, in one step.
    /// - Parameters:
    ///   - staged: its name until now, in `staging`. The tree that had the name is there afterwards.
    ///   - version: a name for it among the trees of one name, where that is a link.
    func publish(_ staged: KernelName, in staging: OwnedDescriptor, version: String) throws(HostError) {
        let former = try check()
        switch (former, replacement) {
        case (_, .symlink): try publishByLink(staged, in: staging, version: version)
        case (.directory, _): try exchange(staged, in: staging)
        default:
            var result = files.rename(staged, in: staging.raw, to: kernelName, in: directory.raw, flags: RMCP_RENAME_NOREPLACE)
            // A directory never takes the place of one that has something in it, or of a file.
            if result != 0, errno == EINVAL || errno == ENOSYS { result = files.rename(staged, in: staging.raw, to: kernelName, in: directory.raw) }
            guard result == 0 else { throw .system("rename the finished tree to", path, in: directory.raw) }
        }
    }

    private func exchange(_ staged: KernelName, in staging: OwnedDescriptor) throws(HostError) {
        let status = files.status(of: name, in: directory.raw)
        if geteuid() != 0, let status, status.st_mode & 0o200 == 0 { _ = files.setMode(of: kernelName, in: directory.raw, status.st_mode & 0o7777 | 0o200) }
        guard files.rename(staged, in: staging.raw, to: kernelName, in: directory.raw, flags: RMCP_RENAME_EXCHANGE) == 0 else {
            let error = HostError.system(
                "let the finished tree change places with", path, advice: "move \(path) away before; with --replace=symlink, once is enough", in: directory.raw)
            if let status { _ = files.setMode(of: kernelName, in: directory.raw, status.st_mode & 0o7777) }
            throw error
        }
    }

    private func publishByLink(_ staged: KernelName, in staging: OwnedDescriptor, version: String) throws(HostError) {
        // A session that comes once more finds its own tree in use: that one stays whole until the link leads elsewhere.
        let version = linkTarget() == SystemText.cString(version) ? version + Self.againSuffix : version
        let folderKernelName = SystemText.cString(folderName)
        guard files.makeDirectory(folderKernelName, in: directory.raw, mode: 0o755) == 0 || errno == EEXIST, let folder = openFolder() else {
            throw .system("make the folder of trees of", path, in: directory.raw)
        }
        let versionName = SystemText.cString(version)
        _ = TreeRemoval.remove(version, in: folder.raw, files: files)
        guard files.rename(staged, in: staging.raw, to: versionName, in: folder.raw) == 0 else {
            throw .system("rename the finished tree to", "\(folderName)/\(version)", in: directory.raw)
        }
        while files.flush(folder.raw) != 0, errno == EINTR {}
        let target = SystemText.cString("\(folderName)/\(version)")
        let link = SystemText.cString(Self.linkName)
        _ = files.remove(link, in: staging.raw)
        guard files.makeLink(link, in: staging.raw, to: target) == 0 else { throw .system("make a link for", path, in: directory.raw) }
        guard files.rename(link, in: staging.raw, to: kernelName, in: directory.raw) == 0 else {
            throw .system("rename the new link to", path, in: directory.raw)
        }
    }

    /// Removes the trees that the link does not lead to.
    func removeFormer() {
        guard replacement == .symlink, let current = linkTarget() else { return }
        removeTrees(but: current)
    }

    private func removeTrees(but current: KernelName?) {
        guard let folder = openFolder() else { return }
        for name in files.names(in: folder.raw) ?? [] where SystemText.cString(name) != current { _ = TreeRemoval.remove(name, in: folder.raw, files: files) }
    }
}
