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
            if left == nil { TreeRemoval.empty(descriptor, files: files) }
            leftCatalog = left
            removeFormer()
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

    private static func readCatalog(in staging: OwnedDescriptor, _ announce: Announce, files: FileSystem) -> Catalog? {
        let raw = files.openInside(SystemText.cString(catalogName), in: staging.raw, O_RDONLY | O_NONBLOCK)
        guard raw >= 0, let contentLength = announce.contentLength else { return nil }
        let descriptor = OwnedDescriptor(raw)
        guard let bytes = try? FileTransfer.contents(raw, limit: Int(CatalogLimits.catalogLength), path: catalogName, files: files) else { return nil }
        withExtendedLifetime(descriptor) {}
        return try? Catalog(bytes, chunkLength: announce.chunkLength, contentLength: contentLength)
    }

    /// Keeps the catalog for the next session.
    func keep(_ catalog: [UInt8]) throws(HostError) {
        let kernelName = SystemText.cString(Self.catalogName)
        _ = files.remove(kernelName, in: descriptor.raw)
        let raw = files.openInside(kernelName, in: descriptor.raw, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        guard raw >= 0 else { throw .system("create", partialName.withLock { $0 } + "/" + Self.catalogName, in: descriptor.raw) }
        let file = OwnedDescriptor(raw)
        try FileTransfer.write(file.raw, catalog, at: 0, path: Self.catalogName, files: files)
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
        return OwnedDescriptor(raw)
    }

    /// Removes the old tree that was to make room, or what an earlier session has left of it.
    func removeFormer() { _ = TreeRemoval.remove(Self.formerName, in: descriptor.raw, files: files) }

    /// Begins anew: what was left is of another tree.
    func forget() { TreeRemoval.empty(descriptor, files: files) }

    func takeFirstName() {
        guard isSecond else { return }
        partialName.withLock { PartialPlace.takeFirstName(of: name, from: &$0, journal, in: directory, files: files) }
    }

    /// The journal goes first: without it nobody believes the rest.
    func remove() {
        journal.remove()
        let name = partialName.withLock { $0 }
        guard let named = files.status(of: name, in: directory.raw), let own = files.status(of: descriptor.raw), named.isSameFile(as: own) else { return }
        _ = TreeRemoval.remove(name, in: directory.raw, files: files)
    }
}
