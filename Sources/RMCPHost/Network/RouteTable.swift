import CLinux
import Glibc
import RMCPProtocol

/// Way of datagrams to an address as the kernel has it (rtnetlink(7), RTM_GETROUTE), as `ip route get` prints it.
///
/// The source address of a connected socket tells that only where each address is on one interface: a router's may be on
/// `lo`, and an interface need not have any.
struct Route: Sendable, Hashable {
    /// Index of the interface that datagrams leave through.
    var interfaceIndex: UInt32
    /// The address that they come from, port 0; nil where the kernel does not say.
    var source: SocketAddress?

    /// - Parameter interface: index of the only interface that is to be thought of; 0 for any.
    /// - Returns: nil where the kernel has no route.
    /// - Throws: where the kernel cannot be asked.
    static func lookUp(_ destination: SocketAddress, through interface: UInt32 = 0) throws(HostError) -> Route? {
        let answer = try ask(destination, through: interface, flags: 0)
        guard let attributes = answer?.attributes, let index = attributes[UInt16(RTA_OIF.rawValue)]?.value32, index != 0 else { return nil }
        let source = attributes[UInt16(RTA_PREFSRC.rawValue)].flatMap { SocketAddress(networkBytes: $0) }
        return Route(interfaceIndex: index, source: source)
    }

    /// Whether somebody has said where datagrams to this address go. The kernel itself has a route for all of IPv6's
    /// multicast on each interface (ff00::/8), and takes whichever comes first: that is no choice of anybody's.
    static func isChosen(_ destination: SocketAddress) throws(HostError) -> Bool {
        guard destination.family == .ipv6, destination.isMulticast else { return true }
        // Kernels before 4.18 do not know the flag, and answer as if it were not there: with a clone that is of nobody's making.
        guard let answer = try ask(destination, through: 0, flags: UInt32(RTM_F_FIB_MATCH)) else { return false }
        return answer.origin != UInt8(RTPROT_KERNEL) && answer.origin != UInt8(RTPROT_UNSPEC)
    }

    // MARK: Netlink

    private struct Answer {
        /// Origin of the route (rtm_protocol).
        var origin: UInt8
        var attributes: [UInt16: ArraySlice<UInt8>]
    }

    private static func ask(_ destination: SocketAddress, through interface: UInt32, flags: UInt32) throws(HostError) -> Answer? {
        let socket = try NetlinkSocket(groups: 0)
        var body = rtmsg()
        body.rtm_family = UInt8(destination.systemFamily)
        body.rtm_dst_len = UInt8(destination.addressBytes.count * 8)
        body.rtm_flags = flags
        var message = NetlinkMessage(kind: UInt16(RTM_GETROUTE), flags: UInt16(NLM_F_REQUEST), body: unsafe withUnsafeBytes(of: body) { unsafe Array($0) })
        message.append(attribute: UInt16(RTA_DST.rawValue), destination.addressBytes)
        let through = interface != 0 ? interface : destination.scope
        if through != 0 { message.append(attribute: UInt16(RTA_OIF.rawValue), unsafe withUnsafeBytes(of: through) { unsafe Array($0) }) }
        try socket.send(message)
        for answer in try socket.receive() {
            if answer.kind == UInt16(NLMSG_ERROR) { return nil }
            guard answer.kind == UInt16(RTM_NEWROUTE), answer.body.count >= MemoryLayout<rtmsg>.size else { continue }
            let origin = answer.body[answer.body.startIndex + Self.originOffset]
            let kind = answer.body[answer.body.startIndex + Self.kindOffset]
            guard kind != UInt8(RTN_UNREACHABLE), kind != UInt8(RTN_BLACKHOLE), kind != UInt8(RTN_PROHIBIT) else { return nil }
            return Answer(origin: origin, attributes: answer.attributes(after: MemoryLayout<rtmsg>.size))
        }
        return nil
    }

    /// Offsets of rtm_protocol and rtm_type in struct rtmsg.
    private static let originOffset = 5
    private static let kindOffset = 7
}

/// One message of rtnetlink: a header, a structure, attributes; everything in this host's byte order and padded to 4.
struct NetlinkMessage: Sendable {
    var kind: UInt16
    var flags: UInt16
    var body: ArraySlice<UInt8>

    init(kind: UInt16, flags: UInt16, body: [UInt8]) {
        self.kind = kind
        self.flags = flags
        self.body = body[...]
    }

    static let headerLength = 16
    private static let attributeHeaderLength = 4
    private static func padded(_ length: Int) -> Int { (length + 3) & ~3 }

