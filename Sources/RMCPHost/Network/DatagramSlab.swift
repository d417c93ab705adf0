import CLinux
import Glibc
import RMCPProtocol
import RMCPReport

extension SocketAddress {
    /// Whether one host can have sent from here and can be answered: not a port of 0, nor an unspecified, multicast or
    /// broadcast address (RFC 1122, 3.2.1.3 and 4.1.3.6).
    var canBeSource: Bool {
        guard port != 0, !isMulticast else { return false }
        switch family {
        case .ipv4: return low >> 24 != 0 && low != 0xFFFF_FFFF
        case .ipv6:
            // An IPv4 address in IPv6's clothes is judged as what it is.
            if high == 0, low >> 32 == 0xFFFF {
                return SocketAddress(family: .ipv4, high: 0, low: low & 0xFFFF_FFFF, port: port).canBeSource
            }
            return high != 0 || low != 0
        }
    }
}

/// Translation of the kernel's time stamps, which are of the real-time clock, to the monotonic clock.
private struct ArrivalClock {
    let now = Poller.now()
    private let wallClock = Poller.wallClock()
    /// Nanoseconds. What has waited for longer was stamped before the clock was set.
    private static let longestWait: Int64 = 2_000_000_000

    /// When the kernel got it, or now where the socket does not tell.
    func arrival(of entry: rmcp_received) -> Instant { arrival(seconds: entry.arrival_seconds, nanoseconds: entry.arrival_nanoseconds) }

    /// When the kernel got what was read last from a socket.
    func lastArrival(on raw: Int32) -> Instant {
        var (seconds, nanoseconds) = (Int64(0), Int64(0))
        guard unsafe rmcp_last_arrival(raw, &seconds, &nanoseconds) == 0 else { return now }
        return arrival(seconds: seconds, nanoseconds: nanoseconds)
    }

    private func arrival(seconds: Int64, nanoseconds: Int64) -> Instant {
        guard seconds > 0 else { return now }
        let waited = (wallClock.tv_sec - Int(seconds)) * 1_000_000_000 + wallClock.tv_nsec - Int(nanoseconds)
        return now - Interval(nanoseconds: min(max(0, Int64(waited)), Self.longestWait))
    }
}

/// Content of one receive buffer: datagrams of one flow that the kernel has put together, each `segment` bytes long but
/// the last. Valid during the call that hands it over.
@safe struct DatagramTrain {
    private let bytes: UnsafeRawBufferPointer
    private let length: Int
    let segment: Int
    /// Arrival of the whole train: its datagrams came together.
    let arrival: Arrival

    init(bytes: UnsafeRawBufferPointer, segment: Int, arrival: Arrival) {
        unsafe self.bytes = bytes
        length = bytes.count
        self.segment = segment > 0 ? segment : max(1, length)
        self.arrival = arrival
    }

    func datagram(at offset: Int) -> UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<min(offset + segment, length)]) }

    /// The session tag of the datagram at `offset`; nil when it is too short for a header.
    func sessionTag(at offset: Int) -> UInt32? {
        unsafe PacketHeader.sessionTag(of: RawSpan(_unsafeBytes: datagram(at: offset)))
    }

    /// Gives each session what is its own: `take` is told a tag and where its datagrams begin, and answers where they end,
    /// or nil when there is no such session. The rest goes to `others`, one by one.
    func route(_ take: (UInt32, Int) -> Int?, others: (UnsafeRawBufferPointer) -> Void) {
        var offset = 0
        while offset < length {
            if let tag = sessionTag(at: offset), let next = take(tag, offset) {
                offset = next
            } else {
                unsafe others(datagram(at: offset))
                offset += segment
            }
        }
    }

    func forEach(_ body: (UnsafeRawBufferPointer) -> Void) {
        for offset in stride(from: 0, to: length, by: segment) { unsafe body(datagram(at: offset)) }
    }

    /// Hands over datagrams from `offset` on as long as they are of the session `tag`; where it stopped. A session that
    /// takes them in one call is looked up, and its reference counted, once for all of them: where payload has just been
    /// copied an atomic operation waits until the copy has reached the cache.
    @inline(__always)
    func whileTagged(_ tag: UInt32, from offset: Int, _ body: (UnsafeRawBufferPointer) -> Void) -> Int {
        var offset = offset
        while offset < length, sessionTag(at: offset) == tag {
            unsafe body(datagram(at: offset))
            offset += segment
        }
        return offset
    }
}

