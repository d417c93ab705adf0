import CLinux
import Glibc
import RMCPContent

/// Directories of a tree on the disk, opened below their parents as they are needed, and never through a symbolic link or into
/// something that is mounted there. Who swaps one of them for a link meanwhile is not followed.
final class TreeDirectories: Sendable {
    private struct State {
        var open: [Int: (descriptor: OwnedDescriptor, used: UInt64)] = [:]
        var uses: UInt64 = 0

        mutating func take(_ directory: Int) -> OwnedDescriptor? {
            uses += 1
            open[directory]?.used = uses
            return open[directory]?.descriptor
        }

        mutating func keep(_ descriptor: OwnedDescriptor, of directory: Int, limit: Int) {
            if open.count >= limit, let oldest = open.min(by: { $0.value.used < $1.value.used }) { open[oldest.key] = nil }
            open[directory] = (descriptor, uses)
        }
    }

    /// Descriptors that are kept open: entries come in the order of the tree, so that few directories are busy at a time.
    private static let limit = 256

    let catalog: Catalog
    let root: OwnedDescriptor
    private let files: FileSystem
    private let state = LockedValue(State())

    init(_ catalog: Catalog, root: OwnedDescriptor, files: FileSystem) {
        self.catalog = catalog
        self.root = root
        self.files = files
    }

    /// - Parameter directory: index of its entry.
    /// - Returns: nil with `errno` where it cannot be opened. It is good for names in it, not for reading it.
    func find(_ directory: Int) -> OwnedDescriptor? {
        if directory == 0 { return root }
        if let known = state.withLock({ $0.take(directory) }) { return known }
        guard let parent = find(catalog.parent(of: directory)) else { return nil }
        let raw = files.openInside(catalog.kernelName(of: directory), in: parent.raw, rmcp_o_path() | O_DIRECTORY)
        guard raw >= 0 else { return nil }
        let descriptor = OwnedDescriptor(raw)
        state.withLock { $0.keep(descriptor, of: directory, limit: Self.limit) }
        return descriptor
    }

    /// - Returns: status of what is there under the path of an entry; nil where nothing is.
    func status(of entry: Int) -> stat? {
        if entry == 0 { return files.status(of: root.raw) }
        return find(catalog.parent(of: entry)).flatMap { files.status(of: catalog.kernelName(of: entry), in: $0.raw) }
    }

    /// - Parameter path: of the tree, for messages.
    func descriptor(of directory: Int, path: String) throws(HostError) -> OwnedDescriptor {
        guard let found = find(directory) else { throw .system("open directory", catalog.text(of: directory, below: path)) }
        return found
    }

    /// The directory that an entry is in.
    func descriptor(ofParent entry: Int, path: String) throws(HostError) -> OwnedDescriptor {
        try descriptor(of: catalog.parent(of: entry), path: path)
    }
}

extension Catalog {
    /// Path of an entry as people read it.
    func text(of entry: Int, below root: String) -> String {
        entry == 0 ? root : PartialFile.join(root, printablePath(of: entry))
    }
}
