import RMCPProtocol

/// Lengths of datagrams that a way out carries without fragments, as far as this host can know.
enum DatagramLength {
    /// MTU from which on frames count as jumbo frames: what is a little longer than 1500 makes room for tunnels' headers.
    private static let jumboMTU = 3_000
    private static let least = DataHeader.length + Limits.minimumPayloadLength
    private static let most = DataHeader.length + Limits.maximumPayloadLength

    /// The hosts of one link have its MTU in common (RFC 4861, 4.6.4, says so of IPv6). What is behind a router nobody knows, and who
    /// comes late cannot be asked before the length is fixed: jumbo frames are for datagrams that pass no router.
    /// - Parameters:
    ///   - ordinary: length for frames of 1500 bytes.
    ///   - mtu: of the interface, less what is put behind datagrams.
    /// - Returns: bytes, at least what a DATA must have.
    static func longest(ordinary: Int, mtu: Int, timeToLive: Int, over family: SocketAddress.Family) -> Int {
        let isJumbo = mtu >= jumboMTU && timeToLive <= 1
        return max(least, min(isJumbo ? most : ordinary, mtu - DatagramOverhead.bytes(over: family)))
    }
}
