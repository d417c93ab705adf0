/// Memory whose owner lends parts of it, for no longer than it lives.
protocol LentMemory: AnyObject {
    var bytes: UnsafeMutableRawBufferPointer { get }
}

extension LentMemory {
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
