import RMCPProtocol

/// Findings of one walk over a catalog's bytes: that they are one, where each entry is, and how much content comes before it.
///
/// 20 bytes an entry, whatever the names: nothing is decoded twice, and nothing is kept that the bytes say themselves.
struct CatalogIndex {
    /// Offset at which each entry begins.
    private(set) var offsets: [UInt32] = []
    private(set) var parents: [UInt32] = []
    private(set) var packedBefore: [UInt64] = []
    private(set) var chunksBefore: [UInt32] = []
    private(set) var nameOffsets: [UInt32] = []
    private(set) var attributeOffsets: [UInt32] = []
    private(set) var ownersOffset = 0
    private(set) var packedLength: UInt64 = 0
    private(set) var bodyChunks: UInt64 = 0
    /// Bytes that all files would take without holes, in blocks.
    private(set) var fullLength: UInt64 = 0

    private let header: CatalogHeader
    private let chunkLength: UInt64
    /// Empty when the walk is over: whoever has them may change them then without a copy.
    private var bytes: [UInt8]
    /// Directories that have not ended, from the root on.
    private var open: [Level] = []

    private struct Level {
        var entry: UInt32
        /// Bytes of its path below the root.
        var pathLength: Int
        /// Name of what came last in it; empty before the first.
        var last: Range<Int>
    }

    /// - Throws: for whatever no catalog has.
    init(_ bytes: [UInt8], _ header: CatalogHeader, chunkLength: UInt32) throws(CatalogError) {
        self.bytes = bytes
        self.header = header
        self.chunkLength = UInt64(chunkLength)
        offsets.reserveCapacity(header.entries)
        parents.reserveCapacity(header.entries)
        packedBefore.reserveCapacity(header.entries + 1)
        chunksBefore.reserveCapacity(header.entries + 1)
        let span = bytes.span
        var reader = unsafe CatalogReader(span.bytes)
        _ = try reader.range(count: CatalogHeader.length)
        try readEntries(&reader)
        try readTables(&reader)
        guard reader.isAtEnd else { throw .trailingBytes }
        packedBefore.append(packedLength)
        chunksBefore.append(UInt32(bodyChunks))
        self.bytes = []
    }

    // MARK: Entries

    private mutating func readEntries(_ reader: inout CatalogReader) throws(CatalogError) {
        repeat {
            let offset = reader.offset
            let kind = try reader.byte()
            if kind == CatalogForm.endOfDirectory {
                guard open.popLast() != nil else { throw .noRoot }
            } else {
                guard let kind = CatalogEntry.Kind(rawValue: kind) else { throw .unknownKind(kind) }
                guard offsets.count < header.entries else { throw .disagreement(.entries) }
                try readEntry(kind, at: offset, &reader)
            }
        } while !open.isEmpty
        guard offsets.count == header.entries else { throw .disagreement(.entries) }
    }

    private mutating func readEntry(_ kind: CatalogEntry.Kind, at offset: Int, _ reader: inout CatalogReader) throws(CatalogError) {
        let name = try reader.range(count: Int(try reader.byte()))
        let pathLength = try place(name, kind)
        let entry = UInt32(offsets.count)
        offsets.append(UInt32(offset))
        parents.append(open.last?.entry ?? 0)
        packedBefore.append(packedLength)
        chunksBefore.append(UInt32(bodyChunks))
        guard kind != .hardLink else { return try readLink(&reader) }
        try readMetadata(kind, &reader)
        switch kind {
        case .directory: open.append(Level(entry: entry, pathLength: pathLength, last: 0..<0))
        case .file: try readSize(&reader)
        case .symbolicLink:
            let length = Int(try reader.number(UInt16.self))
            let target = try reader.range(count: length)
            guard (1...CatalogLimits.targetLength).contains(length), !bytes[target].contains(0) else { throw .invalidTarget(path) }
        case .hardLink, .fifo: break
        }
    }

    /// Sees whether the name may follow what came before it.
    /// - Returns: bytes of the path that it ends.
    private mutating func place(_ name: Range<Int>, _ kind: CatalogEntry.Kind) throws(CatalogError) -> Int {
        guard let directory = open.last else {
            guard kind == .directory, name.isEmpty else { throw .noRoot }
            return 0
        }
        guard CatalogForm.isName(bytes[name]) else { throw .invalidName(Array(bytes[name])) }
        guard directory.last.isEmpty || bytes[directory.last].lexicographicallyPrecedes(bytes[name]) else { throw .unordered(path(to: name)) }
        guard open.count <= CatalogLimits.depth else { throw .tooDeep(path(to: name)) }
        let pathLength = directory.pathLength + (directory.pathLength > 0 ? 1 : 0) + name.count
        guard pathLength <= CatalogLimits.pathLength else { throw .pathTooLong(path(to: name)) }
        open[open.count - 1].last = name
        return pathLength
    }

