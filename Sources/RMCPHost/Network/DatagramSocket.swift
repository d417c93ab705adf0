import CLinux
import Glibc
import RMCPProtocol

/// How a send went.
enum SendResult: Sendable, Equatable {
    case sent
    /// The socket's buffer or the device's queue is full: try again when it is writable.
    case wouldBlock
    /// The datagram is longer than the path or the interface carries.
    case tooLong
    /// The interface is down, gone or has lost its address.
    case unreachable(Int32)
    case failed(Int32)
}

/// A UDP socket with the options that a multicast transfer wants. Not blocking.
final class DatagramSocket {
    let descriptor: OwnedDescriptor
    private(set) var segmentationOffload = true
    /// Bits per second that the kernel was last told; 0 for none yet.
    private var pacedRate = 0.0
    /// Whether datagrams that are longer than the path carries go in fragments.
    private(set) var isFragmenting = false
    private let interface: NetworkInterface
    private let group: SocketAddress
    private let timeToLive: Int
    private let receiveBuffer: Int32

    var raw: Int32 { descriptor.raw }

    private init(descriptor: OwnedDescriptor, interface: NetworkInterface, group: SocketAddress, timeToLive: Int, receiveBuffer: Int32) {
        self.descriptor = descriptor
        self.interface = interface
        self.group = group
        self.timeToLive = timeToLive
        self.receiveBuffer = receiveBuffer
        Self.setReceiveBuffer(descriptor.raw, bytes: receiveBuffer)
    }

    private static func open(for group: SocketAddress) throws(HostError) -> OwnedDescriptor {
        let flags = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let raw = socket(group.systemFamily, flags, 0)
        guard raw >= 0 else { throw .system("open", "a datagram socket") }
        return OwnedDescriptor(raw)
    }

    /// Sends to the group and to single hosts, and takes their answers, on a port of its own.
    /// - Parameters:
    ///   - prefersGroupPort: the group's own port where it is free, so that relays can ask for what there is.
    ///   - takesStream: a whole stream may come to it.
    static func sending(
        to group: SocketAddress, through interface: NetworkInterface, timeToLive: Int, prefersGroupPort: Bool = false, takesStream: Bool = false
    ) throws(HostError) -> DatagramSocket {
        try sending(
            to: group, through: interface, timeToLive: timeToLive, receiveBuffer: takesStream ? groupBufferLength : 4 << 20,
            ports: prefersGroupPort ? [group.port, 0] : [0], beside: nil)
    }

    /// A socket like this one for what the host has now: for its group, at an address of `interface`, on the same port where that is free.
    /// This one is not used any more; nobody else gets its port in between.
    func successor(through interface: NetworkInterface) throws(HostError) -> DatagramSocket {
        let result = try Self.sending(
            to: group, through: interface, timeToLive: timeToLive, receiveBuffer: receiveBuffer, ports: [localAddress?.port ?? 0, 0], beside: self)
        if isFragmenting { result.allowFragments() }
        return result
    }

    private static func sending(
        to group: SocketAddress, through interface: NetworkInterface, timeToLive: Int, receiveBuffer: Int32, ports: [UInt16], beside old: DatagramSocket?
    ) throws(HostError) -> DatagramSocket {
        guard var local = interface.address(for: group) else {
            throw HostError("interface \(interface.name) has no address for \(group.text)")
        }
        local.port = 0
        local.scope = local.isLinkLocal ? interface.index : 0
        let descriptor = try open(for: group)
        // Both have the port for a moment where the address is still the same.
        if let old { for raw in [old.raw, descriptor.raw] { _ = rmcp_set_integer_option(raw, SOL_SOCKET, SO_REUSEADDR, 1) } }
        try bind(descriptor.raw, to: local, ports: ports)
        _ = rmcp_set_integer_option(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, 0)
        let family = group.systemFamily
        let address = UInt32(truncatingIfNeeded: local.low).bigEndian
        guard rmcp_set_multicast_interface(descriptor.raw, family, interface.index, address) == 0 else {
            throw .system("send multicast through", interface.name)
        }
        guard rmcp_set_multicast_ttl(descriptor.raw, family, Int32(timeToLive)) == 0 else {
            throw .system("set the time to live \(timeToLive) on", interface.name)
        }
        _ = rmcp_set_multicast_loop(descriptor.raw, family, 1)
        _ = rmcp_set_do_not_fragment(descriptor.raw, family)
        _ = rmcp_set_integer_option(descriptor.raw, SOL_SOCKET, SO_SNDBUF, 4 << 20)
        _ = rmcp_enable_gro(descriptor.raw)
        _ = rmcp_enable_overflow_count(descriptor.raw)
        _ = rmcp_set_arrival_times(descriptor.raw, 1)
        return DatagramSocket(descriptor: descriptor, interface: interface, group: group, timeToLive: timeToLive, receiveBuffer: receiveBuffer)
    }