    mutating func append(attribute: UInt16, _ bytes: [UInt8]) {
        body += [UInt8](repeating: 0, count: Self.padded(body.count) - body.count)
        body.append(contentsOf: Self.bytes(of: UInt16(Self.attributeHeaderLength + bytes.count)))
        body.append(contentsOf: Self.bytes(of: attribute))
        body += bytes
    }

    var bytes: [UInt8] {
        var result = Self.bytes(of: UInt32(Self.headerLength + body.count))
        result += Self.bytes(of: kind)
        result += Self.bytes(of: flags)
        // Sequence and port: a socket that asks once has nothing to tell apart.
        result += [UInt8](repeating: 0, count: 8)
        return result + body
    }

    /// The messages of a datagram; what is cut short at its end is left out.
    static func all(in datagram: ArraySlice<UInt8>) -> [NetlinkMessage] {
        var rest = datagram
        var found: [NetlinkMessage] = []
        while rest.count >= headerLength, let length = rest.value32.map(Int.init), length >= headerLength, length <= rest.count {
            let kind = rest.dropFirst(4).value16 ?? 0
            let flags = rest.dropFirst(6).value16 ?? 0
            found.append(NetlinkMessage(kind: kind, flags: flags, body: Array(rest.dropFirst(headerLength).prefix(length - headerLength))))
            rest = rest.dropFirst(padded(length))
        }
        return found
    }

    /// Attributes behind a structure of `length` bytes, the last of each kind.
    func attributes(after length: Int) -> [UInt16: ArraySlice<UInt8>] {
        var rest = body.dropFirst(Self.padded(length))
        var found: [UInt16: ArraySlice<UInt8>] = [:]
        while rest.count >= Self.attributeHeaderLength, let length = rest.value16.map(Int.init), length >= Self.attributeHeaderLength, length <= rest.count {
            found[rest.dropFirst(2).value16 ?? 0] = rest.dropFirst(Self.attributeHeaderLength).prefix(length - Self.attributeHeaderLength)
            rest = rest.dropFirst(Self.padded(length))
        }
        return found
    }

    private static func bytes(of value: some FixedWidthInteger) -> [UInt8] { unsafe withUnsafeBytes(of: value) { unsafe Array($0) } }
}

extension ArraySlice<UInt8> {
    /// The first bytes as a number in this host's byte order; nil if there are fewer.
    fileprivate var value16: UInt16? { count < 2 ? nil : unsafe withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt16.self) } }
    fileprivate var value32: UInt32? { count < 4 ? nil : unsafe withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) } }
}

extension SocketAddress {
    /// 4 or 16 bytes of an address, port 0; nil for any other number.
    init?(networkBytes bytes: ArraySlice<UInt8>) {
        func word(_ part: ArraySlice<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self.init(family: .ipv4, high: 0, low: word(bytes), port: 0)
        case 16: self.init(family: .ipv6, high: word(bytes.prefix(8)), low: word(bytes.suffix(8)), port: 0)
        default: return nil
        }
    }
}

/// A socket to the kernel's own account of interfaces, addresses and routes (netlink(7)). Not blocking.
final class NetlinkSocket {
    let descriptor: OwnedDescriptor

    /// - Parameter groups: whose changes are told of (RTMGRP_*); 0 to ask alone.
    init(groups: UInt32) throws(HostError) {
        let raw = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), Int32(NETLINK_ROUTE))
        guard raw >= 0 else { throw .system("open", "a netlink socket") }
        descriptor = OwnedDescriptor(raw)
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = groups
        let bound = unsafe withUnsafeBytes(of: &address) {
            unsafe bind(raw, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
        }
        guard bound == 0 else { throw .system("listen to", "the kernel's interfaces and routes") }
    }

    func send(_ message: NetlinkMessage) throws(HostError) {
        let bytes = message.bytes
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(descriptor.raw, $0.baseAddress, $0.count, 0) }
        guard count == bytes.count else { throw .system("ask for", "a route") }
    }

    /// Messages that wait: the kernel answers a question before the call that asks returns.
    func receive() throws(HostError) -> [NetlinkMessage] {
        var buffer = [UInt8](repeating: 0, count: Self.bufferLength)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor.raw, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else {
            if errno == EAGAIN || errno == EINTR { return [] }
            throw .system("read from", "netlink")
        }
        return NetlinkMessage.all(in: buffer[..<count])
    }

    /// Bytes: of one message with all that the kernel says of an interface (netlink(7) names 8 KiB).
    private static let bufferLength = 32 << 10
}
