import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// A regular file or block device, read in place and without keeping it in memory: old chunks are read again.
///
/// Looking for holes may take a file system as long as it likes: that is a worker's, ahead of what is read.
final class FileSource: PlannedSource {
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
    /// Nil until `start`.
    let plan = LockedValue<ChunkPlan?>(nil)
    private let holes: HoleSurvey
    /// Time of the last look at the file, so that a change ends the session before all of it has been sent.
    private let lastLook = LockedValue(Poller.now())
    private static let lookInterval = Interval.seconds(1)

    /// Attributes that change when somebody writes to the file. Its ctime changes with its names, links and mode, too, which are not
    /// what is sent.
    private struct Identity: Equatable {
        var size: Int
        var modified: Int
        var modifiedNanoseconds: Int

        init(_ status: stat) {
            size = Int(status.st_size)
            modified = status.st_mtim.tv_sec
            modifiedNanoseconds = status.st_mtim.tv_nsec
        }
    }

    /// May wait for a file system for as long as that likes: to be called where signals still end the process.
    init(path: String) throws(HostError) {
        // Not blocking until its kind is known: opening a FIFO waits for somebody who writes to it.
        let raw = unsafe open(SystemText.cString(path), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        var status = stat()
        guard raw >= 0 else {
            let error = HostError.system("read", path)
            let isSocket = unsafe stat(SystemText.cString(path), &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
            throw isSocket ? Self.kindRefused(path) : error
        }
        let probe = OwnedDescriptor(raw)
        guard unsafe fstat(raw, &status) == 0 else { throw .system("read", path) }
        self.path = path
        identity = Identity(status)
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            try Self.checkSize(status, raw, path: path)
            descriptor = probe
            isDevice = false
            length = UInt64(status.st_size)
            let blocks = status.bytesTaken
            holes = HoleSurvey(descriptor, length: length, blocks: blocks)
            allocatedLength = HoleSurvey.dataLength(raw, length, blocks: blocks) ?? min(length, blocks)
            mode = UInt16(status.st_mode & 0o777)
            modificationTime = FileTime(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(clamping: status.st_mtim.tv_nsec))
            warnings = []
        case S_IFBLK:
            // Once more, since a drive without a medium opens without blocking and knows no size.
            let device = unsafe open(SystemText.cString(path), O_RDONLY | O_CLOEXEC)
            guard device >= 0 else { throw .system("read", path) }
            descriptor = OwnedDescriptor(device)
            let size = rmcp_block_device_size(device)
            guard size >= 0 else { throw .system("measure", path) }
            // An empty bundle would be taken for the disk that was meant.
            guard size > 0 else { throw HostError("\(path) has no bytes; put a medium in, or attach something to it", kind: .usage) }
            isDevice = true
            length = UInt64(size)
            holes = HoleSurvey(descriptor, length: length, blocks: length)
            // Zeros are known only when they have been read.
            allocatedLength = 0
            // What is on a disk is for who may read the disk.
            mode = 0o600
            modificationTime = nil
            // A file system that is mounted read-only stands still.
            let mayChange = MountTable.isWritten(status.st_rdev) ?? Self.isInUse(path)
            warnings = mayChange ? ["\(path) is in use (mounted?): what is written to it meanwhile is sent in part; unmount it first"] : []
        case S_IFDIR:
            throw HostError("\(path) has become a directory", kind: .usage)
        default:
            throw Self.kindRefused(path)
        }
        contentLength = length
        _ = posix_fadvise(descriptor.raw, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    private static func kindRefused(_ path: String) -> HostError {
        HostError("\(path) is neither a file nor a block device; to send a pipe use: rmcp send - < \(path)", kind: .usage)
    }

    /// Files of /proc and /sys have a size that says nothing of what is read from them.
    private static func checkSize(_ status: stat, _ raw: Int32, path: String) throws(HostError) {
        guard status.st_blocks == 0 else { return }
        var byte: UInt8 = 0
        let count = unsafe pread(raw, &byte, 1, max(0, Int(status.st_size) - 1))
        // Something that is not there yet is as good as something.
        guard count >= 0 || errno == EAGAIN else { throw .system("read", path) }
        let isSomething = count != 0
        guard isSomething != (status.st_size > 0) else { return }
        throw HostError(
            "\(path) does not have the \(status.st_size) bytes that its file system says; to send what is read from it use: rmcp send --name NAME - < \(path)",
            kind: .usage)
    }

    /// Whether the kernel lets nobody else have the device for himself: a mounted file system, swap, a member of an array.
    private static func isInUse(_ path: String) -> Bool {
        let raw = unsafe open(SystemText.cString(path), O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC)
        guard raw < 0 else {
            close(raw)
            return false
        }
        return errno == EBUSY
    }

    var mayHaveHoles: Bool { holes.mayHaveHoles }

    /// Stretches from chunk `first` on: one at least, unless the file ends there.
    func survey(from first: UInt32, _ map: ChunkMap) -> [ChunkStretch] { holes.survey(from: first, map) }

    // MARK: Reading

    func load(_ extent: ContentExtent, into buffer: ChunkBuffer) throws(HostError) {
        var bytes = buffer.mutableSpan(Int(extent.length))
        guard try FileTransfer.read(descriptor.raw, into: &bytes, at: extent.offset, path: path) == Int(extent.length) else { throw changed }
        let now = Poller.now()
        let isDue = lastLook.withLock { last in
            guard now - last >= Self.lookInterval else { return false }
            last = now
            return true
        }
        if isDue { try checkUnchanged() }
    }

    func reread(_ extent: ContentExtent, _ record: ChunkRecord, into buffer: ChunkBuffer) throws(HostError) -> Reread {
        try load(extent, into: buffer)
        return .content
    }

    var checkDuration: Interval? { isDevice ? nil : .zero }

    func checkUnchanged() throws(HostError) {
        guard !isDevice else { return }
        var status = stat()
        guard unsafe fstat(descriptor.raw, &status) == 0 else { throw .system("look at", path) }
        guard Identity(status) == identity else { throw changed }
    }
}
