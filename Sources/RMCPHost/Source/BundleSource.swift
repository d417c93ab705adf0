import CLinuxNetwork
import Glibc
import RMCPProtocol

/// Where a bundle's content comes from. Chunks are read from worker threads.
protocol BundleSource: AnyObject, Sendable {
    var path: String { get }
    var kind: BundleKind { get }
    /// Nil for a stream.
    var contentLength: UInt64? { get }
    /// Bytes that are not holes.
    var allocatedLength: UInt64 { get }
    /// Nil where the source has none.
    var mode: UInt16? { get }
    var modificationTime: FileTime? { get }

    /// Fills `buffer` with the content at `offset`, all of it.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(HostError)
    /// Throws when the source is not what it was when it was opened.
    func checkUnchanged() throws(HostError)
}

/// A regular file or block device, read in place and without keeping it in memory: old chunks are read again.
final class FileSource: BundleSource {
    let path: String
    let kind = BundleKind.file
    let contentLength: UInt64?
    let allocatedLength: UInt64
    let mode: UInt16?
    let modificationTime: FileTime?
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

    init(path: String) throws(HostError) {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { throw .system("read", path) }
        descriptor = OwnedDescriptor(raw)
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else { throw .system("read", path) }
        self.path = path
        identity = Identity(status)
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            isDevice = false
            length = UInt64(status.st_size)
            allocatedLength = min(length, UInt64(status.st_blocks) * 512)
            mode = UInt16(status.st_mode & 0o777)
            modificationTime = FileTime(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(clamping: status.st_mtim.tv_nsec))
        case S_IFBLK:
            let size = rmcp_block_device_size(raw)
            guard size >= 0 else { throw .system("measure", path) }
            isDevice = true
            length = UInt64(size)
            allocatedLength = length
            // What is on a disk is for who may read the disk.
            mode = 0o600
            modificationTime = nil
        case S_IFDIR:
            throw HostError(
                "\(path) is a directory, and this version sends single files; use: tar -c \(path) | rmcp send --name NAME.tar -",
                kind: .usage)
        default:
            throw HostError("\(path) is neither a file nor a block device; to send a pipe use: rmcp send - < \(path)", kind: .usage)
        }
        contentLength = length
        _ = posix_fadvise(raw, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    /// How many bytes from `offset` on are a hole: 0 where there is data or where the file system cannot tell.
    func holeLength(at offset: UInt64) -> UInt64 {
        guard !isDevice, offset < length else { return 0 }
        let data = lseek(descriptor.raw, Int(offset), rmcp_seek_data())
        if data < 0 { return errno == ENXIO ? length - offset : 0 }
        return min(UInt64(data), length) - min(offset, UInt64(data))
    }

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

/// Standard input: read once, in order, by its own thread. What was encoded is spooled, since it cannot be read again.
final class StreamSource: BundleSource {
    let path = "standard input"
    let kind = BundleKind.stream
    let contentLength: UInt64? = nil
    let allocatedLength: UInt64 = 0
    let mode: UInt16? = nil
    let modificationTime: FileTime? = nil
    private let input: Int32
    private let spool: OwnedDescriptor

    init(input: Int32 = STDIN_FILENO) throws(HostError) {
        self.input = input
        spool = try StreamStorage.openSpool()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(HostError) {
        throw HostError("standard input cannot be read twice")
    }

    /// Reads the next chunk; fewer bytes than asked for only at the end.
    func readNext(into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Int {
        unsafe try FileTransfer.readSequentially(input, into: buffer, path: path)
    }

    func spool(_ encoded: UnsafeRawBufferPointer, at offset: UInt64) throws(HostError) {
        unsafe try FileTransfer.write(spool.raw, encoded, at: offset, path: "the spool file")
    }

    func readSpooled(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(HostError) {
        let count = unsafe try FileTransfer.read(spool.raw, into: buffer, at: offset, path: "the spool file")
        guard count == buffer.count else { throw HostError("the spool file is shorter than what was written to it") }
    }

    func checkUnchanged() throws(HostError) {}
}
