import CLinuxNetwork
import Glibc
import RMCPProtocol

/// A regular file or block device, read in place and without keeping it in memory: old chunks are read again.
final class FileSource: BundleSource {
    let path: String
    let kind = BundleKind.file
    let contentLength: UInt64?
    let allocatedLength: UInt64
    let mode: UInt16?
    let modificationTime: FileTime?
    let warnings: [String]
    private let length: UInt64
    private let isDevice: Bool
    private let descriptor: OwnedDescriptor
    private let identity: Identity

    /// What changes when somebody writes to the file.
    private struct Identity: Equatable {
        var size: Int
        var modified: Int
        var modifiedNanoseconds: Int
        var changed: Int
        var changedNanoseconds: Int

        init(_ status: stat) {
            size = Int(status.st_size)
            modified = status.st_mtim.tv_sec
            modifiedNanoseconds = status.st_mtim.tv_nsec
            changed = status.st_ctim.tv_sec
            changedNanoseconds = status.st_ctim.tv_nsec
        }
    }

    /// May wait for a file system for as long as that likes: to be called where signals still end the process.
    init(path: String) throws(HostError) {
        // Not blocking until its kind is known: opening a FIFO waits for somebody who writes to it.
        let raw = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { throw .system("read", path) }
        let probe = OwnedDescriptor(raw)
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else { throw .system("read", path) }
        self.path = path
        identity = Identity(status)
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            try Self.checkSize(status, raw, path: path)
            descriptor = probe
            isDevice = false
            length = UInt64(status.st_size)
            allocatedLength = min(length, UInt64(status.st_blocks) * 512)
            mode = UInt16(status.st_mode & 0o777)
            modificationTime = FileTime(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(clamping: status.st_mtim.tv_nsec))
            warnings = []
        case S_IFBLK:
            // Once more, since a drive without a medium opens without blocking and knows no size.
            let device = unsafe open(path, O_RDONLY | O_CLOEXEC)
            guard device >= 0 else { throw .system("read", path) }
            descriptor = OwnedDescriptor(device)
            let size = rmcp_block_device_size(device)
            guard size >= 0 else { throw .system("measure", path) }
            isDevice = true
            length = UInt64(size)
            allocatedLength = length
            // What is on a disk is for who may read the disk.
            mode = 0o600
            modificationTime = nil
            warnings = Self.isInUse(path) ? ["\(path) is in use (mounted?): what is written to it meanwhile is sent in part; unmount it first"] : []
        case S_IFDIR:
            throw HostError(
                "\(path) is a directory, and this version sends single files; use: tar -c \(path) | rmcp send --name NAME.tar -",
                kind: .usage)
        default:
            throw HostError("\(path) is neither a file nor a block device; to send a pipe use: rmcp send - < \(path)", kind: .usage)
        }
        contentLength = length
        _ = posix_fadvise(descriptor.raw, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    /// Files of /proc and /sys have a size that says nothing of what is read from them.
    private static func checkSize(_ status: stat, _ raw: Int32, path: String) throws(HostError) {
        guard status.st_blocks == 0 else { return }
        var byte: UInt8 = 0
        let count = unsafe pread(raw, &byte, 1, max(0, Int(status.st_size) - 1))
        // Something that is not there yet is as good as something.
        let isSomething = count > 0 || (count < 0 && errno == EAGAIN)
        guard isSomething != (status.st_size > 0) else { return }
        throw HostError(
            "\(path) does not have the \(status.st_size) bytes that its file system says; to send what is read from it use: rmcp send --name NAME - < \(path)",
            kind: .usage)
    }

    /// Whether the kernel lets nobody else have the device for himself: a mounted file system, swap, a member of an array.
    private static func isInUse(_ path: String) -> Bool {
        let raw = unsafe open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC)
        guard raw < 0 else {
            close(raw)
            return false
        }
        return errno == EBUSY
    }

    // MARK: Holes

    /// Consecutive chunks that are all holes, or that may hold data.
    struct Stretch: Sendable, Equatable {
        var chunks: UInt32
        var isHole: Bool
    }

    /// Whether there can be holes. Blocks for every byte mean none, whatever lseek(2) says: file systems have been wrong
    /// about holes in what was just written, and a hole that is none is zeros in place of data.
    var mayHaveHoles: Bool { !isDevice && allocatedLength < length }

    /// Questions to the file system in one survey, which another job waits behind.
    private static let surveyLimit = 1_024

    /// What follows from chunk `first` on: one stretch at least, unless the file ends there.
    ///
    /// A last, short chunk counts as data: its zeros are found when it is read.
    func survey(from first: UInt32, chunkLength: UInt64) -> [Stretch] {
        var stretches: [Stretch] = []
        var offset = UInt64(first) * chunkLength
        for _ in 0..<Self.surveyLimit where offset < length {
            let hole = holeLength(at: offset)
            let holes = min(hole, length - offset) / chunkLength
            let chunks = holes > 0 ? holes : (dataEnd(after: offset + hole) - offset + chunkLength - 1) / chunkLength
            let stretch = Stretch(chunks: UInt32(clamping: chunks), isHole: holes > 0)
            if let last = stretches.last, last.isHole == stretch.isHole {
                stretches[stretches.count - 1].chunks += stretch.chunks
            } else {
                stretches.append(stretch)
            }
            offset += chunks * chunkLength
        }
        return stretches
    }

    /// How many bytes from `offset` on are a hole: 0 where there is data or where the file system cannot tell.
    private func holeLength(at offset: UInt64) -> UInt64 {
        guard mayHaveHoles else { return 0 }
        let data = lseek(descriptor.raw, Int(offset), rmcp_seek_data())
        if data < 0 { return errno == ENXIO ? length - offset : 0 }
        return min(UInt64(data), length) - min(offset, UInt64(data))
    }

    /// Where the data at `offset` ends: behind it, and at the end of the file at the latest.
    private func dataEnd(after offset: UInt64) -> UInt64 {
        guard mayHaveHoles, offset < length else { return length }
        let hole = lseek(descriptor.raw, Int(offset), rmcp_seek_hole())
        return hole > Int(offset) ? min(UInt64(hole), length) : length
    }

    // MARK: Reading

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(HostError) {
        let count = unsafe try FileTransfer.read(descriptor.raw, into: buffer, at: offset, path: path)
        guard count == buffer.count else { throw changed }
    }

    private var changed: HostError {
        HostError("\(path) changed while it was being sent; receivers keep nothing of it. Send it again once it is at rest")
    }

    func checkUnchanged() throws(HostError) {
        guard !isDevice else { return }
        var status = stat()
        guard unsafe fstat(descriptor.raw, &status) == 0, Identity(status) == identity else { throw changed }
    }
}
