import Glibc
import RMCPHost

/// What a process takes over from whoever started it, put right before anything is opened or started.
enum ProcessStart {
    static func prepare() {
        _ = closedDescriptors
        // Children are waited for; and a reader that goes away, or a file that may grow no more, is an error of write, not the end.
        _ = signal(SIGCHLD, SIG_DFL)
        _ = signal(SIGPIPE, SIG_IGN)
        _ = signal(SIGXFSZ, SIG_IGN)
        // Some parents leave them blocked; who ignores them on purpose (nohup, a shell's background) is still obeyed.
        StopSignals.unblock()
        _ = ProcessUmask.value
        AddressSpace.share()
    }

    /// Whether somebody's terminal, when it is closed, ends this process by SIGHUP.
    static var hasTerminal: Bool {
        let raw = unsafe open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)
        if raw >= 0 { close(raw) }
        return raw >= 0
    }

    /// Which of standard input, output and error were closed. They are open on /dev/null: else the next descriptors that
    /// are opened would take their numbers, and what is said would be written into them.
    static let closedDescriptors: Set<Int32> = {
        var closed: Set<Int32> = []
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
            closed.insert(descriptor)
            // The lowest free number: this one. Not closed on exec, as its neighbours are not.
            _ = unsafe open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
        }
        return closed
    }()

    /// - Throws: where a command reads or writes its data at `descriptor` and there is nothing.
    static func requireOpen(_ descriptor: Int32, _ name: String, for purpose: String) throws(HostError) {
        guard closedDescriptors.contains(descriptor) else { return }
        throw HostError("\(name) is closed, and \(purpose)")
    }
}
