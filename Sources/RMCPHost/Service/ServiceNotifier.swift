import CLinux
import Glibc
public import RMCPProtocol

/// Tells the service manager that has started this process how it fares: datagrams to the socket that NOTIFY_SOCKET names
/// (sd_notify(3)). One thread's, the network thread's.
///
/// The manager must not hold up a transfer: what its socket has no room for is said again a second later, or not. Only the
/// words that it waits for itself, READY and STOPPING, are waited with, for a second at most.
public final class ServiceNotifier {
    private let socket: OwnedDescriptor
    /// sockaddr_un, as long as its name is.
    private let address: [UInt8]
    /// Half of what the manager allows; nil where it does not watch.
    private let keepAliveInterval: Interval?
    private var nextKeepAlive: Instant?
    /// Text that is to be said, and the text that was said last.
    private var status = ""
    private var saidStatus = ""
    private var statusSince: Instant?
    private var isReloading = false

    /// Variables that are this process's, and not those of commands that it runs.
    private static let variables = HookCommand.servicesOwn
    /// A status is said so often at most.
    private static let statusInterval = Interval.seconds(1)
    private static let patience = timeval(tv_sec: 1, tv_usec: 0)

    /// Takes the variables out of the environment: before threads are started.
    /// - Returns: nil where there is no manager that wants to know.
    public static func takenFromEnvironment() -> ServiceNotifier? {
        let values = Dictionary(variables.map { ($0, SystemText.variable($0)) }) { first, _ in first }
        for name in variables { _ = unsafe unsetenv(name) }
        guard let name = values["NOTIFY_SOCKET"] ?? nil else { return nil }
        let isWatched = (values["WATCHDOG_PID"] ?? nil).map { Int32($0) == getpid() } ?? true
        let limit = isWatched ? (values["WATCHDOG_USEC"] ?? nil).flatMap { Int64($0) } : nil
        return ServiceNotifier(socket: name, watchdogMicroseconds: limit)
    }

    /// - Parameters:
    ///   - name: a path, or an abstract name behind `@` (unix(7)).
    ///   - limit: microseconds after which a process that says nothing is taken for dead; nil for no limit.
    /// - Returns: nil for a name of another kind, and where there are no sockets.
    init?(socket name: String, watchdogMicroseconds limit: Int64? = nil) {
        guard let address = Self.address(of: name) else { return nil }
        let raw = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { return nil }
        socket = OwnedDescriptor(raw)
        var patience = Self.patience
        _ = unsafe setsockopt(raw, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        self.address = address
        keepAliveInterval = limit.flatMap { $0 > 0 ? Interval(nanoseconds: $0 / 2 * 1_000) : nil }
    }

    private static func address(of name: String) -> [UInt8]? {
        var bytes = SystemText.bytes(of: name)
        guard let first = bytes.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@"), bytes.count > 1 else { return nil }
        // An abstract name has no end but its length; a path has one behind it.
        if first == UInt8(ascii: "@") { bytes[0] = 0 } else { bytes.append(0) }
        guard bytes.count <= MemoryLayout.size(ofValue: sockaddr_un().sun_path) else { return nil }
        return unsafe withUnsafeBytes(of: sa_family_t(AF_UNIX)) { unsafe Array($0) } + bytes
    }

    // MARK: What is said

    /// Sockets are joined and keys are read.
    func ready(at now: Instant) {
        // After a reload the manager still counts from the last keepalive, and readiness is none.
        if nextKeepAlive == nil { nextKeepAlive = keepAliveInterval.map { now + $0 } }
        isReloading = false
        saidStatus = status
        statusSince = now
        send(["READY=1"] + (status.isEmpty ? [] : ["STATUS=\(status)"]), waits: true)
    }

    /// Settings are read anew until `reloaded` is said.
    func reloading(at now: Instant) {
        isReloading = true
        send(["RELOADING=1", "MONOTONIC_USEC=\(now.nanoseconds / 1_000)"], waits: true)
    }

    /// The end of a reload is said only where its beginning was.
    func reloaded(at now: Instant) { if isReloading { ready(at: now) } }

    /// The process is about to end.
    /// - Parameter patience: how long that may take.
    func stopping(within patience: Interval) {
        send(["STOPPING=1", "STATUS=stopping", "EXTEND_TIMEOUT_USEC=\(patience.nanoseconds / 1_000)"], waits: true)
    }

    /// One line about what goes on: said now or within a second, and only if it is another one.
    public func show(_ text: String, at now: Instant) {
        status = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        sayStatus(at: now)
    }

    private func sayStatus(at now: Instant) {
        guard status != saidStatus, statusSince.map({ now - $0 >= Self.statusInterval }) ?? true else { return }
        statusSince = now
        if send(["STATUS=\(status)"], waits: false) { saidStatus = status }
    }

    // MARK: Time

    /// Time at which `tick` has something to say; nil while there is nothing.
    var deadline: Instant? {
        let status: Instant? = status == saidStatus ? nil : (statusSince ?? .zero) + Self.statusInterval
        guard let nextKeepAlive else { return status }
        return min(nextKeepAlive, status ?? .distantFuture)
    }

    /// Called by the event loop, in each turn: a loop that has stopped turning is one that a restart helps.
    func tick(at now: Instant) {
        sayStatus(at: now)
        guard let due = nextKeepAlive, now >= due, let interval = keepAliveInterval else { return }
        nextKeepAlive = now + interval
        send(["WATCHDOG=1"], waits: false)
    }

    @discardableResult
    private func send(_ fields: [String], waits: Bool) -> Bool {
        let bytes = fields.joined(separator: "\n").utf8.map { $0 }
        let flags = Int32(MSG_NOSIGNAL) | (waits ? 0 : Int32(MSG_DONTWAIT))
        return unsafe address.withUnsafeBytes { address -> Bool in
            guard let name = unsafe address.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return false }
            return unsafe sendto(socket.raw, bytes, bytes.count, flags, name, socklen_t(address.count)) == bytes.count
        }
    }
}
