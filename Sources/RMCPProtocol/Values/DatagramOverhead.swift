/// Headers that the network adds to each datagram.
public enum DatagramOverhead {
    /// Bytes of the IPv4 (RFC 791, without options) and UDP (RFC 768) headers. Rates count them, since links carry them.
    public static let bytes = 28
}
