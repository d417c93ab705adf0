import CLinuxNetwork
import Glibc

/// Calls that go on until everything is transferred or something is wrong.
enum FileTransfer {
    /// Reads until `buffer` is full or the file ends; the number of bytes read.
    static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, path: String, files: FileSystem = .host
    ) throws(HostError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = unsafe files.read(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, at: Int(offset) + done)
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
                if errno == EINTR { continue }
                if errno == EAGAIN, waitFor(descriptor, POLLIN) { continue }
                throw .system("read", path)
            }
            done += count
        }
        return done
    }

    static func write(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: UInt64, path: String, files: FileSystem = .host
    ) throws(HostError) {
        var done = 0
        while done < buffer.count {
            let count = unsafe files.write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, at: Int(offset) + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("write", path)
            }
            // A device that takes nothing and says so without an error is full.
            if count == 0 { throw HostError("write \(path): no space left on device", kind: .diskFull) }
            done += count
        }
    }

    static func writeSequentially(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, path: String, files: FileSystem = .host
    ) throws(HostError) {
        var done = 0
        while done < buffer.count {
            let count = unsafe files.write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN, waitFor(descriptor, POLLOUT) { continue }
                throw .system("write", path)
            }
            done += count
        }
    }

    /// The same for bytes of an array.
    static func writeSequentially(_ descriptor: Int32, _ bytes: [UInt8], path: String, files: FileSystem = .host) throws(HostError) {
        let failure: HostError? = unsafe bytes.withUnsafeBytes { buffer in
            do throws(HostError) {
                unsafe try writeSequentially(descriptor, buffer, path: path, files: files)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    /// - Parameters:
    ///   - count: bytes.
    ///   - offset: bytes.
    static func writeZeros(_ descriptor: Int32, count: UInt64, at offset: UInt64, path: String, files: FileSystem = .host) throws(HostError) {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var done: UInt64 = 0
        while done < count {
            let length = Int(min(UInt64(zeros.count), count - done))
            let failure: HostError? = unsafe zeros.withUnsafeBytes { bytes in
                do throws(HostError) {
                    unsafe try write(descriptor, UnsafeRawBufferPointer(rebasing: bytes.prefix(length)), at: offset + done, path: path, files: files)
                    return nil
                } catch { return error }
            }
            if let failure { throw failure }
            done += UInt64(length)
        }
    }

    /// The first bytes of a file, `limit` at most.
    static func contents(_ descriptor: Int32, limit: Int, path: String, files: FileSystem = .host) throws(HostError) -> [UInt8] {
        guard let status = files.status(of: descriptor) else { throw .system("read", path) }
        var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), limit))
        let result: Result<Int, HostError> = unsafe bytes.withUnsafeMutableBytes { buffer in
            do throws(HostError) { return .success(unsafe try read(descriptor, into: buffer, at: 0, path: path, files: files)) } catch {
                return .failure(error)
            }
        }
        bytes.removeLast(bytes.count - (try result.get()))
        return bytes
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
