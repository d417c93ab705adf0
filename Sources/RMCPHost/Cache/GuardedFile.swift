import Glibc
import RMCPContent
import RMCPProtocol

/// Reads a file front to back through a bounded piece of memory.
struct FileWindow {
    private let descriptor: OwnedDescriptor
    private let path: String
    private var buffer: [UInt8] = []
    /// Where in the file the buffer starts, and how much of it is the file's.
    private var start = 0
    private var filled = 0

    init(_ descriptor: OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Nil when they are not all there.
    mutating func bytes(at offset: Int, count: Int) throws(HostError) -> ArraySlice<UInt8>? {
        if offset < start || offset + count > start + filled { try fill(from: offset, count: count) }
        let first = offset - start
        guard first + count <= filled else { return nil }
        return buffer[first..<first + count]
    }

    private mutating func fill(from offset: Int, count: Int) throws(HostError) {
        let length = max(count, CacheLimits.windowLength)
        if buffer.count < length { buffer = Array(repeating: 0, count: length) }
        filled = try FileTransfer.read(descriptor.raw, into: &buffer, at: UInt64(offset), path: path)
        start = offset
    }
}

/// A file of datagrams that are appended and read back in order, in which what a crash left half-written is recognised
/// and cut off.
///
/// Layout, for each datagram: its length (32 bits, big-endian), the first 8 bytes of its BLAKE3, and the datagram
/// itself. The digest guards against torn writes and rotten disks only; who wrote a datagram is in its signature, which
/// the reader checks.
final class GuardedFile: Sendable {
    private static let headerLength = 12

    private let descriptor: OwnedDescriptor
    private let path: String
    /// Where the next datagram goes; nil until the file has been read once.
    private let end = LockedValue<Int?>(nil)

    init(_ descriptor: OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// What `datagram` takes in the file.
    static func length(of datagram: [UInt8]) -> UInt64 { UInt64(headerLength + datagram.count) }

    /// Every datagram that is whole, in the order in which they were appended.
    func datagrams() throws(HostError) -> [[UInt8]] {
        try end.withLock { end throws(HostError) in
            var result: [[UInt8]] = []
            end = try scan { result.append(Array($0)) }
            return result
        }
    }

    /// False for what no socket brings, and when the file is as long as it may be.
    func append(_ datagram: [UInt8]) throws(HostError) -> Bool {
        guard (1...CacheLimits.datagramLength).contains(datagram.count) else { return false }
        return try end.withLock { end throws(HostError) in
            let offset = if let end { end } else { try scan { _ in } }
            guard offset + Self.headerLength + datagram.count <= CacheLimits.tableBytes else { return false }
            var writer = ByteWriter(capacity: Self.headerLength + datagram.count)
            writer.writeUInt32(UInt32(datagram.count))
            writer.writeUInt64(BLAKE3Digest().digest(of: datagram).value.a)
            writer.writeArray(datagram)
            // Not appended but put behind the last one that is whole: what fails here is overwritten by the next.
            end = offset
            try FileTransfer.write(descriptor.raw, writer.bytes, at: UInt64(offset), path: path)
            end = offset + writer.count
            return true
        }
    }

    /// Reads the file, cuts off what is behind the last whole datagram, and says where that is. A datagram that is
    /// damaged in the middle is skipped: those behind it are still good.
    private func scan(_ body: (ArraySlice<UInt8>) -> Void) throws(HostError) -> Int {
        var window = FileWindow(descriptor, path: path)
        var offset = 0
        var end = 0
        while offset < CacheLimits.tableBytes, let header = try window.bytes(at: offset, count: Self.headerLength) {
            let length = Int(Self.integer(header.prefix(4)))
            let guarding = Self.integer(header.suffix(8))
            offset += Self.headerLength
            guard (1...CacheLimits.datagramLength).contains(length), let bytes = try window.bytes(at: offset, count: length) else { break }
            offset += length
            guard unsafe bytes.withUnsafeBytes({ unsafe BLAKE3Digest.digest(of: $0) }).value.a == guarding else { continue }
            body(bytes)
            end = offset
        }
        guard ftruncate(descriptor.raw, off_t(end)) == 0 else { throw .system("truncate", path) }
        return end
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
