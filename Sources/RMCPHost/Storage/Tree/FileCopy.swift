import RMCPProtocol

/// Writing that leaves holes.
enum SparseWrite {
    /// Bytes that a hole is a multiple of: the page, which is the block of nearly all file systems.
    private static let block = 4_096

    /// Writes what is not zero to a file that has holes there.
    static func write(_ descriptor: Int32, _ content: RawSpan, at offset: UInt64, path: @autoclosure () -> String, files: FileSystem) throws(HostError) {
        var start = 0
        var dataStart: Int?
        while start < content.byteCount {
            let end = min(content.byteCount, start + block - Int((offset + UInt64(start)) % UInt64(block)))
            let isHole = FileComparison.isZero(content.extracting(start..<end))
            if isHole, let begun = dataStart {
                try FileTransfer.write(descriptor, content.extracting(begun..<start), at: offset + UInt64(begun), path: path(), files: files)
                dataStart = nil
            } else if !isHole, dataStart == nil {
                dataStart = start
            }
            start = end
        }
        guard let begun = dataStart else { return }
        try FileTransfer.write(descriptor, content.extracting(begun..<content.byteCount), at: offset + UInt64(begun), path: path(), files: files)
    }
}

/// Copies between files.
enum FileCopy {
    private static let step = 1 << 20

    static func copy(_ source: Int32, to target: Int32, _ range: Range<UInt64>, path: String, files: FileSystem) throws(HostError) {
        var buffer = [UInt8](repeating: 0, count: Int(min(UInt64(step), UInt64(range.count))))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = Int(min(UInt64(buffer.count), range.upperBound - offset))
            if count < buffer.count { buffer.removeLast(buffer.count - count) }
            guard try FileTransfer.read(source, into: &buffer, at: offset, path: path, files: files) == count else {
                throw HostError(
                    "\(path): the old file has become shorter while its content is taken over; what came is kept, send again", kind: .changed)
            }
            try FileTransfer.write(target, buffer, at: offset, path: path, files: files)
            offset += UInt64(count)
        }
    }
}
