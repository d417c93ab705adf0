import FuzzSupport
import RMCPContent
import TestSupport

@testable import RMCPProtocol

/// A whole session as it goes over the wire, and what must come of it.
struct Fixture {
    static let chunkLength = 1_500
    static let address = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    static let keys = [1, 2].map { seed in key(seed) }

    let announce: Announce
    let content: [UInt8]
    private(set) var datagrams: [[UInt8]] = []

    /// Keys that are the same in every run.
    private static func key(_ seed: UInt8) -> SigningKey? {
        // 32 bytes of one value, in base 64.
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        let bytes = Array(repeating: seed, count: 32)
        var text = ""
        for start in stride(from: 0, to: 32, by: 3) {
            let part = bytes[start..<min(start + 3, 32)]
            let word = part.reduce(0) { $0 << 8 | Int($1) } << ((3 - part.count) * 8)
            for digit in 0..<4 { text += digit <= part.count ? String(UnicodeScalar(digits[word >> (18 - 6 * digit) & 63])) : "=" }
        }
        return try? SigningKey(parsing: "rmcp-ed25519-private \(text)")
    }

    /// - Parameter key: of `keys`; nil for a session that nobody signs.
    init(name: String, key: Int?, creationTime: UInt64, session: UInt64, seed: UInt64) {
        let chunks = Self.chunks(seed: seed)
        content = chunks.flatMap { $0 }
        let signer: any MessageSigner = key.flatMap { Self.keys[$0] }.map { Ed25519Signer($0) } ?? UnsignedSigner()
        let announce = Announce.sample(
            name, session: SessionID(high: session << 32, low: session), chunkLength: UInt32(Self.chunkLength), payloadLength: 476,
            creationTime: creationTime, contentLength: UInt64(content.count), allocatedLength: UInt64(content.count),
            modificationTime: FileTime(seconds: 1, nanoseconds: 0), key: signer.publicKey)
        var configuration = Configuration()
        configuration.packets.datagramLength = 500
        configuration.joining.minimumWait = .milliseconds(20)
        configuration.rate.fixedRate = 40_000_000
        var sender = SenderEngine(
            configuration: configuration, announce: announce, signer: signer, digest: BLAKE3Digest(), seed: seed, at: .milliseconds(1))
        self.announce = sender.announce
        let (records, encoded) = Self.encode(chunks)
        datagrams = record(&sender, records, encoded, steps: 400)
    }

    private static func chunks(seed: UInt64) -> [[UInt8]] {
        var random = RandomSource(seed: seed)
        return (0..<6).map { index in
            let length = index == 5 ? 300 : chunkLength
            switch index % 3 {
            case 0: return Array(repeating: 0, count: length)
            case 1: return (0..<length).map { UInt8(truncatingIfNeeded: $0 / 100) ^ UInt8(truncatingIfNeeded: seed) }
            default: return (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            }
        }
    }

    private static func encode(_ chunks: [[UInt8]]) -> ([ChunkRecord], [[UInt8]]) {
        guard let encoder = try? ChunkEncoder(level: 1) else { return ([], []) }
        var records: [ChunkRecord] = []
        var encoded: [[UInt8]] = []
        for chunk in chunks {
            var output = [UInt8](repeating: 0, count: chunkLength)
            let record = unsafe chunk.withUnsafeBytes { content in
                unsafe output.withUnsafeMutableBytes { unsafe try? encoder.encode(content: content, into: $0) }
            }
            guard let record else { return ([], []) }
            records.append(record)
            encoded.append(record.kind == .compressed ? Array(output.prefix(Int(record.encodedLength))) : record.kind == .zero ? [] : chunk)
        }
        return (records, encoded)
    }
}

let fixtures = [
    Fixture(name: "a", key: 0, creationTime: 1_000, session: 0x0102_0304, seed: 1),
    // A newer version, and a rival of the same time.
    Fixture(name: "a", key: 0, creationTime: 1_010, session: 0x0102_0305, seed: 2),
    Fixture(name: "a", key: 0, creationTime: 1_010, session: 0x0102_0306, seed: 3),
    Fixture(name: "b", key: 0, creationTime: 1_000, session: 0x0102_0307, seed: 4),
    // Of the first one's tag.
    Fixture(name: "c", key: 0, creationTime: 1_000, session: 0x10102_0304, seed: 5),
    Fixture(name: "a", key: nil, creationTime: 2_000, session: 0x0102_0308, seed: 6),
    Fixture(name: "b", key: 1, creationTime: 2_000, session: 0x0102_0309, seed: 7),
]
