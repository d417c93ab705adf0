import RMCPProtocol

/// The first bytes of a tree's content: what there will be, before any of it is known.
///
/// A receiver that has only these can tell whether the tree fits, and how much is catalog. Whether they are true of what
/// follows is found out when the whole catalog is there.
public struct CatalogHeader: Sendable, Equatable {
    /// Bytes.
    public static let length = 64
    static let magic = Array("RMCPTREE".utf8)
    static let version: UInt16 = 1
    private static let ownersFlag: UInt16 = 1
    private static let attributesFlag: UInt16 = 2

    /// Entries, the root included: 1...`CatalogLimits.entries`.
    public internal(set) var entries: Int
    /// Bytes of the catalog, the header included: at most `CatalogLimits.catalogLength`.
    public internal(set) var catalogLength: Int
    /// Bytes of small files and of the ends of others, which follow the catalog.
    public internal(set) var packedLength: UInt64
    /// Chunks that belong to one file each.
    public internal(set) var bodyChunks: UInt32
    /// Bytes that the files take on a disk, in blocks of 4 KiB, without their holes.
    public internal(set) var allocatedLength: UInt64
    /// Owners: 1...`entries` with `hasOwners`, else 0.
    public internal(set) var owners: Int
    /// Names of users and groups, each once: at most two for each owner.
    public internal(set) var names: Int
    /// Sets of attributes: at most one for each entry with `hasAttributes`, else 0.
    public internal(set) var attributeSets: Int
    /// Whether the catalog says whom entries belong to.
    public internal(set) var hasOwners: Bool
    /// Whether the catalog says which extended attributes entries have; else nobody looked.
    public internal(set) var hasAttributes: Bool

    init(hasOwners: Bool, hasAttributes: Bool) {
        self.hasOwners = hasOwners
        self.hasAttributes = hasAttributes
        (entries, catalogLength, packedLength, bodyChunks, allocatedLength, owners, names, attributeSets) = (0, 0, 0, 0, 0, 0, 0, 0)
    }

    /// - Parameter bytes: the beginning of the content, `length` bytes at least.
    /// - Throws: for what no tree can have; what depends on the rest is not looked at.
    public init(parsing bytes: [UInt8]) throws(CatalogError) {
        let span = bytes.span
        var reader = unsafe CatalogReader(span.bytes)
        for byte in Self.magic {
            guard try reader.byte() == byte else { throw .foreign }
        }
        let version = try reader.number(UInt16.self)
        guard version == Self.version else { throw .unknownVersion(version) }
        let flags = try reader.number(UInt16.self)
        guard flags & ~(Self.ownersFlag | Self.attributesFlag) == 0 else { throw .unknownFlags(flags) }
        hasOwners = flags & Self.ownersFlag != 0
        hasAttributes = flags & Self.attributesFlag != 0
        entries = Int(try reader.number(UInt32.self))
        let catalogLength = try reader.number(UInt64.self)
        self.catalogLength = Int(clamping: catalogLength)
        packedLength = try reader.number(UInt64.self)
        bodyChunks = try reader.number(UInt32.self)
        allocatedLength = try reader.number(UInt64.self)
        owners = Int(try reader.number(UInt32.self))
        names = Int(try reader.number(UInt32.self))
        attributeSets = Int(try reader.number(UInt32.self))
        guard try reader.number(UInt64.self) == 0 else { throw .reservedBytes }
        try validate()
    }

    /// Faults of the header alone. Counts are no more than the catalog has bytes for, so that memory for them is no more than
    /// a small multiple of what came.
    private func validate() throws(CatalogError) {
        guard entries > 0 else { throw .noRoot }
        guard entries <= CatalogLimits.entries else { throw .tooManyEntries }
        guard catalogLength <= CatalogLimits.catalogLength else { throw .tooLong }
        guard packedLength <= CatalogLimits.contentLength, bodyChunks <= Limits.maximumChunks else { throw .contentTooLong }
        guard hasOwners ? (1...entries).contains(owners) : owners == 0 else { throw .disagreement(.owners) }
        guard names <= 2 * owners else { throw .disagreement(.names) }
        guard attributeSets <= (hasAttributes ? entries : 0) else { throw .disagreement(.attributes) }
        let least =
            Self.length + entries * CatalogForm.leastEntry + owners * CatalogForm.owner + names * CatalogForm.leastName
            + attributeSets * CatalogForm.leastAttributes
        guard catalogLength >= least else { throw .disagreement(.catalogLength) }
    }

    /// Bytes of the whole content in chunks of `chunkLength`.
    public func contentLength(chunkLength: UInt32) -> UInt64 {
        let start = UInt64(catalogLength) + packedLength
        guard bodyChunks > 0 else { return start }
        return TreeLayout.roundedUp(start, to: UInt64(chunkLength)) + UInt64(bodyChunks) * UInt64(chunkLength)
    }

    var bytes: [UInt8] {
        var writer = ByteWriter(capacity: Self.length)
        writer.writeArray(Self.magic)
        writer.writeUInt16(Self.version)
        writer.writeUInt16((hasOwners ? Self.ownersFlag : 0) | (hasAttributes ? Self.attributesFlag : 0))
        writer.writeUInt32(UInt32(clamping: entries))
        writer.writeUInt64(UInt64(catalogLength))
        writer.writeUInt64(packedLength)
        writer.writeUInt32(bodyChunks)
        writer.writeUInt64(allocatedLength)
        writer.writeUInt32(UInt32(clamping: owners))
        writer.writeUInt32(UInt32(clamping: names))
        writer.writeUInt32(UInt32(clamping: attributeSets))
        writer.writeUInt64(0)
        return writer.bytes
    }
}
