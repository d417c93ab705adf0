import RMCPProtocol

/// Makes a catalog, entry by entry as a tree is walked: depth first, and what is in a directory in the order of its names' bytes. The
/// same tree gives the same bytes.
public struct CatalogBuilder: Sendable {
    private var header: CatalogHeader
    private var writer = ByteWriter(capacity: Self.firstCapacity)
    /// Names of directories that have not ended; the root's first.
    private var open: [[UInt8]] = []
    private var owners: [CatalogOwner: Int] = [:]
    private var ownerList: [CatalogOwner] = []
    private var sets: [[CatalogAttribute]: Int] = [:]
    private var setList: [[CatalogAttribute]] = []
    /// Bytes of all sets, which are written at the end.
    private var setsLength = 0
    private let limit: Int
    /// Bytes of all files.
    private var filesLength: UInt64 = 0

    private static let firstCapacity = 1 << 16

    /// - Parameters:
    ///   - hasOwners: whether every entry is given an owner; else none.
    ///   - hasAttributes: whether entries' attributes are looked at.
    public init(hasOwners: Bool, hasAttributes: Bool) {
        self.init(hasOwners: hasOwners, hasAttributes: hasAttributes, limit: CatalogLimits.catalogLength)
    }

    /// - Parameter limit: bytes of the catalog.
    init(hasOwners: Bool, hasAttributes: Bool, limit: Int) {
        self.limit = limit
        header = CatalogHeader(hasOwners: hasOwners, hasAttributes: hasAttributes)
        writer.pad(to: CatalogHeader.length)
    }

    /// Entries so far, the root included.
    public var count: Int { header.entries }

    /// Bytes of the content, but for tables that are not written yet and for what fills a chunk up.
    public var contentLength: UInt64 { UInt64(writer.count) + filesLength }

    /// Number of an owner, for `CatalogMetadata`.
    public mutating func number(of owner: CatalogOwner) -> Int {
        if let number = owners[owner] { return number }
        ownerList.append(owner)
        owners[owner] = ownerList.count - 1
        return ownerList.count - 1
    }

    /// Number of a set of attributes, in whatever order these are; nil for the empty one.
    public mutating func number(of attributes: [CatalogAttribute]) -> Int? {
        guard !attributes.isEmpty else { return nil }
        let attributes = attributes.sorted { $0.name.lexicographicallyPrecedes($1.name) }
        if let number = sets[attributes] { return number }
        setList.append(attributes)
        setsLength += attributes.reduce(0) { $0 + $1.length }
        sets[attributes] = setList.count - 1
        return setList.count - 1
    }

    // MARK: Entries

    /// Begins a directory: what follows is in it until it ends. The first one is the root, whose name is empty.
    public mutating func begin(_ name: [UInt8], _ metadata: CatalogMetadata) throws(CatalogError) {
        try add(.directory, name)
        guard open.count <= CatalogLimits.depth else { throw .tooDeep(path(name)) }
        write(metadata)
        open.append(name)
    }

    /// Ends the directory that was begun last.
    public mutating func end() {
        writer.writeUInt8(CatalogForm.endOfDirectory)
        _ = open.popLast()
    }

    /// - Parameter allocatedLength: bytes that the file has blocks for.
    /// - Returns: the entry's number, which hard links name.
    @discardableResult
    public mutating func file(
        _ name: [UInt8], _ metadata: CatalogMetadata, size: UInt64, allocatedLength: UInt64, isSparse: Bool
    ) throws(CatalogError) -> Int {
        try add(.file, name)
        write(metadata)
        writer.writeUInt64(size)
        writer.writeUInt8(isSparse ? CatalogForm.sparseFlag : 0)
        let (sum, overflows) = filesLength.addingReportingOverflow(size)
        guard !overflows, sum <= CatalogLimits.contentLength else { throw .contentTooLong }
        filesLength = sum
        header.allocatedLength += TreeLayout.roundedUp(min(size, allocatedLength), to: CatalogLimits.blockLength)
        return header.entries - 1
    }

    /// Adds a symbolic link, whose mode is 0o777 whatever `metadata` says. Throws `.invalidTarget` for a target that is empty or of more than 4,095
    /// bytes, and `.tooManyEntries`, `.tooLong` or `.invalidName` as the others do. Order, dots and slashes in names are looked at in `finish`.
    public mutating func symbolicLink(_ name: [UInt8], _ metadata: CatalogMetadata, target: [UInt8]) throws(CatalogError) {
        guard (1...CatalogLimits.targetLength).contains(target.count) else { throw .invalidTarget(path(name)) }
        try add(.symbolicLink, name)
        var metadata = metadata
        metadata.mode = CatalogLimits.linkMode
        write(metadata)
        writer.writeUInt16(UInt16(target.count))
        writer.writeArray(target)
    }

