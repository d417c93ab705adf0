import Glibc

// Sizes that a file system says. One in user space may say what it likes: a number that is too large for a sum is as good as the largest.

extension statvfs {
    /// Bytes that this process may still write; the reserve of ext4 is root's.
    var bytesLeft: UInt64 { UInt64(geteuid() == 0 ? f_bfree : f_bavail).multipliedClamped(by: UInt64(f_frsize)) }

    /// Files that this process may still make; nil where the file system does not count them.
    var filesLeft: UInt64? { f_files > 0 ? UInt64(geteuid() == 0 ? f_ffree : f_favail) : nil }
}

extension stat {
    /// Bytes of the blocks that a file takes.
    var bytesTaken: UInt64 { UInt64(clamping: st_blocks).multipliedClamped(by: Self.blockLength) }

    /// Unit of `st_blocks` (stat(2)), whatever the blocks of the file system are.
    private static let blockLength: UInt64 = 512
}

extension UInt64 {
    func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, isTooLarge) = addingReportingOverflow(other)
        return isTooLarge ? .max : sum
    }

    func subtractingClamped(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }

    func multipliedClamped(by other: UInt64) -> UInt64 {
        let (product, isTooLarge) = multipliedReportingOverflow(by: other)
        return isTooLarge ? .max : product
    }
}
