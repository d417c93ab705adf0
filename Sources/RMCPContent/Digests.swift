import Crypto
public import RMCPProtocol

/// SHA-256 over bytes in memory.
public struct SHA256Digest: MessageDigest {
    public init() {}

    public func digest(of message: [UInt8]) -> RMCPProtocol.Digest { unsafe message.withUnsafeBytes { unsafe Self.digest(of: $0) } }

    public static func digest(of bytes: UnsafeRawBufferPointer) -> RMCPProtocol.Digest {
        var hasher = SHA256()
        unsafe hasher.update(bufferPointer: bytes)
        let value = unsafe hasher.finalize().withUnsafeBytes { buffer in
            unsafe Bytes32(
                UInt64(bigEndian: buffer.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt64(bigEndian: buffer.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                UInt64(bigEndian: buffer.loadUnaligned(fromByteOffset: 24, as: UInt64.self)))
        }
        return RMCPProtocol.Digest(value)
    }
}
