/// Reads a file front to back through a bounded piece of memory.
struct FileWindow {
    /// Bytes that are read at one time, at least.
    private static let length = 64 << 10

    private let descriptor: OwnedDescriptor
    private let path: String
    private let files: FileSystem
    private var buffer: [UInt8] = []
    /// Where in the file the buffer starts, and how much of it is the file's.
    private var start = 0
    private var filled = 0

    init(_ descriptor: OwnedDescriptor, path: String, files: FileSystem = .host) {
        self.descriptor = descriptor
        self.path = path
        self.files = files
    }

    /// Nil when they are not all there.
    mutating func bytes(at offset: Int, count: Int) throws(HostError) -> ArraySlice<UInt8>? {
        if offset < start || offset + count > start + filled { try fill(from: offset, count: count) }
        let first = offset - start
        guard first + count <= filled else { return nil }
        return buffer[first..<first + count]
    }

    private mutating func fill(from offset: Int, count: Int) throws(HostError) {
        let length = max(count, Self.length)
        if buffer.count < length { buffer = Array(repeating: 0, count: length) }
        filled = try FileTransfer.read(descriptor.raw, into: &buffer, at: UInt64(offset), path: path, files: files)
        start = offset
    }
}
