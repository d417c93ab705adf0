import Glibc
import RMCPContent
import RMCPProtocol

/// A tree written to standard output as a pax archive, for tar to take apart. Chunks come in any order and entries leave in that of the catalog:
/// what is early waits in an unlinked spool file, and is verified once more when it comes back from there.
final class PaxStorage: BundleStorage {
    let path = "standard output"
    private let state: LockedValue<State>
    private let map: ChunkMap
    private let announce: Announce
    /// Name for messages.
    private let label: String
    private let output: Int32

    private struct State: ~Copyable {
        var spool: CatalogSpool
        var catalog: Catalog?
        /// Entry whose turn it is, and how much of its content has left; nil before its header has.
        var entry = 0
        var written: UInt64?
        /// The chunk that was read last: many small files are in one.
        var chunk: (number: UInt32, content: [UInt8])?
        /// The archive has its end.
        var isEnded = false
    }

    init(
        announce: Announce, digester: ContentDigester = .plain, output: Int32 = STDOUT_FILENO, files: FileSystem = .host
    ) throws(HostError) {
        self.announce = announce
        label = BundleName.printable(announce.name)
        self.output = output
        map = ChunkMap(announce)
        state = LockedValue(
            State(
                spool: CatalogSpool(
                    spool: try SpoolFile(files: files), map: ChunkMap(announce), contentLength: announce.contentLength ?? 0, digester: digester)))
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {}

    func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError) {
        try state.withLock { state throws(HostError) in
            try state.spool.add(chunk, record, content, label: label)
            try emit(&state)
        }
    }

    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        try state.withLock { state throws(HostError) in
            for (chunk, extent) in zip(chunks, map.extents(of: chunks, contentLength: contentLength)) {
                try state.spool.add(chunk, .zero(contentLength: UInt32(extent.length)), nil, label: label)
            }
            try emit(&state)
        }
    }

    /// Writes out what can be. The lock is held meanwhile: output has one order.
    private func emit(_ state: inout State) throws(HostError) {
        guard state.spool.isWhole else { return }
        if state.catalog == nil {
            do { state.catalog = try Catalog(try state.spool.catalog(), chunkLength: announce.chunkLength, contentLength: announce.contentLength ?? 0) } catch {
                if let error = error as? HostError { throw error }
                throw HostError("\(label): \((error as? CatalogError)?.text ?? "its catalog is none")")
            }
        }
        guard let catalog = state.catalog else { return }
        while state.entry < catalog.count {
            let entry = catalog[state.entry]
            if state.written == nil {
                try FileTransfer.writeSequentially(output, header(of: state.entry, entry, catalog).bytes, path: path)
                state.written = 0
            }
            if entry.kind == .file, try !emitContent(of: state.entry, entry, catalog, &state) { return }
            state.entry += 1
            state.written = nil
        }
    }

    /// - Returns: false where a chunk is not here yet.
    private func emitContent(of index: Int, _ entry: CatalogEntry, _ catalog: Catalog, _ state: inout State) throws(HostError) -> Bool {
        let body = catalog.layout.body(of: index)
        let tail = catalog.layout.tail(of: index)
        while let written = state.written, written < entry.size {
            let position = written < UInt64(body.count) ? body.lowerBound + written : tail.lowerBound + (written - UInt64(body.count))
            let end = written < UInt64(body.count) ? body.upperBound : tail.upperBound
            let chunk = UInt32(position / UInt64(map.chunkLength))
            guard let record = state.spool.ready[chunk] else { return false }
            if state.chunk?.number != chunk { state.chunk = (chunk, try state.spool.content(of: chunk)) }
            let start = Int(position - map.offset(of: chunk))
            let count = Int(min(end - position, UInt64(record.contentLength) - UInt64(start)))
            guard let content = state.chunk?.content, count > 0 else { throw SpoolFile.lost }
            unsafe try FileTransfer.writeSequentially(output, content.span.bytes.extracting(start..<start + count), path: path)
            state.written = written + UInt64(count)
            // Bodies are in the order of entries: what has left is not needed again.
            if written < UInt64(body.count), start + count == Int(record.contentLength) { state.spool.drop(chunk) }
        }
        try FileTransfer.writeSequentially(output, PaxHeader.padding(behind: entry.size), path: path)
        return true
    }

    private func header(of index: Int, _ entry: CatalogEntry, _ catalog: Catalog) -> PaxHeader {
        let kind: PaxHeader.Kind =
            switch entry.kind {
            case .directory: .directory
            case .file: .file
            case .symbolicLink: .symbolicLink
            case .hardLink: .hardLink
            case .fifo: .fifo
            }
        let path = name(of: index, catalog)
        var header = PaxHeader(
            kind: kind, path: entry.kind == .directory ? path + [UInt8(ascii: "/")] : path, mode: entry.mode, owner: entry.owner.map { catalog.owner($0) },
            modified: entry.modified, size: entry.kind == .file ? entry.size : 0, attributes: entry.attributes.map { catalog.attributes($0) } ?? [])
        if entry.kind == .symbolicLink { header.target = entry.target }
        if entry.kind == .hardLink { header.target = name(of: entry.linkedTo, catalog) }
        return header
    }

    /// Paths begin with the bundle's name, as those of `tar -c DIRECTORY` do.
    private func name(of index: Int, _ catalog: Catalog) -> [UInt8] {
        let root = Array(announce.name.utf8)
        return index == 0 ? root : root + [UInt8(ascii: "/")] + catalog.path(of: index)
    }

    /// Ends the archive; bytes in a file are on the disk before the bundle is called complete.
    func flush(contentLength: UInt64) throws(HostError) {
        try state.withLock { state throws(HostError) in
            guard let catalog = state.catalog, state.entry == catalog.count else { throw HostError("\(path): not all of the tree is here") }
            if !state.isEnded { try FileTransfer.writeSequentially(output, PaxHeader.end, path: path) }
            state.isEnded = true
        }
        try StreamStorage.flush(output, path: path)
    }
}
