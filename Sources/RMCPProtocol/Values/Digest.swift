/// 32 bytes held as four big-endian words: hashable and comparable without an allocation, which an array is not.
public struct Bytes32: Hashable, Sendable {
    /// The first 8 bytes; the words behind it have the rest in their order.
    public var a: UInt64
    public var b: UInt64
    public var c: UInt64
    public var d: UInt64

    public init(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) {
        self.a = a
        self.b = b
        self.c = c
        self.d = d
    }

    /// 32 zero bytes. A key or a digest of zeros stands for none.
    public static let zero = Bytes32(0, 0, 0, 0)
    static let length = 32

    /// Nil unless `bytes` holds exactly 32 bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.length else { return nil }
        self.init(0, 0, 0, 0)
        for (index, byte) in bytes.enumerated() {
            let shifted = UInt64(byte) << UInt64(56 - 8 * (index % 8))
            switch index / 8 {
            case 0: a |= shifted
            case 1: b |= shifted
            case 2: c |= shifted
            default: d |= shifted
            }
        }
    }

    /// The 32 bytes in their order. An allocation each time.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(32)
        for word in [a, b, c, d] {
            for shift in stride(from: 56, through: 0, by: -8) { result.append(UInt8(truncatingIfNeeded: word >> UInt64(shift))) }
        }
        return result
    }
}

/// A BLAKE3 digest of 32 bytes (docs/decisions/0009).
public struct Digest: Hashable, Sendable {
    public var value: Bytes32
    public init(_ value: Bytes32) { self.value = value }
    /// Digest of a zero chunk, which needs none. It is not the digest of no bytes.
    public static let zero = Digest(.zero)
}

/// An Ed25519 public key (RFC 8032, 5.1.5). All zero stands for "not signed".
public struct PublicKey: Hashable, Sendable {
    public var value: Bytes32
    public init(_ value: Bytes32) { self.value = value }
    public static let none = PublicKey(.zero)
}

/// An Ed25519 signature (RFC 8032, 5.1.6). All zero stands for "not signed".
public struct Signature: Hashable, Sendable {
    /// R, the first half as it travels.
    public var r: Bytes32
    /// S, the second half.
    public var s: Bytes32
    public init(r: Bytes32, s: Bytes32) {
        self.r = r
        self.s = s
    }
    public static let none = Signature(r: .zero, s: .zero)
}
