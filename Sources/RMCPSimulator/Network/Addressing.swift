internal import RMCPProtocol

/// Addresses of the nodes in a simulated network; each follows from the node's index, and from how often its host was
/// given another one.
enum Addressing {
    /// UDP port that receivers listen at first; a restarted one has another.
    static let receiverPort: UInt16 = 17_627

    static func sender(_ index: Int, moves: UInt8 = 0) -> SocketAddress {
        .ipv4(firstNetwork + moves, 1, UInt8(index >> 8 & 255), UInt8(index & 255), port: 20_000)
    }

    static func receiver(_ index: Int, port: UInt16, moves: UInt8 = 0) -> SocketAddress {
        .ipv4(firstNetwork + moves, 2 + UInt8(index >> 16), UInt8(index >> 8 & 255), UInt8(index & 255), port: port)
    }

    /// First number of an address that a host has from the beginning; each move makes it one more.
    private static let firstNetwork: UInt8 = 10

    /// The address that children of a repair node write to.
    static func repairNode(_ index: Int, moves: UInt8 = 0) -> SocketAddress { node(index, port: regionPort, moves: moves) }

    /// The address that its parents write to.
    static func repairNodeAsChild(_ index: Int, moves: UInt8 = 0) -> SocketAddress { node(index, port: 17_629, moves: moves) }

    private static func node(_ index: Int, port: UInt16, moves: UInt8) -> SocketAddress {
        .ipv4(firstNetwork + moves, 0, UInt8(index >> 8 & 255), UInt8(index & 255), port: port)
    }

    /// A region has the port of the group.
    private static let regionPort: UInt16 = 17_627

    // MARK: Groups

    /// The one that senders send to.
    static let group = SocketAddress.ipv4(239, 255, 0, 1, port: 17_627)

    /// The one that a repair node repairs in.
    static func region(ofRepairNode index: Int) -> SocketAddress { .ipv4(239, 254, UInt8(index >> 8 & 255), UInt8(index & 255), port: regionPort) }

    static func repairNode(ofRegion region: SocketAddress) -> Int { Int(region.low & 0xFFFF) }

    // MARK: Whose address it is

    static func senderIndex(of address: SocketAddress) -> Int? { network(of: address) == 1 ? host(of: address) : nil }

    static func receiverIndex(of address: SocketAddress) -> Int? {
        network(of: address) >= 2 ? (network(of: address) - 2) << 16 | host(of: address) : nil
    }

    static func repairNodeIndex(of address: SocketAddress) -> Int? { network(of: address) == 0 ? host(of: address) : nil }

    /// Number of times that the host had moved that has, or had, an address.
    static func moves(of address: SocketAddress) -> UInt8 { UInt8(truncatingIfNeeded: address.low >> 24) &- firstNetwork }

    /// Socket of a repair node that has the address.
    static func socket(of address: SocketAddress) -> RepairSocket { address.port == regionPort ? .below : .above }

    private static func network(of address: SocketAddress) -> Int { Int(address.low >> 16 & 255) }
    private static func host(of address: SocketAddress) -> Int { Int(address.low & 0xFFFF) }
}

/// A repair node has a socket towards parents, and one of its region, to which children send.
enum RepairSocket {
    case above
    case below
}