    /// Takes what is sent to the group; several receivers on one host may share the port.
    static func receiving(from group: SocketAddress, through interface: NetworkInterface) throws(HostError) -> DatagramSocket {
        let descriptor = try open(for: group)
        _ = rmcp_set_integer_option(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, 1)
        do throws(HostError) {
            try bind(descriptor.raw, to: group.scoped(to: interface.index))
        } catch {
            guard errno == EADDRINUSE else { throw error }
            throw HostError(
                "port \(group.port) is used by another program that does not share it; choose another with -g \(group.host):PORT")
        }
        _ = rmcp_set_multicast_all(descriptor.raw, group.systemFamily, 0)
        _ = rmcp_enable_gro(descriptor.raw)
        _ = rmcp_enable_overflow_count(descriptor.raw)
        _ = rmcp_set_arrival_times(descriptor.raw, 1)
        _ = rmcp_set_received_ttl(descriptor.raw, group.systemFamily, 1)
        let result = DatagramSocket(descriptor: descriptor, interface: interface, group: group, timeToLive: 0, receiveBuffer: groupBufferLength)
        guard result.membership(join: true) else {
            throw .system("join \(group.host) on", interface.name)
        }
        return result
    }

    private static let groupBufferLength = Int32(MemoryLimit.socketBuffer)

    /// The buffer becomes as large as the kernel lets: root may exceed net.core.rmem_max.
    private static func setReceiveBuffer(_ raw: Int32, bytes: Int32) {
        if rmcp_set_forced_receive_buffer(raw, bytes) != 0 {
            _ = rmcp_set_integer_option(raw, SOL_SOCKET, SO_RCVBUF, bytes)
        }
    }

    /// Bytes of datagrams that the socket can hold; the kernel counts its own overhead, hence twice what was asked for.
    var receiveBufferLength: Int {
        var value: Int32 = 0
        _ = unsafe rmcp_get_integer_option(raw, SOL_SOCKET, SO_RCVBUF, &value)
        return Int(value) / 2
    }

    /// Share of its room (0...1) that waiting datagrams take.
    var receiveBufferShare: Double {
        var used: UInt32 = 0
        var limit: UInt32 = 0
        guard unsafe rmcp_socket_memory(raw, &used, &limit) == 0, limit > 0 else { return 0 }
        return min(1, Double(used) / Double(limit))
    }

    private static func bind(_ raw: Int32, to address: SocketAddress) throws(HostError) {
        guard unsafe address.withSockaddr({ unsafe Glibc.bind(raw, $0, $1) }) == 0 else { throw .system("bind to", address.text) }
    }

    /// The first of some ports that is free is taken; 0 is any.
    private static func bind(_ raw: Int32, to address: SocketAddress, ports: [UInt16]) throws(HostError) {
        var address = address
        for port in ports.dropLast() {
            address.port = port
            if (try? bind(raw, to: address)) != nil { return }
        }
        address.port = ports.last ?? 0
        try bind(raw, to: address)
    }

    /// Where others see this socket's datagrams come from.
    var localAddress: SocketAddress? { Self.localAddress(of: raw) }

