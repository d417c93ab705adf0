import Glibc
import RMCPHost
import RMCPProtocol

/// Prometheus text for node_exporter's textfile collector: written beside its place and renamed, so that a reader never
/// sees half of it. What cannot be written is not worth stopping a transfer for: a thread of its own tries, the newest
/// text only, and says once what is wrong.
final class MetricsFile {
    private let queue: BackgroundQueue<String>

    init(path: String) {
        let file = ReplacedFile(path: path)
        queue = BackgroundQueue(name: "rmcp-metrics") { file.replace(with: $0) }
    }

    /// Waits for the last text, for a while at most.
    func finish() { queue.drain(within: .seconds(2)) }

    /// Returns at once.
    func replace(with text: String) {
        queue.update { backlog in
            backlog.removeAll()
            backlog.append(text)
        }
    }
}

/// A file that is replaced again and again, by the thread that has this.
private final class ReplacedFile: @unchecked Sendable {
    private let path: String
    private var isToldOf = false

    init(path: String) { self.path = path }

    func replace(with text: String) {
        do throws(HostError) { try write(text) } catch {
            if !isToldOf { Console.error("no metrics: \(error)") }
            isToldOf = true
        }
    }

    private func write(_ text: String) throws(HostError) {
        let target = try target()
        let temporary = Self.temporary(for: target)
        // A name of this process alone, so what is there was left by one that was killed and had its number.
        _ = unsafe unlink(SystemText.cString(temporary))
        let raw = unsafe open(SystemText.cString(temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard raw >= 0 else { throw .system("create", temporary) }
        let descriptor = OwnedDescriptor(raw)
        if let code = DescriptorWriter.write(Array(text.utf8), to: descriptor.raw) {
            _ = unsafe unlink(SystemText.cString(temporary))
            errno = code
            throw .system("write", temporary)
        }
        guard unsafe rename(SystemText.cString(temporary), SystemText.cString(target)) == 0 else {
            let error = HostError.system("rename the metrics to", target)
            _ = unsafe unlink(SystemText.cString(temporary))
            throw error
        }
    }

    /// Where the text goes: what `path` is a link to, if it is one. Nothing but a regular file is replaced.
    private func target() throws(HostError) -> String {
        var status = stat()
        guard unsafe lstat(SystemText.cString(path), &status) == 0 else {
            guard errno == ENOENT else { throw .system("look at", path) }
            return path
        }
        var target = path
        if status.st_mode & S_IFMT == S_IFLNK {
            guard let resolved = unsafe realpath(SystemText.cString(path), nil) else { throw .system("follow the link", path) }
            target = unsafe SystemText.text(resolved)
            unsafe free(resolved)
            guard unsafe stat(SystemText.cString(target), &status) == 0 else { throw .system("look at", target) }
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw HostError("\(path) is no regular file, and metrics replace no other") }
        return target
    }

    private static func temporary(for path: String) -> String {
        let cut = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        return "\(path[..<cut]).\(path[cut...]).\(getpid()).tmp"
    }
}
