/// Headers that the network adds to each datagram. Rates count them, since links carry them.
public enum DatagramOverhead {
    /// Bytes of the IPv4 (RFC 791, without options) and UDP (RFC 768) headers.
    public static let bytes = 28
    /// Bytes of the IPv6 (RFC 8200, without extension headers) and UDP headers.
    public static let bytesOverIPv6 = 48

    public static func bytes(over family: SocketAddress.Family) -> Int {
        switch family {
        case .ipv4: bytes
        case .ipv6: bytesOverIPv6
        }
    }
}
