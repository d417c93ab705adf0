internal import RMCPProtocol

/// Where the nodes of a simulated network are: an address follows from a node's index.
enum Addressing {
    /// UDP port that receivers listen at first; a restarted one has another.
    static let receiverPort: UInt16 = 17_627

    static func sender(_ index: Int) -> SocketAddress {
        .ipv4(10, 1, UInt8(index >> 8 & 255), UInt8(index & 255), port: 20_000)
    }

    static func receiver(_ index: Int, port: UInt16) -> SocketAddress {
        .ipv4(10, 2 + UInt8(index >> 16), UInt8(index >> 8 & 255), UInt8(index & 255), port: port)
    }

    static func repairNode(_ index: Int) -> SocketAddress {
        .ipv4(10, 0, UInt8(index >> 8 & 255), UInt8(index & 255), port: 17_628)
    }
}
