public import RMCPProtocol

/// FNV-1a over four differently seeded lanes: any changed byte changes it, which is all that tests need of a digest.
public struct LaneDigest: MessageDigest {
    public init() {}

    public func digest(of message: [UInt8]) -> Digest { Digest(Self.lanes(of: message, seed: 0)) }

    public func isTrue(part: Int, values: [Digest], siblings: [Digest], _ shape: OutlineShape, root: Digest) -> Bool {
        zip(shape.subtrees(ofPart: part), values).allSatisfy { Self.value($0, of: root) == $1 } && siblings.allSatisfy { $0 == root }
    }

    private static func value(_ subtree: Int, of root: Digest) -> Digest {
        LaneDigest().digest(of: root.value.bytes + [UInt8(truncatingIfNeeded: subtree)])
    }

    /// An outline in which each value follows from the record, as no tree does: nobody who has not the record can make it.
    public static func outline(of record: ChunkRecord, chunk: UInt32, _ shape: OutlineShape) -> [OutlinePart] {
        (0..<shape.partCount).map { part in
            OutlinePart(
                chunk: chunk, part: UInt8(part), values: shape.subtrees(ofPart: part).map { value($0, of: record.encodedDigest) },
                siblings: Array(repeating: record.encodedDigest, count: shape.siblingCount(ofPart: part)))
        }
    }

    static func lanes(of message: [UInt8], seed: UInt64) -> Bytes32 {
        func lane(_ number: UInt64) -> UInt64 {
            message.reduce(0xCBF2_9CE4_8422_2325 ^ (seed &+ number)) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
        }
        return Bytes32(lane(1), lane(2), lane(3), lane(4))
    }
}

/// A keyed sum in place of Ed25519: a signature by another key, or over another message, does not verify.
public struct LaneSigner: MessageSigner {
    public let publicKey: PublicKey

    public init(key: UInt64) { publicKey = PublicKey(Bytes32(key, key, key, key)) }

    public func signature(for message: [UInt8]) -> Signature {
        Signature(r: LaneDigest.lanes(of: message, seed: publicKey.value.a), s: LaneDigest.lanes(of: message, seed: ~publicKey.value.a))
    }
}

public struct LaneVerifier: MessageVerifier {
    public init() {}

    public func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool {
        LaneSigner(key: key.value.a).signature(for: message) == signature
    }
}

/// Signs everything with the same mark. A keyed sum would be no match for libFuzzer, which reads the operands of
/// comparisons, and would cost something where the engine's own cost is measured.
public struct MarkSigner: MessageSigner {
    public static let key = PublicKey(Bytes32(5, 5, 5, 5))
    public static let mark = Signature(r: Bytes32(7, 7, 7, 7), s: Bytes32(9, 9, 9, 9))

    public var publicKey: PublicKey { Self.key }

    public init() {}

    public func signature(for message: [UInt8]) -> Signature { Self.mark }
}

/// Signs nothing, as `--unsigned` does: what is forged gets past the signatures.
public struct NoSigner: MessageSigner {
    public var publicKey: PublicKey { .none }

    public init() {}

    public func signature(for message: [UInt8]) -> Signature { .none }
}
