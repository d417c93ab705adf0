import Glibc
import RMCPReport

/// Values that metrics are made of now: put here by the thread that runs the sessions, taken by those that write and serve the text.
public final class MetricsBoard: Sendable {
    private struct State {
        var render: @Sendable () -> String
        var isReady = false
        /// A number that changes with `render`.
        var edition = 0
    }

    private let state: LockedValue<State>
    private let bell: LockedValue<(@Sendable () -> Void)?> = LockedValue(nil)

    /// - Parameter render: text of the beginning, before anything has happened.
    public init(_ render: @escaping @Sendable () -> String) { state = LockedValue(State(render: render)) }

    /// Takes what the text is to be made of. The text is made by whoever wants it, on a thread of their own.
    public func show(_ render: @escaping @Sendable () -> String) {
        state.withLock {
            $0.render = render
            $0.edition &+= 1
        }
        bell.withLock { $0 }?()
    }

    /// Whether the sockets are joined, so that bundles can come and go.
    public func setReady(_ isReady: Bool) { state.withLock { $0.isReady = isReady } }

    var isReady: Bool { state.withLock { $0.isReady } }
    var edition: Int { state.withLock { $0.edition } }
    /// Metrics of the role, those of the process left out.
    var text: String { state.withLock { $0.render }() }

    /// Has `ring` called whenever something is shown.
    func onChange(_ ring: @escaping @Sendable () -> Void) { bell.withLock { $0 = ring } }
}

/// Metrics that a process has in no role, read from the kernel.
enum ProcessMetrics {
    /// Figures that cannot be read, where there is no /proc, are left out.
    static var text: String {
        var samples: [(family: MetricFamily, value: Double)] = []
        var usage = rusage()
        if unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let (user, system) = (usage.ru_utime, usage.ru_stime)
            samples.append((.processCPU, Double(user.tv_sec + system.tv_sec) + Double(user.tv_usec + system.tv_usec) / 1e6))
        }
        let pages = FileTransfer.kernelText("/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap { Double($0) }
        if let pages { samples.append((.processMemory, pages * Double(sysconf(Int32(_SC_PAGESIZE))))) }
        if let count = openDescriptors { samples.append((.processDescriptors, Double(count))) }
        if let start { samples.append((.processStart, start)) }
        return PrometheusText.process(samples)
    }

    /// Count without the one that is opened for it.
    private static var openDescriptors: Int? {
        guard let directory = unsafe opendir("/proc/self/fd") else { return nil }
        defer { unsafe closedir(directory) }
        var count = -1
        while let entry = unsafe readdir(directory) { if unsafe entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 } }
        return count
    }

    /// Seconds since 1970: the kernel knows how long after its own start this process was started (proc(5)).
    private static let start: Double? = {
        // The name, in parentheses, may contain anything.
        guard let text = FileTransfer.kernelText("/proc/self/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].split(separator: " ")
        let startTime = 20
        guard fields.count > startTime, let ticks = Double(fields[startTime]) else { return nil }
        var (now, sinceBoot) = (timespec(), timespec())
        _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
        _ = unsafe clock_gettime(CLOCK_BOOTTIME, &sinceBoot)
        let booted = Double(now.tv_sec - sinceBoot.tv_sec) + Double(now.tv_nsec - sinceBoot.tv_nsec) / 1e9
        return booted + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }()
}
