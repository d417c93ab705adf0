import CLinux
import Glibc
import Synchronization

/// Environment by which a hook is told of its bundle.
public enum Hook {
    /// Names the variables that tell a hook of its bundle. Options come in variables called RMCP_*, too; by this an rmcp
    /// that the hook runs can tell that RMCP_NAME and RMCP_KEY are none.
    public static let factsVariable = "RMCP_HOOK"
}

/// The user's command after a bundle, and what it is told.
struct HookCommand: Sendable {
    /// Text for /bin/sh.
    var command: String
    /// Variables that are added to this process's environment.
    var facts: [(name: String, value: String)]

    /// Variables by which a service manager knows this process: a command that it runs must not answer for it (sd_notify(3),
    /// sd_listen_fds(3)).
    static let servicesOwn = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]

    /// Bytes, since nothing says that a variable is UTF-8.
    fileprivate var environment: [[CChar]] {
        let facts = facts + [(Hook.factsVariable, facts.map(\.name).joined(separator: " "))]
        let names = facts.map { "\($0.name)=" } + Self.servicesOwn.map { "\($0)=" }
        var result: [[CChar]] = []
        var next = unsafe environ
        while let entry = unsafe next.pointee {
            let isFact = names.contains { name in unsafe strncmp(entry, name, name.utf8.count) == 0 }
            if !isFact { unsafe result.append(Array(UnsafeBufferPointer(start: entry, count: strlen(entry) + 1))) }
            unsafe next += 1
        }
        return result + facts.map { SystemText.cString("\($0.name)=\($0.value)") }
    }
}

/// A hook that runs, as a process group of its own: what it has started ends with it where it has to be ended.
final class HookProcess: Sendable {
    private let process: pid_t
    /// Readable once the command has ended; nil on kernels without pidfd_open (before 5.3), where it must be asked.
    let descriptor: OwnedDescriptor?
    private let status = LockedValue<Int32?>(nil)

    /// Runs /bin/sh with signals as a login shell has them, nothing to read, and its output on standard error: standard
    /// output may carry a bundle, or events for a program.
    init(_ hook: HookCommand) throws(HostError) {
        var attributes = posix_spawnattr_t()
        _ = unsafe posix_spawnattr_init(&attributes)
        defer { _ = unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        _ = unsafe sigemptyset(&none)
        _ = unsafe posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        _ = unsafe sigfillset(&all)
        _ = unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        _ = unsafe posix_spawnattr_setpgroup(&attributes, 0)
        _ = unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var actions = unsafe posix_spawn_file_actions_t()
        _ = unsafe posix_spawn_file_actions_init(&actions)
        defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
        _ = unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        _ = unsafe posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
        let words = ["/bin/sh", "-c", hook.command]
        let variables = hook.environment
        let arguments = unsafe words.map { unsafe strdup(SystemText.cString($0)) } + [nil]
        let environment = unsafe variables.map { unsafe strdup($0) } + [nil]
        defer {
            unsafe (arguments + environment).forEach { unsafe free($0) }
        }
        var process: pid_t = 0
        let code = unsafe posix_spawn(&process, "/bin/sh", &actions, &attributes, arguments, environment)
        guard code == 0 else { throw HostError("cannot run the hook \(hook.command): \(HostError.errorText(code))") }
        self.process = process
        let raw = rmcp_process_descriptor(process)
        descriptor = raw >= 0 ? OwnedDescriptor(raw) : nil
    }

    /// The command's exit status once it has ended, 128 and more for a signal, as a shell says it; nil while it runs.
    func ended() -> Int32? {
        status.withLock { known in
            if let known { return known }
            var status: Int32 = 0
            let result = unsafe waitpid(process, &status, WNOHANG)
            if result == 0 || result < 0 && errno == EINTR { return nil }
            // Somebody else has waited for it, so that nobody knows how it ended: it cannot be called a success.
            let code: Int32 = result < 0 ? 127 : status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
            known = code
            return code
        }
    }

    /// Sends a signal to the command and what it has started.
    func signal(_ number: Int32) {
        status.withLock { known in
            // Once it was waited for, the number may be another process's.
            if known == nil { _ = kill(-process, number) }
        }
    }
}
