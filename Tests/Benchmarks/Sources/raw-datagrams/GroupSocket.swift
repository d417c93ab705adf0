import BenchmarkSupport
import CLinux
import Glibc

/// A UDP socket for one multicast group, set up as rmcp's are.
struct GroupSocket {
    let raw: Int32
    var address = sockaddr_in()

    init(_ options: Options) {
        raw = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { fail("no socket: errno \(errno)") }
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = options.port.bigEndian
        guard inet_pton(AF_INET, options.group, &address.sin_addr) == 1 else { fail("no group: \(options.group)") }
        let index = if_nametoindex(options.interface)
        guard index > 0 else { fail("no interface: \(options.interface)") }
        switch options.role {
        case .send:
            check(rmcp_set_multicast_interface(raw, AF_INET, index, 0), "multicast interface")
            check(rmcp_set_integer_option(raw, SOL_SOCKET, SO_SNDBUF, 4 << 20), "send buffer")
        case .receive:
            check(withAddress { bind(raw, $0, $1) }, "bind")
            if rmcp_set_forced_receive_buffer(raw, 32 << 20) != 0 {
                check(rmcp_set_integer_option(raw, SOL_SOCKET, SO_RCVBUF, 32 << 20), "receive buffer")
            }
            if options.coalescing { check(rmcp_enable_gro(raw), "UDP_GRO") }
            check(withUnsafePointer(to: address.sin_addr) { rmcp_multicast_membership(raw, AF_INET, $0, index, 1) }, "join")
        }
    }

    func withAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    /// False when nothing happened within `milliseconds`.
    @discardableResult
    func wait(for events: Int32, milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: raw, events: Int16(events), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    private func check(_ result: Int32, _ what: String) {
        if result != 0 { fail("\(what): errno \(errno)") }
    }
}
