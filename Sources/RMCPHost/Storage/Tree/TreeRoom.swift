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
    }

    /// - Parameters:
    ///   - former: tree whose files need not be written again.
    ///   - freed: room that there will be besides.
    /// - Throws: kind `.diskFull` where there is no room or there are no inodes.
    func check(in directory: OwnedDescriptor, former: OldTree?, freed: Taken = Taken(), keepsAttributes: Bool) throws(HostError) {
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
            let needed = UInt64(catalog.count)
            if available < needed, available < needed - min(needed, kept(former).entries) {
                throw HostError(
                    "\(path) has \(needed) files and directories and its file system has \(available) inodes left; remove files there, or receive elsewhere with -d",
                    kind: .diskFull)
            }
        }
        guard space.f_blocks > 0, reserve > 0 || FileRoom.isPlain(directory.raw) else { return }
        let available = space.bytesLeft.addingClamped(freed.bytes)
        let needed = catalog.header.allocatedLength
        let usable = available - min(available, reserve)
        guard usable < needed, usable < needed - min(needed, kept(former).bytes) else { return }
        let others = reserve > 0 ? ", of which --reserve keeps \(reserve) free" : ""
        throw HostError(
            "\(path) needs \(needed) bytes and its file system has \(available) left\(others); make room or receive elsewhere with -d",
            kind: .diskFull)
    }

    private func firstWithAttributes() -> Int? { (0..<catalog.count).first { catalog[$0].attributes != nil } }

    /// Room that the old tree may spare: asked for only where there is not room for all.
    private func kept(_ former: OldTree?) -> Taken {
        guard let former else { return Taken() }
        var kept = Taken()
        for index in 0..<catalog.count where catalog.kind(of: index) == .file {
            let entry = catalog[index]
            guard let file = former.file(index), UInt64(clamping: file.status.st_size) == entry.size, file.status.st_mtim.tv_sec == Int(entry.modified.seconds)
            else { continue }
            kept.entries += 1
            kept.bytes += UInt64(clamping: file.status.st_blocks) * 512
        }
        return kept
    }

    /// Room that is free once a directory and what is in it are gone. Of a file that has other names, too, a part is counted.
    static func taken(by directory: OwnedDescriptor, files: FileSystem) -> Taken {
        var sum = Taken(entries: 1)
        for name in files.names(in: directory.raw) ?? [] {
            let kernelName = SystemText.cString(name)
            guard let status = files.status(of: kernelName, in: directory.raw) else { continue }
            if status.kind == S_IFDIR {
                let raw = files.openInside(kernelName, in: directory.raw, O_RDONLY | O_DIRECTORY)
                guard raw >= 0 else { continue }
                let inner = taken(by: OwnedDescriptor(raw), files: files)
                sum.entries += inner.entries
                sum.bytes += inner.bytes
            } else {
                let names = UInt64(max(1, status.st_nlink))
                sum.entries += names == 1 ? 1 : 0
                sum.bytes += UInt64(clamping: status.st_blocks) * 512 / names
            }
        }
        return sum
    }
}
