import CLinuxNetwork
import Glibc
import RMCPProtocol

/// A bundle written straight onto a block device. There is nothing to rename: the device is complete when `commit`
/// returns, and until then it holds part of the bundle.
final class DeviceStorage: BundleStorage {
    let path: String
    let isResumable = false
    private let descriptor: OwnedDescriptor
    private let chunkLength: UInt64
    private let capacity: UInt64

    /// Nil when `path` is no block device.
    static func open(_ path: String, announce: Announce) throws(HostError) -> DeviceStorage? {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFBLK else { return nil }
        // O_EXCL on a block device: refused while it is mounted or otherwise claimed.
        let raw = unsafe Glibc.open(path, O_WRONLY | O_EXCL | O_CLOEXEC)
        guard raw >= 0 else {
            throw .system("open", path, advice: errno == EBUSY ? "unmount it first" : nil)
        }
        let end = lseek(raw, 0, Int32(SEEK_END))
        return DeviceStorage(
            path: path, descriptor: OwnedDescriptor(raw), chunkLength: UInt64(announce.chunkLength),
            capacity: UInt64(clamping: end))
    }

    private init(path: String, descriptor: OwnedDescriptor, chunkLength: UInt64, capacity: UInt64) {
        self.path = path
        self.descriptor = descriptor
        self.chunkLength = chunkLength
        self.capacity = capacity
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {
        guard let contentLength, contentLength > capacity else { return }
        throw HostError("\(path) holds \(capacity) bytes and the bundle has \(contentLength)", kind: .diskFull)
    }

    func mayHave(chunk: UInt32, record: ChunkRecord) -> Bool { false }
    func read(chunk: UInt32, into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Bool { false }

    func write(chunk: UInt32, record: ChunkRecord, content: UnsafeRawBufferPointer) throws(HostError) {
        unsafe try FileTransfer.write(descriptor.raw, content, at: UInt64(chunk) * chunkLength, path: path)
    }

    /// A device's old content is not zero: the zeros are written.
    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var offset = UInt64(chunks.lowerBound) * chunkLength
        let end = offset + contentLength
        while offset < end {
            let count = Int(min(UInt64(zeros.count), end - offset))
            let failure: HostError? = unsafe zeros.withUnsafeBytes { bytes in
                do throws(HostError) {
                    unsafe try FileTransfer.write(
                        descriptor.raw, UnsafeRawBufferPointer(rebasing: bytes.prefix(count)), at: offset, path: path)
                    return nil
                } catch { return error }
            }
            if let failure { throw failure }
            offset += UInt64(count)
        }
    }

    func commit(contentLength: UInt64) throws(HostError) {
        guard fsync(descriptor.raw) == 0 else { throw .system("flush", path) }
    }

    func abandon() {}
}
