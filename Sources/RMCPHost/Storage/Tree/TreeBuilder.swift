import CLinux
import Glibc
import RMCPContent

/// Makes what a tree has besides the content of files: directories before, and links, FIFOs and directories' metadata behind it.
struct TreeBuilder {
    let files: TreeFiles
    let isResumed: Bool
    let path: String
    let system: FileSystem

    private var catalog: Catalog { files.catalog }
    private var directories: TreeDirectories { files.directories }

    // MARK: Before content

    /// All directories, for their owner alone until the end.
    func makeDirectories() throws(HostError) {
        for index in 1..<max(1, catalog.count) where catalog.kind(of: index) == .directory {
            let parent = try directories.descriptor(ofParent: index, path: path)
            let name = catalog.kernelName(of: index)
            if system.makeDirectory(name, in: parent.raw, mode: 0o700) == 0 { continue }
            guard errno == EEXIST else { throw .system("create directory", catalog.text(of: index, below: path), in: parent.raw) }
            try adopt(name, in: parent, label: catalog.text(of: index, below: path))
        }
        if isResumed { try removeHardLinks() }
    }

    /// A directory that an earlier session has made.
    private func adopt(_ name: KernelName, in parent: OwnedDescriptor, label: @autoclosure () -> String) throws(HostError) {
        guard isResumed else {
            throw HostError("\(label()) and another name of its directory are one to this file system; receive on one that tells them apart")
        }
        guard let there = system.status(of: name, in: parent.raw), there.kind == S_IFDIR else {
            throw HostError("\(label()) was a directory of the tree that came, and somebody has replaced it; remove the .rmcp-partial directory of that tree")
        }
        guard system.takeBack(name, in: parent.raw, there) else {
            throw HostError("\(label()) was a directory of the tree that came, and is another user's; remove the .rmcp-partial directory of that tree")
        }
        if there.st_mode & 0o700 != 0o700 { _ = system.setMode(of: name, in: parent.raw, 0o700) }
    }

    /// A file that an earlier session has finished has its further names, too. They come last, again: until then only what is linked to the old tree
    /// has two names, and is not written to.
    private func removeHardLinks() throws(HostError) {
        for index in 1..<max(1, catalog.count) where catalog.kind(of: index) == .hardLink {
            _ = system.remove(catalog.kernelName(of: index), in: try directories.descriptor(ofParent: index, path: path).raw)
        }
    }

    // MARK: Behind it

    /// Everything that refers to files, and then the directories, the deepest first.
    func finish() throws(HostError) {
        guard files.isWhole else { throw HostError("\(path): not all of every file was written; nothing has that name") }
        var children = [UInt32](repeating: 0, count: catalog.count)
        for index in 1..<max(1, catalog.count) {
            children[catalog.parent(of: index)] += 1
            let kind = catalog.kind(of: index)
            if kind == .directory { continue }
            if kind != .file {
                try makeSpecial(index, catalog[index])
            } else if catalog.content(of: index).size == 0 {
                try files.makeEmpty(index, catalog[index])
            }
        }
        for index in (0..<catalog.count).reversed() where catalog.kind(of: index) == .directory {
            try finishDirectory(index, children: Int(children[index]))
        }
    }

    private func makeSpecial(_ index: Int, _ entry: CatalogEntry) throws(HostError) {
        let parent = try directories.descriptor(ofParent: index, path: path)
        let name = catalog.kernelName(of: index)
        var result = try make(entry, name, in: parent)
        if result != 0, errno == EEXIST, isResumed, system.remove(name, in: parent.raw) == 0 { result = try make(entry, name, in: parent) }
        guard result == 0 else {
            let operation = entry.kind == .hardLink ? "link" : "create"
            throw .system(operation, catalog.text(of: index, below: path), in: parent.raw)
        }
        guard entry.kind != .hardLink else { return }
        files.metadata.set(files.metadata.wanted(entry), on: name, in: parent.raw, of: index, hasMode: entry.kind == .fifo)
    }

    private func make(_ entry: CatalogEntry, _ name: KernelName, in parent: OwnedDescriptor) throws(HostError) -> Int32 {
        switch entry.kind {
        case .symbolicLink: return system.makeLink(name, in: parent.raw, to: entry.target.map { CChar(bitPattern: $0) } + [0])
        case .fifo: return system.makeFIFO(name, in: parent.raw)
        case .hardLink:
            let directory = try directories.descriptor(ofParent: entry.linkedTo, path: path)
            return system.link(catalog.kernelName(of: entry.linkedTo), in: directory.raw, as: name, in: parent.raw)
        case .directory, .file: return 0
        }
    }

    /// - Parameter children: names that are to be in it. Fewer are there where two were one to the file system, more where somebody
    ///   else has made some.
    private func finishDirectory(_ index: Int, children: Int) throws(HostError) {
        let opened = try open(index)
        guard let count = system.nameCount(in: opened.raw) else { throw .system("read directory", catalog.text(of: index, below: path)) }
        guard count == children else {
            throw HostError(
                "\(catalog.text(of: index, below: path)) has \(count) names where \(children) were sent; receive where nobody else writes, on a file system that tells capitals apart"
            )
        }
        var metadata = files.metadata.wanted(catalog[index])
        // Its own directory changes when the tree is renamed, for which its owner has to be able to write to it.
        if index == 0 { metadata.mode |= 0o700 }
        files.metadata.set(metadata, on: opened.raw, of: index)
    }

    private func open(_ index: Int) throws(HostError) -> OwnedDescriptor {
        let raw: Int32
        if index == 0 {
            raw = system.open(".", in: directories.root.raw, O_RDONLY | O_DIRECTORY)
        } else {
            let parent = try directories.descriptor(ofParent: index, path: path)
            raw = system.openInside(catalog.kernelName(of: index), in: parent.raw, O_RDONLY | O_DIRECTORY)
        }
        guard raw >= 0 else { throw .system("open directory", catalog.text(of: index, below: path)) }
        return OwnedDescriptor(raw)
    }

    /// Mode and time of the root, once it has its name: some file systems (XFS) count a new place as a change of the directory itself.
    func finishRoot() {
        let wanted = files.metadata.wanted(catalog[0])
        guard let opened = try? open(0), let status = system.status(of: opened.raw), !files.metadata.hasModeAndTime(wanted, status) else { return }
        if status.st_mode & 0o7777 != wanted.mode { _ = system.setMode(opened.raw, wanted.mode) }
        _ = system.setTimes(opened.raw, wanted.modified)
        while system.flush(opened.raw) != 0, errno == EINTR {}
    }
}
