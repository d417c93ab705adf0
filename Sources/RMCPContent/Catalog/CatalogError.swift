/// Fault of a catalog, or of a tree that none can be made of. Paths are relative to the root.
public enum CatalogError: Error, Equatable, Sendable {
    /// The bytes end too early.
    case truncated
    /// The bytes do not begin as a catalog does.
    case foreign
    /// Version of the catalog that is not 1.
    case unknownVersion(UInt16)
    /// Flags of the header, some of which have no meaning.
    case unknownFlags(UInt16)
    /// Bytes that are kept for later are not 0.
    case reservedBytes
    /// More entries than `CatalogLimits.entries`.
    case tooManyEntries
    /// The catalog has more bytes than one may have.
    case tooLong
    /// The contents are more than one bundle holds.
    case contentTooLong
    /// A length or count in the header is not that of what follows.
    case disagreement(Field)
    /// The bytes go on behind the last table.
    case trailingBytes
    /// Entry 0 is not a directory without a name.
    case noRoot
    /// Kind of an entry that is above 5.
    case unknownKind(UInt8)
    /// A name that is empty, `.`, `..`, or has a slash or a zero in it.
    case invalidName([UInt8])
    /// An entry that does not come after the one before it in the same directory: it is there twice, or in another order.
    case unordered([UInt8])
    /// More components below the root than `CatalogLimits.depth`.
    case tooDeep([UInt8])
    /// More bytes below the root than `CatalogLimits.pathLength`.
    case pathTooLong([UInt8])
    /// A mode above 0o7777, or another than 0o777 of a symbolic link.
    case invalidMode([UInt8])
    /// A time with 1,000,000,000 nanoseconds or more.
    case invalidTime([UInt8])
    /// An owner that the catalog does not have.
    case unknownOwner([UInt8])
    /// Attributes that the catalog does not have, or that such an entry has none of.
    case unknownAttributes([UInt8])
    /// A file of 2^63 bytes or more, or one with flags that have no meaning.
    case invalidSize([UInt8])
    /// A target that is empty, longer than `CatalogLimits.targetLength`, or has a zero in it.
    case invalidTarget([UInt8])
    /// A hard link to what is no earlier file.
    case invalidLink([UInt8])
    /// An owner's number that stands for nobody, or a name that is none.
    case invalidOwner(Int)
    /// A set of attributes that is empty, out of order, too long, or has a name that is none.
    case invalidAttributes(Int)

    /// A number in the header.
    public enum Field: String, Equatable, Sendable {
        case entries = "entries"
        case catalogLength = "length"
        case packedLength = "packed length"
        case bodyChunks = "chunks of bodies"
        case allocatedLength = "allocated length"
        case owners = "owners"
        case names = "names"
        case attributes = "sets of attributes"
        case contentLength = "content length"
    }

    /// One line for people, without a full stop. Names in it are escaped.
    public var text: String {
        switch self {
        case .truncated: "the catalog ends too early"
        case .foreign: "the bundle does not begin with a catalog"
        case .unknownVersion(let version): "the catalog has version \(version), which is not known here"
        case .unknownFlags(let flags): "the catalog has flags that are not known here: \(flags)"
        case .reservedBytes: "the catalog has bytes set that are kept for later"
        case .tooManyEntries: "the tree has more than \(CatalogLimits.entries) entries"
        case .tooLong: "the catalog is longer than \(CatalogLimits.catalogLength >> 20) MiB"
        case .contentTooLong: "the tree has more bytes than one bundle holds"
        case .disagreement(let field): "the catalog's \(field.rawValue) is not that of what it lists"
        case .trailingBytes: "the catalog goes on behind its end"
        case .noRoot: "the catalog does not begin with a directory"
        case .unknownKind(let kind): "the catalog has an entry of kind \(kind), which is not known here"
        case .invalidName(let name): "\"\(NameText.printable(name))\" is no name of a file"
        case .unordered(let path): "\(Self.shown(path)) is there twice, or in another order than names have"
        case .tooDeep(let path): "\(Self.shown(path)) is more than \(CatalogLimits.depth) levels deep"
        case .pathTooLong(let path): "\(Self.shown(path)) is a path of more than \(CatalogLimits.pathLength) bytes"
        case .invalidMode(let path): "\(Self.shown(path)) has a mode that is none"
        case .invalidTime(let path): "\(Self.shown(path)) has a time that is none"
        case .unknownOwner(let path): "\(Self.shown(path)) has an owner that the catalog does not list"
        case .unknownAttributes(let path): "\(Self.shown(path)) has attributes that the catalog does not list"
        case .invalidSize(let path): "\(Self.shown(path)) has a size that is none"
        case .invalidTarget(let path): "\(Self.shown(path)) is a symbolic link to nothing, or one of more than \(CatalogLimits.targetLength) bytes"
        case .invalidLink(let path): "\(Self.shown(path)) is a hard link to what is no file before it"
        case .invalidOwner(let owner): "owner \(owner) of the catalog is none"
        case .invalidAttributes(let set):
            "set \(set) of the catalog's attributes is empty, out of order, or longer than \(CatalogLimits.attributesLength >> 10) KiB"
        }
    }

    private static func shown(_ path: [UInt8]) -> String { path.isEmpty ? "." : NameText.printable(path) }
}
