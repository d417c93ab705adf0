/// Choice of what a tree is made of, as the command line asks for it.
public struct TreeSelection: Sendable, Hashable {
    public enum Owners: Sendable, Hashable {
        /// Numbers, and the names that they have here.
        case names
        case numbers
        case none
    }

    public enum Attributes: Sendable, Hashable {
        /// Users' own, POSIX ACLs, and capabilities where this process is root: what has the same meaning elsewhere.
        case usual
        case all
        case none
    }

    /// One path is sent as what it is; several are put into a directory.
    public var paths: [String]
    /// File with paths below the only one of `paths`, with a zero behind each, which are all that is sent; `-` is standard input.
    public var list: String?
    /// Patterns of what is left out (docs/operations.md, "A tree").
    public var excluded: [String]
    public var staysOnFileSystem: Bool
    public var owners: Owners
    public var attributes: Attributes

    public init(
        paths: [String], list: String? = nil, excluded: [String] = [], staysOnFileSystem: Bool = false, owners: Owners = .names,
        attributes: Attributes = .usual
    ) {
        self.paths = paths
        self.list = list
        self.excluded = excluded
        self.staysOnFileSystem = staysOnFileSystem
        self.owners = owners
        self.attributes = attributes
    }
}
