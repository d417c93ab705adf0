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
    private let sealer: ChunkSealer?
    /// zstd's level for what is encoded next, -7...19; 0 stores.
    public var level: Int
    private var probeOutput: [UInt8]

    /// - Parameters:
    ///   - level: zstd's, -7...19, where negative ones are faster and compress less; 0 stores.
    ///   - sealer: seals what is encoded; nil leaves it in the clear.
    public init(level: Int, sealer: ChunkSealer? = nil) throws(ContentError) {
        guard let context = unsafe ZSTD_createCCtx(), let probeContext = unsafe ZSTD_createCCtx() else {
            throw .compression("out of memory")
        }
        unsafe self.context = context
        unsafe self.probeContext = probeContext
        self.level = level
        self.sealer = sealer
        probeOutput = Array(repeating: 0, count: ZSTD_compressBound(Self.probeLength))
    }

    deinit {
        unsafe ZSTD_freeCCtx(context)
        unsafe ZSTD_freeCCtx(probeContext)
    }

    /// Encodes one chunk. What travels is in the front of `destination`, but for a stored one that is not sealed: it
    /// travels as `content` itself. The same content at the same level always gives the same bytes.
    /// - Parameter chunk: its number, which a sealed chunk is bound to.
    public func encode(
        content: UnsafeRawBufferPointer, chunk: UInt32 = 0, into destination: UnsafeMutableRawBufferPointer
    ) throws(ContentError) -> ChunkRecord {
        let record = unsafe try compress(content, into: destination)
        return unsafe try finish(record, content, destination, chunk: chunk, into: destination)
    }

    /// Encodes the chunk in `buffer`; what travels is in its front afterwards.
    /// - Parameter scratch: as long as the chunk.
    public func encode(
        inPlace buffer: UnsafeMutableRawBufferPointer, chunk: UInt32, scratch: UnsafeMutableRawBufferPointer
    ) throws(ContentError) -> ChunkRecord {
        let content = UnsafeRawBufferPointer(buffer)
        let record = unsafe try compress(content, into: scratch)
        let finished = unsafe try finish(record, content, scratch, chunk: chunk, into: buffer)
        if finished.kind == .compressed, !finished.isSealed {
            unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: scratch.prefix(Int(finished.encodedLength))))
        }
        return finished
    }

    /// Seals what is to be sealed, and digests what travels.
    private func finish(
        _ record: ChunkRecord, _ content: UnsafeRawBufferPointer, _ compressed: UnsafeMutableRawBufferPointer, chunk: UInt32,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(ContentError) -> ChunkRecord {
        if record.kind == .zero { return record }
        let length = Int(record.encodedLength)
        let encoded = unsafe record.kind == .stored ? content : UnsafeRawBufferPointer(rebasing: compressed.prefix(length))
        if let sealer {
            guard destination.count >= length else { throw .bufferTooSmall }
            return unsafe try sealer.seal(encoded, of: chunk, record, into: destination)
        }
        guard record.kind == .compressed else { return record }
        var result = record
        result.encodedDigest = unsafe BLAKE3Digest.digest(of: encoded)
        return result
    }

    /// Compresses what is worth it. A compressed chunk's record lacks its encoded digest.
    private func compress(_ content: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer) throws(ContentError) -> ChunkRecord {
        let length = UInt32(content.count)
        if unsafe Self.isZero(content) { return .zero(contentLength: length) }
        let contentDigest = unsafe try (sealer?.digester ?? .plain).digest(of: content)
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
        return ChunkRecord(
            kind: .compressed, contentLength: length, encodedLength: UInt32(result), encodedDigest: .zero, contentDigest: contentDigest)
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

    /// Throws `.compression` where there is no memory for the decoder.
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
        _ encoded: UnsafeRawBufferPointer, record: ChunkRecord, digester: ContentDigester = .plain, into content: UnsafeMutableRawBufferPointer
    ) throws(ContentError) {
        let length = Int(record.contentLength)
        guard content.count >= length else { throw .bufferTooSmall }
        let result = unsafe ZSTD_decompressDCtx(context, content.baseAddress, length, encoded.baseAddress, encoded.count)
        if ZSTD_isError(result) != 0 { throw unsafe .compression(String(cString: ZSTD_getErrorName(result))) }
        guard result == length, unsafe digester.matches(UnsafeRawBufferPointer(rebasing: content.prefix(length)), record) else {
            throw .contentMismatch
        }
    }
}
