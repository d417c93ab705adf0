import CLinux
import Glibc
public import RMCPProtocol

extension SocketAddress {
    /// Reads `ADDR`, `ADDR:PORT`, `V6`, `[V6]`, `[V6]:PORT`; `defaultPort` where none is given. Nil when it is none of
    /// these: names are not resolved.
    public init?(parsing text: String, defaultPort: UInt16) {
        var host = Substring(text)
        var portText: Substring?
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            if !rest.isEmpty {
                guard rest.hasPrefix(":") else { return nil }
                portText = rest.dropFirst()
            }
        } else if let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon {
            host = text[..<colon]
            portText = text[text.index(after: colon)...]
        }
        var port = defaultPort
        if let portText {
            guard let number = UInt16(portText), number > 0 else { return nil }
            port = number
        }
        self.init(host: String(host), port: port)
    }

    private init?(host: String, port: UInt16) {
        var v4 = in_addr()
        if unsafe inet_pton(AF_INET, host, &v4) == 1 {
            self.init(family: .ipv4, high: 0, low: UInt64(UInt32(bigEndian: v4.s_addr)), port: port)
            return
        }
        let parts = host.split(separator: "%", maxSplits: 1)
        var v6 = in6_addr()
        guard let address = parts.first, unsafe inet_pton(AF_INET6, String(address), &v6) == 1 else { return nil }
        var scope: UInt32 = 0
        if parts.count == 2 {
            scope = unsafe if_nametoindex(String(parts[1]))
            guard scope != 0 else { return nil }
        }
        let words = unsafe withUnsafeBytes(of: v6) {
            unsafe (UInt64(bigEndian: $0.load(as: UInt64.self)), UInt64(bigEndian: $0.load(fromByteOffset: 8, as: UInt64.self)))
        }
        self.init(family: .ipv6, high: words.0, low: words.1, port: port, scope: scope)
    }

    /// - Throws: one line that says which addresses are for groups.
    func requireMulticast() throws(HostError) {
        guard !isMulticast else { return }
        throw HostError("\(host) is not a multicast address; use one of 224.0.0.0/4 (239.255.0.0/16 is for local use) or ff00::/8", kind: .usage)
    }

    /// Whether it is an IPv6 address that is known on one link alone (fe80::/10: RFC 4291, 2.5.6).
    var isLinkLocal: Bool { family == .ipv6 && high >> 54 == 0x3FA }

    var systemFamily: Int32 { family == .ipv4 ? AF_INET : AF_INET6 }

    /// The same address with a scope, where the kernel wants one.
    func scoped(to index: UInt32) -> SocketAddress {
        guard family == .ipv6, scope == 0 else { return self }
        var result = self
        result.scope = index
        return result
    }

    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch family {
        case .ipv4:
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(truncatingIfNeeded: low).bigEndian
            return unsafe withUnsafeBytes(of: &address) {
                unsafe body($0.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, socklen_t($0.count))
            }
        case .ipv6:
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_scope_id = scope
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) {
                unsafe $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                unsafe $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return unsafe withUnsafeBytes(of: &address) {
                unsafe body($0.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, socklen_t($0.count))
            }
        }
    }

    /// Nil for families other than IPv4 and IPv6.
    init?(_ storage: sockaddr_storage) {
        switch Int32(storage.ss_family) {
        case AF_INET:
            let address = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in.self) }
            self.init(
                family: .ipv4, high: 0, low: UInt64(UInt32(bigEndian: address.sin_addr.s_addr)),
                port: UInt16(bigEndian: address.sin_port))
        case AF_INET6:
            let address = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in6.self) }
            let words = unsafe withUnsafeBytes(of: address.sin6_addr) {
                unsafe (UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)), UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
            }
            self.init(
                family: .ipv6, high: words.0, low: words.1, port: UInt16(bigEndian: address.sin6_port),
                scope: address.sin6_scope_id)
        default: return nil
        }
    }
}
