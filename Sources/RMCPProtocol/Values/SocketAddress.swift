/// An IPv4 or IPv6 address with a port: a plain value, so that engines can hold and compare where things come from
/// without knowing what a socket is.
public struct SocketAddress: Hashable, Sendable {
    /// Family of an address; raw values are as they travel in ADVERTISEMENT and REPORT.
    public enum Family: UInt8, Sendable, Hashable {
        case ipv4 = 4
        case ipv6 = 6
    }

    public var family: Family
    /// The address in network order: 16 bytes of IPv6 in `high` and `low`; 4 bytes of IPv4 at the end of `low`.
    public var high: UInt64
    public var low: UInt64
    /// UDP port. 0 is none that can be sent to.
    public var port: UInt16
    /// IPv6 scope (interface index) of link-local addresses; 0 otherwise.
    public var scope: UInt32

    public init(family: Family, high: UInt64, low: UInt64, port: UInt16, scope: UInt32 = 0) {
        self.family = family
        self.high = high
        self.low = low
        self.port = port
        self.scope = scope
    }

    public static func ipv4(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, port: UInt16) -> SocketAddress {
        let low = UInt64(a) << 24 | UInt64(b) << 16 | UInt64(c) << 8 | UInt64(d)
        return SocketAddress(family: .ipv4, high: 0, low: low, port: port)
    }

    /// 224.0.0.0/4 or ff00::/8.
    public var isMulticast: Bool {
        switch family {
        case .ipv4: (low >> 28) & 0xF == 0xE
        case .ipv6: high >> 56 == 0xFF
        }
    }

    /// The 4 or 16 bytes of the address.
    public var addressBytes: [UInt8] {
        switch family {
        case .ipv4: stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: low >> UInt64($0)) }
        case .ipv6:
            [high, low].flatMap { word in
                stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
            }
        }
    }
}
