import CBLAKE3
public import RMCPProtocol

/// BLAKE3 over bytes in memory (docs/decisions/0009).
public struct BLAKE3Digest: MessageDigest {
    public init() {}

    public func digest(of message: [UInt8]) -> RMCPProtocol.Digest { unsafe message.withUnsafeBytes { unsafe Self.digest(of: $0) } }

    public static func digest(of bytes: RawSpan) -> RMCPProtocol.Digest { unsafe bytes.withUnsafeBytes { unsafe digest(of: $0) } }

    public static func digest(of bytes: UnsafeRawBufferPointer) -> RMCPProtocol.Digest {
        unsafe output { unsafe rmcp_blake3(bytes.baseAddress, bytes.count, $0) }
    }

    /// The keyed mode: a pseudorandom function of the bytes, which nobody without the key can compute or tell from chance.
    public static func keyed(_ key: Bytes32, _ bytes: UnsafeRawBufferPointer) -> Bytes32 {
        unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 4) { words in
            unsafe words[0] = key.a.bigEndian
            unsafe words[1] = key.b.bigEndian
            unsafe words[2] = key.c.bigEndian
            unsafe words[3] = key.d.bigEndian
            let raw = unsafe UnsafeRawBufferPointer(words).assumingMemoryBound(to: UInt8.self)
            return unsafe output { unsafe rmcp_blake3_keyed(raw.baseAddress.unsafelyUnwrapped, bytes.baseAddress, bytes.count, $0) }.value
        }
    }

    static func keyed(_ key: Bytes32, _ bytes: [UInt8]) -> Bytes32 { unsafe bytes.withUnsafeBytes { unsafe keyed(key, $0) } }

    /// Folds the part up. There must be as many values as the shape says: fewer trap. See `OutlinePart.isTrue`, which looks first.
    public func isTrue(
        part: Int, values: [RMCPProtocol.Digest], siblings: [RMCPProtocol.Digest], _ shape: OutlineShape, root: RMCPProtocol.Digest
    ) -> Bool {
        ChunkOutline.root(ofPart: part, values, siblings, shape) == root
    }

    /// The value of two subtrees' parent, which as the root is the digest of all.
    static func parent(of left: RMCPProtocol.Digest, _ right: RMCPProtocol.Digest, isRoot: Bool) -> RMCPProtocol.Digest {
        let children = left.value.bytes + right.value.bytes
        return unsafe children.withUnsafeBufferPointer { children in
            unsafe output { unsafe rmcp_blake3_parent(children.baseAddress.unsafelyUnwrapped, isRoot, $0) }
        }
    }

    /// The 32 bytes that `body` writes.
    static func output(_ body: (UnsafeMutablePointer<UInt8>) -> Void) -> RMCPProtocol.Digest {
        unsafe withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { output in
            unsafe body(output.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
            return unsafe RMCPProtocol.Digest(
                Bytes32(
                    UInt64(bigEndian: output.load(as: UInt64.self)), UInt64(bigEndian: output.load(fromByteOffset: 8, as: UInt64.self)),
                    UInt64(bigEndian: output.load(fromByteOffset: 16, as: UInt64.self)),
                    UInt64(bigEndian: output.load(fromByteOffset: 24, as: UInt64.self))))
        }
    }
}
