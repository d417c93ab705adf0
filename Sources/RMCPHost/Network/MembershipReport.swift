import CLinux
import Glibc
import RMCPProtocol

/// A report of a group's membership by ourselves. The kernel counts the members of a group for the whole host, and reports
/// when the first comes and the last goes: who leaves and joins beside another member is not heard of by any switch.
///
/// A process needs CAP_NET_RAW to send one. The others leave and join, which is of use where they are the only member.
enum MembershipReport {
    /// Sends what the kernel would send if it were asked: of the version that it has found queriers to speak.
    static func send(for group: SocketAddress, through interface: NetworkInterface) {
        switch group.family {
        case .ipv4: sendIGMP(for: group, through: interface)
        case .ipv6: sendMLD(for: group, through: interface)
        }
    }

    // MARK: IGMP

    private static let allIGMPv3Routers = SocketAddress.ipv4(224, 0, 0, 22, port: 0)
    /// Membership report of version 3 (RFC 3376, 4.2) and 2 (RFC 2236, 2.1).
    private static let reportV3: UInt8 = 0x22
    private static let reportV2: UInt8 = 0x16
    /// The group's record: any source is listened to (MODE_IS_EXCLUDE with none, RFC 3376, 4.2.12).
    private static let isExclude: UInt8 = 2
    /// IP option by which routers look at what is not for them (RFC 2113).
    private static let routerAlert: [UInt8] = [0x94, 4, 0, 0]

    private static func sendIGMP(for group: SocketAddress, through interface: NetworkInterface) {
        guard let socket = rawSocket(AF_INET, Int32(IPPROTO_IGMP)) else { return }
        let address = interface.address(for: group)?.addressBytes ?? []
        let source = UInt32(truncatingIfNeeded: interface.address(for: group)?.low ?? 0).bigEndian
        guard !address.isEmpty, rmcp_set_multicast_interface(socket.raw, AF_INET, interface.index, source) == 0 else { return }
        _ = rmcp_set_multicast_ttl(socket.raw, AF_INET, 1)
        _ = rmcp_set_multicast_loop(socket.raw, AF_INET, 0)
        _ = unsafe routerAlert.withUnsafeBytes { unsafe setsockopt(socket.raw, Int32(IPPROTO_IP), IP_OPTIONS, $0.baseAddress, socklen_t($0.count)) }
        if speaksVersion3(on: interface.name, FileTransfer.kernelText("/proc/net/igmp") ?? "") {
            send(withChecksum(reportV3Message(for: group.addressBytes)), to: allIGMPv3Routers, socket)
        } else {
            send(withChecksum([reportV2, 0, 0, 0] + group.addressBytes), to: group, socket)
        }
    }

    /// Type, checksum, one record: its kind, no auxiliary data, no sources, the group. MLD has the same (RFC 3810, 5.2).
    private static func reportV3Message(for group: [UInt8], type: UInt8 = reportV3) -> [UInt8] {
        [type, 0, 0, 0, 0, 0, 0, 1, isExclude, 0, 0, 0] + group
    }

    /// Whether the kernel speaks version 3 on an interface, as /proc/net/igmp has it: "2  eth0 : 2  V3".
    static func speaksVersion3(on interface: String, _ text: String) -> Bool {
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == ":" }
            if words.count >= 4, words[1] == interface { return words[3] == "V3" }
        }
        return true
    }

    /// The Internet checksum (RFC 1071) in bytes 2 and 3, which are 0 before.
    static func withChecksum(_ message: [UInt8]) -> [UInt8] {
        var sum = stride(from: 0, to: message.count, by: 2).reduce(UInt32(0)) {
            $0 + UInt32(message[$1]) << 8 + UInt32($1 + 1 < message.count ? message[$1 + 1] : 0)
        }
        while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
        var result = message
        result[2] = UInt8(truncatingIfNeeded: ~sum >> 8)
        result[3] = UInt8(truncatingIfNeeded: ~sum)
        return result
    }

    // MARK: MLD

    /// MLDv2-capable routers, ff02::16 (RFC 3810, 5.2.14).
    private static let allMLDv2Routers = SocketAddress(family: .ipv6, high: 0xFF02_0000_0000_0000, low: 0x16, port: 0)
    /// Multicast listener report of version 2.
    private static let listenerReport: UInt8 = 143
    /// Hop-by-hop header with a router alert for MLD (RFC 2711), padded to 8 bytes; the kernel sets what follows it.
    private static let hopByHop: [UInt8] = [0, 0, 5, 2, 0, 0, 1, 0]

    private static func sendMLD(for group: SocketAddress, through interface: NetworkInterface) {
        guard let socket = rawSocket(AF_INET6, Int32(IPPROTO_ICMPV6)) else { return }
        guard rmcp_set_multicast_interface(socket.raw, AF_INET6, interface.index, 0) == 0 else { return }
        // A report counts only from the link itself (RFC 3810, 5.2.13).
        if var own = interface.addresses.first(where: \.isLinkLocal) {
            own.port = 0
            own.scope = interface.index
            _ = unsafe own.withSockaddr { unsafe bind(socket.raw, $0, $1) }
        }
        _ = rmcp_set_multicast_ttl(socket.raw, AF_INET6, 1)
        _ = rmcp_set_multicast_loop(socket.raw, AF_INET6, 0)
        _ = unsafe hopByHop.withUnsafeBytes { unsafe setsockopt(socket.raw, Int32(IPPROTO_IPV6), IPV6_HOPOPTS, $0.baseAddress, socklen_t($0.count)) }
        // The kernel computes the checksum of ICMPv6 (RFC 3542, 3.1).
        send(reportV3Message(for: group.addressBytes, type: listenerReport), to: allMLDv2Routers.scoped(to: interface.index), socket)
    }

    // MARK: Sockets

    private static func rawSocket(_ family: Int32, _ number: Int32) -> OwnedDescriptor? {
        let raw = socket(family, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), number)
        return raw >= 0 ? OwnedDescriptor(raw) : nil
    }

    /// A report that does not leave is followed by the next.
    private static func send(_ message: [UInt8], to destination: SocketAddress, _ socket: OwnedDescriptor) {
        unsafe message.withUnsafeBytes { buffer in
            var vector = unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: buffer.baseAddress), iov_len: buffer.count)
            _ = unsafe destination.withSockaddr { unsafe rmcp_send(socket.raw, $0, $1, &vector, 1, 0) }
        }
    }
}
