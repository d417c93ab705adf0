import Foundation
import RMCPContent
import RMCPProtocol

@testable import RMCPHost

/// A tree in memory, and the bundle that it is sent as.
struct MemoryTree {
    indirect enum Node {
        case file(
            [UInt8], mode: UInt16 = 0o644, sparse: Bool = false, attributes: [CatalogAttribute] = [], owner: CatalogOwner? = nil, time: FileTime = Self.time)
        case directory([(String, Node)], mode: UInt16 = 0o755, time: FileTime = Self.time, owner: CatalogOwner? = nil)
        case link(String)
        /// A further name of the file of this path, which comes before.
        case hardLink(String)
        case fifo(mode: UInt16 = 0o600)

        static let time = FileTime(seconds: 1_600_000_000, nanoseconds: 123_456_789)
    }

    static let chunkLength = 4_096
    let catalog: Catalog
    let content: [UInt8]
    let announce: Announce

    init(_ entries: [(String, Node)], mode: UInt16 = 0o755, name: String = "tree", session: UInt64 = 1) throws {
        var builder = CatalogBuilder(hasOwners: Self.hasOwners(entries), hasAttributes: true)
        var files: [[UInt8]] = []
        var numbers: [String: Int] = [:]
        let root = builder.number(ofOwner: CatalogOwner(user: 0, group: 0), if: Self.hasOwners(entries))
        try builder.begin([], CatalogMetadata(mode: mode, owner: root, modified: Node.time))
        try Self.add(entries, path: "", hasOwners: Self.hasOwners(entries), to: &builder, &files, &numbers)
        builder.end()
        catalog = try builder.finish(chunkLength: UInt32(Self.chunkLength))
        var content = catalog.bytes
        for file in files { content += file.suffix(file.count % Self.chunkLength) }
        let bodies = files.filter { $0.count >= Self.chunkLength }
        if !bodies.isEmpty { content += [UInt8](repeating: 0, count: (Self.chunkLength - content.count % Self.chunkLength) % Self.chunkLength) }
        for file in bodies { content += file.prefix(file.count / Self.chunkLength * Self.chunkLength) }
        self.content = content
        announce = Announce(
            session: SessionID(high: session << 32, low: 2), kind: .tree, chunkLength: UInt32(Self.chunkLength), payloadLength: 1_376, creationTime: 0,
            contentLength: UInt64(content.count), allocatedLength: 0, mode: mode, modificationTime: Node.time, name: name, key: .none)
    }

    private static func hasOwners(_ entries: [(String, Node)]) -> Bool {
        entries.contains {
            switch $0.1 {
            case .file(_, _, _, _, let owner, _): owner != nil
            case .directory(_, _, _, let owner): owner != nil
            default: false
            }
        }
    }

    private static func add(
        _ entries: [(String, Node)], path: String, hasOwners: Bool, to builder: inout CatalogBuilder, _ files: inout [[UInt8]], _ numbers: inout [String: Int]
    ) throws {
        for (name, node) in entries.sorted(by: { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }) {
            let bytes = SystemText.bytes(of: name)
            let own = path.isEmpty ? name : path + "/" + name
            let root = builder.number(ofOwner: CatalogOwner(user: 0, group: 0), if: hasOwners)
            switch node {
            case .file(let content, let mode, let sparse, let attributes, let owner, let time):
                let number = owner.map { builder.number(of: $0) } ?? root
                let set = builder.number(of: attributes)
                numbers[own] = try builder.file(
                    bytes, CatalogMetadata(mode: mode, owner: number, modified: time, attributes: set), size: UInt64(content.count),
                    allocatedLength: UInt64(content.count), isSparse: sparse)
                files.append(content)
            case .directory(let inner, let mode, let time, let owner):
                try builder.begin(bytes, CatalogMetadata(mode: mode, owner: owner.map { builder.number(of: $0) } ?? root, modified: time))
                try add(inner, path: own, hasOwners: hasOwners, to: &builder, &files, &numbers)
                builder.end()
            case .link(let target):
                try builder.symbolicLink(bytes, CatalogMetadata(mode: 0o777, owner: root, modified: Node.time), target: Array(target.utf8))
            case .hardLink(let target): try builder.hardLink(bytes, to: numbers[target] ?? 0)
            case .fifo(let mode): try builder.fifo(bytes, CatalogMetadata(mode: mode, owner: root, modified: Node.time))
            }
        }
    }

    // MARK: Chunks

    var count: UInt32 { UInt32((content.count + Self.chunkLength - 1) / Self.chunkLength) }

    func chunk(_ index: UInt32) -> [UInt8] {
        let start = Int(index) * Self.chunkLength
        return Array(content[start..<min(content.count, start + Self.chunkLength)])
    }