    /// - Parameter entry: of the file, as `file` returned it.
    public mutating func hardLink(_ name: [UInt8], to entry: Int) throws(CatalogError) {
        try add(.hardLink, name)
        writer.writeUInt32(UInt32(clamping: entry))
    }

    public mutating func fifo(_ name: [UInt8], _ metadata: CatalogMetadata) throws(CatalogError) {
        try add(.fifo, name)
        write(metadata)
    }

    private mutating func add(_ kind: CatalogEntry.Kind, _ name: [UInt8]) throws(CatalogError) {
        guard header.entries < CatalogLimits.entries else { throw .tooManyEntries }
        guard writer.count + setsLength < limit else { throw .tooLong }
        guard name.count <= CatalogLimits.nameLength else { throw .invalidName(name) }
        header.entries += 1
        writer.writeUInt8(kind.rawValue)
        writer.writeUInt8(UInt8(name.count))
        writer.writeArray(name)
    }

    private mutating func write(_ metadata: CatalogMetadata) {
        writer.writeUInt16(metadata.mode)
        writer.writeUInt32(metadata.owner.map { UInt32(clamping: $0) } ?? CatalogForm.none)
        writer.writeUInt64(UInt64(bitPattern: metadata.modified.seconds))
        writer.writeUInt32(metadata.modified.nanoseconds)
        writer.writeUInt32(metadata.attributes.map { UInt32(clamping: $0) } ?? CatalogForm.none)
    }

    private func path(_ name: [UInt8]) -> [UInt8] { Array((open.dropFirst() + [name]).joined(separator: [UInt8(ascii: "/")])) }

    // MARK: The whole

    /// The catalog, checked as a receiver checks it.
    /// - Parameter chunkLength: of the bundle.
    public consuming func finish(chunkLength: UInt32) throws(CatalogError) -> Catalog {
        try writeTables()
        header.catalogLength = writer.count
        guard header.catalogLength <= CatalogLimits.catalogLength else { throw .tooLong }
        var bytes = writer.bytes
        writer = ByteWriter(capacity: 0)
        bytes.replaceSubrange(..<CatalogHeader.length, with: header.bytes)
        let index = try CatalogIndex(bytes, header, chunkLength: chunkLength)
        header.packedLength = index.packedLength
        header.bodyChunks = UInt32(index.bodyChunks)
        let chunks = TreeLayout.roundedUp(header.contentLength(chunkLength: chunkLength), to: UInt64(chunkLength)) / UInt64(chunkLength)
        guard chunks <= Limits.maximumChunks else { throw .contentTooLong }
        bytes.replaceSubrange(..<CatalogHeader.length, with: header.bytes)
        return Catalog(bytes, header, index, chunkLength: chunkLength)
    }

    private mutating func writeTables() throws(CatalogError) {
        var names: [[UInt8]: UInt32] = [:]
        var nameList: [[UInt8]] = []
        func number(_ name: [UInt8]?) -> UInt32 {
            guard let name else { return CatalogForm.none }
            if let number = names[name] { return number }
            names[name] = UInt32(nameList.count)
            nameList.append(name)
            return UInt32(nameList.count - 1)
        }
        for (index, owner) in ownerList.enumerated() {
            for name in [owner.userName, owner.groupName] {
                guard (name?.count ?? 1) <= CatalogLimits.nameLength else { throw .invalidOwner(index) }
            }
            writer.writeUInt32(owner.user)
            writer.writeUInt32(owner.group)
            writer.writeUInt32(number(owner.userName))
            writer.writeUInt32(number(owner.groupName))
        }
        for name in nameList {
            writer.writeUInt8(UInt8(name.count))
            writer.writeArray(name)
        }
        for (index, set) in setList.enumerated() { try write(set, index) }
        (header.owners, header.names, header.attributeSets) = (ownerList.count, nameList.count, setList.count)
    }

    private mutating func write(_ attributes: [CatalogAttribute], _ index: Int) throws(CatalogError) {
        writer.writeUInt16(UInt16(clamping: attributes.count))
        for attribute in attributes {
            guard attribute.name.count <= CatalogLimits.nameLength, attribute.value.count <= UInt16.max else { throw .invalidAttributes(index) }
            writer.writeUInt8(UInt8(attribute.name.count))
            writer.writeArray(attribute.name)
            writer.writeUInt16(UInt16(attribute.value.count))
            writer.writeArray(attribute.value)
        }
    }
}
