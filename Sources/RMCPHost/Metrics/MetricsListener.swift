import CLinux
import Glibc
public import RMCPProtocol

/// Serves metrics to whoever asks by HTTP, on a thread of its own that nothing else waits for.
///
/// Little is done for whatever comes: so many connections at a time, a head of so many bytes, so long for each. A connection
/// beyond those takes the place of the one that has kept everybody waiting for longest, so that a scrape gets through among
/// thousands that say nothing.
public final class MetricsListener {
    private let server: OwnedDescriptor
    private let wakeUp: WakeUp
    private let isOver: LockedValue<Bool>
    private var thread: HostThread?
    /// Place that it listens at, with the port that was given to it if none was asked for.
    public let address: SocketAddress

    /// Connections at one time: a few servers and browsers, each closed when it has its answer.
    static let connections = 32

    /// Binds and listens.
    /// - Parameter address: port 0 takes one that is free; `::` is every address of the host, those of IPv4 as well.
    public init(_ address: SocketAddress, board: MetricsBoard, role: String, version: String) throws(HostError) {
        let server = try Self.listen(address)
        self.server = server
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(server.raw, $0, &length) }
        }
        self.address = SocketAddress(storage) ?? address
        let wakeUp = try WakeUp()
        self.wakeUp = wakeUp
        let isOver = LockedValue(false)
        self.isOver = isOver
        thread = try HostThread(quiet: "rmcp-http") {
            var loop = HTTPLoop(server: server, wakeUp: wakeUp, pages: MetricsPages(board: board, role: role, version: version))
            while !isOver.withLock({ $0 }) { loop.turn() }
        }
    }

    /// Listens no more; connections are closed.
    public func stop() {
        isOver.withLock { $0 = true }
        wakeUp.signal()
        thread?.join()
    }

    /// Throws where nobody could listen at the address, such as where it is another host's. Its port may be this command's own already.
    public static func check(_ address: SocketAddress) throws(HostError) {
        _ = try listen(address, port: 0)
    }

    /// - Parameter port: port in place of the address's; 0 for a free one.
    private static func listen(_ address: SocketAddress, port: UInt16? = nil) throws(HostError) -> OwnedDescriptor {
        var place = address
        place.port = port ?? address.port
        let raw = socket(address.systemFamily, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let isEverywhere = address.high == 0 && address.low == 0
        // A host without IPv6 has its addresses of IPv4.
        if raw < 0, errno == EAFNOSUPPORT, isEverywhere, address.family == .ipv6 { return try listen(.ipv4(0, 0, 0, 0, port: address.port), port: port) }
        guard raw >= 0 else { throw .system("listen for metrics at", address.text) }
        let server = OwnedDescriptor(raw)
        // A restart does not wait for connections of before.
        _ = rmcp_set_integer_option(raw, SOL_SOCKET, SO_REUSEADDR, 1)
        if address.family == .ipv6 { _ = rmcp_set_integer_option(raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, isEverywhere ? 0 : 1) }
        guard unsafe place.withSockaddr({ unsafe bind(raw, $0, $1) }) == 0, Glibc.listen(raw, backlog) == 0 else {
            let advice = errno == EADDRINUSE ? "give --metrics-listen another port" : nil
            throw .system("listen for metrics at", address.text, advice: advice)
        }
        return server
    }

    private static let backlog: Int32 = 128
}

/// Connections of the listener, and what poll(2) says of them. One thread's.
private struct HTTPLoop: ~Copyable {
    private let server: OwnedDescriptor
    private let wakeUp: WakeUp
    private var pages: MetricsPages
    private var places: [Place] = []
    /// Accepts again from then on: there are no descriptors left.
    private var acceptsFrom = Instant.zero

    private final class Place {
        var connection: HTTPConnection
        init(_ connection: consuming HTTPConnection) { self.connection = connection }
    }

    private static let pause = Interval.seconds(1)

    init(server: OwnedDescriptor, wakeUp: WakeUp, pages: MetricsPages) {
        self.server = server
        self.wakeUp = wakeUp
        self.pages = pages
        // A client that asks without end gets what the transfer leaves; where that cannot be said, what there is.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
    }

    mutating func turn() {
        var now = Poller.now()
        let accepts = now >= acceptsFrom
        var entries = [
            pollfd(fd: wakeUp.descriptor.raw, events: Int16(POLLIN), revents: 0), pollfd(fd: accepts ? server.raw : -1, events: Int16(POLLIN), revents: 0),
        ]
        for place in places { entries.append(pollfd(fd: place.connection.descriptor.raw, events: place.connection.events, revents: 0)) }
        var deadline = places.map { $0.connection.deadline }.min()
        if !accepts { deadline = min(deadline ?? acceptsFrom, acceptsFrom) }
        if let deadline {
            let left = max(0, (deadline - now).nanoseconds)
            var timeout = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
            _ = unsafe rmcp_ppoll(&entries, UInt(entries.count), &timeout)
        } else {
            _ = unsafe rmcp_ppoll(&entries, UInt(entries.count), nil)
        }
        now = Poller.now()
        if entries[0].revents != 0 { wakeUp.clear() }
        let ready = entries.dropFirst(2).map { $0.revents != 0 }
        serve(ready, at: now)
        if entries[1].revents != 0 { accept(at: now) }
    }

    private mutating func serve(_ ready: [Bool], at now: Instant) {
        var left: [Place] = []
        for (place, isReady) in zip(places, ready) {
            let isOpen = isReady ? advance(place, at: now) : place.connection.deadline > now || expire(place, at: now)
            if isOpen { left.append(place) }
        }
        places = left
    }

    private mutating func accept(at now: Instant) {
        // Clients are taken for as many turns as there are places: then those that have come get their turn.
        for _ in 0..<MetricsListener.connections {
            let raw = rmcp_accept(server.raw)
            guard raw >= 0 else {
                if errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM { acceptsFrom = now + Self.pause }
                return
            }
            if places.count >= MetricsListener.connections { giveUpOne() }
            let place = Place(HTTPConnection(OwnedDescriptor(raw), at: now))
            if advance(place, at: now) { places.append(place) }
        }
    }

    /// Clients that have not asked yet go before those that have, and the oldest goes first.
    private mutating func giveUpOne() {
        let index = places.firstIndex { $0.connection.stage != .writing } ?? places.startIndex
        places.remove(at: index)
    }

    private mutating func advance(_ place: Place, at now: Instant) -> Bool {
        place.connection.advance(at: now) { parsed in
            switch parsed {
            case .incomplete: []
            case .refused(let status): HTTPResponse.refusal(status).bytes(isHead: false, date: Self.date())
            case .request(let request): pages.answer(request, at: now).bytes(isHead: request.method == "HEAD", date: Self.date())
            }
        }
    }

    private func expire(_ place: Place, at now: Instant) -> Bool {
        place.connection.expire(at: now, HTTPResponse.refusal(408).bytes(isHead: false, date: Self.date()))
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`: this process has no other locale than C.
    private static func date() -> String {
        var now = time(nil)
        var parts = unsafe tm()
        _ = unsafe gmtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let length = unsafe strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
        return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
