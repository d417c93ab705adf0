/// Working memory of one worker.
@safe final class ChunkScratch {
    let bytes: UnsafeMutableRawBufferPointer
    let length: Int
    init(length: Int) {
        self.length = length
        unsafe bytes = .allocate(byteCount: length, alignment: 4_096)
    }
    deinit { unsafe bytes.deallocate() }

    /// The first `count` bytes, for reading.
    @_lifetime(borrow self)
    func span(_ count: Int) -> RawSpan {
        let span = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The first `count` bytes, for writing.
    @_lifetime(borrow self)
    func mutableSpan(_ count: Int) -> MutableRawSpan {
        let span = unsafe MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: bytes.prefix(count)))
        return unsafe _overrideLifetime(span, borrowing: self)
    }
}
