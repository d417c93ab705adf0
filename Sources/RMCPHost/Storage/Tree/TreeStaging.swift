import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// The directory in which a tree is made: `.NAME.rmcp-partial`, with the catalog as it came and `tree`. The journal beside it holds the lock.
///
/// The directory is for its owner alone, so that nobody else can put anything there.
final class TreeStaging: Sendable {
    static let treeName = "tree"
    static let catalogName = "catalog"
    /// Name of the old tree, while it makes room for the new one.
    static let formerName = "former"
    /// Beginning of the names of what could not be removed, and is in nobody's way under these.
    private static let leftPrefix = "left."

    let directory: OwnedDescriptor
    /// The staging directory, open for reading: since before anything of this session was written, so that flushing it says all that was lost.
    let descriptor: OwnedDescriptor
    let journal: ChunkJournal
    /// Catalog of the tree that an earlier session has left, if there is a journal for it.
    let leftCatalog: Catalog?
    private let name: String
    private let partialName: LockedValue<String>
    private let isSecond: Bool
    private let files: FileSystem

    init(name: String, _ announce: Announce, in directory: OwnedDescriptor, path: String, files: FileSystem) throws(HostError) {
        self.name = name
        self.directory = directory
        self.files = files
        let place = try PartialPlace(of: name, announce, in: directory, path: path, files: files)
        journal = place.journal
        isSecond = place.isSecond
        partialName = LockedValue(place.partialName)
        do throws(HostError) {
            descriptor = try Self.open(place.partialName, in: directory, label: PartialFile.join(path, place.partialName), files: files)
            var left = place.journal.isEmpty ? nil : Self.readCatalog(in: descriptor, announce, files: files)
            // Files that cannot be flushed may not be on the disk, though they can be read.
            if left != nil, files.flushFileSystem(descriptor.raw) != 0 { left = nil }
            leftCatalog = left
            if left == nil { try clear() } else { try removeFormer() }
        } catch {
            if place.journal.isEmpty { place.journal.remove() }
            place.journal.unlock()
            throw error
        }
    }

    /// A directory of the caller's own; anything else of that name is moved aside or, where it is a file that was his, removed.
    private static func open(_ name: String, in directory: OwnedDescriptor, label: String, files: FileSystem) throws(HostError) -> OwnedDescriptor {
        let kernelName = SystemText.cString(name)
        if let status = files.status(of: kernelName, in: directory.raw), status.kind != S_IFDIR || status.st_uid != geteuid() {
            // A single file of that name may have come in part, or the thing is somebody else's.
            let isOwnFile = status.kind == S_IFREG && status.st_uid == geteuid()
            guard isOwnFile, files.remove(kernelName, in: directory.raw) == 0 else {
                throw HostError("\(label) is no directory of this user, and a tree of that name is made there; move it away")
            }
        }
        guard files.makeDirectory(kernelName, in: directory.raw, mode: 0o700) == 0 || errno == EEXIST else { throw .system("create", label, in: directory.raw) }
        let raw = files.openInside(kernelName, in: directory.raw, O_RDONLY | O_DIRECTORY)
        guard raw >= 0 else { throw .system("open", label, in: directory.raw) }
        let descriptor = OwnedDescriptor(raw)
        guard let status = files.status(of: raw), status.st_uid == geteuid(), files.setMode(raw, 0o700) == 0 else {
            throw HostError("\(label) is not this user's; move it away")
        }
        return descriptor
    }

    /// Bytes behind the catalog: the number of the inode of the tree's root. What has the tree's name otherwise is another one: the old tree,
    /// after they have changed places.
    private static let markLength = 8

    private static func mark(_ status: stat) -> [UInt8] { (0..<markLength).map { UInt8(truncatingIfNeeded: status.st_ino >> (8 * $0)) } }

