public import RMCPProtocol

/// Content of a tree: every name below its root with all that a file system keeps of it but the contents.
///
/// A catalog that there is one of has been checked as a whole: names are single components, each comes once, links lead to files before
/// them, numbers are within bounds. Entries are decoded when they are asked for, since a million of them as values would be many times
/// their bytes. Entry 0 is the root, and a directory comes before what is in it.
public struct Catalog: Sendable {
    /// Header, whose lengths and counts are those of what the catalog lists.
    public let header: CatalogHeader
    /// Bytes as they travel.
    public let bytes: [UInt8]
    /// Places of the files' bytes in the content.
    public let layout: TreeLayout
    private let offsets: [UInt32]
    private let parents: [UInt32]
    private let nameOffsets: [UInt32]
    private let attributeOffsets: [UInt32]
    private let ownersOffset: Int

    /// - Parameters:
    ///   - bytes: as many as its header says.
    ///   - chunkLength: of the bundle, above 0.
    ///   - contentLength: of the bundle; what the catalog lists must come to it.
    public init(_ bytes: [UInt8], chunkLength: UInt32, contentLength: UInt64) throws(CatalogError) {
        let header = try CatalogHeader(parsing: bytes)
        guard bytes.count >= header.catalogLength else { throw .truncated }
        guard bytes.count == header.catalogLength else { throw .trailingBytes }
        let index = try CatalogIndex(bytes, header, chunkLength: chunkLength)
        guard index.packedLength == header.packedLength else { throw .disagreement(.packedLength) }
        guard index.bodyChunks == UInt64(header.bodyChunks) else { throw .disagreement(.bodyChunks) }
        guard header.allocatedLength <= index.fullLength else { throw .disagreement(.allocatedLength) }
        guard header.contentLength(chunkLength: chunkLength) == contentLength else { throw .disagreement(.contentLength) }
        self.init(bytes, header, index, chunkLength: chunkLength)
    }

    /// A catalog of bytes that were walked already.
    init(_ bytes: [UInt8], _ header: CatalogHeader, _ index: CatalogIndex, chunkLength: UInt32) {
        self.bytes = bytes
        self.header = header
        layout = TreeLayout(header, chunkLength: chunkLength, packedBefore: index.packedBefore, chunksBefore: index.chunksBefore)
        (offsets, parents) = (index.offsets, index.parents)
        (nameOffsets, attributeOffsets, ownersOffset) = (index.nameOffsets, index.attributeOffsets, index.ownersOffset)
    }

    // MARK: Entries

    /// Entries, the root included: 1...`CatalogLimits.entries`.
    public var count: Int { offsets.count }

    /// Decodes an entry, each time anew. A hard link has the metadata and size of its file, and its own name.
    public subscript(index: Int) -> CatalogEntry {
        let kind = kind(of: index)
        let name = nameRange(of: index)
        let rest = name.upperBound
        if kind == .hardLink {
            let linkedTo = Int(number(at: rest, UInt32.self))
            var entry = self[linkedTo]
            (entry.kind, entry.name, entry.linkedTo) = (.hardLink, Array(bytes[name]), linkedTo)
            return entry
        }
        var entry = CatalogEntry(
            kind: kind, name: Array(bytes[name]), metadata: metadata(at: rest), size: 0, isSparse: false, target: [], linkedTo: index)
        let own = rest + CatalogForm.metadata
        if kind == .file {
            entry.size = number(at: own, UInt64.self)
            entry.isSparse = bytes[own + MemoryLayout<UInt64>.size] & CatalogForm.sparseFlag != 0
        } else if kind == .symbolicLink {
            let target = own + MemoryLayout<UInt16>.size
            entry.target = Array(bytes[target..<target + Int(number(at: own, UInt16.self))])
        }
        return entry
    }

    /// Kind of an entry, without decoding the rest.
    public func kind(of index: Int) -> CatalogEntry.Kind { CatalogEntry.Kind(rawValue: bytes[Int(offsets[index])]) ?? .fifo }

    /// One component; empty for the root.
    public func name(of index: Int) -> [UInt8] { Array(bytes[nameRange(of: index)]) }

