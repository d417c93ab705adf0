import CBLAKE3
public import RMCPProtocol

/// BLAKE3 over bytes in memory (docs/decisions/0009).
public struct BLAKE3Digest: MessageDigest {
    public init() {}

    public func digest(of message: [UInt8]) -> RMCPProtocol.Digest { unsafe message.withUnsafeBytes { unsafe Self.digest(of: $0) } }

    public static func digest(of bytes: RawSpan) -> RMCPProtocol.Digest { unsafe bytes.withUnsafeBytes { unsafe digest(of: $0) } }

    public static func digest(of bytes: UnsafeRawBufferPointer) -> RMCPProtocol.Digest {
        return unsafe withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { output in
            unsafe rmcp_blake3(bytes.baseAddress, bytes.count, output.baseAddress.unsafelyUnwrapped)
            return unsafe RMCPProtocol.Digest(
                Bytes32(
                    UInt64(bigEndian: output.load(as: UInt64.self)), UInt64(bigEndian: output.load(fromByteOffset: 8, as: UInt64.self)),
                    UInt64(bigEndian: output.load(fromByteOffset: 16, as: UInt64.self)),
                    UInt64(bigEndian: output.load(fromByteOffset: 24, as: UInt64.self))))
        }
    }
}
