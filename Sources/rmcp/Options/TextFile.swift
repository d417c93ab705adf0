import Glibc
import RMCPHost

/// Small text files that the user names: keys and configuration. A pipe will do, as `<(command)` makes one.
enum TextFile {
    /// Bytes. More is no file of keys or options, and may have no end at all.
    private static let limit = 1 << 20

    static func read(_ path: String) throws(HostError) -> String {
        // Opening a FIFO that nobody writes to would wait for as long as nobody does.
        let raw = unsafe open(SystemText.cString(path), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { throw .system("read", path) }
        let descriptor = OwnedDescriptor(raw)
        var status = stat()
        guard unsafe fstat(descriptor.raw, &status) == 0 else { throw .system("read", path) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe Glibc.read(descriptor.raw, &piece, piece.count)
            if count == 0 { break }
            if count > 0 {
                bytes += piece.prefix(count)
                guard bytes.count <= limit else { throw HostError("\(path) is longer than 1 MiB, which no file of keys or options is", kind: .usage) }
            } else if errno == EAGAIN {
                // Somebody has it open and is about to write: a signal ends this wait, and the process.
                var entry = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
                _ = unsafe poll(&entry, 1, -1)
            } else if errno != EINTR {
                throw .system("read", path)
            }
        }
        if bytes.isEmpty, status.st_mode & S_IFMT == S_IFIFO {
            throw HostError("\(path) is a pipe that nobody writes to; name a file", kind: .usage)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw HostError("\(path) is not a text file") }
        return text
    }
}