    func record(_ index: UInt32) -> ChunkRecord {
        let bytes = chunk(index)
        if bytes.allSatisfy({ $0 == 0 }) { return .zero(contentLength: UInt32(bytes.count)) }
        let digest = BLAKE3Digest().digest(of: bytes)
        return ChunkRecord(
            kind: .stored, contentLength: UInt32(bytes.count), encodedLength: UInt32(bytes.count), encodedDigest: digest, contentDigest: digest)
    }

    func store(_ index: UInt32, in storage: any BundleStorage) throws(HostError) {
        let record = record(index)
        if record.kind == .zero {
            try storage.zero(chunks: index..<index + 1, contentLength: UInt64(record.contentLength))
        } else {
            try storage.write(chunk: index, record: record, content: chunk(index))
        }
    }

    /// Work of a storage thread on a chunk of a session that goes on: it is taken from where it is, or comes again.
    /// - Returns: whether it was here.
    func resume(_ index: UInt32, in storage: any BundleStorage) throws(HostError) -> Bool {
        let record = record(index)
        if record.kind != .zero, let bytes = try storage.recall(chunk: index, record: record), bytes == chunk(index) {
            try storage.write(chunk: index, record: record, content: bytes)
            return true
        }
        try store(index, in: storage)
        return false
    }

    func open(
        in directory: String, options: TreeOptions = TreeOptions(), files: FileSystem = .host
    ) throws(HostError) -> any BundleStorage {
        try TreeStorage.whenNeeded(
            announce: announce, name: announce.name, directoryPath: directory, options: options, digester: .plain, files: files)
    }

    /// What a process leaves that is killed behind some chunks.
    /// - Parameter isFlushed: it is killed behind its last chunk, before the tree has its name.
    func leave(_ chunks: some Sequence<UInt32>, in directory: String, options: TreeOptions = TreeOptions(), isFlushed: Bool = false) throws(HostError) {
        let storage = try open(in: directory, options: options)
        for index in chunks { try store(index, in: storage) }
        if isFlushed { try storage.flush(contentLength: UInt64(content.count)) }
        storage.abandon()
        storage.close()
    }

    /// The session after that.
    /// - Returns: chunks that were here.
    func goOn(in directory: String, options: TreeOptions = TreeOptions(), files: FileSystem = .host) throws(HostError) -> [UInt32] {
        let storage = try open(in: directory, options: options, files: files)
        defer { storage.close() }
        var present: [UInt32] = []
        do throws(HostError) {
            for index in 0..<count {
                let wasHere = try resume(index, in: storage)
                if wasHere { present.append(index) }
            }
            try storage.commit(contentLength: UInt64(content.count))
        } catch {
            storage.abandon()
            throw error
        }
        return present
    }

    /// All of it, in whatever order.
    @discardableResult
    func receive(
        in directory: String, order: [UInt32]? = nil, options: TreeOptions = TreeOptions(), files: FileSystem = .host
    ) throws(HostError) -> [String] {
        let storage = try open(in: directory, options: options, files: files)
        defer { storage.close() }
        do throws(HostError) {
            for index in order ?? Array(0..<count) { try store(index, in: storage) }
            try storage.commit(contentLength: UInt64(content.count))
        } catch {
            storage.abandon()
            throw error
        }
        return storage.takeNotes()
    }

    static func bytes(_ count: Int, salt: Int = 0) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ salt &* 7 &+ 1) } }
}

extension CatalogBuilder {
    fileprivate mutating func number(ofOwner owner: CatalogOwner, if hasOwners: Bool) -> Int? { hasOwners ? number(of: owner) : nil }
}

/// A listing of what is on the disk: a line each, sorted.
enum Listing {
    static func of(_ path: String, metadata: Bool = true, countsLinks: Bool = true) -> [String] {
        var lines: [String] = []
        add(path, "", to: &lines, metadata, countsLinks)
        return lines
    }

    private static func add(_ path: String, _ name: String, to lines: inout [String], _ metadata: Bool, _ countsLinks: Bool) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        let detail = metadata ? " \(String(status.st_mode & 0o7777, radix: 8)) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)" : ""
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            lines.append("\(name)/\(detail)")
            for inner in ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() {
                add(path + "/" + inner, name + "/" + inner, to: &lines, metadata, countsLinks)
            }
        case S_IFLNK: lines.append("\(name) -> \((try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? "?")")
        case S_IFIFO: lines.append("\(name)|\(detail)")
        default:
            let digest = BLAKE3Digest().digest(of: [UInt8](FileManager.default.contents(atPath: path) ?? Data()))
            lines.append("\(name)\(detail) \(countsLinks ? Int(status.st_nlink) : 0) \(status.st_size) \(digest.value.a)")
        }
    }

    static func status(_ path: String) -> stat {
        var status = stat()
        _ = lstat(path, &status)
        return status
    }
}
