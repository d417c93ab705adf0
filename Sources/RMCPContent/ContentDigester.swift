import Crypto
public import RMCPProtocol

/// Way in which content is digested: plainly, or under a group's keys, so that nobody else can tell whether it is what he knows.
///
/// The keyed digest is a universal hash of the content, with a pseudorandom function of that: the tag of GCM (NIST SP
/// 800-38D) for content as associated data, and BLAKE3 in its keyed mode. It costs a third of BLAKE3 over the content. No
/// tag is ever seen, so that its nonce may be the same each time. Who has the keys can find contents of one
/// digest: it vouches for nothing beyond what the digest of the encoded bytes does.
public struct ContentDigester: Sendable {
    private struct Keys: Sendable {
        var code: SymmetricKey
        var digest: Bytes32
    }

    private let keys: Keys?

    /// BLAKE3 without a key, for sessions that are not sealed.
    public static let plain = ContentDigester()

    private init() { keys = nil }

    /// - Parameters:
    ///   - code: key of the universal hash.
    ///   - digest: key of the pseudorandom function.
    init(code: Bytes32, digest: Bytes32) { keys = Keys(code: SymmetricKey(data: code.bytes), digest: digest) }

    /// Digests the content. Throws `.sealMismatch` where the cipher refuses it; without a key it never throws.
    public func digest(of content: UnsafeRawBufferPointer) throws(ContentError) -> RMCPProtocol.Digest {
        guard let keys else { return unsafe BLAKE3Digest.digest(of: content) }
        do {
            let nonce = try AES.GCM.Nonce(data: [UInt8](repeating: 0, count: 12))
            let box = unsafe try AES.GCM.seal([UInt8](), using: keys.code, nonce: nonce, authenticating: content)
            return RMCPProtocol.Digest(BLAKE3Digest.keyed(keys.digest, Array(box.tag)))
        } catch { throw .sealMismatch }
    }

    /// True when `content` is what the record says: for chunks that are here from before. The record's digest is not masked.
    public func matches(_ content: RawSpan, _ record: ChunkRecord) -> Bool { unsafe content.withUnsafeBytes { unsafe matches($0, record) } }

    /// Likewise, for bytes that the caller holds. Zero chunks need no digest.
    public func matches(_ content: UnsafeRawBufferPointer, _ record: ChunkRecord) -> Bool {
        guard content.count == Int(record.contentLength) else { return false }
        if record.kind == .zero { return unsafe ChunkEncoder.isZero(content) }
        return unsafe (try? digest(of: content)) == record.contentDigest
    }
}
