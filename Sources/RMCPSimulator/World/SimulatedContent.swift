public import RMCPProtocol

/// A bundle without bytes: each chunk's record follows from a seed, and its bytes are stood for by fingerprints, one a
/// packet. So a terabyte costs no more memory than its table.
public struct SimulatedContent: Sendable, Hashable {
    public var seed: UInt64
    public var length: UInt64
    public var chunkLength: UInt32
    /// Share of chunks that are zero (0...1).
    public var zeroShare: Double
    /// Encoded length over content length (0...1]; 1 stores.
    public var ratio: Double

    public init(seed: UInt64, length: UInt64, chunkLength: UInt32 = 64 << 10, zeroShare: Double = 0, ratio: Double = 1) {
        self.seed = seed
        self.length = length
        self.chunkLength = chunkLength
        self.zeroShare = zeroShare
        self.ratio = ratio
    }

    public var chunkCount: UInt32 {
        UInt32(clamping: (length + UInt64(chunkLength) - 1) / UInt64(chunkLength))
    }

    public func record(of chunk: UInt32) -> ChunkRecord {
        let start = UInt64(chunk) * UInt64(chunkLength)
        let contentLength = UInt32(min(UInt64(chunkLength), length - start))
        let draw = Double(Hash.mix(seed, UInt64(chunk), 1) >> 11) * 0x1p-53
        if draw < zeroShare { return .zero(contentLength: contentLength) }
        let content = Digest(Hash.wide(seed, UInt64(chunk)))
        guard ratio < 1, contentLength > 64 else {
            return ChunkRecord(
                kind: .stored, contentLength: contentLength, encodedLength: contentLength, encodedDigest: content,
                contentDigest: content)
        }
        return ChunkRecord(
            kind: .compressed, contentLength: contentLength,
            encodedLength: min(contentLength - 1, max(1, UInt32(Double(contentLength) * ratio))),
            encodedDigest: Digest(Hash.wide(seed ^ 0xE0, UInt64(chunk))), contentDigest: content)
    }

    /// What the payload of one packet of a chunk looks like, to somebody who compares it with what it should be.
    static func fingerprint(of record: ChunkRecord, packet: Int) -> UInt64 {
        Hash.mix(record.encodedDigest.value.a, UInt64(packet), 7)
    }
}

/// Mixing, not cryptography: in the simulator nobody breaks a hash, they only lack the key.
enum Hash {
    static func mix(_ a: UInt64, _ b: UInt64, _ c: UInt64 = 0) -> UInt64 {
        var z = a &+ 0x9E37_79B9_7F4A_7C15 &* (b &+ 1) &+ c &* 0xD1B5_4A32_D192_ED03
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    static func wide(_ a: UInt64, _ b: UInt64) -> Bytes32 {
        Bytes32(mix(a, b, 11), mix(a, b, 12), mix(a, b, 13), mix(a, b, 14))
    }

    static func of(_ bytes: [UInt8], key: UInt64) -> Bytes32 {
        var state = key
        var word: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            word = word << 8 | UInt64(byte)
            if index & 7 == 7 {
                state = mix(state, word)
                word = 0
            }
        }
        return wide(mix(state, word), UInt64(bytes.count))
    }
}

/// Signs with a hash that only it and the verifier can make.
struct SimulatedSigner: MessageSigner {
    let secret: UInt64

    var publicKey: PublicKey { PublicKey(Hash.wide(secret, 0xBEEF)) }

    func signature(for message: [UInt8]) -> Signature {
        Signature(r: publicKey.value, s: Hash.of(message, key: publicKey.value.a ^ 0x5EC2E7))
    }
}

struct SimulatedVerifier: MessageVerifier {
    func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool {
        signature.r == key.value && signature.s == Hash.of(message, key: key.value.a ^ 0x5EC2E7)
    }
}

struct SimulatedDigest: MessageDigest {
    func digest(of bytes: [UInt8]) -> Digest { Digest(Hash.of(bytes, key: 0xD16E57)) }
}
