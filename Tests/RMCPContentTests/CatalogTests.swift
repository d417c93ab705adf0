import RMCPProtocol
import TestSupport
import Testing

@testable import RMCPContent

/// Catalogs that are made here, read again, and laid out.
@Suite struct CatalogTests {
    private func name(_ text: String) -> [UInt8] { Array(text.utf8) }
    private static let time = FileTime(seconds: 1_700_000_000, nanoseconds: 123_456_789)
    private let plain = CatalogMetadata(mode: 0o644, modified: time)

    // MARK: Round trip

    /// Parts that a tree was made of, in the order of the catalog.
    private struct Model: Equatable {
        var entries: [CatalogEntry] = []
        var parents: [Int] = []
        var paths: [[UInt8]] = []
    }

    /// A tree of a seed: every kind of entry, odd names, times and modes.
    private func randomTree(seed: UInt64, chunkLength: UInt32) throws -> (Catalog, Model) {
        var random = RandomSource(seed: seed)
        let hasOwners = Bool.random(using: &random)
        var builder = CatalogBuilder(hasOwners: hasOwners, hasAttributes: true)
        var model = Model()
        var files: [Int] = []
        func metadata(_ builder: inout CatalogBuilder, isLink: Bool = false) -> CatalogMetadata {
            let owner = CatalogOwner(
                user: .random(in: 0...3, using: &random), group: 4_294_967_294, userName: Bool.random(using: &random) ? name("somebody") : nil,
                groupName: [0xFF])
            let attributes = (0..<Int.random(in: 0...2, using: &random)).map { CatalogAttribute(name: name("user.\($0)"), value: [UInt8($0), 0]) }
            return CatalogMetadata(
                mode: isLink ? 0o777 : .random(in: 0...0o7777, using: &random), owner: hasOwners ? builder.number(of: owner) : nil,
                modified: FileTime(seconds: .random(in: -5_000_000_000...20_000_000_000, using: &random), nanoseconds: 999_999_999),
                attributes: isLink ? nil : builder.number(of: attributes))
        }
        func add(_ entry: CatalogEntry, parent: Int, path: [UInt8]) {
            model.entries.append(entry)
            model.parents.append(parent)
            model.paths.append(path)
        }
        func fill(_ directory: Int, path: [UInt8], depth: Int) throws {
            var names = Set<[UInt8]>()
            for _ in 0..<Int.random(in: 0...(depth == 0 ? 12 : 6), using: &random) {
                let bytes = (0..<Int.random(in: 1...255, using: &random) / Int.random(in: 1...40, using: &random) + 1).map { _ in
                    UInt8.random(in: 48...255, using: &random)
                }
                names.insert(Array(bytes.prefix(255)))
            }
            for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                let number = builder.count
                let path = path + (path.isEmpty ? [] : [0x2F]) + name
                let kind = CatalogEntry.Kind(rawValue: .random(in: 1...5, using: &random)) ?? .file
                var entry = CatalogEntry.sample(kind, name, metadata(&builder, isLink: kind == .symbolicLink), number)
                switch kind {
                case .directory where depth < 4:
                    add(entry, parent: directory, path: path)
                    try builder.begin(name, entry.metadata)
                    try fill(number, path: path, depth: depth + 1)
                    builder.end()
                case .symbolicLink:
                    entry.target = Array(name.reversed())
                    add(entry, parent: directory, path: path)
                    try builder.symbolicLink(name, entry.metadata, target: entry.target)
                case .fifo:
                    add(entry, parent: directory, path: path)
                    try builder.fifo(name, entry.metadata)
                case .hardLink where !files.isEmpty:
                    var linked = model.entries[files[Int.random(in: files.indices, using: &random)]]
                    (linked.kind, linked.name) = (.hardLink, name)
                    add(linked, parent: directory, path: path)
                    try builder.hardLink(name, to: linked.linkedTo)
                default:
                    entry.kind = .file
                    entry.size =
                        .random(in: 0...5, using: &random) * UInt64(chunkLength) + .random(in: 0...1, using: &random) * .random(in: 0...999, using: &random)
                    entry.isSparse = Bool.random(using: &random)
                    files.append(number)
                    add(entry, parent: directory, path: path)
                    #expect(try builder.file(name, entry.metadata, size: entry.size, allocatedLength: 1, isSparse: entry.isSparse) == number)
                }
            }
        }
        let root = metadata(&builder)
        add(.sample(.directory, [], root, 0), parent: 0, path: [])
        try builder.begin([], root)
        try fill(0, path: [], depth: 0)
        builder.end()
        return (try builder.finish(chunkLength: chunkLength), model)
    }

    @Test(arguments: 1...60 as ClosedRange<UInt64>) func aTreeIsReadAsItWasWritten(seed: UInt64) throws {
        let (made, model) = try randomTree(seed: seed, chunkLength: 1_000)
        let read = try Catalog(made.bytes, chunkLength: 1_000, contentLength: made.layout.contentLength)
        #expect(read.header == made.header)
        #expect(read.header == (try CatalogHeader(parsing: Array(made.bytes.prefix(CatalogHeader.length)))))
        #expect(read.count == model.entries.count)
        for index in 0..<read.count {
            #expect(read[index] == model.entries[index])
            #expect(read.kind(of: index) == model.entries[index].kind)
            #expect(read.name(of: index) == model.entries[index].name)
            #expect(read.parent(of: index) == model.parents[index])
            #expect(read.path(of: index) == model.paths[index])
        }
    }

    @Test func theSameTreeHasTheSameBytes() throws {
        #expect(try randomTree(seed: 7, chunkLength: 1_000).0.bytes == randomTree(seed: 7, chunkLength: 1_000).0.bytes)
    }

    @Test func ownersAndAttributesComeBack() throws {
        var builder = CatalogBuilder(hasOwners: true, hasAttributes: true)
        let owners = [
            CatalogOwner(user: 0, group: 0, userName: name("root"), groupName: name("root")), CatalogOwner(user: 1_000, group: 100, groupName: [0xFF, 1]),
            CatalogOwner(user: 4_294_967_294, group: 65_534, userName: name("nobody")),
        ]
        let sets = [
            [CatalogAttribute(name: name("user.a"), value: [0, 1]), CatalogAttribute(name: name("user.b"), value: [])],
            [CatalogAttribute(name: name("security.capability"), value: Array(repeating: 9, count: 20))],
        ]
        for owner in owners + owners { #expect(owners[builder.number(of: owner)] == owner) }
        // Attributes are the same in any order.
        #expect(builder.number(of: sets[0].reversed()) == 0 && builder.number(of: sets[1]) == 1 && builder.number(of: sets[0]) == 0)
        #expect(builder.number(of: []) == nil)
        try builder.begin([], CatalogMetadata(mode: 0o755, owner: 0, modified: Self.time))
        builder.end()
        let catalog = try builder.finish(chunkLength: 1_000)
        #expect((0..<3).map { catalog.owner($0) } == owners)
        #expect((0..<2).map { catalog.attributes($0) } == sets)
        #expect(catalog.header.names == 3)
    }

    @Test func attributesThatAreTooMuchAreRefusedWhereTheyAreAdded() throws {
        var builder = CatalogBuilder(hasOwners: false, hasAttributes: true, limit: 100_000)
        try builder.begin([], plain)
        var added = 0
        let error = #expect(throws: CatalogError.self) {
            for number in 0..<100 as Range<UInt8> {
                var metadata = plain
                metadata.attributes = builder.number(of: [CatalogAttribute(name: name("user.a"), value: [UInt8](repeating: number, count: 4_000))])
                try builder.fifo(name("\(number)"), metadata)
                added += 1
            }
        }
        #expect(error.map { if case .tooLong = $0 { true } else { false } } == true)
        #expect((23...24).contains(added), "sets are written at the end, and memory has them before")
    }

    // MARK: Layout

    /// Bytes of the content by what they are, one by one, from the sizes alone.
    private func expected(_ catalog: Catalog) -> [(entry: Int, offset: UInt64)?] {
        let chunk = UInt64(catalog.layout.chunkLength)
        var bytes: [(Int, UInt64)?] = Array(repeating: (-1, 0), count: catalog.header.catalogLength)
        let files = (0..<catalog.count).filter { catalog.kind(of: $0) == .file }
        for file in files {
            let size = catalog[file].size
            bytes += (size / chunk * chunk..<size).map { (file, $0) }
        }
        guard files.contains(where: { catalog[$0].size >= chunk }) else { return bytes }
        while !bytes.count.isMultiple(of: Int(chunk)) { bytes.append(nil) }
        for file in files { bytes += (0..<catalog[file].size / chunk * chunk).map { (file, $0) } }
        return bytes
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>) func everyByteHasOnePlace(seed: UInt64) throws {
        let (catalog, _) = try randomTree(seed: seed, chunkLength: 1_000)
        let expected = expected(catalog)
        let layout = catalog.layout
        #expect(layout.contentLength == UInt64(expected.count))
        var random = RandomSource(seed: seed)
        for _ in 0..<40 {
            let start = UInt64.random(in: 0...layout.contentLength, using: &random)
            let end = UInt64.random(in: start...layout.contentLength + 10, using: &random)
            var position = start
            for piece in layout.pieces(of: start..<end) {
                let length: UInt64
                switch piece {
                case .catalog(let range):
                    #expect(range.lowerBound == position && !range.isEmpty && range.upperBound <= layout.catalogLength)
                    length = UInt64(range.count)
                case .padding(let count):
                    #expect((position..<position + count).allSatisfy { expected[Int($0)] == nil })
                    length = count
                case .file(let entry, let offset, let count):
                    let first = expected[Int(position)]
                    let last = expected[Int(position + count - 1)]
                    #expect(first?.entry == entry && first?.offset == offset && last?.entry == entry && last?.offset == offset + count - 1)
                    length = count
                }
                #expect(length > 0)
                position += length
            }
            #expect(position == min(end, layout.contentLength))
        }
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>) func aFilesPlacesHaveItsBytes(seed: UInt64) throws {
        let (catalog, _) = try randomTree(seed: seed, chunkLength: 1_000)
        let layout = catalog.layout
        for entry in 0..<catalog.count {
            let size = catalog.kind(of: entry) == .file ? catalog[entry].size : 0
            #expect(layout.length(of: entry) == size)
            #expect(UInt64(layout.body(of: entry).count) == size / 1_000 * 1_000 && UInt64(layout.tail(of: entry).count) == size % 1_000)
            let pieces = layout.pieces(of: layout.body(of: entry)) + layout.pieces(of: layout.tail(of: entry))
            let found = pieces.reduce(into: UInt64(0)) { sum, piece in
                if case .file(entry, _, let length) = piece { sum += length }
            }
            #expect(found == size)
        }
    }

    @Test(arguments: [0, 1, 999, 1_000, 1_001, 2_000] as [UInt64]) func aBodyBeginsWithAChunk(size: UInt64) throws {
        var builder = CatalogBuilder(hasOwners: false, hasAttributes: false)
        try builder.begin([], plain)
        try builder.file(name("a"), plain, size: size, allocatedLength: size, isSparse: false)
        builder.end()
        let catalog = try builder.finish(chunkLength: 1_000)
        let layout = catalog.layout
        #expect(layout.body(of: 1).lowerBound.isMultiple(of: 1_000) || size < 1_000)
        #expect(catalog.header.bodyChunks == UInt32(size / 1_000) && catalog.header.packedLength == size % 1_000)
        // The last chunk alone may be short, and it is where nothing has a body.
        #expect(size < 1_000 ? layout.contentLength == UInt64(catalog.header.catalogLength) + size : layout.contentLength.isMultiple(of: 1_000))
    }

    // MARK: Limits

    @Test func whatIsTooMuchIsRefusedWhereItIsAdded() throws {
        var builder = CatalogBuilder(hasOwners: false, hasAttributes: false)
        for depth in 0...256 { try builder.begin(depth == 0 ? [] : name("d"), plain) }
        #expect(throws: CatalogError.self) { try builder.begin(name("d"), plain) }
        builder = CatalogBuilder(hasOwners: false, hasAttributes: false)
        try builder.begin([], plain)
        #expect(throws: CatalogError.contentTooLong) { try builder.file(name("a"), plain, size: 1 << 62, allocatedLength: 0, isSparse: true) }
        builder = CatalogBuilder(hasOwners: false, hasAttributes: false)
        try builder.begin([], plain)
        #expect(throws: CatalogError.invalidTarget(name("a"))) { try builder.symbolicLink(name("a"), plain, target: []) }
    }

    @Test func moreEntriesThanATreeMayHaveAreRefused() throws {
        var builder = CatalogBuilder(hasOwners: false, hasAttributes: false)
        try builder.begin([], plain)
        for index in 1..<CatalogLimits.entries {
            try builder.fifo((0..<4).map { UInt8(truncatingIfNeeded: 0x30 + (index >> (18 - 6 * $0)) & 0x3F) }, plain)
        }
        #expect(throws: CatalogError.tooManyEntries) { try builder.fifo(name("z"), plain) }
    }

    @Test func aMillionEntriesAreRead() throws {
        var builder = CatalogBuilder(hasOwners: false, hasAttributes: false)
        try builder.begin([], plain)
        for index in 1..<CatalogLimits.entries {
            // Digits of base 64, so that they are in order.
            try builder.file((0..<4).map { UInt8(0x40 + (index >> (18 - 6 * $0)) & 0x3F) }, plain, size: 10, allocatedLength: 10, isSparse: false)
        }
        builder.end()
        let catalog = try builder.finish(chunkLength: 1 << 20)
        #expect(catalog.count == 1 << 20 && catalog.header.packedLength == UInt64(catalog.count - 1) * 10)
        let start = UInt64(catalog.header.catalogLength) + 5_000_005
        #expect(catalog.layout.pieces(of: start..<start + 10) == [.file(entry: 500_001, offset: 5, length: 5), .file(entry: 500_002, offset: 0, length: 5)])
    }
}

extension CatalogEntry {
    fileprivate static func sample(_ kind: Kind, _ name: [UInt8], _ metadata: CatalogMetadata, _ number: Int) -> CatalogEntry {
        CatalogEntry(kind: kind, name: name, metadata: metadata, size: 0, isSparse: false, target: [], linkedTo: number)
    }
}
