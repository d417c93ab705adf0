import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// A path that is put into a tree of several.
struct TreeRoot {
    /// The name that it has there.
    var name: [UInt8]
    /// The directory itself where the path was followed, else the one that holds the name.
    var descriptor: OwnedDescriptor
    var status: stat
    var isFollowed: Bool
}

/// Directory from which entries are opened.
struct TreeBase: Sendable {
    /// The first entry that is; those behind it are, too, up to the next base's.
    var first: Int
    var descriptor: OwnedDescriptor
    /// Whether the descriptor is of what the first component of such an entry's path names.
    var dropsName: Bool

    /// A part of the inode number, for telling that a name has come to mean another file.
    static func mark(_ status: stat) -> UInt32 { UInt32(truncatingIfNeeded: status.st_ino ^ (status.st_ino >> 32)) }
}

extension FileTime {
    /// Time at which the file was changed last.
    init(of status: stat) { self.init(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(clamping: status.st_mtim.tv_nsec)) }
}

extension TreeSelection {
    /// Directories that paths may be in: as many descriptors are held.
    private static let directoryLimit = 256

    /// Name of what is sent where nobody gives another: of one path its last component, or that of what `.` and the like mean. Nil for several.
    var defaultName: String? {
        guard let path = paths.first, paths.count == 1 else { return nil }
        return Self.lastComponent(of: path)
    }

    /// The only path where it leads to what is no directory, or to nothing, which whoever opens it says.
    var file: String? {
        guard list == nil, let path = paths.first, paths.count == 1 else { return nil }
        return FileSystem.status(of: path)?.kind == S_IFDIR ? nil : path
    }

    func requireOneDirectory() throws(HostError) {
        guard paths.count == 1 else {
            throw HostError("--files-from0 takes one directory, which its paths are below; for the present one give .", kind: .usage)
        }
    }

    /// Opens what is named, and nothing below it.
    func check() throws(HostError) {
        _ = try ExcludedNames(excluded)
        if list != nil { try requireOneDirectory() }
        if let file {
            _ = try FileSource(path: file)
        } else if paths.count > 1 {
            _ = try openRoots()
        } else {
            _ = try openRoot()
            // Standard input is read once, by the walk.
            if let list, list != "-" { _ = try ListedPaths(readingFrom: list) }
        }
    }

    private static func lastComponent(of path: String) -> String {
        let last = path.split(separator: "/").last.map(String.init)
        if let last, last != ".", last != ".." { return last }
        return (FileSystem.resolved(path) ?? path).split(separator: "/").last.map(String.init) ?? ""
    }

    /// The only path, opened as a directory.
    func openRoot() throws(HostError) -> OwnedDescriptor {
        let path = paths.first ?? "."
        let raw = unsafe open(SystemText.cString(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else {
            throw errno == ENOTDIR ? HostError("\(path) is no directory, so that nothing can be listed below it", kind: .usage) : .system("read", path)
        }
        return OwnedDescriptor(raw)
    }

    /// All paths, in the order of their names' bytes.
    func openRoots() throws(HostError) -> [TreeRoot] {
        var directories: [String: OwnedDescriptor] = [:]
        var roots: [TreeRoot] = []
        var named: [[UInt8]: String] = [:]
        for path in paths {
            let root = try Self.root(path, &directories)
            if let other = named.updateValue(path, forKey: root.name) {
                throw HostError("\(other) and \(path) would have the same name; send the directory that holds one of them", kind: .usage)
            }
            guard directories.count <= Self.directoryLimit else {
                throw HostError("the paths are in more than \(Self.directoryLimit) directories; use --files-from0 with paths below one", kind: .usage)
            }
            roots.append(root)
        }
        return roots.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    private static func root(_ path: String, _ directories: inout [String: OwnedDescriptor]) throws(HostError) -> TreeRoot {
        guard path != "-" else { throw HostError("'-' is standard input, which is sent alone: rmcp send --name NAME -", kind: .usage) }
        let name = SystemText.bytes(of: lastComponent(of: path))
        guard !name.isEmpty else { throw HostError("\(path) has no name that it could have among others", kind: .usage) }
        // A link is sent as one, as tar(1) has it, unless a slash asks for what it leads to.
        let last = path.split(separator: "/").last
        if path.hasSuffix("/") || last == "." || last == ".." {
            let raw = unsafe open(SystemText.cString(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard raw >= 0 else { throw .system("read", path) }
            let descriptor = OwnedDescriptor(raw)
            guard let status = FileSystem.host.status(of: raw) else { throw .system("read", path) }
            directories[path] = descriptor
            return TreeRoot(name: name, descriptor: descriptor, status: status, isFollowed: true)
        }
        let parent = path.lastIndex(of: "/").map { path[..<$0].isEmpty ? "/" : String(path[..<$0]) } ?? "."
        let descriptor: OwnedDescriptor
        if let known = directories[parent] {
            descriptor = known
        } else {
            let raw = unsafe open(SystemText.cString(parent), rmcp_o_path() | O_DIRECTORY | O_CLOEXEC)
            guard raw >= 0 else { throw .system("read", path) }
            descriptor = OwnedDescriptor(raw)
            directories[parent] = descriptor
        }
        var status = stat()
        guard unsafe fstatat(descriptor.raw, SystemText.cString(String(last ?? "")), &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw .system("read", path) }
        // Within a tree they are left out; here somebody wants them.
        guard ![S_IFBLK, S_IFCHR, S_IFSOCK].contains(status.kind) else {
            throw HostError("\(path) is a device or socket, which a tree cannot carry; a block device is sent alone", kind: .usage)
        }
        return TreeRoot(name: name, descriptor: descriptor, status: status, isFollowed: false)
    }
}
