import CLinux
import Glibc
import RMCPContent
import RMCPProtocol
import RMCPReport

/// Walks what is to be sent, once, and makes the catalog of it. Nothing is read of contents, but everything is opened: a tree without one
/// of its files is not that tree, and who sends it should know before anybody waits for it.
struct TreeScan {
    /// Findings of a walk.
    struct Tree: Sendable {
        var catalog: Catalog
        /// A part of each entry's inode number: what has the name later must have it, too.
        var marks: [UInt32]
        var bases: [TreeBase]
        var counts: EntryCounts
        var hasHoles: Bool
        /// Entries that are left out, the first of them.
        var skipped: [SkippedEntry]
        var warnings: [String]
    }

    private let selection: TreeSelection
    private let excluded: ExcludedNames
    private var builder: CatalogBuilder
    private var marks: [UInt32] = []
    private var bases: [TreeBase] = []
    private var counts = EntryCounts()
    private var hasHoles = false

    private var owners: OwnerNames
    private var ownerNumbers: [UInt64: Int?] = [:]
    private var attributes: AttributeReader
    private let ahead: WalkAhead
    /// Files with further names, by the first of them.
    private var links: [FileIdentity: Int] = [:]
    /// Path below the root of what is looked at.
    private var path: [UInt8] = []
    /// File system of the path that is walked.
    private var device: dev_t = 0

    private var sockets = 0
    private var devices = 0
    private var skipped: [SkippedEntry] = []
    private var failures: [HostError.File] = []
    private var failureCount = 0
    /// Failures that are named to people.
    private static let namedFailures = 5
    /// Entries that programs are told, of either kind.
    private static let listedEntries = 1_000
    /// Bytes of a file from which on zeros in it that are only reserved are worth a question to its file system: so many that a last chunk,
    /// which is written with them, is little of it.
    static let reservedLength: UInt64 = 8 << 20
    private static let slash = UInt8(ascii: "/")

    /// - Parameter helpers: threads that look at what comes next.
    init(_ selection: TreeSelection, helpers: Int = WalkAhead.threads) throws(HostError) {
        self.selection = selection
        excluded = try ExcludedNames(selection.excluded)
        builder = CatalogBuilder(hasOwners: selection.owners != .none, hasAttributes: selection.attributes != .none)
        owners = OwnerNames(selection.owners)
        attributes = AttributeReader(selection.attributes)
        ahead = WalkAhead(selection, excluded: excluded, threads: helpers)
    }

    // MARK: Ways to choose

    /// A directory, and what is in it.
    mutating func walk(_ root: OwnedDescriptor) throws(HostError) {
        defer { ahead.end() }
        bases = [TreeBase(first: 0, descriptor: root, dropsName: false)]
        let status = try status(of: root)
        device = status.st_dev
        try directory(root, [], status)
    }

    /// A directory, and of what is in it what is listed.
    mutating func walk(_ root: OwnedDescriptor, _ list: ListedPaths) throws(HostError) {
        bases = [TreeBase(first: 0, descriptor: root, dropsName: false)]
        try begin(root.raw, [], status(of: root))
        var open: [(name: [UInt8], descriptor: OwnedDescriptor)] = []
        for index in 0..<list.count {
            let components = list[index]
            var depth = 0
            while depth < open.count, depth < components.count, open[depth].name == components[depth] { depth += 1 }
            while open.count > depth { close(&open) }
            while open.count < components.count, try step(components, &open, below: root) {}
        }
        while !open.isEmpty { close(&open) }
        builder.end()
    }

    private mutating func close(_ open: inout [(name: [UInt8], descriptor: OwnedDescriptor)]) {
        open.removeLast()
        builder.end()
        leave()
    }

    /// Goes one component further.
    /// - Returns: whether there is a directory now that may hold the next.
    private mutating func step(
        _ components: [[UInt8]], _ open: inout [(name: [UInt8], descriptor: OwnedDescriptor)], below root: OwnedDescriptor
    ) throws(HostError) -> Bool {
        let name = components[open.count]
        let isLast = components.count == open.count + 1
        let parent = open.last?.descriptor ?? root
        let status = Self.status(of: name, in: parent.raw)
        let code = status == nil ? errno : ENOTDIR
        let isDirectory = status?.kind == S_IFDIR
        if isLast, !isDirectory {
            try entry(name, in: parent.raw, isListed: true)
            return false
        }
        enter(name)
        guard !excluded.contain(path, isDirectory: true) else {
            leave()
            return false
        }
        guard isDirectory, let descriptor = Self.open(name, in: parent.raw, O_DIRECTORY) else {
            fail(isDirectory ? errno : code)
            leave()
            return false
        }
        try begin(descriptor.raw, name, self.status(of: descriptor))
        open.append((name, descriptor))
        return true
    }

