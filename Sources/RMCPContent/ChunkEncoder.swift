import CZstd
public import RMCPProtocol

/// Makes chunks of content: finds zeros, compresses, digests. Owned by one worker thread; what it allocates it keeps.
@safe public final class ChunkEncoder {
    /// Compressing must save at least this fraction, or the chunk is stored: below it the receivers' time is worth more.
    private static let worthwhileSaving = 32
    /// Length and number of the pieces that are compressed first to see whether the rest is worth trying.
    private static let probeLength = 4_096
    private static let probeCount = 4

    private let context: OpaquePointer
    private let probeContext: OpaquePointer
    /// zstd's level for what is encoded next, -7...19; 0 stores.
    public var level: Int
    private var probeOutput: [UInt8]

    /// - Parameter level: zstd's, -7...19, where negative ones are faster and compress less; 0 stores.
    public init(level: Int) throws(ContentError) {
        guard let context = unsafe ZSTD_createCCtx(), let probeContext = unsafe ZSTD_createCCtx() else {
            throw .compression("out of memory")
        }
        unsafe self.context = context
        unsafe self.probeContext = probeContext
        self.level = level
        probeOutput = Array(repeating: 0, count: ZSTD_compressBound(Self.probeLength))
    }

    deinit {
        unsafe ZSTD_freeCCtx(context)
        unsafe ZSTD_freeCCtx(probeContext)
    }

    /// Encodes one chunk. For a compressed one the frame is in the front of `destination`; a stored one travels as
    /// `content` itself. The same content at the same level always gives the same bytes.
    public func encode(
        content: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) throws(ContentError) -> ChunkRecord {
        let length = UInt32(content.count)
        if unsafe Self.isZero(content) { return .zero(contentLength: length) }
        let contentDigest = unsafe BLAKE3Digest.digest(of: content)
        let stored = ChunkRecord(
            kind: .stored, contentLength: length, encodedLength: length, encodedDigest: contentDigest,
            contentDigest: contentDigest)
        guard level != 0, unsafe looksCompressible(content) else { return stored }
        let limit = content.count - max(1, content.count / Self.worthwhileSaving)
        guard limit > 0, destination.count >= limit else { return stored }
        // Room for no more than is worthwhile: zstd stops when it is used up.
        let result = unsafe ZSTD_compressCCtx(
            context, destination.baseAddress, limit, content.baseAddress, content.count, Int32(level))
        if ZSTD_isError(result) != 0 {
            if ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall { return stored }
            throw unsafe .compression(String(cString: ZSTD_getErrorName(result)))
        }
        let encoded = unsafe UnsafeRawBufferPointer(rebasing: destination.prefix(result))
        return ChunkRecord(
            kind: .compressed, contentLength: length, encodedLength: UInt32(result),
            encodedDigest: unsafe BLAKE3Digest.digest(of: encoded), contentDigest: contentDigest)
    }

    /// Compresses a few small pieces at zstd's fastest: where none of them shrinks, neither will the chunk.
    private func looksCompressible(_ content: UnsafeRawBufferPointer) -> Bool {
        guard content.count >= Self.probeLength * Self.probeCount * 4 else { return true }
        let stride = (content.count - Self.probeLength) / (Self.probeCount - 1)
        for index in 0..<Self.probeCount {
            let piece = unsafe UnsafeRawBufferPointer(rebasing: content[index * stride..<index * stride + Self.probeLength])
            let result = unsafe probeOutput.withUnsafeMutableBytes { output in
                unsafe ZSTD_compressCCtx(probeContext, output.baseAddress, output.count, piece.baseAddress, piece.count, 1)
            }
            if ZSTD_isError(result) != 0 || result < Self.probeLength - Self.probeLength / Self.worthwhileSaving { return true }
        }
        return false
    }

    /// True when every byte is zero, found at the speed of memory, and at once where the first byte is not.
    public static func isZero(_ content: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset + 64 <= content.count {
            var bits: UInt64 = 0
            for word in 0..<8 { unsafe bits |= content.loadUnaligned(fromByteOffset: offset + word * 8, as: UInt64.self) }
            if bits != 0 { return false }
            offset += 64
        }
        return unsafe content[offset...].allSatisfy { $0 == 0 }
    }
}

/// Makes content of chunks and verifies both ends against the signed record. Owned by one worker thread.
@safe public final class ChunkDecoder {
    private let context: OpaquePointer

    public init() throws(ContentError) {
        guard let context = unsafe ZSTD_createDCtx() else { throw .compression("out of memory") }
        unsafe self.context = context
    }

    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Holds encoded bytes against the record.
    public func verify(_ encoded: UnsafeRawBufferPointer, against record: ChunkRecord) throws(ContentError) {
        guard encoded.count == Int(record.encodedLength), unsafe BLAKE3Digest.digest(of: encoded) == record.encodedDigest else {
            throw .encodedDigestMismatch
        }
    }

    /// Decodes a compressed chunk whose encoded bytes have been verified. Never writes more than the record's content
    /// length, whatever the frame claims.
    public func decode(
        _ encoded: UnsafeRawBufferPointer, record: ChunkRecord, into content: UnsafeMutableRawBufferPointer
    ) throws(ContentError) {
        let length = Int(record.contentLength)
        guard content.count >= length else { throw .bufferTooSmall }
        let result = unsafe ZSTD_decompressDCtx(context, content.baseAddress, length, encoded.baseAddress, encoded.count)
        if ZSTD_isError(result) != 0 { throw unsafe .compression(String(cString: ZSTD_getErrorName(result))) }
        guard result == length, unsafe Self.isContent(UnsafeRawBufferPointer(rebasing: content.prefix(length)), of: record) else {
            throw .contentMismatch
        }
    }

    /// True when `content` is what the record says: for chunks that are here from before.
    public static func isContent(_ content: RawSpan, of record: ChunkRecord) -> Bool {
        unsafe content.withUnsafeBytes { unsafe isContent($0, of: record) }
    }

    public static func isContent(_ content: UnsafeRawBufferPointer, of record: ChunkRecord) -> Bool {
        guard content.count == Int(record.contentLength) else { return false }
        if record.kind == .zero { return unsafe ChunkEncoder.isZero(content) }
        return unsafe BLAKE3Digest.digest(of: content) == record.contentDigest
    }
}
