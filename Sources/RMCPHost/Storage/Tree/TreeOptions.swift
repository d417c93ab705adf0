/// Options of putting a received tree on the disk.
public struct TreeOptions: Sendable, Hashable {
    /// Way in which the finished tree takes the place of the one that has its name.
    public enum Replacement: String, Sendable, Hashable, CaseIterable {
        /// Both change places, in one step (RENAME_EXCHANGE).
        case exchange
        /// The name is a symbolic link, and another link takes its place.
        case symlink
    }

    public var replacement: Replacement
    /// Bytes of the file system that stay free.
    var reserve: UInt64 = 0
    /// The old tree is removed before the new one is written, where there is no room for both.
    var replacesFirst = false
    /// Bytes of small files from one early flush to the next.
    var flushStep = EarlyFlush.step
    /// Set-user-ID, set-group-ID and capabilities of files are kept.
    public var allowsSpecial: Bool
    /// Owners are set as the catalog names them, where this process may.
    public var keepsOwners: Bool
    /// Extended attributes and access control lists are set.
    public var keepsAttributes: Bool

    public init(replacement: Replacement = .exchange, allowsSpecial: Bool = false, keepsOwners: Bool = true, keepsAttributes: Bool = true) {
        self.replacement = replacement
        self.allowsSpecial = allowsSpecial
        self.keepsOwners = keepsOwners
        self.keepsAttributes = keepsAttributes
    }
}