    /// A directory that is nowhere, with these in it.
    mutating func walk(_ roots: [TreeRoot]) throws(HostError) {
        defer { ahead.end() }
        let latest = roots.map { FileTime(of: $0.status) }.max { ($0.seconds, $0.nanoseconds) < ($1.seconds, $1.nanoseconds) }
        var own = stat()
        (own.st_uid, own.st_gid) = (geteuid(), getegid())
        let metadata = CatalogMetadata(mode: Self.plainMode, owner: owner(own), modified: latest ?? FileTime(seconds: 0, nanoseconds: 0))
        try add(own) { (builder) throws(CatalogError) in try builder.begin([], metadata) }
        for root in roots {
            bases.append(TreeBase(first: builder.count, descriptor: root.descriptor, dropsName: root.isFollowed))
            device = root.status.st_dev
            guard root.isFollowed else {
                try entry(root.name, in: root.descriptor.raw, isListed: true)
                continue
            }
            enter(root.name)
            if !excluded.contain(path, isDirectory: true) { try directory(root.descriptor, root.name, root.status) }
            leave()
        }
        builder.end()
    }

    private static let plainMode: UInt16 = 0o755

    // MARK: Entries

    /// - Parameter found: what is known of it already.
    private mutating func directory(
        _ descriptor: OwnedDescriptor, _ name: [UInt8], _ status: stat, _ found: WalkAhead.Directory? = nil
    ) throws(HostError) {
        try begin(descriptor.raw, name, status)
        // A file system that is mounted there is left out, and the directory is kept.
        if status.st_dev == device || !selection.staysOnFileSystem {
            if let names = found?.names ?? DirectoryNames(of: descriptor.raw) {
                ahead.enter(descriptor, path, names, found)
                defer { ahead.leave() }
                for index in 0..<names.count {
                    let found = names.isFile(index) || names.isDirectory(index) ? ahead.finding(at: index) : nil
                    try entry(names[index], in: descriptor.raw, isListed: false, isFile: names.isFile(index), found)
                }
            } else {
                fail(errno)
            }
        }
        builder.end()
    }

    private mutating func begin(_ descriptor: Int32, _ name: [UInt8], _ status: stat) throws(HostError) {
        let metadata = metadata(status, descriptor)
        counts.directories += 1
        try add(status) { (builder) throws(CatalogError) in try builder.begin(name, metadata) }
    }

    /// - Parameters:
    ///   - isListed: whether the user has named it, so that it must be there.
    ///   - isFile: it was a regular file when its directory was read, and need not be looked at before it is opened.
    ///   - found: what is known of it already, and not left out.
    private mutating func entry(
        _ name: [UInt8], in directory: Int32, isListed: Bool, isFile: Bool = false, _ found: WalkAhead.Finding? = nil
    ) throws(HostError) {
        enter(name)
        defer { leave() }
        switch found {
        case .file(let file):
            let size = UInt64(max(0, file.status.st_size))
            return try add(name, file.status, metadata(file.status, file.attributes), data: size, isSparse: false)
        case .directory(let directory): return try self.directory(directory.descriptor, name, directory.status, directory)
        case nil: break
        }
        if isFile, !excluded.contain(path, isDirectory: false), try openFile(name, in: directory) { return }
        guard let status = Self.status(of: name, in: directory) else {
            // A name that has gone since its directory was read is not there.
            if errno != ENOENT || isListed { fail(errno) }
            return
        }
        guard !excluded.contain(path, isDirectory: status.kind == S_IFDIR) else { return }
        switch status.kind {
        case S_IFDIR:
            guard let descriptor = Self.open(name, in: directory, O_DIRECTORY) else { return fail(errno) }
            try self.directory(descriptor, name, self.status(of: descriptor))
        case S_IFREG: try file(name, in: directory, status)
        case S_IFLNK:
            guard let target = Self.target(of: name, in: directory) else { return fail(errno) }
            let metadata = CatalogMetadata(mode: CatalogLimits.linkMode, owner: owner(status), modified: FileTime(of: status))
            counts.links += 1
            try add(status) { (builder) throws(CatalogError) in try builder.symbolicLink(name, metadata, target: target) }
        case S_IFIFO:
            let metadata = CatalogMetadata(mode: UInt16(status.st_mode & 0o7777), owner: owner(status), modified: FileTime(of: status))
            try add(status) { (builder) throws(CatalogError) in try builder.fifo(name, metadata) }
        case S_IFSOCK:
            sockets += 1
            skip(.socket)
        default:
            devices += 1
            skip(.device)
        }
    }

