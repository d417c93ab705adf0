import Glibc

/// The permission bits that files of this process are made without (umask(2)).
public enum ProcessUmask {
    /// Read once and remembered; safe on any thread once it was asked for at the start.
    ///
    /// Asking umask(2) is setting it, and files that other threads make meanwhile would have the wrong mode. So the kernel's
    /// account of the process is read (proc(5), since Linux 4.7), and the call is only for where there is none.
    public static let value: UInt32 = read(from: "/proc/self/status") ?? ask()

    /// Mode of a new file, 0666 without the mask.
    static var fileMode: mode_t { 0o666 & ~value }

    static func read(from path: String) -> mode_t? {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        let descriptor = OwnedDescriptor(raw)
        // The line is one of the first.
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = unsafe Glibc.read(descriptor.raw, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return parse(String(decoding: bytes.prefix(count), as: UTF8.self))
    }

    static func parse(_ status: String) -> mode_t? {
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Umask:") }) else { return nil }
        guard let word = line.dropFirst("Umask:".count).split(whereSeparator: { $0 == " " || $0 == "\t" }).first else { return nil }
        return mode_t(word, radix: 8).map { $0 & 0o777 }
    }

    private static func ask() -> mode_t {
        let mask = umask(0o077)
        _ = umask(mask)
        return mask & 0o777
    }
}
