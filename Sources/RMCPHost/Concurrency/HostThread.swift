import CLinux
import Glibc

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
