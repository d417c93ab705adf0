import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// Whether a tree can be on a file system, asked when its catalog is here: before nearly all of its content is.
struct TreeRoom {
    let catalog: Catalog
    let path: String
    /// Bytes that are left to others (`--reserve`).
    var reserve: UInt64 = 0
    let files: FileSystem

    /// Room that a tree takes.
    struct Taken {
        var entries: UInt64 = 0
        var bytes: UInt64 = 0

        /// Bytes are those of regular files, as a catalog counts them. A file system may say anything: it is not believed beyond what can be counted.
        mutating func add(_ status: stat) {
            entries += 1
            guard status.kind == S_IFREG else { return }
            bytes = bytes.addingClamped(min(UInt64(clamping: status.st_blocks), UInt64.max / 512) * 512)
        }
    }

    /// - Parameters:
    ///   - former: tree whose files need not be written again.
    ///   - staged: what an earlier session has left of this very tree.
    ///   - freed: room that there will be besides.
    /// - Throws: kind `.diskFull` where there is no room or there are no inodes.
    func check(
        in directory: OwnedDescriptor, former: OldTree?, staged: TreeDirectories? = nil, freed: Taken = Taken(), keepsAttributes: Bool
    ) throws(HostError) {
        if keepsAttributes, catalog.header.hasAttributes, let first = firstWithAttributes(),
            !TreeMetadata.takesAttributes(directory.raw, files: files)
        {
            throw HostError(
                "\(catalog.text(of: first, below: path)) has extended attributes, and its file system takes none; use --no-xattrs, or receive elsewhere with -d"
            )
        }
        guard let space = files.space(of: directory.raw) else { return }
        if let left = space.filesLeft {
            let available = left.addingClamped(freed.entries)
            if available < UInt64(catalog.count) { try checkInodes(available, spared: spared(former, staged).entries) }
        }
        guard space.f_blocks > 0, reserve > 0 || FileRoom.isPlain(directory.raw) else { return }
        let available = space.bytesLeft.addingClamped(freed.bytes)
        let usable = available - min(available, reserve)
        let needed = catalog.header.allocatedLength
        guard usable < needed else { return }
        let spared = spared(former, staged).bytes
        guard usable < needed - min(needed, spared) else { return }
        let present = spared > 0 ? ", \(min(spared, needed)) of which are there," : ""
        let others = reserve > 0 ? ", of which --reserve keeps \(reserve) free" : ""
        throw HostError(
            "\(path) needs \(needed) bytes\(present) and its file system has \(available) left\(others); make room or receive elsewhere with -d",
            kind: .diskFull)
    }

    private func checkInodes(_ available: UInt64, spared: UInt64) throws(HostError) {
        // Further names of a file are none.
        let needed = UInt64((0..<catalog.count).count { catalog.kind(of: $0) != .hardLink })
        guard available < needed - min(needed, spared) else { return }
        let present = spared > 0 ? ", \(min(spared, needed)) of which are there," : ""
        throw HostError(
            "\(path) has \(needed) files and directories\(present) and its file system has \(available) inodes left; remove files there, or receive elsewhere with -d",
            kind: .diskFull)
    }

    private func firstWithAttributes() -> Int? { (0..<catalog.count).first { catalog[$0].attributes != nil } }

    /// Room of what an earlier session has written, and of what the old tree may spare: asked for only where there is not room for all.
    private func spared(_ former: OldTree?, _ staged: TreeDirectories?) -> Taken {
        var spared = Taken()
        guard former != nil || staged != nil else { return spared }
        // An old file is linked to once.
        var linked: Set<FileIdentity> = []
        for index in 0..<catalog.count where catalog.kind(of: index) != .hardLink {
            if let there = staged?.status(of: index) {
                spared.add(there)
            } else if let status = former.flatMap({ status(of: index, in: $0) }), status.st_nlink < 2 || linked.insert(FileIdentity(status)).inserted {
                spared.add(status)
            }
        }
        return spared
    }

    /// - Returns: nil where the old file is not what the new one will be.
    private func status(of index: Int, in former: OldTree) -> stat? {
        guard catalog.kind(of: index) == .file, let file = former.file(index) else { return nil }
        let entry = catalog[index]
        return UInt64(clamping: file.status.st_size) == entry.size && file.status.st_mtim.tv_sec == Int(entry.modified.seconds) ? file.status : nil
    }

    /// Room that is free once a directory and what is in it are gone.
    static func taken(by directory: OwnedDescriptor, files: FileSystem) -> Taken {
        var survey = Survey(files: files)
        survey.add(directory, level: 0)
        return survey.sum
    }

    /// A walk through a tree that anybody may have made.
    private struct Survey {
        /// Files with several names that are kept in mind: tens of megabytes.
        private static let limit = 1 << 20

        let files: FileSystem
        var sum = Taken()
        /// Names that were met of files that have several: one that has another name elsewhere frees nothing.
        private var names: [FileIdentity: UInt64] = [:]

        init(files: FileSystem) { self.files = files }

        mutating func add(_ directory: OwnedDescriptor, level: Int) {
            if let status = files.status(of: directory.raw) { sum.add(status) }
            for name in files.names(in: directory.raw) ?? [] {
                let kernelName = SystemText.cString(name)
                guard let status = files.status(of: kernelName, in: directory.raw) else { continue }
                if status.kind != S_IFDIR {
                    if status.st_nlink < 2 || isLastName(status) { sum.add(status) }
                } else if level < CatalogLimits.depth {
                    // What lies deeper was never sent, and its depth is bounded by nothing: it does not count.
                    let raw = files.openInside(kernelName, in: directory.raw, O_RDONLY | O_DIRECTORY)
                    if raw >= 0 { add(OwnedDescriptor(raw), level: level + 1) }
                }
            }
        }

        private mutating func isLastName(_ status: stat) -> Bool {
            let identity = FileIdentity(status)
            guard names[identity] != nil || names.count < Self.limit else { return false }
            let met = names[identity, default: 0] + 1
            names[identity] = met < UInt64(status.st_nlink) ? met : nil
            return met >= UInt64(status.st_nlink)
        }
    }
}
