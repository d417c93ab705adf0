import CLinux
import Glibc

/// Calls that go on until everything is transferred or something is wrong. The text of a path is made for messages only: in a tree of small
/// files it would cost as much as the call.
enum FileTransfer {
    /// Reads until `bytes` is full or the file ends; the number of bytes read.
    static func read(
        _ descriptor: Int32, into bytes: inout MutableRawSpan, at offset: UInt64, path: @autoclosure () -> String, files: FileSystem = .host
    ) throws(HostError) -> Int {
        unsafe try bytes.withUnsafeMutableBytes { buffer throws(HostError) in
            unsafe try readAll(buffer, path: path()) { unsafe files.read(descriptor, $0, $1, at: Int(offset) + $2) }
        }
    }

    /// The same for an array.
    static func read(
        _ descriptor: Int32, into bytes: inout [UInt8], at offset: UInt64, path: @autoclosure () -> String, files: FileSystem = .host
    ) throws(HostError) -> Int {
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        return try read(descriptor, into: &target, at: offset, path: path(), files: files)
    }

    /// Reads from a pipe or terminal until `bytes` is full or the input ends; the number of bytes read.
    static func readSequentially(_ descriptor: Int32, into bytes: inout MutableRawSpan, path: @autoclosure () -> String) throws(HostError) -> Int {
        unsafe try bytes.withUnsafeMutableBytes { buffer throws(HostError) in
            unsafe try readAll(buffer, path: path(), waiting: descriptor) { start, count, _ in unsafe Glibc.read(descriptor, start, count) }
        }
    }

    static func write(
        _ descriptor: Int32, _ bytes: RawSpan, at offset: UInt64, path: @autoclosure () -> String, files: FileSystem = .host
    ) throws(HostError) {
        unsafe try bytes.withUnsafeBytes { buffer throws(HostError) in
            unsafe try writeAll(buffer, path: path()) { unsafe files.write(descriptor, $0, $1, at: Int(offset) + $2) }
        }
    }

    /// The same for an array.
    static func write(_ descriptor: Int32, _ bytes: [UInt8], at offset: UInt64, path: @autoclosure () -> String, files: FileSystem = .host) throws(HostError) {
        unsafe try write(descriptor, bytes.span.bytes, at: offset, path: path(), files: files)
    }

    /// Writes where the descriptor stands, to a pipe as well.
    static func writeSequentially(_ descriptor: Int32, _ bytes: RawSpan, path: @autoclosure () -> String, files: FileSystem = .host) throws(HostError) {
        unsafe try bytes.withUnsafeBytes { buffer throws(HostError) in
            unsafe try writeAll(buffer, path: path(), waiting: descriptor) { start, count, _ in unsafe files.write(descriptor, start, count) }
        }
    }

    /// The same for an array.
    static func writeSequentially(_ descriptor: Int32, _ bytes: [UInt8], path: @autoclosure () -> String, files: FileSystem = .host) throws(HostError) {
        unsafe try writeSequentially(descriptor, bytes.span.bytes, path: path(), files: files)
    }

    /// - Parameters:
    ///   - count: bytes.
    ///   - offset: bytes.
    static func writeZeros(_ descriptor: Int32, count: UInt64, at offset: UInt64, path: @autoclosure () -> String, files: FileSystem = .host) throws(HostError)
    {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var done: UInt64 = 0
        while done < count {
            let length = Int(min(UInt64(zeros.count), count - done))
            unsafe try write(descriptor, zeros.span.bytes.extracting(first: length), at: offset + done, path: path(), files: files)
            done += UInt64(length)
        }
    }

    /// The first bytes of a file, `limit` at most.
    static func contents(_ descriptor: Int32, limit: Int, path: @autoclosure () -> String, files: FileSystem = .host) throws(HostError) -> [UInt8] {
        guard let status = files.status(of: descriptor) else { throw .system("read", path()) }
        var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), limit))
        let count = try read(descriptor, into: &bytes, at: 0, path: path(), files: files)
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Text of a file below /proc or /sys, which has no length until it is read; nil where it cannot be read, or is longer than `limit`.
    /// - Parameter limit: bytes.
    static func kernelText(_ path: String, limit: Int = FileTransfer.longestKernelText) -> String? {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        let descriptor = OwnedDescriptor(raw)
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: kernelTextStep)
        while text.count <= limit {
            guard let count = try? read(descriptor.raw, into: &part, at: UInt64(text.count), path: path) else { return nil }
            text += part.prefix(count)
            if count < part.count { return text.count <= limit ? String(decoding: text, as: UTF8.self) : nil }
        }
        return nil
    }

    /// Bytes. A table of mounts has some hundred for each: a host of containers has thousands of mounts.
    static let longestKernelText = 16 << 20
    /// Bytes that are read at a time, which is all of nearly every such file.
    private static let kernelTextStep = 64 << 10

    // MARK: Until all is done

    /// - Parameters:
    ///   - waiting: what to wait for where it has nothing yet; nil for what is never without.
    ///   - call: told where to put bytes, how many, and how many have been read.
    private static func readAll(
        _ buffer: UnsafeMutableRawBufferPointer, path: @autoclosure () -> String, waiting: Int32? = nil, _ call: (UnsafeMutableRawPointer?, Int, Int) -> Int
    ) throws(HostError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = unsafe call(buffer.baseAddress?.advanced(by: done), buffer.count - done, done)
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                guard errno == EAGAIN, let waiting, waitFor(waiting, POLLIN) else { throw .system("read", path()) }
            }
        }
        return done
    }

    /// The same for writing.
    private static func writeAll(
        _ buffer: UnsafeRawBufferPointer, path: @autoclosure () -> String, waiting: Int32? = nil, _ call: (UnsafeRawPointer?, Int, Int) -> Int
    ) throws(HostError) {
        var done = 0
        while done < buffer.count {
            let count = unsafe call(buffer.baseAddress?.advanced(by: done), buffer.count - done, done)
            // A device that takes nothing and says so without an error is full.
            if count == 0 { throw HostError("write \(path()): no space left on device", kind: .diskFull) }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                guard errno == EAGAIN, let waiting, waitFor(waiting, POLLOUT) else { throw .system("write", path()) }
            }
        }
    }

    /// Somebody else, who shares a descriptor, may have made it non-blocking. This waits as a blocking one does; false
    /// where it cannot be waited for.
    private static func waitFor(_ descriptor: Int32, _ event: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        while true {
            let count = unsafe poll(&entry, 1, -1)
            if count < 0, errno == EINTR { continue }
            return count > 0
        }
    }
}
