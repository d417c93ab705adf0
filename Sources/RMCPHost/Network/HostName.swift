import CLinux
import Glibc
public import RMCPProtocol

/// Hosts by name or address.
public enum HostName {
    /// A host as it is written.
    private enum Place {
        case address(SocketAddress)
        case name(String, port: UInt16)
    }

    private static func place(_ text: String, defaultPort: UInt16, family: SocketAddress.Family) throws(HostError) -> Place {
        if let address = SocketAddress(parsing: text, defaultPort: defaultPort) {
            guard address.family == family else {
                throw HostError("\(text) and the group are of different families; choose the group's with -g", kind: .usage)
            }
            guard !address.isMulticast else { throw HostError("\(text) is a multicast address; --upstream takes a host", kind: .usage) }
            return .address(address)
        }
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard let name = parts.first, !name.isEmpty, let port = parts.count == 1 ? defaultPort : UInt16(parts[1]), port > 0 else {
            throw HostError("\(text): expected a host name or address, with or without a port", kind: .usage)
        }
        return .name(name, port: port)
    }

    /// Faults that can be told without a resolver.
    public static func check(_ text: String, defaultPort: UInt16, family: SocketAddress.Family) throws(HostError) {
        _ = try place(text, defaultPort: defaultPort, family: family)
    }

    /// `HOST`, `HOST:PORT`, `ADDR`, `[V6]:PORT`: the first address of the family that the resolver knows.
    public static func resolve(_ text: String, defaultPort: UInt16, family: SocketAddress.Family) throws(HostError) -> SocketAddress {
        switch try place(text, defaultPort: defaultPort, family: family) {
        case .address(let address): return address
        case .name(let name, let port): return try lookUp(name, port: port, family: family)
        }
    }

    private static func lookUp(_ name: String, port: UInt16, family: SocketAddress.Family) throws(HostError) -> SocketAddress {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = family == .ipv4 ? AF_INET : AF_INET6
        unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(name, nil, &hints, &list)
        guard code == 0, let first = unsafe list else {
            let reason = unsafe String(cString: gai_strerror(code))
            // A resolver that does not answer says nothing of the name.
            guard code == EAI_NONAME else { throw HostError("cannot find host \(name): \(reason)", hint: "try again, or give its address") }
            throw HostError("cannot find host \(name): \(reason)", kind: .usage)
        }
        defer { unsafe freeaddrinfo(list) }
        var storage = sockaddr_storage()
        let length = unsafe Int(first.pointee.ai_addrlen)
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: first.pointee.ai_addr, count: min(length, $0.count)))
        }
        guard var address = SocketAddress(storage) else { throw HostError("cannot find host \(name)", kind: .usage) }
        address.port = port
        return address
    }
}
