import Glibc
import RMCPContent
import RMCPProtocol

/// A bundle written to standard output. Chunks come in any order and leave in order: what is early waits in an unlinked
/// spool file, whose space is given back as it is written out. What comes back from there is verified once more: a disk
/// may have lost it without a word.
final class StreamStorage: BundleStorage {
    let path = "standard output"
    private let spool: SpoolFile
    private let output: Int32
    private let map: ChunkMap
    private let digester: ContentDigester
    private let state = LockedValue(State())

    private struct State: ~Copyable {
        /// Chunks that are in the spool or are zero; removed when written out.
        var ready: [UInt32: ChunkRecord] = [:]
        var next: UInt32 = 0
        var buffer: [UInt8] = []
    }

    /// - Parameter digester: how the session's records digest content.
    init(
        announce: Announce, digester: ContentDigester = .plain, output: Int32 = STDOUT_FILENO, files: FileSystem = .host
    ) throws(HostError) {
        self.output = output
        self.digester = digester
        map = ChunkMap(announce)
        spool = try SpoolFile(files: files)
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {}

    func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError) {
        // Nobody but the writer of the next chunk gets past it.
        let isNext = state.withLock { $0.next == chunk }
        if !isNext { try spool.write(content, at: map.offset(of: chunk)) }
        try state.withLock { state throws(HostError) in
            if isNext {
                try FileTransfer.writeSequentially(output, content, path: path)
                state.next += 1
            } else {
                state.ready[chunk] = record
            }
            try emit(&state)
        }
    }

    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        let extents = map.extents(of: chunks, contentLength: contentLength)
        try state.withLock { state throws(HostError) in
            for (chunk, extent) in zip(chunks, extents) { state.ready[chunk] = .zero(contentLength: UInt32(extent.length)) }
            try emit(&state)
        }
    }

    /// Writes out what has become contiguous. The lock is held meanwhile: output has one order.
    private func emit(_ state: inout State) throws(HostError) {
        while let record = state.ready.removeValue(forKey: state.next) {
            try write(map.extent(of: state.next, record), record, through: &state.buffer)
            state.next += 1
        }
    }

    private func write(_ extent: ContentExtent, _ record: ChunkRecord, through buffer: inout [UInt8]) throws(HostError) {
        let length = Int(extent.length)
        if record.kind == .zero {
            // As many as there are: nothing has been spooled of them.
            return try FileTransfer.writeSequentially(output, [UInt8](repeating: 0, count: length), path: path)
        }
        if buffer.count != length { buffer = Array(repeating: 0, count: length) }
        try spool.read(into: &buffer, at: extent.offset)
        let content = unsafe buffer.span.bytes
        guard digester.matches(content, record) else { throw SpoolFile.lost }
        try FileTransfer.writeSequentially(output, content, path: path)
        spool.drop(at: extent.offset, count: length)
    }

    /// Bytes in a file are on the disk before the bundle is called complete; a pipe has nothing to flush.
    func flush(contentLength: UInt64) throws(HostError) { try Self.flush(output, path: path) }

    static func flush(_ output: Int32, path: String) throws(HostError) {
        var status = stat()
        guard unsafe fstat(output, &status) == 0, status.kind == S_IFREG || status.kind == S_IFBLK else { return }
        while fsync(output) != 0 {
            if errno == EINVAL || errno == EROFS { return }
            guard errno == EINTR else { throw .system("flush", path) }
        }
    }
}

extension DeferredStorage {
    /// Standard output, once something has to be stored.
    static func ofOutput(_ announce: Announce, digester: ContentDigester) -> DeferredStorage {
        DeferredStorage(path: "standard output", announce: announce) { () throws(HostError) in
            if announce.kind == .tree { return try PaxStorage(announce: announce, digester: digester) }
            return try StreamStorage(announce: announce, digester: digester)
        }
    }
}
