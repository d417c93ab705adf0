import FuzzSupport

@testable import RMCPContent
@testable import RMCPProtocol

/// One input is a tree's catalog, behind a byte that gives the chunk length. What is taken must be safe to make files of, must lie in the
/// content without a gap, and must come out the same when it is built anew.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe Input(start, count)
    let chunkLength = UInt32(input.byte() % 16 + 1) * 100
    var bytes = input.rest()
    // Most mutations change the length, which nothing but the header would be read for.
    if bytes.count > lengthOffset + 8 { for index in 0..<8 { bytes[lengthOffset + index] = UInt8(truncatingIfNeeded: bytes.count >> (56 - 8 * index)) } }
    do throws(CatalogError) {
        let header = try CatalogHeader(parsing: bytes)
        let catalog = try Catalog(bytes, chunkLength: chunkLength, contentLength: header.contentLength(chunkLength: chunkLength))
        check(catalog)
    } catch { require(!error.text.isEmpty && error.text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "\(error)") }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    writeSeeds(seeds())
    return 0
}

private let lengthOffset = 16

private func check(_ catalog: Catalog) {
    var paths = Set<[UInt8]>()
    for index in 0..<catalog.count {
        let entry = catalog[index]
        require(entry.kind == catalog.kind(of: index) && entry.name == catalog.name(of: index), "entry \(index) is two things")
        let path = catalog.path(of: index)
        require(paths.insert(path).inserted, "\(path) is there twice")
        require(path.count <= CatalogLimits.pathLength && !path.contains(0) && path.first != UInt8(ascii: "/"), "\(path)")
        guard index > 0 else {
            require(entry.kind == .directory && path.isEmpty, "the root is \(entry)")
            continue
        }
        require(!entry.name.isEmpty && !entry.name.contains(UInt8(ascii: "/")) && entry.name != [0x2E] && entry.name != [0x2E, 0x2E], "\(entry.name)")
        let parent = catalog.parent(of: index)
        require(parent < index && catalog.kind(of: parent) == .directory, "\(path) is in what is no directory")
        if entry.kind == .hardLink { require(entry.linkedTo < index && catalog.kind(of: entry.linkedTo) == .file, "\(path) links to what is no file") }
        require(entry.mode <= 0o7777 && (entry.kind != .symbolicLink || !entry.target.isEmpty), "\(entry)")
        if let owner = entry.owner { require(catalog.owner(owner).user != .max && catalog.owner(owner).group != .max, "belongs to nobody") }
        if let set = entry.attributes { require(!catalog.attributes(set).isEmpty, "a set of nothing") }
        require(catalog.layout.length(of: index) == (entry.kind == .file ? entry.size : 0), "\(path) has another length")
    }
    checkLayout(catalog)
    rebuild(catalog)
}

private func checkLayout(_ catalog: Catalog) {
    let layout = catalog.layout
    // A sparse tree may have as many chunks as a disk: its beginning and its end are enough.
    let span: UInt64 = 200_000
    for range in [0..<min(span, layout.contentLength), layout.contentLength - min(span, layout.contentLength)..<layout.contentLength] {
        var position = range.lowerBound
        layout.visit(range) { piece in
            switch piece {
            case .catalog(let bytes):
                require(bytes.lowerBound == position, "the catalog has a gap")
                position = bytes.upperBound
            case .file(let entry, let offset, let length):
                require(length > 0 && offset + length <= layout.length(of: entry), "\(entry) has no \(length) bytes at \(offset)")
                position += length
            case .padding(let length): position += length
            }
        }
        require(position == range.upperBound, "pieces end at \(position) in place of \(range.upperBound)")
    }
}

private func rebuild(_ catalog: Catalog) {
    var builder = CatalogBuilder(hasOwners: catalog.header.hasOwners, hasAttributes: catalog.header.hasAttributes)
    var open: [Int] = []
    do throws(CatalogError) {
        for index in 0..<catalog.count {
            while let last = open.last, index > 0, last != catalog.parent(of: index) {
                builder.end()
                open.removeLast()
            }
            try add(catalog[index], of: catalog, to: &builder)
            if catalog.kind(of: index) == .directory { open.append(index) }
        }
        for _ in open { builder.end() }
        let again = try builder.finish(chunkLength: catalog.layout.chunkLength)
        require(again.count == catalog.count && again.header.packedLength == catalog.header.packedLength, "another tree")
        for index in 0..<catalog.count {
            var (first, second) = (catalog[index], again[index])
            require(first.owner.map(catalog.owner) == second.owner.map(again.owner), "\(first) belongs to another")
            require(first.attributes.map(catalog.attributes) == second.attributes.map(again.attributes), "\(first) has other attributes")
            (first.metadata.owner, first.metadata.attributes, second.metadata.owner, second.metadata.attributes) = (nil, nil, nil, nil)
            require(first == second, "\(first) became \(second)")
        }
    } catch { fatalError("what was read cannot be written: \(error)") }
}

private func add(_ entry: CatalogEntry, of catalog: Catalog, to builder: inout CatalogBuilder) throws(CatalogError) {
    var metadata = entry.metadata
    metadata.owner = entry.owner.map { builder.number(of: catalog.owner($0)) }
    metadata.attributes = entry.attributes.flatMap { builder.number(of: catalog.attributes($0)) }
    switch entry.kind {
    case .directory: try builder.begin(entry.name, metadata)
    case .file: try builder.file(entry.name, metadata, size: entry.size, allocatedLength: 0, isSparse: entry.isSparse)
    case .symbolicLink: try builder.symbolicLink(entry.name, metadata, target: entry.target)
    case .hardLink: try builder.hardLink(entry.name, to: entry.linkedTo)
    case .fifo: try builder.fifo(entry.name, metadata)
    }
}
