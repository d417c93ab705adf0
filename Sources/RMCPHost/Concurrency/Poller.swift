import CLinux
import Glibc
import RMCPProtocol

/// Wakes the network thread from another one.
final class WakeUp: Sendable {
    let descriptor: OwnedDescriptor

    init() throws(HostError) {
        let raw = rmcp_event_descriptor()
        guard raw >= 0 else { throw .system("make", "an event descriptor") }
        descriptor = OwnedDescriptor(raw)
    }

    func signal() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor.raw, &one, 8)
    }

    func clear() {
        var count: UInt64 = 0
        _ = unsafe read(descriptor.raw, &count, 8)
    }
}

/// The signals that ask a process to end: those that would end it at once, and leave its peers waiting and its terminal in
/// disorder. Not those that say that it is broken.
public enum StopSignals {
    public static let all = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGXCPU]

    /// A program that is started with one of them ignored (nohup, a shell's background) is to ignore it.
    static var listenedTo: [Int32] { all.filter { $0 == SIGTERM || $0 == SIGINT || rmcp_signal_is_ignored($0) == 0 } }

    /// Signals that nobody listens for yet: each ends the process at once, with 130. From here on it says so before, to standard output.
    /// - Parameters:
    ///   - line: what it says, with a line break.
    ///   - time: stands in the line where the time is to be: 24 characters.
    ///   - isService: SIGTERM is how services are ended, and is no failure.
    public static func endWithLine(_ line: String, time: String, isService: Bool) {
        guard let range = line.firstRange(of: time) else { return }
        let bytes = Array(line.utf8)
        let numbers = listenedTo.filter { rmcp_signal_is_ignored($0) == 0 && !(isService && $0 == SIGTERM) }
        let offset = UInt32(line.utf8.distance(from: line.startIndex, to: range.lowerBound))
        unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            unsafe start.withMemoryRebound(to: CChar.self, capacity: buffer.count) {
                unsafe rmcp_end_with_line(numbers, UInt32(numbers.count), $0, UInt32(bytes.count), offset)
            }
        }
    }

    /// Lets the calling thread have them: some parents leave them blocked.
    public static func unblock() {
        var set = sigset_t()
        _ = unsafe sigemptyset(&set)
        for number in all { _ = unsafe sigaddset(&set, number) }
        _ = unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
}

/// `StopSignals` as something to poll for, so that nothing runs in a signal handler.
final class SignalListener: Sendable {
    let descriptor: OwnedDescriptor

    /// Blocks the signals in the calling thread and in those that it starts later.
    init() throws(HostError) {
        // A reader that goes away is an error of write, not the end of the process.
        _ = signal(SIGPIPE, SIG_IGN)
        let numbers = StopSignals.listenedTo
        let raw = unsafe rmcp_signal_descriptor(numbers, UInt32(numbers.count))
        guard raw >= 0 else { throw .system("listen for", "signals") }
        descriptor = OwnedDescriptor(raw)
    }

    /// The next signal that has come; 0 when there is none.
    func take() -> Int32 { rmcp_take_signal(descriptor.raw) }
}

/// Waits for descriptors and deadlines with the kernel's full precision. One thread's.
final class Poller {
    /// A descriptor that is watched, until it is forgotten.
    struct Token: Hashable {
        fileprivate let index: Int
    }

    /// Entries with a descriptor of -1 are free: poll(2) passes over them.
    private var entries: [pollfd] = []

    init() {
        // The default slack of 50 µs is a quarter of a batch at 2.5 Gb/s.
        _ = rmcp_set_timer_slack(1)
    }

    /// Waits for input there from now on.
    func watch(_ descriptor: Int32) -> Token {
        let entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if let index = entries.firstIndex(where: { $0.fd < 0 }) {
            entries[index] = entry
            return Token(index: index)
        }
        entries.append(entry)
        return Token(index: entries.count - 1)
    }

    /// Must come before the descriptor is closed.
    func forget(_ token: Token) { entries[token.index] = pollfd(fd: -1, events: 0, revents: 0) }

    /// Whether there was something to read when the last wait ended; false for what has been watched only since.
    func isReadable(_ token: Token) -> Bool { entries[token.index].revents & Int16(POLLIN | POLLERR | POLLHUP) != 0 }

    /// Returns when a descriptor is ready or the deadline has come.
    /// - Parameter room: where to wait for room to write, too.
    func wait(until deadline: Instant?, room: Token? = nil) {
        // A turn of a loop that waits for nothing need not know the time.
        let left = deadline.map { $0 == .zero ? 0 : max(0, ($0 - Self.now()).nanoseconds) }
        unsafe entries.withUnsafeMutableBufferPointer { entries in
            for index in entries.indices {
                unsafe entries[index].events = Int16(POLLIN) | (index == room?.index ? Int16(POLLOUT) : 0)
                unsafe entries[index].revents = 0
            }
            guard let left else {
                _ = unsafe rmcp_ppoll(entries.baseAddress, UInt(entries.count), nil)
                return
            }
            var timeout = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
            _ = unsafe rmcp_ppoll(entries.baseAddress, UInt(entries.count), &timeout)
        }
    }

    // MARK: Time

    static func now() -> Instant {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// How long the calling thread has had a processor.
    static func threadTime() -> Instant {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    static func wallClock() -> timespec {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return time
    }

    /// Since 1970, for what people and other hosts read; may jump.
    static func wallClockMilliseconds() -> UInt64 {
        let time = wallClock()
        return UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
