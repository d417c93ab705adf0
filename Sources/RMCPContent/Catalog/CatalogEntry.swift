public import RMCPProtocol

/// A file of a tree, a directory, or what else has a name.
public struct CatalogEntry: Sendable, Equatable {
    /// Kind of an entry; raw values are as they are written (docs/protocol.md, "The catalog").
    public enum Kind: UInt8, Sendable, Equatable {
        /// Entries behind it are in it, up to its end.
        case directory = 1
        /// A regular file: the only kind with content.
        case file = 2
        /// Mode 0o777, and no attributes.
        case symbolicLink = 3
        /// A further name of an earlier file, whose metadata it shares.
        case hardLink = 4
        case fifo = 5
    }

    public var kind: Kind
    /// One component, 1...255 bytes without zero or slash; empty for the root.
    public var name: [UInt8]
    /// Metadata; that of its file for a hard link.
    public var metadata: CatalogMetadata
    /// Bytes of a file, or of the file that a hard link names; else 0.
    public var size: UInt64
    /// Whether the file had holes: its zeros need no blocks.
    public var isSparse: Bool
    /// Target of a symbolic link, 1...4,095 bytes; else empty.
    public var target: [UInt8]
    /// Entry of the file that a hard link names; else the entry's own.
    public var linkedTo: Int

    public init(kind: Kind, name: [UInt8], metadata: CatalogMetadata, size: UInt64, isSparse: Bool, target: [UInt8], linkedTo: Int) {
        self.kind = kind
        self.name = name
        self.metadata = metadata
        self.size = size
        self.isSparse = isSparse
        self.target = target
        self.linkedTo = linkedTo
    }

    public var mode: UInt16 { metadata.mode }
    public var owner: Int? { metadata.owner }
    public var modified: FileTime { metadata.modified }
    public var attributes: Int? { metadata.attributes }
}

/// Metadata of an entry: all that a file system keeps of it beside its content.
public struct CatalogMetadata: Sendable, Equatable {
    /// Permission bits with setuid, setgid and sticky: at most 0o7777.
    public var mode: UInt16
    /// Number of the owner in the catalog; nil where it has none.
    public var owner: Int?
    /// Time of the last change of the content, not of the metadata.
    public var modified: FileTime
    /// Number of the set of attributes in the catalog; nil for an entry that has none.
    public var attributes: Int?

    public init(mode: UInt16, owner: Int? = nil, modified: FileTime, attributes: Int? = nil) {
        self.mode = mode
        self.owner = owner
        self.modified = modified
        self.attributes = attributes
    }
}

/// Owner of entries: numbers, and the names that these have at the sender.
public struct CatalogOwner: Sendable, Hashable {
    /// Never 2^32 - 1, which stands for nobody.
    public var user: UInt32
    /// Number of the group. Never 2^32 - 1 either.
    public var group: UInt32
    /// Nil where the sender knows none, or was told not to say it. Bytes without a zero, 1...255.
    public var userName: [UInt8]?
    /// Name of the group, as that of the user.
    public var groupName: [UInt8]?

    public init(user: UInt32, group: UInt32, userName: [UInt8]? = nil, groupName: [UInt8]? = nil) {
        self.user = user
        self.group = group
        self.userName = userName
        self.groupName = groupName
    }
}

/// An extended attribute (xattr(7)).
public struct CatalogAttribute: Sendable, Hashable {
    /// Name with its namespace, as `user.comment`. Bytes without a zero, 1...255.
    public var name: [UInt8]
    /// Bytes as they are, 65,535 at most. All names and values of a set have `CatalogLimits.attributesLength` at most.
    public var value: [UInt8]

    public init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// Bytes that it takes in a catalog: with a byte for the length of the name, and two for that of the value.
    public var length: Int { name.count + value.count + 3 }
}
