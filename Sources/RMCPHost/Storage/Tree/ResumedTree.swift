import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// The tree that an earlier session has left, by the catalog that it had. What is found here is put in its place by `write`, which finds
/// that it is there already: the catalog of this session may be another.
final class ResumedTree: Seed {
    let isInPlace = false
    private let catalog: Catalog
    private let directories: TreeDirectories
    private let staging: OwnedDescriptor
    private let journal: ChunkJournal
    private let map: ChunkMap
    private let files: FileSystem

    init(_ directories: TreeDirectories, staging: OwnedDescriptor, journal: ChunkJournal, map: ChunkMap, files: FileSystem) {
        catalog = directories.catalog
        self.directories = directories
        self.staging = staging
        self.journal = journal
        self.map = map
        self.files = files
    }

    func locate(_ chunk: UInt32, _ record: ChunkRecord) -> ContentExtent? {
        journal.has(chunk: chunk, record: record) ? map.extent(of: chunk, record) : nil
    }

    func read(_ extent: ContentExtent, into bytes: inout MutableRawSpan) throws(HostError) -> Bool {
        guard extent.end <= catalog.layout.contentLength, bytes.byteCount == Int(extent.length) else { return false }
        var done = 0
        for piece in catalog.layout.pieces(of: extent.offset..<extent.end) {
            guard let length = read(piece, into: &bytes, from: done) else { return false }
            done += length
        }
        return done == bytes.byteCount
    }

    /// - Returns: its bytes; nil where they are not all there.
    private func read(_ piece: TreeLayout.Piece, into bytes: inout MutableRawSpan, from start: Int) -> Int? {
        switch piece {
        case .catalog(let range):
            guard let file = open(TreeStaging.catalogName, in: staging) else { return nil }
            return read(file, at: range.lowerBound, range.count, into: &bytes, from: start)
        case .padding(let count):
            zero(&bytes, from: start, Int(count))
            return Int(count)
        case .file(let entry, let offset, let count):
            guard let parent = directories.find(catalog.parent(of: entry)), let file = open(catalog.kernelName(of: entry), in: parent) else { return nil }
            return read(file, at: offset, Int(count), into: &bytes, from: start)
        }
    }

    private func open(_ name: String, in directory: OwnedDescriptor) -> OwnedDescriptor? { open(SystemText.cString(name), in: directory) }

    private func open(_ name: KernelName, in directory: OwnedDescriptor) -> OwnedDescriptor? {
        let raw = files.openInside(name, in: directory.raw, O_RDONLY | O_NONBLOCK)
        guard raw >= 0 else { return nil }
        let file = OwnedDescriptor(raw)
        guard files.status(of: raw)?.kind == S_IFREG else { return nil }
        // The file system was flushed: what is read now is what the disk has.
        files.dropCache(raw)
        return file
    }

    private func read(_ file: OwnedDescriptor, at offset: UInt64, _ length: Int, into bytes: inout MutableRawSpan, from start: Int) -> Int? {
        var part = bytes._mutatingExtracting(start..<start + length)
        return (try? FileTransfer.read(file.raw, into: &part, at: offset, path: "", files: files)) == length ? length : nil
    }

    private func zero(_ bytes: inout MutableRawSpan, from start: Int, _ length: Int) {
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            unsafe memset(base + start, 0, length)
        }
    }
}
