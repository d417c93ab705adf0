/// A value on the heap with one owner, read and changed where it is. Swift checks each access to a class's property for
/// another one that is under way, and copies a struct of two kilobytes that is read through one: with a world of one
/// thread, whose nodes are never called back while they are at work, that is a third of what an event costs.
@safe struct InPlace<Value> {
    private let pointer: UnsafeMutablePointer<Value>

    init(_ value: Value) {
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: value)
    }

    var value: Value {
        _read { yield unsafe pointer.pointee }
        nonmutating _modify { yield unsafe &pointer.pointee }
    }

    /// By the owner, at its end.
    func destroy() {
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }
}