    /// The same with a zero behind it, as the kernel takes it.
    public func kernelName(of index: Int) -> [CChar] {
        let range = nameRange(of: index)
        var name: [CChar] = []
        name.reserveCapacity(range.count + 1)
        for byte in bytes[range] { name.append(CChar(bitPattern: byte)) }
        name.append(0)
        return name
    }

    /// The directory that the entry is in, which comes before it; 0 for the root itself.
    public func parent(of index: Int) -> Int { Int(parents[index]) }

    /// Names from below the root on, with slashes between them; empty for the root.
    public func path(of index: Int) -> [UInt8] {
        var names: [ArraySlice<UInt8>] = []
        var entry = index
        while entry != 0 {
            names.append(bytes[nameRange(of: entry)])
            entry = parent(of: entry)
        }
        return Array(names.reversed().joined(separator: [UInt8(ascii: "/")]))
    }

    /// The path as people may read it; `.` for the root.
    public func printablePath(of index: Int) -> String { index == 0 ? "." : NameText.printable(path(of: index)) }

    /// Bytes and time of a file, also by a further link to it: what tells a change, without the rest of the entry.
    public func content(of file: Int) -> (size: UInt64, modified: FileTime) {
        let rest = nameRange(of: file).upperBound
        if kind(of: file) == .hardLink { return content(of: Int(number(at: rest, UInt32.self))) }
        return (number(at: rest + CatalogForm.metadata, UInt64.self), modified(at: rest))
    }

    private func nameRange(of index: Int) -> Range<Int> {
        let start = Int(offsets[index]) + CatalogForm.entryHead
        return start..<start + Int(bytes[start - 1])
    }

    private func metadata(at offset: Int) -> CatalogMetadata {
        let mode = number(at: offset, UInt16.self)
        let owner = number(at: offset + 2, UInt32.self)
        let attributes = number(at: offset + 18, UInt32.self)
        return CatalogMetadata(
            mode: mode, owner: owner == CatalogForm.none ? nil : Int(owner),
            modified: modified(at: offset), attributes: attributes == CatalogForm.none ? nil : Int(attributes))
    }

    private func modified(at metadata: Int) -> FileTime {
        let seconds = number(at: metadata + 6, UInt64.self)
        return FileTime(seconds: Int64(bitPattern: seconds), nanoseconds: number(at: metadata + 14, UInt32.self))
    }

    /// A big-endian number of the bytes, where the walk has found one.
    private func number<Number: FixedWidthInteger>(at offset: Int, _: Number.Type) -> Number {
        bytes[offset..<offset + MemoryLayout<Number>.size].reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    // MARK: Tables

    /// Owners are numbered from 0 to `header.owners`.
    public func owner(_ index: Int) -> CatalogOwner {
        let offset = ownersOffset + index * CatalogForm.owner
        func name(_ offset: Int) -> [UInt8]? {
            let index = number(at: offset, UInt32.self)
            guard index != CatalogForm.none else { return nil }
            let start = Int(nameOffsets[Int(index)]) + 1
            return Array(bytes[start..<start + Int(bytes[start - 1])])
        }
        return CatalogOwner(
            user: number(at: offset, UInt32.self), group: number(at: offset + 4, UInt32.self), userName: name(offset + 8),
            groupName: name(offset + 12))
    }

    /// Attributes of a set, in the order of their names. Sets are numbered from 0 to `header.attributeSets`.
    public func attributes(_ set: Int) -> [CatalogAttribute] {
        var offset = Int(attributeOffsets[set])
        let count = Int(number(at: offset, UInt16.self))
        offset += MemoryLayout<UInt16>.size
        return (0..<count).map { _ in
            let name = offset + 1..<offset + 1 + Int(bytes[offset])
            let start = name.upperBound + MemoryLayout<UInt16>.size
            let value = start..<start + Int(number(at: name.upperBound, UInt16.self))
            offset = value.upperBound
            return CatalogAttribute(name: Array(bytes[name]), value: Array(bytes[value]))
        }
    }
}
