import CLinuxNetwork
import Glibc
import RMCPContent
import RMCPProtocol

/// A bundle written to standard output. Chunks come in any order and leave in order: what is early waits in an unlinked
/// spool file, whose space is given back as it is written out. What comes back from there is verified once more: a disk
/// may have lost it without a word.
final class StreamStorage: BundleStorage {
    let path = "standard output"
    let isResumable = false
    private let spool: OwnedDescriptor
    private let output: Int32
    private let chunkLength: UInt64
    private let state = LockedValue(State())

    private struct State: ~Copyable {
        /// Chunks that are in the spool or are zero; removed when written out.
        var ready: [UInt32: ChunkRecord] = [:]
        var next: UInt32 = 0
        var buffer: [UInt8] = []
    }

    init(announce: Announce, output: Int32 = STDOUT_FILENO) throws(HostError) {
        self.output = output
        chunkLength = UInt64(announce.chunkLength)
        spool = try Self.openSpool()
    }

    /// A file without a name, in the first of `$TMPDIR`, /var/tmp and /tmp that has one to give.
    static func openSpool(files: FileSystem = .host) throws(HostError) -> OwnedDescriptor {
        let named = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? ""
        let directories = (named.isEmpty ? [] : [named]) + ["/var/tmp", "/tmp"]
        var failure: HostError?
        for directory in directories {
            let raw = files.open(directory, rmcp_o_tmpfile() | O_RDWR, mode: 0o600)
            if raw >= 0 { return OwnedDescriptor(raw) }
            failure = failure ?? .system("make a spool file in", directory, advice: "set TMPDIR to a directory with room")
            // Not every file system has files without names; all have files whose name is gone.
            if let descriptor = openUnlinked(in: directory, files) { return descriptor }
        }
        throw failure ?? HostError("there is no directory for a spool file; set TMPDIR")
    }

    private static func openUnlinked(in directory: String, _ files: FileSystem) -> OwnedDescriptor? {
        guard let parent = try? files.openDirectory(directory) else { return nil }
        let name = ".rmcp-spool-\(UInt64.random(in: 0...(.max)))"
        let raw = files.open(name, in: parent.raw, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        guard raw >= 0 else { return nil }
        let descriptor = OwnedDescriptor(raw)
        return files.remove(name, in: parent.raw) == 0 ? descriptor : nil
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {}

    func write(chunk: UInt32, record: ChunkRecord, content: UnsafeRawBufferPointer) throws(HostError) {
        // Nobody but the writer of the next chunk gets past it.
        if state.withLock({ $0.next == chunk }) {
            return try emit { state throws(HostError) in
                unsafe try FileTransfer.writeSequentially(output, content, path: path)
                state.next += 1
            }
        }
        unsafe try FileTransfer.write(spool.raw, content, at: UInt64(chunk) * chunkLength, path: "the spool file")
        try emit { state throws(HostError) in state.ready[chunk] = record }
    }

    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        // Only the bundle's last chunk can be short.
        let short = contentLength % chunkLength
        try emit { state throws(HostError) in
            for chunk in chunks {
                let isLast = chunk == chunks.upperBound - 1
                state.ready[chunk] = .zero(contentLength: UInt32(isLast && short != 0 ? short : self.chunkLength))
            }
        }
    }

    /// Writes out what has become contiguous. The lock is held meanwhile: output has one order.
    private func emit(_ change: (inout State) throws(HostError) -> Void) throws(HostError) {
        try state.withLock { state throws(HostError) in
            try change(&state)
            while let record = state.ready.removeValue(forKey: state.next) {
                try write(chunk: state.next, record, through: &state.buffer)
                state.next += 1
            }
        }
    }

    private func write(chunk: UInt32, _ record: ChunkRecord, through buffer: inout [UInt8]) throws(HostError) {
        let length = Int(record.contentLength)
        if record.kind == .zero {
            // As many as there are: nothing has been spooled of them.
            return try FileTransfer.writeSequentially(output, [UInt8](repeating: 0, count: length), path: path)
        }
        if buffer.count < length { buffer = Array(repeating: 0, count: length) }
        let offset = UInt64(chunk) * chunkLength
        let failure: HostError? = unsafe buffer.withUnsafeMutableBytes { bytes in
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes.prefix(length))
            do throws(HostError) {
                let count = unsafe try FileTransfer.read(spool.raw, into: bytes, at: offset, path: "the spool file")
                guard count == length, unsafe ChunkDecoder.isContent(UnsafeRawBufferPointer(bytes), of: record) else {
                    throw HostError("the spool file has lost what was written to it; set TMPDIR to a directory on another disk")
                }
                unsafe try FileTransfer.writeSequentially(output, UnsafeRawBufferPointer(bytes), path: path)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        _ = rmcp_fallocate(spool.raw, RMCP_FALLOC_FL_PUNCH_HOLE | RMCP_FALLOC_FL_KEEP_SIZE, Int(offset), length)
    }

    /// What goes to a file is on the disk before it is called complete; a pipe has nothing to flush.
    func flush(contentLength: UInt64) throws(HostError) {
        var status = stat()
        guard unsafe fstat(output, &status) == 0, status.kind == S_IFREG || status.kind == S_IFBLK else { return }
        while fsync(output) != 0 {
            if errno == EINVAL || errno == EROFS { return }
            guard errno == EINTR else { throw .system("flush", path) }
        }
    }

    func close() {}
}