    /// Catalog of the tree that is made here; nil where there is none, or the tree beside it is another one.
    private static func readCatalog(in staging: OwnedDescriptor, _ announce: Announce, files: FileSystem) -> Catalog? {
        let raw = files.openInside(SystemText.cString(catalogName), in: staging.raw, O_RDONLY | O_NONBLOCK)
        guard raw >= 0, let contentLength = announce.contentLength else { return nil }
        let descriptor = OwnedDescriptor(raw)
        let limit = Int(CatalogLimits.catalogLength) + markLength
        guard let bytes = try? FileTransfer.contents(raw, limit: limit, path: catalogName, files: files), bytes.count > markLength else { return nil }
        withExtendedLifetime(descriptor) {}
        guard let root = files.status(of: treeName, in: staging.raw), bytes.suffix(markLength).elementsEqual(mark(root)) else { return nil }
        return try? Catalog(bytes.dropLast(markLength), chunkLength: announce.chunkLength, contentLength: contentLength)
    }

    /// Keeps the catalog for the next session.
    /// - Parameter root: of the tree that is made by it.
    func keep(_ catalog: [UInt8], of root: OwnedDescriptor) throws(HostError) {
        guard let status = files.status(of: root.raw) else { throw .system("look at", partialName.withLock { $0 } + "/" + Self.treeName) }
        let kernelName = SystemText.cString(Self.catalogName)
        _ = files.remove(kernelName, in: descriptor.raw)
        let raw = files.openInside(kernelName, in: descriptor.raw, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        guard raw >= 0 else { throw .system("create", partialName.withLock { $0 } + "/" + Self.catalogName, in: descriptor.raw) }
        let file = OwnedDescriptor(raw)
        try FileTransfer.write(file.raw, catalog + Self.mark(status), at: 0, path: Self.catalogName, files: files)
    }

    /// The root of the tree that is being made.
    func openTree() throws(HostError) -> OwnedDescriptor {
        let kernelName = SystemText.cString(Self.treeName)
        if let there = files.status(of: kernelName, in: descriptor.raw), there.kind != S_IFDIR { _ = files.remove(kernelName, in: descriptor.raw) }
        guard files.makeDirectory(kernelName, in: descriptor.raw, mode: 0o700) == 0 || errno == EEXIST else {
            throw .system("create", partialName.withLock { $0 } + "/" + Self.treeName, in: descriptor.raw)
        }
        if geteuid() != 0 { _ = files.setMode(of: kernelName, in: descriptor.raw, 0o700) }
        let raw = files.openInside(kernelName, in: descriptor.raw, O_RDONLY | O_DIRECTORY)
        guard raw >= 0 else { throw .system("open", partialName.withLock { $0 } + "/" + Self.treeName, in: descriptor.raw) }
        let root = OwnedDescriptor(raw)
        if let status = files.status(of: raw) { _ = files.takeBack(raw, status) }
        return root
    }

    /// Removes the old tree that was to make room, or what an earlier session has left of it.
    func removeFormer() throws(HostError) {
        if !TreeRemoval.remove(Self.formerName, in: descriptor.raw, files: files) { try setAside(Self.formerName) }
    }

    /// Begins anew: what was left is of another tree.
    func clear() throws(HostError) {
        if TreeRemoval.empty(descriptor, files: files) { return }
        for name in files.names(in: descriptor.raw) ?? [] where !name.hasPrefix(Self.leftPrefix) { try setAside(name) }
    }

    /// Entries that cannot be removed, such as an immutable file, must not become a part of the tree that is made here.
    private func setAside(_ name: String) throws(HostError) {
        let aside = SystemText.cString("\(Self.leftPrefix)\(String(UInt64.random(in: 0...(.max)), radix: 36))")
        guard files.rename(SystemText.cString(name), in: descriptor.raw, to: aside, in: descriptor.raw) == 0 else {
            throw .system("remove", partialName.withLock { $0 } + "/" + name, advice: "it is left of an earlier tree; remove it by hand")
        }
    }

    func takeFirstName() {
        guard isSecond else { return }
        partialName.withLock { PartialPlace.takeFirstName(of: name, from: &$0, journal, in: directory, files: files) }
    }

    /// The journal goes first: without it nobody believes the rest.
    /// - Returns: a line for the user, where something of it stays.
    @discardableResult
    func remove() -> String? {
        journal.remove()
        let name = partialName.withLock { $0 }
        guard let named = files.status(of: name, in: directory.raw), let own = files.status(of: descriptor.raw), named.isSameFile(as: own) else { return nil }
        guard !TreeRemoval.remove(name, in: directory.raw, files: files) else { return nil }
        return "what is left in \(name) of an earlier tree cannot be removed (\(HostError.errorText(errno))); remove it by hand"
    }
}
