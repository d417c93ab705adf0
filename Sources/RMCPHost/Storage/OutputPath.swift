import Glibc

/// Kind of a path that `--output` names.
enum OutputPath: Equatable {
    case device
    /// A file of this name, there or not.
    case file(name: String, directory: String)

    /// - Throws: when nothing can be written there, or when it seems to be a device that is not there: a file of its name
    ///   would be in memory, and in its way when it comes back.
    init(_ path: String) throws(HostError) {
        let status = FileSystem.status(of: path)
        if status?.kind == S_IFBLK {
            self = .device
            return
        }
        if status?.kind == S_IFCHR { throw HostError("\(path) is a character device; --output takes a file, a block device, or - for standard output") }
        guard status != nil || errno == ENOENT || errno == ENOTDIR || errno == ELOOP else { throw .system("look at", path) }
        let components = path.split(separator: "/", omittingEmptySubsequences: true)
        guard let name = components.last.map(String.init), !path.hasSuffix("/"), name != ".", name != ".." else {
            throw HostError("\(path) names no file; give --output the path of a file or block device")
        }
        let directory = path.contains("/") ? String(decoding: path.utf8.dropLast(name.utf8.count), as: UTF8.self) : "."
        guard status?.kind == S_IFREG || !Self.isOfDevices(directory, name: name) else {
            throw HostError("\(path): there is no such device, and nothing is created below /dev; is it plugged in?")
        }
        self = .file(name: name, directory: directory)
    }

    /// Whether the name is one below /dev, or a link to one.
    private static func isOfDevices(_ directory: String, name: String) -> Bool {
        if isDeviceDirectory(resolve(directory)) { return true }
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = unsafe readlink(SystemText.cString("\(directory)/\(name)"), &target, target.count - 1)
        guard length > 0 else { return false }
        let text = SystemText.text(of: target.prefix(length).map { UInt8(bitPattern: $0) })
        let parent = text.lastIndex(of: "/").map { String(text[..<$0]) } ?? ""
        return isDeviceDirectory(text.hasPrefix("/") ? resolve(parent) : resolve("\(directory)/\(parent)"))
    }

    /// The path as far as it is there: a disk's link may be in a folder that has gone with it.
    private static func resolve(_ path: String) -> String { FileSystem.resolved(path) ?? path }

    /// /dev/shm is memory that programs are meant to have files in.
    private static func isDeviceDirectory(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        return path.hasPrefix("/") && parts.first == "dev" && !(parts.count > 1 && parts[1] == "shm")
    }
}
