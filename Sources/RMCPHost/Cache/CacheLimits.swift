import RMCPProtocol

/// Bounds of a repair node's cache beside its capacity, which is the user's.
enum CacheLimits {
    /// Sessions kept, so that a flood of tiny ones costs neither memory nor start-up time; the least recently used goes.
    static let sessions = 1_024
    /// Bytes of one session's kept pages and END. The table of 2^20 chunks takes 114 MiB in the shortest pages there are.
    static let tableBytes = 128 << 20
    /// Entries of one session's journal: each chunk once, and as many again that were damaged and came anew. Behind
    /// that nothing is noted any more, which costs fetching after a restart.
    static let journalEntries = 2 * Int(Limits.maximumChunks)
    /// Longest UDP datagram, bytes.
    static let datagramLength = 65_535
    /// The time of the last use is written down this often: a kill -9 makes it no older. Nanoseconds.
    static let useInterval: Int64 = 60_000_000_000
    /// Least that file systems allocate, bytes.
    static let blockLength: UInt64 = 4_096
    /// Bytes that a session takes on disk beside those in its files: its directory, and the last blocks of three files.
    static let sessionOverhead = 4 * blockLength
}
