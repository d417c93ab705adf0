import CLinux
import Glibc

/// A thread that runs a closure once. Whoever made it joins it, or lets go of it: it is detached then.
@safe final class HostThread: @unchecked Sendable {
    /// The thread until it is joined; nil afterwards. Its maker alone looks.
    private var handle: pthread_t?

    /// Bytes. A limit of stacks (ulimit -s) is for the first thread, and would be the size of all others: of 8 MiB each, a receiver's
    /// threads took most of what a limit of address space leaves it.
    private static let stackLength = 1 << 20

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
        var attributes = pthread_attr_t()
        _ = unsafe pthread_attr_init(&attributes)
        defer { _ = unsafe pthread_attr_destroy(&attributes) }
        _ = unsafe pthread_attr_setstacksize(&attributes, Self.stackLength)
        var made = pthread_t()
        let code =
            AddressSpace.allocate(Self.stackLength) { _ in
                unsafe pthread_create(
                    &made, &attributes,
                    { argument in
                        guard let argument = unsafe argument else { return nil }
                        let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                        unsafe rmcp_name_thread(body.name)
                        body.run()
                        return nil
                    }, body.toOpaque())
            } ?? ENOMEM
        guard code == 0 else {
            unsafe body.release()
            // Threads, or address space for its stack, which the kernel does not tell apart.
            throw HostError(
                "cannot start a thread: \(HostError.errorText(code))",
                hint: "give this process more threads or memory: ulimit -u, ulimit -v, or TasksMax= and LimitAS= of the unit")
        }
        handle = made
    }

    /// A thread that no signal comes to: those are for the thread that listens for them, and this one may be made before that blocks them.
    convenience init(quiet name: String, _ run: @escaping @Sendable () -> Void) throws(HostError) {
        var (all, before) = (sigset_t(), sigset_t())
        _ = unsafe sigfillset(&all)
        _ = unsafe pthread_sigmask(SIG_BLOCK, &all, &before)
        defer { _ = unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        try self.init(name: name, run)
    }

    func join() {
        guard let made = handle else { return }
        handle = nil
        _ = pthread_join(made, nil)
    }

    /// The kernel keeps the stack of a thread that has ended until it is joined, or for ever.
    deinit { if let handle { _ = pthread_detach(handle) } }
}
