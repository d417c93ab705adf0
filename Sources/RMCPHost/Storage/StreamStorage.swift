import CLinuxNetwork
import Glibc
import RMCPProtocol

/// A bundle written to standard output. Chunks come in any order and leave in order: what is early waits in an unlinked
/// spool file, whose space is given back as it is written out.
final class StreamStorage: BundleStorage {
    let path = "standard output"
    let isResumable = false
    private let spool: OwnedDescriptor
    private let output: Int32
    private let chunkLength: UInt64
    private let state = LockedValue(State())

    private struct State: ~Copyable {
        /// Content length of chunks that are in the spool or are zero; removed when written out.
        var ready: [UInt32: UInt32] = [:]
        var next: UInt32 = 0
        var buffer: [UInt8] = []
    }

    init(announce: Announce, output: Int32 = STDOUT_FILENO) throws(HostError) {
        self.output = output
        chunkLength = UInt64(announce.chunkLength)
        spool = try Self.openSpool()
    }

    /// A file without a name in TMPDIR.
    static func openSpool() throws(HostError) -> OwnedDescriptor {
        let directory = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/var/tmp"
        let raw = unsafe open(directory, rmcp_o_tmpfile() | O_RDWR | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw .system("make a spool file in", directory, advice: "set TMPDIR to another directory") }
        return OwnedDescriptor(raw)
    }

    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {}
    func mayHave(chunk: UInt32, record: ChunkRecord) -> Bool { false }
    func read(chunk: UInt32, into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Bool { false }

    func write(chunk: UInt32, record: ChunkRecord, content: UnsafeRawBufferPointer) throws(HostError) {
        unsafe try FileTransfer.write(spool.raw, content, at: UInt64(chunk) * chunkLength, path: "the spool file")
        try emit { $0.ready[chunk] = record.contentLength }
    }

    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        // Only the bundle's last chunk can be short.
        let short = contentLength % chunkLength
        try emit { state in
            for chunk in chunks {
                let isLast = chunk == chunks.upperBound - 1
                state.ready[chunk] = UInt32(isLast && short != 0 ? short : self.chunkLength)
            }
        }
    }

    /// Writes out what has become contiguous. The lock is held meanwhile: output has one order.
    private func emit(_ change: (inout State) -> Void) throws(HostError) {
        let failure: HostError? = state.withLock { state in
            change(&state)
            while let length = state.ready.removeValue(forKey: state.next) {
                do throws(HostError) {
                    try write(chunk: state.next, length: Int(length), through: &state.buffer)
                } catch { return error }
                state.next += 1
            }
            return nil
        }
        if let failure { throw failure }
    }

    private func write(chunk: UInt32, length: Int, through buffer: inout [UInt8]) throws(HostError) {
        if buffer.count < length { buffer = Array(repeating: 0, count: length) }
        let offset = UInt64(chunk) * chunkLength
        let failure: HostError? = unsafe buffer.withUnsafeMutableBytes { bytes in
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes.prefix(length))
            do throws(HostError) {
                // Beyond the spool's end, and in its holes, lie zeros.
                let count = unsafe try FileTransfer.read(spool.raw, into: bytes, at: offset, path: "the spool file")
                if count < length { unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[count...]).initializeMemory(as: UInt8.self, repeating: 0) }
                unsafe try FileTransfer.writeSequentially(output, UnsafeRawBufferPointer(bytes), path: path)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        _ = rmcp_fallocate(spool.raw, RMCP_FALLOC_FL_PUNCH_HOLE | RMCP_FALLOC_FL_KEEP_SIZE, Int(offset), length)
    }

    func commit(contentLength: UInt64) throws(HostError) {}
    func abandon() {}
}
