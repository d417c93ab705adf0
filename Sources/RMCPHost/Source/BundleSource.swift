import Glibc
import RMCPProtocol

/// Where a bundle's content comes from. Chunks are read from worker threads.
protocol BundleSource: AnyObject, Sendable {
    var path: String { get }
    var kind: BundleKind { get }
    /// Nil for a stream.
    var contentLength: UInt64? { get }
    /// Bytes that are not holes.
    var allocatedLength: UInt64 { get }
    /// Nil where the source has none.
    var mode: UInt16? { get }
    var modificationTime: FileTime? { get }

    /// What the user should know of it before it is sent, a line each.
    var warnings: [String] { get }

    /// Fills `buffer` with the content at `offset`, all of it.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(HostError)
    /// Throws when the source is not what it was when it was opened. Called from a worker thread, as `read` is.
    func checkUnchanged() throws(HostError)
}

/// Standard input: read once, in order, by its own thread. What was encoded is spooled, since it cannot be read again.
final class StreamSource: BundleSource {
    let path = "standard input"
    let kind = BundleKind.stream
    let contentLength: UInt64? = nil
    let allocatedLength: UInt64 = 0
    let mode: UInt16? = nil
    let modificationTime: FileTime? = nil
    let warnings: [String] = []
    private let input: Int32
    private let spool: OwnedDescriptor

    init(input: Int32 = STDIN_FILENO) throws(HostError) {
        self.input = input
        spool = try StreamStorage.openSpool()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(HostError) {
        throw HostError("standard input cannot be read twice")
    }

    /// Reads the next chunk; fewer bytes than asked for only at the end.
    func readNext(into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Int {
        unsafe try FileTransfer.readSequentially(input, into: buffer, path: path)
    }

    func spool(_ encoded: UnsafeRawBufferPointer, at offset: UInt64) throws(HostError) {
        unsafe try FileTransfer.write(spool.raw, encoded, at: offset, path: "the spool file")
    }

    func readSpooled(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(HostError) {
        let count = unsafe try FileTransfer.read(spool.raw, into: buffer, at: offset, path: "the spool file")
        guard count == buffer.count else { throw HostError("the spool file is shorter than what was written to it") }
    }

    func checkUnchanged() throws(HostError) {}
}