    /// - Returns: false where it has to be looked at first: it is something else by now, or cannot be opened.
    private mutating func openFile(_ name: [UInt8], in directory: Int32) throws(HostError) -> Bool {
        guard let descriptor = Self.open(name, in: directory, O_NONBLOCK) else { return false }
        let status = try status(of: descriptor)
        guard status.kind == S_IFREG else { return false }
        if try !link(name, status) { try file(name, descriptor, status) }
        return true
    }

    private mutating func file(_ name: [UInt8], in directory: Int32, _ first: stat) throws(HostError) {
        if try link(name, first) { return }
        guard let descriptor = Self.open(name, in: directory, O_NONBLOCK) else { return fail(errno) }
        let status = try status(of: descriptor)
        guard status.kind == S_IFREG else { return fail(ESTALE) }
        try file(name, descriptor, status)
    }

    /// - Returns: whether it is a further name of a file that is in the catalog already.
    private mutating func link(_ name: [UInt8], _ status: stat) throws(HostError) -> Bool {
        guard status.st_nlink > 1, let entry = links[FileIdentity(status)] else { return false }
        counts.links += 1
        try add(status) { (builder) throws(CatalogError) in try builder.hardLink(name, to: entry) }
        return true
    }

    private mutating func file(_ name: [UInt8], _ descriptor: OwnedDescriptor, _ status: stat) throws(HostError) {
        let metadata = metadata(status, descriptor.raw)
        let size = UInt64(max(0, status.st_size))
        let blocks = status.bytesTaken
        // A file system that compresses has fewer blocks, and no holes. Zeros that are only reserved have blocks and take no room where
        // they go, but in a file of less than a chunk.
        let isAsked = blocks < size || size >= Self.reservedLength
        let data = isAsked ? HoleSurvey.dataLength(descriptor.raw, size, blocks: blocks) ?? min(blocks, size) : size
        try add(name, status, metadata, data: data, isSparse: blocks < size && data < size)
    }

    /// - Parameter data: bytes that are no hole.
    private mutating func add(_ name: [UInt8], _ status: stat, _ metadata: CatalogMetadata, data: UInt64, isSparse: Bool) throws(HostError) {
        let size = UInt64(max(0, status.st_size))
        hasHoles = hasHoles || isSparse
        if status.st_nlink > 1 { links[FileIdentity(status)] = builder.count }
        counts.files += 1
        counts.bytes += size
        try add(status) { (builder) throws(CatalogError) in
            try builder.file(name, metadata, size: size, allocatedLength: data, isSparse: isSparse)
        }
    }

    private mutating func add(_ status: stat, _ body: (inout CatalogBuilder) throws(CatalogError) -> Void) throws(HostError) {
        do throws(CatalogError) { try body(&builder) } catch { throw refused(error) }
        marks.append(TreeBase.mark(status))
    }

    // MARK: Metadata

    /// Attributes that cannot be read are noted as a failure.
    private mutating func metadata(_ status: stat, _ descriptor: Int32) -> CatalogMetadata {
        let found = attributes.attributes(of: descriptor, on: status.st_dev)
        if found == nil { fail(errno) }
        return metadata(status, found ?? [])
    }

    private mutating func metadata(_ status: stat, _ attributes: [CatalogAttribute]) -> CatalogMetadata {
        CatalogMetadata(
            mode: UInt16(status.st_mode & 0o7777), owner: owner(status), modified: FileTime(of: status), attributes: builder.number(of: attributes))
    }

