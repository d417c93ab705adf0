internal import RMCPProtocol

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

    func isTrue(part: Int, values: [Digest], siblings: [Digest], _ shape: OutlineShape, root: Digest) -> Bool {
        zip(shape.subtrees(ofPart: part), values).allSatisfy { SimulatedContent.value(ofSubtree: $0, of: root) == $1 }
    }
}

extension CookieSecret {
    /// Secret of the engine with a seed. Nobody in the simulator guesses seeds.
    init(simulatedWith seed: UInt64) {
        var random = RandomSource(seed: ~seed)
        self.init(using: &random)
    }
}
