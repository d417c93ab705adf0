package import RMCPProtocol

/// FNV-1a over four differently seeded lanes in place of BLAKE3.
package struct LaneDigest: MessageDigest {
    package init() {}

    package func digest(of message: [UInt8]) -> Digest {
        func lane(_ seed: UInt64) -> UInt64 {
            message.reduce(0xCBF2_9CE4_8422_2325 ^ seed) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
        }
        return Digest(Bytes32(lane(1), lane(2), lane(3), lane(4)))
    }
}

/// Signs everything with the same mark. What makes it unforgeable is `GenuineVerifier`; a keyed sum would be no match
/// for libFuzzer, which reads the operands of comparisons.
package struct MarkSigner: MessageSigner {
    package static let key = PublicKey(Bytes32(5, 5, 5, 5))
    package static let mark = Signature(r: Bytes32(7, 7, 7, 7), s: Bytes32(9, 9, 9, 9))
    package let publicKey: PublicKey

    package init(isSigned: Bool) { publicKey = isSigned ? Self.key : .none }

    package func signature(for message: [UInt8]) -> Signature { publicKey == .none ? .none : Self.mark }
}

/// Takes as signed what was signed, and nothing else.
package struct GenuineVerifier: MessageVerifier {
    private let messages: Set<[UInt8]>

    package init(messages: Set<[UInt8]>) { self.messages = messages }

    package func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool {
        key == MarkSigner.key && signature == MarkSigner.mark && messages.contains(message)
    }
}

/// Signs for the honest, and takes as signed what it has signed itself: nobody else can.
package final class Notary: MessageSigner, MessageVerifier, @unchecked Sendable {
    /// libFuzzer has one thread.
    private var messages: Set<[UInt8]> = []
    package let publicKey = MarkSigner.key

    package init() {}

    package func signature(for message: [UInt8]) -> Signature {
        messages.insert(message)
        return MarkSigner.mark
    }

    package func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool {
        key == MarkSigner.key && signature == MarkSigner.mark && messages.contains(message)
    }
}