    static func localAddress(of raw: Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe getsockname(raw, $0.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, &length)
        }
        return result == 0 ? SocketAddress(storage) : nil
    }

    private func membership(join: Bool) -> Bool {
        let bytes = group.addressBytes
        return unsafe rmcp_multicast_membership(raw, group.systemFamily, bytes, interface.index, join ? 1 : 0) == 0
    }

    /// Has switches and routers hear of the group again, whoever else on this host is a member of it. False while the interface is gone.
    @discardableResult
    func rejoin() -> Bool {
        _ = membership(join: false)
        guard membership(join: true) else { return false }
        MembershipReport.send(for: group, through: interface)
        return true
    }

    // MARK: Sending

    /// Datagrams that are longer than the path carries go in fragments from now on, where they did not go at all: receivers know the length by now, and
    /// fragments are better than nothing. The kernel cuts none of what it segments by itself.
    func allowFragments() {
        guard !isFragmenting else { return }
        isFragmenting = true
        segmentationOffload = false
        _ = rmcp_allow_fragments(raw, group.systemFamily)
    }

    /// Has a queueing discipline that paces (fq, tc-fq(8)) keep batches as far apart as the rate says, also when this process is
    /// late and sends several at once. It is told somewhat more than the rate: that is kept here, with our own headers alone.
    /// - Parameter rate: bits per second.
    func limitPacing(to rate: Double) {
        guard abs(rate - pacedRate) > pacedRate * Self.pacingTolerance else { return }
        pacedRate = rate
        _ = rmcp_set_pacing_rate(raw, UInt64(rate * Self.pacingHeadroom / 8))
    }
    private static let pacingHeadroom = 1.1
    /// Share of the rate: a smaller change is not worth a system call.
    private static let pacingTolerance = 0.02

    /// Whether less than half of what the socket may hold waits to be sent: what poll(2) calls writable.
    var hasRoom: Bool {
        var entry = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&entry, 1, 0) > 0 && entry.revents & Int16(POLLOUT) != 0
    }

    func send(_ bytes: [UInt8], to address: SocketAddress) -> SendResult {
        unsafe bytes.withUnsafeBytes { buffer in
            var vector = unsafe iovec(
                iov_base: UnsafeMutableRawPointer(mutating: buffer.baseAddress), iov_len: buffer.count)
            return unsafe Self.result(address.withSockaddr { unsafe rmcp_send(raw, $0, $1, &vector, 1, 0) })
        }
    }

    /// Sends datagrams gathered from pairs of vectors (header, payload), cut into `segment` bytes each, in one call; or
    /// in one call each where the kernel or the device cannot. `sent` tells how many went when it stops early.
    func send(
        pairs: UnsafeMutableBufferPointer<iovec>, segment: Int, to address: SocketAddress, sent: inout Int
    ) -> SendResult {
        let total = pairs.count / 2
        var doubtsOffload = false
        if segmentationOffload, total - sent > 1 {
            let rest = unsafe UnsafeMutableBufferPointer(rebasing: pairs[(sent * 2)...])
            let result = unsafe Self.result(
                address.withSockaddr { unsafe rmcp_send(raw, $0, $1, rest.baseAddress, rest.count, UInt16(segment)) })
            switch result {
            // Of the device, or of this address: the first datagram by itself tells.
            case .failed(EIO), .failed(EINVAL), .failed(ENOPROTOOPT), .failed(EOPNOTSUPP): doubtsOffload = true
            case .sent:
                sent = total
                return .sent
            default: return result
            }
        }
        while sent < total {
            let pair = unsafe UnsafeMutableBufferPointer(rebasing: pairs[(sent * 2)..<(sent * 2 + 2)])
            let result = unsafe Self.result(address.withSockaddr { unsafe rmcp_send(raw, $0, $1, pair.baseAddress, 2, 0) })
            guard result == .sent else { return result }
            if doubtsOffload { segmentationOffload = false }
            sent += 1
        }
        return .sent
    }

    private static func result(_ count: Int) -> SendResult {
        if count >= 0 { return .sent }
        switch errno {
        case EAGAIN, EWOULDBLOCK, ENOBUFS, ENOMEM, EINTR: return .wouldBlock
        case EMSGSIZE: return .tooLong
        case ENETDOWN, ENETUNREACH, EHOSTUNREACH, ENODEV, EADDRNOTAVAIL, ENXIO, EPERM: return .unreachable(errno)
        // An earlier datagram's ICMP error: this one was not sent, and may be now.
        case ECONNREFUSED: return .wouldBlock
        default: return .failed(errno)
        }
    }
}
