/// How a bundle is cut into chunks and datagrams.
public struct PacketSettings: Sendable {
    /// Length of a whole datagram of DATA, bytes. 1400 leaves room for the usual tunnels below 1500-byte frames; the
    /// host lowers it to what the path carries, and raises it where frames are longer.
    public var datagramLength = 1_400
    /// Longest datagram that a repair node can pass on to its region, bytes; its host knows the way there.
    public var longestOnward = Int.max
    /// Bytes of headers that the network adds to each datagram, which the host knows by its group's family.
    public var overhead = DatagramOverhead.bytes
    /// Lengths to fall back to when joined receivers do not get full-sized datagrams: below common tunnel stacks, the
    /// IPv6 minimum MTU of 1280 (RFC 8200, 5) less headers, and the IPv4 minimum of 576 (RFC 791) less headers.
    public var datagramLengthLadder = [1_400, 1_300, 1_200, 1_000, 508]
    /// Few receivers that get nothing longer bring the length down to this and no further: 1400 bytes less a sixth cost the others 1 %
    /// of the wire. Shorter paths are rare, and anybody can claim one.
    public var leastLengthForFew = 1_200
    /// Content bytes of a chunk; docs/decisions/0002 has the measurements.
    public var chunkLength: UInt32 = 1 << 20
    /// Sequence number of the first multicast datagram; nil draws one. Set where the wrap of the number is tried out.
    public var firstSequence: UInt32?

    public init() {}
}
