import Foundation
import RMCPContent
import TestSupport
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// A place for a cache that is gone afterwards, and a look at what is on disk there.
final class CachePlace {
    let path: String

    init() { path = NSTemporaryDirectory() + "rmcp-cache-\(UUID().uuidString)" }
    init(path: String) { self.path = path }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// One life of the process: what `body` leaves open is dropped as by a kill -9, and nothing is closed properly.
    func run(capacity: UInt64 = 1 << 30, _ body: (ChunkCache) throws -> Void) throws {
        try body(try ChunkCache(path: path, capacity: capacity))
    }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { $0 != ".rmcp-cache-lock" }.sorted() }

    /// Every file and what is in it.
    var contents: [String: Data] {
        let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return names.reduce(into: [:]) { $0[$1] = try? Data(contentsOf: URL(fileURLWithPath: path + "/" + $1)) }
    }

    /// What the file system has allocated for files.
    var diskUse: UInt64 {
        let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return names.reduce(0) { sum, name in
            var status = stat()
            return lstat(path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? sum + UInt64(status.st_blocks) * 512 : sum
        }
    }

    func file(_ name: String, of sample: CacheSample) -> URL { URL(fileURLWithPath: "\(path)/\(sample.announce.session.text)/\(name)") }

    func change(_ name: String, of sample: CacheSample, _ body: (inout Data) -> Void) throws {
        var data = try Data(contentsOf: file(name, of: sample))
        body(&data)
        // In place, so that the file is the same one.
        let handle = try FileHandle(forWritingTo: file(name, of: sample))
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: data)
        try handle.close()
    }
}

/// A session with chunks that are a function of its number.
struct CacheSample {
    var announce: Announce
    private let number: UInt64

    init(_ number: UInt64 = 1, chunkLength: UInt32 = 8_192, key: PublicKey = .none) {
        self.number = number
        announce = .sample(
            "image-\(number)", session: SessionID(high: number << 40 | 0xABC, low: ~number), chunkLength: chunkLength, creationTime: 7,
            contentLength: 100 * UInt64(chunkLength), key: key)
    }

    var datagram: [UInt8] { datagram(.announce(announce, .none)) }
    var end: [UInt8] {
        datagram(.end(EndOfTable(chunkCount: 100, pageCount: 9, contentLength: 1, encodedLength: 1, tableDigest: .zero), .none))
    }

    func page(_ index: UInt32) -> [UInt8] {
        let page = TablePage(index: index, firstChunk: index * 3, records: (0..<3).map { record(index * 3 + $0) })
        return datagram(.page(page, body: page.body, .none))
    }

    private func datagram(_ packet: Packet) -> [UInt8] {
        packet.datagram(sessionTag: announce.session.tag, transmitter: 5, sequence: 6, isUnicast: false)
    }

    /// Shorter than a chunk may be, and of different lengths.
    func encoded(_ chunk: UInt32) -> [UInt8] {
        let length = Int(announce.chunkLength) - 1_000 - Int(chunk % 7) * 100
        return (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(chunk) &* 7 &+ Int(number) &+ $0 >> 8) }
    }

    func record(_ chunk: UInt32) -> ChunkRecord {
        let bytes = encoded(chunk)
        return ChunkRecord(
            kind: .compressed, contentLength: announce.chunkLength, encodedLength: UInt32(bytes.count),
            encodedDigest: BLAKE3Digest().digest(of: bytes), contentDigest: .zero)
    }

    @discardableResult func write(_ chunk: UInt32, to bundle: CachedBundle) throws -> CachedBundle.WriteResult {
        try bundle.write(chunk: chunk, record: record(chunk), encoded: encoded(chunk).span.bytes)
    }

    func isVerified(_ chunk: UInt32, in bundle: CachedBundle) -> Bool {
        var buffer = [UInt8](repeating: 0, count: encoded(chunk).count)
        var span = buffer.mutableSpan
        var bytes = span.mutableBytes
        return bundle.verify(chunk: chunk, record: record(chunk), into: &bytes)
    }

    /// What `read` gives; nil when it is not all there.
    func read(_ chunk: UInt32, from bundle: CachedBundle) throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0xEE, count: encoded(chunk).count)
        var span = buffer.mutableSpan
        var bytes = span.mutableBytes
        return try bundle.read(chunk: chunk, record: record(chunk), into: &bytes) ? buffer : nil
    }

    func mayBe(_ chunk: UInt32, in bundle: CachedBundle) -> Bool { bundle.mayHave(chunk: chunk, record: record(chunk)) }

    func open(in cache: ChunkCache) throws -> CachedBundle { try cache.open(announce: announce, datagram: datagram) }

    /// Opens the session, writes the chunks and closes it.
    func fill(_ chunks: Range<UInt32>, in cache: ChunkCache) throws {
        let bundle = try open(in: cache)
        for chunk in chunks { #expect(try write(chunk, to: bundle) == .kept) }
        cache.close(bundle)
    }
}