    private func readMetadata(_ kind: CatalogEntry.Kind, _ reader: inout CatalogReader) throws(CatalogError) {
        let mode = try reader.number(UInt16.self)
        guard kind == .symbolicLink ? mode == CatalogLimits.linkMode : mode <= CatalogLimits.mode else { throw .invalidMode(path) }
        let owner = try reader.number(UInt32.self)
        guard header.hasOwners ? owner < header.owners : owner == CatalogForm.none else { throw .unknownOwner(path) }
        _ = try reader.number(UInt64.self)
        guard try reader.number(UInt32.self) < FileTime.nanosecondsPerSecond else { throw .invalidTime(path) }
        let attributes = try reader.number(UInt32.self)
        guard attributes == CatalogForm.none || (kind != .symbolicLink && attributes < header.attributeSets) else { throw .unknownAttributes(path) }
    }

    private mutating func readSize(_ reader: inout CatalogReader) throws(CatalogError) {
        let size = try reader.number(UInt64.self)
        guard size <= UInt64(Int64.max), try reader.byte() & ~CatalogForm.sparseFlag == 0 else { throw .invalidSize(path) }
        // Each is below 2^44 from here on, so that no sum overflows.
        bodyChunks += min(size / chunkLength, UInt64(Limits.maximumChunks) + 1)
        guard bodyChunks <= UInt64(Limits.maximumChunks) else { throw .contentTooLong }
        packedLength += size % chunkLength
        fullLength += TreeLayout.roundedUp(size, to: CatalogLimits.blockLength)
    }

    private func readLink(_ reader: inout CatalogReader) throws(CatalogError) {
        let target = Int(try reader.number(UInt32.self))
        guard target < offsets.count - 1, bytes[Int(offsets[target])] == CatalogEntry.Kind.file.rawValue else { throw .invalidLink(path) }
    }

    /// Path of the entry that came last.
    private var path: [UInt8] { open.last.map { path(to: $0.last) } ?? [] }

    /// Path of a name in the directory that was opened last.
    private func path(to name: Range<Int>) -> [UInt8] {
        let names = open.dropLast().map { Array(bytes[$0.last]) } + [Array(bytes[name])]
        return Array(names.joined(separator: [UInt8(ascii: "/")]))
    }

    // MARK: Tables

    private mutating func readTables(_ reader: inout CatalogReader) throws(CatalogError) {
        ownersOffset = reader.offset
        for owner in 0..<header.owners {
            for _ in 0..<2 {
                guard try reader.number(UInt32.self) != .max else { throw .invalidOwner(owner) }
            }
            for _ in 0..<2 {
                let name = try reader.number(UInt32.self)
                guard name == CatalogForm.none || name < header.names else { throw .invalidOwner(owner) }
            }
        }
        nameOffsets.reserveCapacity(header.names)
        for _ in 0..<header.names {
            nameOffsets.append(UInt32(reader.offset))
            let name = try reader.range(count: Int(try reader.byte()))
            guard !name.isEmpty, !bytes[name].contains(0) else { throw .invalidName(Array(bytes[name])) }
        }
        attributeOffsets.reserveCapacity(header.attributeSets)
        for set in 0..<header.attributeSets {
            attributeOffsets.append(UInt32(reader.offset))
            try readAttributes(set, &reader)
        }
    }

    private func readAttributes(_ set: Int, _ reader: inout CatalogReader) throws(CatalogError) {
        let count = try reader.number(UInt16.self)
        guard count > 0 else { throw .invalidAttributes(set) }
        var last = 0..<0
        var length = 0
        for _ in 0..<count {
            let name = try reader.range(count: Int(try reader.byte()))
            guard !name.isEmpty, !bytes[name].contains(0) else { throw .invalidAttributes(set) }
            guard last.isEmpty || bytes[last].lexicographicallyPrecedes(bytes[name]) else { throw .invalidAttributes(set) }
            last = name
            length += name.count + (try reader.range(count: Int(try reader.number(UInt16.self)))).count
            guard length <= CatalogLimits.attributesLength else { throw .invalidAttributes(set) }
        }
    }
}
