import Glibc

/// A file of records, each put behind the last one that is whole: what a crash or a full disk has left half-written is cut
/// off when the file is read, or overwritten by the next record. Nothing is flushed: it is for hints, which whoever reads
/// them verifies.
///
/// Its descriptor must not append by itself (O_APPEND).
final class AppendLog: Sendable {
    private let descriptor: OwnedDescriptor
    private let path: String
    /// Bytes that it may have.
    private let limit: Int
    private let files: FileSystem
    /// Where the next record goes; nil until it was read.
    private let end = LockedValue<Int?>(nil)

    init(_ descriptor: OwnedDescriptor, limit: Int, path: String, files: FileSystem = .host) {
        self.descriptor = descriptor
        self.limit = limit
        self.path = path
        self.files = files
    }

    var isRead: Bool { end.withLock { $0 != nil } }

    /// Goes through what is there.
    /// - Parameter body: answers where the last whole record ends.
    func read(_ body: (inout FileWindow) throws(HostError) -> Int) throws(HostError) {
        try end.withLock { end throws(HostError) in
            var window = FileWindow(descriptor, path: path, files: files)
            let found = try body(&window)
            guard let status = files.status(of: descriptor.raw) else { throw .system("read", path) }
            if status.st_size > found, files.truncate(descriptor.raw, to: found) != 0 { throw .system("truncate", path) }
            end = found
        }
    }

    /// Appends a record, after `read`; false when the file is as long as it may be.
    func append(_ record: [UInt8]) throws(HostError) -> Bool {
        try end.withLock { end throws(HostError) in
            guard let offset = end, offset + record.count <= limit else { return false }
            try FileTransfer.write(descriptor.raw, record, at: UInt64(offset), path: path, files: files)
            end = offset + record.count
            return true
        }
    }
}