/// One region of memory that a batch of datagrams is received into, with one system call, and then sliced.
@safe final class DatagramSlab {
    /// Length of the longest train of datagrams that the kernel coalesces.
    private static let stride = 65_536
    private let buffers: Int
    /// Lets in what is of this node's group; nil lets in everything.
    private let guarding: ControlGuard?
    /// Family of the group that the socket has joined; nil for what comes by unicast, of which nothing is left out.
    private let family: Int32?
    private var detail = ArrivalDetail()
    private let memory: UnsafeMutableRawBufferPointer
    private let received: UnsafeMutableBufferPointer<rmcp_received>
    private var lastOverflow: UInt32 = 0
    /// Datagrams that did not fit their buffer.
    private(set) var truncated: UInt64 = 0
    /// Datagrams from where nobody can be: a port of 0, or an address that is nobody's in particular.
    private(set) var impossible: UInt64 = 0
    /// Datagrams that the socket dropped, since this was last taken.
    private var overflow: UInt64 = 0
    /// The same of all sockets that had it, and what they gave.
    private var totals: (overflow: UInt64, datagrams: UInt64, bytes: UInt64) = (0, 0, 0)

    /// - Parameter group: the one that the socket has joined, if any.
    init(buffers: Int, guarding: ControlGuard? = nil, of group: SocketAddress? = nil) {
        self.guarding = guarding
        family = group?.systemFamily
        self.buffers = min(buffers, 64)
        unsafe memory = .allocate(byteCount: self.buffers * Self.stride, alignment: 4_096)
        unsafe received = .allocate(capacity: self.buffers)
        unsafe received.initialize(repeating: rmcp_received())
    }

    deinit {
        unsafe memory.deallocate()
        unsafe received.deallocate()
    }

    /// Another socket has it from now on, which counts from 0.
    func beginAnew() {
        lastOverflow = 0
        detail = ArrivalDetail()
    }

    /// All that was counted since the beginning.
    var figures: NetworkFigures {
        var result = NetworkFigures()
        result.receivedDatagrams = totals.datagrams
        result.receivedBytes = totals.bytes
        result.overflowed = totals.overflow
        result.truncated = truncated
        result.unanswerable = impossible
        return result
    }

    func takeOverflow() -> UInt64 {
        defer { overflow = 0 }
        return overflow
    }

    /// Receives once and hands over each datagram with where it came from; the number of buffers that were filled. The
    /// bytes are valid during the call.
    func receive(from raw: Int32, _ body: (UnsafeRawBufferPointer, Arrival) -> Void) -> Int {
        receiveTrains(from: raw) { train in unsafe train.forEach { unsafe body($0, train.arrival) } }
    }

    /// Receives once and hands over buffer by buffer: datagrams that came together stay together.
    func receiveTrains(from raw: Int32, _ body: (DatagramTrain) -> Void) -> Int {
        let count = unsafe Int(rmcp_receive(raw, memory.baseAddress, Self.stride, UInt32(buffers), received.baseAddress))
        guard count > 0 else { return 0 }
        let clock = ArrivalClock()
        let together = detail.scope == .read ? clock.lastArrival(on: raw) : nil
        var areSingle = true
        for index in 0..<count {
            let entry = unsafe received[index]
            areSingle = areSingle && entry.segment == 0
            totals.bytes += UInt64(entry.length)
            totals.datagrams += entry.segment > 0 ? (UInt64(entry.length) + UInt64(entry.segment) - 1) / UInt64(entry.segment) : 1
            if entry.has_overflow != 0 {
                overflow += UInt64(entry.overflow &- lastOverflow)
                totals.overflow += UInt64(entry.overflow &- lastOverflow)
                lastOverflow = entry.overflow
            }
            guard entry.truncated == 0, let source = SocketAddress(entry.address) else {
                truncated += 1
                continue
            }
            // Anybody can write such a header, and what is answered to it goes nowhere or to everybody.
            guard source.canBeSource else {
                impossible += 1
                continue
            }
            let arrival = Arrival(
                source: source, toGroup: family != nil, timeToLive: UInt8(exactly: entry.ttl), at: together ?? clock.arrival(of: entry))
            let filled = unsafe UnsafeRawBufferPointer(rebasing: memory[index * Self.stride..<index * Self.stride + Int(entry.length)])
            if let guarding {
                unsafe guarding.admit(filled, segment: Int(entry.segment), arrival, body)
            } else {
                body(unsafe DatagramTrain(bytes: filled, segment: Int(entry.segment), arrival: arrival))
            }
        }
        if let family, detail.note(count, areSingle: areSingle, at: clock.now) { adjust(raw, family) }
        return count
    }

    private func adjust(_ raw: Int32, _ family: Int32) {
        let tellsOfEach: Int32 = detail.scope == .datagram ? 1 : 0
        _ = rmcp_set_arrival_times(raw, tellsOfEach)
        _ = rmcp_set_received_ttl(raw, family, tellsOfEach)
    }
}
