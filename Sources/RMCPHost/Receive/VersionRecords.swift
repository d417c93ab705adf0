import Glibc
import RMCPContent
public import RMCPProtocol

/// The newest creation time that has been received whole of each bundle, by name and key: what keeps an old, still
/// validly signed bundle from being passed off as the current one. One line each in a text file that is replaced
/// atomically: public key, creation time in milliseconds since 1970, name.
public struct VersionRecords: Sendable {
    public private(set) var newest: [BundleIdentity: UInt64]
    private let path: String
    /// Bundles that are remembered; beyond, those of the oldest creation time are forgotten.
    static let limit = 10_000

    /// `$XDG_STATE_HOME/rmcp/versions`, or `~/.local/state/rmcp/versions`.
    public static var defaultPath: String {
        if let base = unsafe getenv("XDG_STATE_HOME").map({ unsafe String(cString: $0) }), !base.isEmpty { return base + "/rmcp/versions" }
        let home = unsafe getenv("HOME").map { unsafe String(cString: $0) } ?? "/root"
        return home + "/.local/state/rmcp/versions"
    }

    /// A file that is not there yet is empty. One that cannot be read is an error: going on without it would let
    /// anything old in.
    public init(path: String = VersionRecords.defaultPath) throws(HostError) {
        self.path = path
        newest = [:]
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw .system("read", path, advice: "it says which bundles are outdated; --allow-rollback does without") }
            return
        }
        let descriptor = OwnedDescriptor(raw)
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else { throw .system("read", path) }
        var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), 16 << 20))
        let count = try Self.read(descriptor, into: &bytes, path: path)
        for line in bytes.prefix(count).split(separator: UInt8(ascii: "\n")) { parse(line) }
    }

    private static func read(_ descriptor: OwnedDescriptor, into bytes: inout [UInt8], path: String) throws(HostError) -> Int {
        let result: Result<Int, HostError> = unsafe bytes.withUnsafeMutableBytes { buffer in
            do throws(HostError) { return .success(unsafe try FileTransfer.read(descriptor.raw, into: buffer, at: 0, path: path)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// A line that is damaged is skipped: it can only have been a newer version's.
    private mutating func parse(_ line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 3)
        guard fields.count == 4, let text = String(validating: fields[0] + [UInt8(ascii: " ")] + fields[1], as: UTF8.self),
            let key = PublicKeyText.parse(line: text), let time = UInt64(String(decoding: fields[2], as: UTF8.self)),
            let name = String(validating: fields[3], as: UTF8.self)
        else { return }
        let identity = BundleIdentity(name: name, key: key)
        newest[identity] = max(newest[identity] ?? 0, time)
    }

    /// Notes a bundle that is complete, and writes the file.
    public mutating func note(_ announce: Announce) throws(HostError) {
        let identity = BundleIdentity(announce)
        // A name with a line break can't be a file's, and has been refused.
        guard announce.isSigned, announce.creationTime > newest[identity] ?? 0, !announce.name.contains("\n") else { return }
        newest[identity] = announce.creationTime
        while newest.count > Self.limit, let oldest = newest.min(by: { $0.value < $1.value }) { newest[oldest.key] = nil }
        try write()
    }

    private func write() throws(HostError) {
        try makeParents()
        let lines = newest.map { "\(PublicKeyText.line(for: $0.key.key)) \($0.value) \($0.key.name)" }.sorted()
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        let temporary = "\(path).\(getpid())"
        let raw = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw .system("write", temporary) }
        let descriptor = OwnedDescriptor(raw)
        let failure: HostError? = unsafe text.withUnsafeBytes { buffer in
            do throws(HostError) {
                unsafe try FileTransfer.writeSequentially(descriptor.raw, buffer, path: temporary)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        guard fsync(raw) == 0, unsafe rename(temporary, path) == 0 else { throw .system("write", path) }
    }

    private func makeParents() throws(HostError) {
        var directory = path.hasPrefix("/") ? "/" : ""
        for component in path.split(separator: "/").dropLast() {
            directory += component + "/"
            guard unsafe mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw .system("create directory", directory) }
        }
    }
}
