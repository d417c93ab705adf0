import CLinuxNetwork
import Glibc

/// A mutex with a condition, for queues that threads wait at. `Synchronization.Mutex` has no condition to wait for.
@safe final class Monitor: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe condition.initialize(to: pthread_cond_t())
        _ = unsafe pthread_mutex_init(mutex, nil)
        _ = unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        _ = unsafe pthread_cond_destroy(condition)
        _ = unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    func withLock<Result>(_ body: () -> Result) -> Result {
        _ = unsafe pthread_mutex_lock(mutex)
        defer { _ = unsafe pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Inside `withLock` only: lets others in until somebody notifies.
    func wait() { _ = unsafe pthread_cond_wait(condition, mutex) }
    func notifyOne() { _ = unsafe pthread_cond_signal(condition) }
    func notifyAll() { _ = unsafe pthread_cond_broadcast(condition) }
}

/// A thread that runs a closure once.
@safe final class HostThread: @unchecked Sendable {
    private var handle = pthread_t()
    private var isJoined = false

    private final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// - Parameter name: shown by ps and perf; the kernel keeps 15 bytes.
    init(name: String, _ run: @escaping @Sendable () -> Void) throws(HostError) {
        let body = unsafe Unmanaged.passRetained(Body(name: name, run: run))
        let code = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                unsafe rmcp_name_thread(body.name)
                body.run()
                return nil
            }, body.toOpaque())
        guard code == 0 else {
            unsafe body.release()
            throw HostError("cannot start a thread: \(HostError.errorText(code))")
        }
    }

    func join() {
        guard !isJoined else { return }
        isJoined = true
        _ = pthread_join(handle, nil)
    }
}
