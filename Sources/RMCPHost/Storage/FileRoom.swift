import CLinux
import Glibc

/// Room for a bundle's file. A fact refuses the bundle, before a byte is sent; an estimate is told.
///
/// The room that a bundle takes is an estimate: its source's file system has counted, and may know nothing (devices, files of
/// preallocated zeros). How much there is is one as well where a file system compresses, shares blocks or asks a server.
struct FileRoom {
    let descriptor: OwnedDescriptor
    let directory: OwnedDescriptor
    let path: String
    /// Bytes that are left to others (`--reserve`).
    var kept: UInt64 = 0
    let files: FileSystem

    /// Magic numbers (statfs(2)) of file systems that store what is written as it is, so that what they have left is what
    /// fits: ext2 to ext4, XFS, tmpfs, FAT and exFAT.
    private static let plain: Set<Int> = [0xEF53, 0x5846_5342, tmpfs, 0x4D44, 0x2011_BAB0]
    static let tmpfs = 0x0102_1994

    /// Whether what a file system says that it has left is what fits.
    static func isPlain(_ descriptor: Int32) -> Bool { plain.contains(rmcp_file_system_kind(descriptor)) }

    /// - Throws: when no file of this process may be so long here.
    func checkLength(_ contentLength: UInt64) throws(HostError) {
        let length = Int(clamping: contentLength)
        let limit = Diagnosis.Place(of: directory.raw)?.fileLimit
        // A file system refuses to go beyond its longest file; nothing is read or written where this goes.
        let isTooLong = files.seek(descriptor.raw, to: length) < 0 && (errno == EINVAL || errno == EFBIG || errno == EOVERFLOW)
        guard isTooLong || limit.map({ $0 < contentLength }) ?? false else { return }
        errno = EFBIG
        throw .system("write \(contentLength) bytes to", path, in: directory.raw)
    }

    /// - Parameters:
    ///   - expected: bytes of data in it, as far as its source knows.
    ///   - freed: bytes that there will be besides.
    /// - Returns: what the user should know.
    /// - Throws: kind `.diskFull`.
    func check(contentLength: UInt64, expected: UInt64, freed: UInt64 = 0) throws(HostError) -> String? {
        // A file system that has no size (ramfs, some in user space) says 0 of 0.
        guard let space = files.space(of: descriptor.raw), space.f_blocks > 0 else { return nil }
        let present = files.status(of: descriptor.raw)?.bytesTaken ?? 0
        let needed = expected.subtractingClamped(present)
        let available = space.bytesLeft.addingClamped(freed)
        guard kept == 0 || available >= kept.addingClamped(needed) else { throw refusal(needed, available) }
        if available < needed, Self.plain.contains(files.kind(of: descriptor.raw)) {
            throw HostError(
                "\(path) needs \(needed) bytes and its file system has \(available) left; make room or receive elsewhere with -d", kind: .diskFull)
        }
        guard available.addingClamped(present) < contentLength else { return nil }
        // The same text each time: it is looked at again when the file is made, and told once.
        return "\(path) is \(contentLength) bytes long, more than its file system says that it has left; it may not fit"
    }

    /// Room with or without the file that has the bundle's name. Nothing is removed here, and nothing has to be where that is not enough.
    /// - Parameters:
    ///   - name: of the bundle in the directory.
    ///   - first: the old file may be removed before the new one comes (`--replace-first`).
    /// - Returns: what the user should know, and whether there is room only without the old file.
    /// - Throws: kind `.diskFull`.
    func check(
        contentLength: UInt64, expected: UInt64, replacing name: String, first: Bool
    ) throws(HostError) -> (note: String?, needsRemoval: Bool) {
        do throws(HostError) { return (try check(contentLength: contentLength, expected: expected), false) } catch let refusal {
            let freed = freed(byRemoving: name)
            guard freed > 0, fits(contentLength: contentLength, expected: expected, freed: freed) else { throw refusal }
            guard first else {
                throw HostError("\(refusal.description), or let --replace-first remove the old one, of \(freed) bytes, before", kind: .diskFull)
            }
            return (nil, true)
        }
    }

    private func fits(contentLength: UInt64, expected: UInt64, freed: UInt64) -> Bool {
        do throws(HostError) { _ = try check(contentLength: contentLength, expected: expected, freed: freed) } catch { return false }
        return true
    }

    /// Bytes that a regular file gives back when it is removed: none where it has another name, too. Processes that have it open are not known.
    private func freed(byRemoving name: String) -> UInt64 {
        guard let old = files.status(of: name, in: directory.raw), old.kind == S_IFREG, old.st_nlink == 1 else { return 0 }
        return old.bytesTaken
    }

    /// - Throws: kind `.diskFull` when so many bytes more would leave others less than is kept for them.
    func checkKept(_ length: UInt64) throws(HostError) {
        guard kept > 0, let space = files.space(of: descriptor.raw), space.f_blocks > 0 else { return }
        guard space.bytesLeft >= length.addingClamped(kept) else { throw refusal(length, space.bytesLeft) }
    }

    private func leavesKept(_ length: UInt64) -> Bool {
        do throws(HostError) { try checkKept(length) } catch { return false }
        return true
    }

    private func refusal(_ needed: UInt64, _ available: UInt64) -> HostError {
        HostError(
            "\(path) needs \(needed) bytes, its file system has \(available) left, and --reserve keeps \(kept) of them free; make room or receive elsewhere with -d",
            kind: .diskFull)
    }

    /// Reserves as much of what is left as is reserved at a time: all of it, but 4 MiB of a file in memory, where reserving takes as long as
    /// writing, 0.1 s for 512 MiB, and whoever writes waits for it.
    /// - Parameters:
    ///   - rest: bytes of the file that are not reserved, and that are not afterwards; none where the file system does not do that.
    ///   - mayFit: some of it may turn out to be zeros, which take no room: a lack of room for all of it is no error.
    /// - Returns: whether some were reserved.
    func reserve(_ rest: inout Range<UInt64>, mayFit: Bool) throws(HostError) -> Bool {
        let isMemory = files.kind(of: descriptor.raw) == Self.tmpfs
        let step = isMemory ? min(Self.stepInMemory, UInt64(rest.count)) : UInt64(rest.count)
        // Room that others have taken since this began is theirs: each part is held against that when it is written.
        if isMemory || mayFit, !leavesKept(step) { return false }
        while files.allocate(descriptor.raw, mode: RMCP_FALLOC_FL_KEEP_SIZE, at: Int(rest.lowerBound), Int(step)) != 0 {
            if errno == EINTR { continue }
            if errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL {
                rest = rest.upperBound..<rest.upperBound
                return false
            }
            let error = HostError.system("reserve \(rest.count) bytes for", path, in: directory.raw)
            // The part that could be reserved is given back to others.
            if let status = files.status(of: descriptor.raw) { _ = files.truncate(descriptor.raw, to: Int(status.st_size)) }
            guard mayFit, error.kind == .diskFull else { throw error }
            rest = rest.upperBound..<rest.upperBound
            return false
        }
        rest = rest.lowerBound + step..<rest.upperBound
        return true
    }

    /// Four of the usual chunks, one of which is written meanwhile: all is reserved when a fifth has come.
    private static let stepInMemory: UInt64 = 4 << 20
}
