import Glibc

/// Whether what is said goes to the journal, which takes a line's level from its beginning (sd-daemon(3)) and has the time
/// and the name of the process itself.
public enum JournalStream {
    /// Severity of a line, as syslog(3) counts it.
    public enum Level: Int, Sendable {
        case error = 3
        case warning = 4
        case info = 6

        /// Beginning of a line of this level.
        public var prefix: String { "<\(rawValue)>" }
    }

    /// Whether `descriptor` is the stream that JOURNAL_STREAM names: it stays when the output is redirected.
    public static func isConnected(to descriptor: Int32) -> Bool { isConnected(to: descriptor, named: SystemText.variable("JOURNAL_STREAM")) }

    static func isConnected(to descriptor: Int32, named name: String?) -> Bool {
        guard let fields = name?.split(separator: ":").map({ UInt64($0) }), fields.count == 2 else { return false }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return false }
        return fields[0] == UInt64(status.st_dev) && fields[1] == UInt64(status.st_ino)
    }
}
