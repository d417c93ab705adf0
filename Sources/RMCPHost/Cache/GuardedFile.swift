import RMCPContent
import RMCPProtocol

/// A file of datagrams that are appended and read back in order, in which what a crash left half-written is recognised
/// and cut off.
///
/// Layout, for each datagram: its length (32 bits, big-endian), the first 8 bytes of its BLAKE3, and the datagram
/// itself. The digest guards against torn writes and rotten disks only; who wrote a datagram is in its signature, which
/// the reader checks.
final class GuardedFile: Sendable {
    private static let headerLength = 12

    private let log: AppendLog

    init(_ descriptor: OwnedDescriptor, path: String) { log = AppendLog(descriptor, limit: CacheLimits.tableBytes, path: path) }

    /// Bytes that `datagram` takes in the file.
    static func length(of datagram: [UInt8]) -> UInt64 { UInt64(headerLength + datagram.count) }

    /// Every datagram that is whole, in the order in which they were appended.
    func datagrams() throws(HostError) -> [[UInt8]] {
        var result: [[UInt8]] = []
        try log.read { window throws(HostError) in try Self.scan(&window) { result.append(Array($0)) } }
        return result
    }

    /// False for what no socket brings, and when the file is as long as it may be.
    func append(_ datagram: [UInt8]) throws(HostError) -> Bool {
        guard (1...CacheLimits.datagramLength).contains(datagram.count) else { return false }
        if !log.isRead { try log.read { window throws(HostError) in try Self.scan(&window) { _ in } } }
        var writer = ByteWriter(capacity: Self.headerLength + datagram.count)
        writer.writeUInt32(UInt32(datagram.count))
        writer.writeUInt64(BLAKE3Digest().digest(of: datagram).value.a)
        writer.writeArray(datagram)
        return try log.append(writer.bytes)
    }

    /// Where the last whole datagram ends. One that is damaged in the middle is skipped: those behind it are still good.
    private static func scan(_ window: inout FileWindow, _ body: (ArraySlice<UInt8>) -> Void) throws(HostError) -> Int {
        var offset = 0
        var end = 0
        while offset < CacheLimits.tableBytes, let header = try window.bytes(at: offset, count: headerLength) {
            var reader = unsafe ByteReader(header.span.bytes)
            guard let length = try? Int(reader.readUInt32()), let guarding = try? reader.readUInt64() else { break }
            offset += headerLength
            guard (1...CacheLimits.datagramLength).contains(length), let bytes = try window.bytes(at: offset, count: length) else { break }
            offset += length
            guard unsafe BLAKE3Digest.digest(of: bytes.span.bytes).value.a == guarding else { continue }
            body(bytes)
            end = offset
        }
        return end
    }
}
