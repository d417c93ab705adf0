import Glibc

/// A small text file that all processes of one user keep together: each reads what the others have written, and adds a line or
/// replaces the file, while it holds the lock of a file beside it.
struct SharedFile: Sendable {
    let path: String
    var files = FileSystem.host
    /// Bytes. A file that is longer was not written by this program.
    static let maximumLength = 16 << 20

    /// Content of the file: nothing where there is none.
    /// - Throws: where it is there and cannot be read.
    func read() throws(HostError) -> [UInt8] {
        // Whatever has the name is looked at before it is waited for, as one would for the writer of a FIFO.
        let raw = files.open(path, O_RDONLY | O_NONBLOCK)
        guard raw >= 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw .system("read", path) }
            return []
        }
        let descriptor = OwnedDescriptor(raw)
        guard let status = files.status(of: raw) else { throw .system("read", path) }
        guard status.kind == S_IFREG else { throw HostError("\(path) is no regular file") }
        guard status.st_size <= Self.maximumLength else {
            throw HostError("\(path) is longer than \(Self.maximumLength >> 20) MiB; it is not what rmcp writes")
        }
        return try FileTransfer.contents(descriptor.raw, limit: Self.maximumLength, path: path, files: files)
    }

    /// Replaces what the file has by what `change` makes of it; nil leaves it as it is. Nobody else changes it meanwhile.
    func update<Failure: Error>(_ change: ([UInt8]) throws(Failure) -> [UInt8]?) throws -> Void {
        let lock = try lock()
        defer { if let lock { _ = files.lock(lock.raw, LOCK_UN) } }
        guard let bytes = try change(try read()) else { return }
        try replace(with: bytes)
    }

    /// Puts a line behind the last one, so that it outlives a power failure. A line that a crash or a full disk left half-written ends there.
    /// - Returns: bytes that the file has then.
    func append(_ line: String) throws(HostError) -> Int {
        let lock = try lock()
        defer { if let lock { _ = files.lock(lock.raw, LOCK_UN) } }
        return try addLine(line)
    }

    /// The same with a line that depends on what is there; nil leaves it as it is. Nobody else changes it meanwhile.
    func extend<Failure: Error>(_ line: ([UInt8]) throws(Failure) -> String?) throws -> Int {
        let lock = try lock()
        defer { if let lock { _ = files.lock(lock.raw, LOCK_UN) } }
        let bytes = try read()
        guard let line = try line(bytes) else { return bytes.count }
        return try addLine(line)
    }

    private func addLine(_ line: String) throws(HostError) -> Int {
        let raw = files.open(path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK, mode: 0o600)
        guard raw >= 0 else { throw .system("write", path) }
        let descriptor = OwnedDescriptor(raw)
        guard let status = files.status(of: descriptor.raw) else { throw .system("write", path) }
        guard status.kind == S_IFREG else { throw HostError("\(path) is no regular file") }
        let length = Int(status.st_size)
        var last: [UInt8] = [Self.lineEnd]
        if length > 0 { _ = try FileTransfer.read(descriptor.raw, into: &last, at: UInt64(length - 1), path: path, files: files) }
        let added = (last == [Self.lineEnd] ? [] : [Self.lineEnd]) + Array(line.utf8) + [Self.lineEnd]
        try FileTransfer.writeSequentially(descriptor.raw, added, path: path, files: files)
        if files.flush(descriptor.raw) != 0, !FileSystem.isUnsupported(flush: errno) { throw .system("write", path) }
        if length == 0 {
            let directory = try files.openDirectory(place().folder)
            if files.flush(directory.raw) != 0, !FileSystem.isUnsupported(flush: errno) { throw .system("flush the directory of", path) }
        }
        return length + added.count
    }

    static let lineEnd = UInt8(ascii: "\n")

    /// Nil on a file system without locks: two processes then may lose each other's lines, as they would without this.
    private func lock() throws(HostError) -> OwnedDescriptor? {
        try Directories.makeParents(of: path)
        let name = path + ".lock"
        let raw = files.open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o600)
        guard raw >= 0 else { throw .system("write", name) }
        let descriptor = OwnedDescriptor(raw)
        while files.lock(raw, LOCK_EX) != 0 {
            if errno == EINTR { continue }
            guard FileSystem.isUnsupported(lock: errno) else { throw .system("lock", name) }
            return nil
        }
        return descriptor
    }

    private func replace(with bytes: [UInt8]) throws(HostError) {
        let (folder, name) = try place()
        let directory = try files.openDirectory(folder)
        let temporary = "\(name).\(String(UInt64.random(in: 0...(.max)), radix: 36))"
        let file = try AtomicFile(name, as: temporary, in: directory, label: path, files: files)
        try FileTransfer.writeSequentially(file.descriptor.raw, bytes, path: path, files: files)
        try file.publish(isDurable: true)
    }

    private func place() throws(HostError) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { throw HostError("\(path): give a path with a folder") }
        return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    /// This program's file of this name among the user's state.
    static func statePath(_ name: String) -> String? { Directories.ofUser(.state).map { "\($0)/\(name)" } }
}
