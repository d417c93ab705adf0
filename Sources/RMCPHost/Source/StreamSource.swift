import Glibc
import RMCPContent
import RMCPProtocol

/// Standard input: read once, in order, by a thread of its own, which may block for as long as nothing comes. What was
/// encoded is spooled, since it cannot be read again.
final class StreamSource: BundleSource {
    let path = "standard input"
    let defaultName: String? = "stdin"
    let kind = BundleKind.stream
    let contentLength: UInt64? = nil
    let allocatedLength: UInt64 = 0
    let mode: UInt16? = nil
    let modificationTime: FileTime? = nil
    let warnings: [String] = []
    private let input: Int32
    private let spool: SpoolFile
    private let pieces = BoundedQueue<Result<SourcePiece, HostError>>(capacity: HostLimits.readAhead + 2)
    /// A token for each chunk that may be read ahead.
    private let room = BoundedQueue<Void>(capacity: HostLimits.readAhead)

    init(input: Int32 = STDIN_FILENO) throws(HostError) {
        self.input = input
        spool = try SpoolFile()
        for _ in 0..<HostLimits.readAhead { _ = room.tryPush(()) }
    }

    func start(_ map: ChunkMap, pool: BufferPool, wakeUp: WakeUp) throws(HostError) {
        // Not joined: it may be blocked in read until the process ends.
        _ = try HostThread(name: "rmcp-read") { [self] in
            var chunk: UInt32 = 0
            while room.pop() != nil {
                let piece = readPiece(map.offset(of: chunk), pool)
                _ = pieces.tryPush(piece)
                chunk += 1
                guard case .success(.data(let extent, _)) = piece else { return wakeUp.signal() }
                // Fewer bytes than asked for come only at the end.
                let isLast = extent.length < UInt64(map.chunkLength)
                if isLast { _ = pieces.tryPush(.success(.ended)) }
                wakeUp.signal()
                if isLast { return }
            }
        }
    }

    private func readPiece(_ offset: UInt64, _ pool: BufferPool) -> Result<SourcePiece, HostError> {
        // Without memory nothing can be sent; with the pool closed nobody asks any more.
        guard let buffer = pool.takeWaiting() else { return .failure(HostError("no memory for what \(path) brings")) }
        do throws(HostError) {
            var bytes = buffer.mutableSpan(buffer.length)
            let length = try FileTransfer.readSequentially(input, into: &bytes, path: path)
            if length > 0 { return .success(.data(ContentExtent(offset: offset, length: UInt64(length)), buffer)) }
            pool.giveBack(buffer)
            return .success(.ended)
        } catch { return .failure(error) }
    }

    func next() throws(HostError) -> SourcePiece {
        guard let piece = pieces.tryPop() else { return .waiting }
        _ = room.tryPush(())
        return try piece.get()
    }

    func stop() { room.close() }

    /// The chunk came with its content.
    func load(_ extent: ContentExtent, into buffer: ChunkBuffer) throws(HostError) {}

    func keep(_ encoded: RawSpan, of extent: ContentExtent) throws(HostError) { try spool.write(encoded, at: extent.offset) }

    func reread(_ extent: ContentExtent, _ record: ChunkRecord, into buffer: ChunkBuffer) throws(HostError) -> Reread {
        var bytes = buffer.mutableSpan(Int(record.encodedLength))
        try spool.read(into: &bytes, at: extent.offset)
        // Nobody could do anything with what is not in the table.
        guard BLAKE3Digest.digest(of: buffer.span(Int(record.encodedLength))) == record.encodedDigest else { throw SpoolFile.lost }
        return .encoded
    }
}