    private mutating func owner(_ status: stat) -> Int? {
        let key = UInt64(status.st_uid) << 32 | UInt64(status.st_gid)
        if let known = ownerNumbers[key] { return known }
        let number = owners.owner(status).map { builder.number(of: $0) }
        ownerNumbers[key] = .some(number)
        return number
    }

    // MARK: Where it stands

    private mutating func enter(_ name: [UInt8]) {
        if !path.isEmpty { path.append(Self.slash) }
        path += name
    }

    private mutating func leave() { path.removeLast(path.count - (path.lastIndex(of: Self.slash) ?? 0)) }

    private mutating func fail(_ code: Int32) {
        failureCount += 1
        guard failures.count < Self.listedEntries else { return }
        let reason = code == E2BIG ? "its attributes are longer than 64 KiB; use --no-xattrs" : HostError.errorText(code)
        let failure = HostError.File(path: printablePath, message: reason)
        if failures.last == failure { failureCount -= 1 } else { failures.append(failure) }
    }

    private mutating func skip(_ reason: SkippedEntry.Reason) {
        if skipped.count < Self.listedEntries { skipped.append(SkippedEntry(path: printablePath, reason: reason)) }
    }

    private var printablePath: String { path.isEmpty ? "." : NameText.printable(path) }

    private func refused(_ error: CatalogError) -> HostError {
        let source = selection.paths.joined(separator: " ")
        return HostError("cannot send \(source) as a tree: \(error.text); use: tar -c \(source) | rmcp send --name NAME.tar -", kind: .usage)
    }

    // MARK: The end

    /// - Parameter chunkLength: the shortest that chunks may have.
    mutating func finish(chunkLength: UInt32) throws(HostError) -> Tree {
        guard failureCount == 0 else {
            let named = failures.prefix(Self.namedFailures).map { "\($0.path): \($0.message)" }
            let more = failureCount > named.count ? "; and \(failureCount - named.count) more" : ""
            throw HostError(
                "cannot read all of the tree: \(named.joined(separator: "; "))\(more)",
                hint: "nothing is sent, since it would be another tree: leave out with --exclude what is not needed, or run as somebody who may read it",
                files: failures)
        }
        var chunkLength = chunkLength
        while builder.contentLength / UInt64(chunkLength) >= UInt64(Limits.maximumChunks) - 1, chunkLength < Limits.maximumChunkLength { chunkLength *= 2 }
        // Moved out, so that nothing is copied.
        var finished = CatalogBuilder(hasOwners: false, hasAttributes: false)
        swap(&finished, &builder)
        links = [:]
        do throws(CatalogError) {
            return Tree(
                catalog: try finished.finish(chunkLength: chunkLength), marks: marks, bases: bases, counts: counts, hasHoles: hasHoles, skipped: skipped,
                warnings: warnings)
        } catch { throw refused(error) }
    }

    private var warnings: [String] {
        let parts = [(sockets, "socket"), (devices, "device")].filter { $0.0 > 0 }.map { Units.count(UInt64($0.0), $0.1) }
        return parts.isEmpty ? [] : ["left out: \(parts.joined(separator: " and ")), which a tree cannot carry"]
    }

    // MARK: Calls

    /// Nil with `errno`.
    static func open(_ name: [UInt8], in directory: Int32, _ flags: Int32) -> OwnedDescriptor? {
        let raw = unsafe openat(directory, cString(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags)
        return raw < 0 ? nil : OwnedDescriptor(raw)
    }

    private static func status(of name: [UInt8], in directory: Int32) -> stat? {
        var status = stat()
        return unsafe fstatat(directory, cString(name), &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    private func status(of descriptor: OwnedDescriptor) throws(HostError) -> stat {
        guard let status = FileSystem.host.status(of: descriptor.raw) else { throw .system("read", NameText.printable(path)) }
        return status
    }

    private static func target(of name: [UInt8], in directory: Int32) -> [UInt8]? {
        var buffer = [CChar](repeating: 0, count: CatalogLimits.targetLength + 1)
        let length = unsafe readlinkat(directory, cString(name), &buffer, buffer.count)
        return length < 0 ? nil : buffer[..<length].map { UInt8(bitPattern: $0) }
    }

    private static func cString(_ name: [UInt8]) -> [CChar] { name.map { CChar(bitPattern: $0) } + [0] }
}
