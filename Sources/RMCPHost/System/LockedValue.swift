/// A value that one thread at a time gets at, like `Synchronization.Mutex`, but behind pthread's lock. Mutex waits inside
/// the standard library, which is not instrumented: ThreadSanitizer takes each time that two threads meet at one for a
/// race, and workers meet here all the time.
public final class LockedValue<Value: ~Copyable>: @unchecked Sendable {
    private let monitor = Monitor()
    private var value: Value

    public init(_ value: consuming Value) { self.value = value }

    public func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
        let result: Swift.Result<Result, Failure> = monitor.withLock {
            do throws(Failure) { return .success(try body(&value)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
