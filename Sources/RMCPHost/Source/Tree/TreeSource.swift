import Glibc
import RMCPContent
import RMCPProtocol
import RMCPReport

/// A tree: its catalog, and behind it what its files have, read in place like a file's.
final class TreeSource: PlannedSource {
    let path: String
    let kind = BundleKind.tree
    let contentLength: UInt64?
    let allocatedLength: UInt64 = 0
    let mode: UInt16?
    let modificationTime: FileTime?
    let skipped: [SkippedEntry]
    let warnings: [String]
    let defaultName: String?
    let chunkLength: UInt32?
    let counts: EntryCounts?
    private let contents: TreeContents
    let mayHaveHoles: Bool
    /// Nil until `start`.
    let plan = LockedValue<ChunkPlan?>(nil)
    /// The file that holes are looked for in, while there is more of it.
    private let survey = LockedValue<(entry: Int, holes: HoleSurvey)?>(nil)
    /// Files without holes that one survey passes.
    private static let surveyLimit = 1_024

    private var catalog: Catalog { contents.catalog }
    private var layout: TreeLayout { contents.catalog.layout }

    /// May wait for a file system for as long as that likes: to be called where signals still end the process.
    /// - Parameter chunkLength: the shortest that chunks may have.
    init(_ selection: TreeSelection, chunkLength: UInt32) throws(HostError) {
        var scan = try TreeScan(selection)
        if let list = selection.list {
            try selection.requireOneDirectory()
            let root = try selection.openRoot()
            try scan.walk(root, try ListedPaths(readingFrom: list))
        } else if selection.paths.count == 1 {
            try scan.walk(try selection.openRoot())
        } else {
            try scan.walk(try selection.openRoots())
        }
        let tree = try scan.finish(chunkLength: chunkLength)
        path = selection.paths.count == 1 ? selection.paths[0] : "\(selection.paths.count) paths"
        defaultName = selection.defaultName
        contents = TreeContents(tree, path: selection.paths.count == 1 ? selection.paths[0] : ".")
        contentLength = tree.catalog.layout.contentLength
        self.chunkLength = tree.catalog.layout.chunkLength
        let root = tree.catalog[0]
        mode = root.mode & 0o777
        modificationTime = root.modified
        skipped = tree.skipped
        warnings = tree.warnings
        counts = tree.counts
        mayHaveHoles = tree.hasHoles
    }

    /// Bytes that are kept of the tree: its catalog, and what is kept of each entry beside it.
    var memory: Int { catalog.bytes.count + catalog.count * CatalogLimits.memoryOfEntry + catalog.count * MemoryLayout<UInt32>.size }

    // MARK: Holes

    /// Stretches from chunk `first` on: one at least, unless the content ends there.
    func survey(from first: UInt32, _ map: ChunkMap) -> [ChunkStretch] {
        let bodies = layout.bodies
        let start = map.offset(of: first)
        guard start >= bodies.lowerBound, !bodies.isEmpty else {
            let end = bodies.isEmpty ? layout.contentLength : bodies.lowerBound
            return [ChunkStretch(chunks: UInt32(clamping: map.chunkCount(for: end - start)), isHole: false)]
        }
        var data: UInt32 = 0
        var position = start
        for _ in 0..<Self.surveyLimit where position < bodies.upperBound {
            guard case .file(let entry, let offset, _) = layout.pieces(of: position..<position + UInt64(map.chunkLength)).first else { break }
            let body = layout.body(of: entry)
            if catalog[entry].isSparse {
                // A change of what comes before is said first.
                if data > 0 { break }
                return holes(of: entry, from: UInt32(clamping: map.wholeChunks(within: offset)), map)
            }
            data += UInt32(clamping: map.wholeChunks(within: body.upperBound - position))
            position = body.upperBound
        }
        return data > 0 ? [ChunkStretch(chunks: data, isHole: false)] : []
    }

    /// Stretches of a file's body, from its chunk `first` on.
    private func holes(of entry: Int, from first: UInt32, _ map: ChunkMap) -> [ChunkStretch] {
        let chunks = UInt32(clamping: map.wholeChunks(within: UInt64(layout.body(of: entry).count)))
        guard let survey = holeSurvey(of: entry) else { return [ChunkStretch(chunks: chunks - first, isHole: false)] }
        var left = chunks - first
        var found: [ChunkStretch] = []
        // The end of the file is packed with others, and is no chunk of its own.
        for stretch in survey.survey(from: first, map) where left > 0 {
            found.append(ChunkStretch(chunks: min(left, stretch.chunks), isHole: stretch.isHole))
            left -= min(left, stretch.chunks)
        }
        return found
    }

    /// Nil where the file is not what it was: whoever reads it says so.
    private func holeSurvey(of entry: Int) -> HoleSurvey? {
        if let known = survey.withLock({ $0 }), known.entry == entry { return known.holes }
        guard let descriptor = try? contents.open(file: entry), let status = FileSystem.host.status(of: descriptor.raw) else { return nil }
        let length = UInt64(max(0, status.st_size))
        guard length == catalog[entry].size else { return nil }
        let holes = HoleSurvey(descriptor, length: length, blocks: status.bytesTaken)
        survey.withLock { $0 = (entry, holes) }
        return holes
    }

    // MARK: Reading

    func load(_ extent: ContentExtent, into buffer: ChunkBuffer) throws(HostError) {
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes.prefix(Int(extent.length)))
        var done = 0
        try layout.visit(extent.offset..<extent.end) { (piece) throws(HostError) in
            switch piece {
            case .catalog(let range):
                let bytes = catalog.bytes[Int(range.lowerBound)..<Int(range.upperBound)]
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[done...]).copyBytes(from: bytes)
                done += bytes.count
            case .padding(let length):
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[done..<done + Int(length)]).initializeMemory(as: UInt8.self, repeating: 0)
                done += Int(length)
            case .file(let entry, let offset, let length):
                unsafe try contents.read(entry, at: offset, into: UnsafeMutableRawBufferPointer(rebasing: target[done..<done + Int(length)]))
                done += Int(length)
            }
        }
        guard done == target.count else { throw changed }
    }

    func reread(_ extent: ContentExtent, _ record: ChunkRecord, into buffer: ChunkBuffer) throws(HostError) -> Reread {
        try load(extent, into: buffer)
        return .content
    }

    /// A look at one name, with its share of opening directories, from the kernel's caches.
    private static let lookDuration = Interval.microseconds(3)

    var checkDuration: Interval? { Self.lookDuration * Double(catalog.count) }
    func checkUnchanged() throws(HostError) { try contents.checkUnchanged() }
    func changed(_ extent: ContentExtent) -> HostError { contents.changed(extent) }
}
