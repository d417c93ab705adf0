import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// A bundle written straight onto a block device. There is nothing to rename: the device is complete when `flush`
/// returns, and until then it holds part of the bundle.
final class DeviceStorage: BundleStorage {
    let path: String
    private let files: FileSystem
    private let descriptor: OwnedDescriptor
    private let map: ChunkMap
    private let capacity: UInt64

    /// - Throws: when it is mounted or otherwise claimed, or too small for a bundle whose length is known.
    init(path: String, announce: Announce, files: FileSystem = .host) throws(HostError) {
        descriptor = try Self.open(path, files)
        let raw = descriptor.raw
        self.path = path
        self.files = files
        map = ChunkMap(announce)
        capacity = UInt64(clamping: lseek(raw, 0, Int32(SEEK_END)))
        // The size is looked at before the first byte of what does not fit is written.
        if let length = announce.contentLength { try checkRoom(length) }
    }

    /// - Throws: when it cannot be written to, as can be known before any session.
    static func check(_ path: String, files: FileSystem = .host) throws(HostError) { _ = try open(path, files) }

    private static func open(_ path: String, _ files: FileSystem) throws(HostError) -> OwnedDescriptor {
        // O_EXCL on a block device: refused while it is mounted or otherwise claimed.
        let raw = files.open(path, O_WRONLY | O_EXCL)
        guard raw >= 0 else {
            let advice: String? =
                switch errno {
                case EBUSY: "it is in use (mounted?); unmount it first"
                case EACCES, EPERM: "run as root, or as a member of the device's group"
                case EROFS: "it is read-only; see blockdev --getro"
                default: nil
                }
            throw .system("open", path, advice: advice)
        }
        let descriptor = OwnedDescriptor(raw)
        guard let status = files.status(of: raw), status.kind == S_IFBLK else {
            throw HostError("\(path) was a block device when rmcp looked, and is none any more")
        }
        guard rmcp_block_device_is_read_only(raw) == 0 else {
            throw HostError("\(path) is a read-only device; make it writable with: blockdev --setrw \(path)")
        }
        return descriptor
    }

    private func checkRoom(_ length: UInt64) throws(HostError) {
        guard length > capacity else { return }
        throw HostError("\(path) holds \(capacity) bytes and the bundle has \(length)", kind: .diskFull)
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {}

    func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError) {
        let extent = map.extent(of: chunk, record)
        try checkRoom(extent.end)
        try FileTransfer.write(descriptor.raw, content, at: extent.offset, path: path, files: files)
        files.beginFlush(descriptor.raw, at: extent.offset, UInt64(content.byteCount))
    }

    /// A device's old content is not zero: the zeros are written.
    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        let offset = map.offset(of: chunks.lowerBound)
        try checkRoom(offset + contentLength)
        try FileTransfer.writeZeros(descriptor.raw, count: contentLength, at: offset, path: path, files: files)
    }

    func flush(contentLength: UInt64) throws(HostError) {
        while files.flush(descriptor.raw) != 0 {
            guard errno == EINTR else { throw .system("flush", path, advice: "what is on the device cannot be trusted") }
        }
    }
}

extension DeviceStorage {
    /// The same once something has to be stored. That it can be opened, and holds so much, is known before; nobody else is kept out by that.
    static func whenNeeded(path: String, announce: Announce, files: FileSystem) throws(HostError) -> any BundleStorage {
        _ = try DeviceStorage(path: path, announce: announce, files: files)
        return DeferredStorage(path: path, announce: announce) { () throws(HostError) in
            try DeviceStorage(path: path, announce: announce, files: files)
        }
    }
}
