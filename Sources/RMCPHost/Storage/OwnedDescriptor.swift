import Glibc

/// A file descriptor that is closed when its owner goes.
public final class OwnedDescriptor: Sendable {
    public let raw: Int32
    public init(_ raw: Int32) { self.raw = raw }
    deinit { close(raw) }
}

/// Calls that go on until everything is transferred or something is wrong.
enum FileTransfer {
    /// Reads until `buffer` is full or the file ends; the number of bytes read.
    static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, path: String
    ) throws(HostError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = unsafe pread(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, Int(offset) + done)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("read", path)
            }
            done += count
        }
        return done
    }

    /// Reads from a pipe or terminal until `buffer` is full or the input ends.
    static func readSequentially(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, path: String
    ) throws(HostError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = unsafe Glibc.read(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR || waits(for: POLLIN, at: descriptor) { continue }
                throw .system("read", path)
            }
            done += count
        }
        return done
    }

    /// After an error of `descriptor`: whether it was only that it does not block, because whoever else has it made it so,
    /// and nothing was there; it is waited for. Keeps errno where it was something else.
    private static func waits(for event: Int32, at descriptor: Int32) -> Bool {
        guard errno == EAGAIN else { return false }
        var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        _ = unsafe poll(&entry, 1, -1)
        return true
    }

    static func write(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: UInt64, path: String
    ) throws(HostError) {
        var done = 0
        while done < buffer.count {
            let count = unsafe pwrite(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, Int(offset) + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("write", path)
            }
            done += count
        }
    }

    static func writeSequentially(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, path: String
    ) throws(HostError) {
        var done = 0
        while done < buffer.count {
            let count = unsafe Glibc.write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
            if count < 0 {
                if errno == EINTR || waits(for: POLLOUT, at: descriptor) { continue }
                throw .system("write", path)
            }
            done += count
        }
    }
}
