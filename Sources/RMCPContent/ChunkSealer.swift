import Crypto
import FoundationEssentials
public import RMCPProtocol

/// Seals and opens what a session sends, for the holders of a group's key: AES-256-GCM (NIST SP 800-38D) under keys that
/// no other session has.
///
/// A chunk's nonce is a keyed digest of its number, its form and its content. So no nonce meets two contents, however
/// often a chunk is read and encoded and whatever became of the file meanwhile: other content has another nonce. The tag
/// is kept in the chunk's record.
public struct ChunkSealer: Sendable {
    private let session: SessionID
    private let contentKey: SymmetricKey
    private let nonceKey: Bytes32
    private let maskKey: Bytes32
    private let detailsKey: SymmetricKey
    /// Digests content by a key of the group's.
    public let digester: ContentDigester
    private let salt: Bytes32

    /// For a new session, with a salt that nobody has had.
    public init(new session: SessionID, key: GroupKey) { self.init(session: session, salt: .random(), key: key) }

    /// For the session of an ANNOUNCE; nil when it is not sealed.
    public init?(_ announce: Announce, key: GroupKey) {
        guard let details = announce.secrecy.details else { return nil }
        self.init(session: announce.session, salt: details.salt, key: key)
    }

    init(session: SessionID, salt: Bytes32, key: GroupKey) {
        let keys = key.sessionKeys(of: session, salt: salt)
        self.session = session
        self.salt = salt
        contentKey = SymmetricKey(data: keys.content.bytes)
        detailsKey = SymmetricKey(data: keys.details.bytes)
        nonceKey = keys.nonce
        maskKey = keys.mask
        digester = key.digester
    }

    // MARK: Details

    /// The same ANNOUNCE with its details sealed. To be called once for a session: the nonce is 0.
    public func seal(_ announce: Announce) throws(ContentError) -> Announce {
        do {
            let box = try AES.GCM.seal(
                announce.plainDetails, using: detailsKey, nonce: AES.GCM.Nonce(data: [UInt8](repeating: 0, count: 12)), authenticating: sessionBytes)
            var result = announce
            result.secrecy = .opened(SealedDetails(salt: salt, bytes: Array(box.ciphertext) + Array(box.tag)))
            return result
        } catch { throw .sealMismatch }
    }

    /// Details of an ANNOUNCE of this session; nil when they are not what was sealed.
    func open(_ details: SealedDetails) -> [UInt8]? {
        guard details.bytes.count == SealedDetails.sealedLength,
            let box = try? AES.GCM.SealedBox(
                nonce: AES.GCM.Nonce(data: [UInt8](repeating: 0, count: 12)), ciphertext: details.bytes.dropLast(16), tag: details.bytes.suffix(16)),
            let plain = try? AES.GCM.open(box, using: detailsKey, authenticating: sessionBytes)
        else { return nil }
        return Array(plain)
    }

    private var sessionBytes: [UInt8] {
        var bytes: [UInt8] = []
        for word in [session.high, session.low] { Self.append(word, to: &bytes) }
        return bytes
    }

    // MARK: Chunks

    /// Seals encoded bytes.
    /// - Parameters:
    ///   - plain: encoded bytes of the chunk; may be in `destination`.
    ///   - record: with the content's digest, which is not masked.
    /// - Returns: the record of the sealed chunk, whose bytes are in the front of `destination`.
    func seal(
        _ plain: UnsafeRawBufferPointer, of chunk: UInt32, _ record: ChunkRecord, into destination: UnsafeMutableRawBufferPointer
    ) throws(ContentError) -> ChunkRecord {
        do {
            // Nothing is written to what is read: the cipher has memory of its own for its result.
            let box = unsafe try AES.GCM.seal(
                plain, using: contentKey, nonce: nonce(of: chunk, record), authenticating: associatedData(of: chunk, record))
            let ciphertext = box.ciphertext
            unsafe ciphertext.withUnsafeBytes { unsafe destination.copyMemory(from: $0) }
            let tag = unsafe box.tag.withUnsafeBytes { bytes in
                unsafe SealTag(
                    high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                    low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
            }
            return record.sealed(
                tag: tag, encodedDigest: unsafe BLAKE3Digest.digest(of: UnsafeRawBufferPointer(rebasing: destination.prefix(plain.count))),
                maskedDigest: mask(record.contentDigest, of: chunk))
        } catch { throw .sealMismatch }
    }

    /// Opens sealed bytes in place.
    /// - Parameter record: as it is in the table; see `readable`.
    /// - Throws: `.sealMismatch`; the bytes are as they were then.
    public func open(_ bytes: UnsafeMutableRawBufferPointer, of chunk: UInt32, _ record: ChunkRecord) throws(ContentError) {
        guard record.isSealed, bytes.count == Int(record.encodedLength) else { throw .sealMismatch }
        let readable = readable(record, of: chunk)
        do {
            var tag: [UInt8] = []
            Self.append(record.tag.high, to: &tag)
            Self.append(record.tag.low, to: &tag)
            let box = unsafe try AES.GCM.SealedBox(nonce: nonce(of: chunk, readable), ciphertext: UnsafeRawBufferPointer(bytes), tag: tag)
            let plain = try AES.GCM.open(box, using: contentKey, authenticating: associatedData(of: chunk, readable))
            unsafe plain.withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
        } catch { throw .sealMismatch }
    }

    /// The record with the digest of its content in the clear, as the group's nodes keep it.
    public func readable(_ record: ChunkRecord, of chunk: UInt32) -> ChunkRecord {
        guard record.isSealed else { return record }
        var result = record
        result.contentDigest = mask(record.contentDigest, of: chunk)
        return result
    }

    /// Hides a digest, or shows it again, by a pad that belongs to this chunk of this session. Without it equal contents
    /// had equal digests for all to see.
    private func mask(_ digest: RMCPProtocol.Digest, of chunk: UInt32) -> RMCPProtocol.Digest {
        var number: [UInt8] = []
        Self.append(UInt64(chunk), to: &number)
        let pad = BLAKE3Digest.keyed(maskKey, number)
        let value = digest.value
        return RMCPProtocol.Digest(Bytes32(value.a ^ pad.a, value.b ^ pad.b, value.c ^ pad.c, value.d ^ pad.d))
    }

    private func nonce(of chunk: UInt32, _ record: ChunkRecord) throws -> AES.GCM.Nonce {
        try AES.GCM.Nonce(data: BLAKE3Digest.keyed(nonceKey, form(of: chunk, record) + record.contentDigest.value.bytes).bytes.prefix(12))
    }

    private func associatedData(of chunk: UInt32, _ record: ChunkRecord) -> [UInt8] { sessionBytes + form(of: chunk, record) }

    /// Number of the chunk, and its form of encoding.
    private func form(of chunk: UInt32, _ record: ChunkRecord) -> [UInt8] {
        var bytes: [UInt8] = []
        Self.append(UInt64(chunk) << 32 | UInt64(record.kind.rawValue), to: &bytes)
        Self.append(UInt64(record.contentLength) << 32 | UInt64(record.encodedLength), to: &bytes)
        return bytes
    }

    private static func append(_ word: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}

/// Opens ANNOUNCEs with a group's key.
public struct GroupDetailsOpener: DetailsOpener {
    private let key: GroupKey

    public init(key: GroupKey) { self.key = key }

    /// Opens the details with keys that it derives for each call.
    public func unseal(_ details: SealedDetails, of session: SessionID) -> [UInt8]? {
        ChunkSealer(session: session, salt: details.salt, key: key).open(details)
    }
}
