import RMCPProtocol

/// Subnets: the nodes in each, and the links into them. Senders are in subnet 0.
struct Topology {
    /// Time to live of multicast as it is sent; each router takes 1 from it.
    static let timeToLive: UInt8 = 8

    /// Nodes by subnet, in the order of indices: a region's multicast costs what its subnets hold, not what the world does.
    private var receivers: [Int: [Int]] = [:]
    private var repairNodes: [Int: [Int]] = [:]
    /// Routers between a subnet and the senders, where that is not one.
    private var distances: [Int: Int] = [:]
    /// Links between subnets and the senders; a subnet without one neither loses nor delays.
    private(set) var links: [Int: Link] = [:]
    /// Subnets that nothing gets into or out of; in each of them all goes on.
    var cut: Set<Int> = []
    /// Nil when nodes or links have been added since it was sorted.
    private var sorted: [Int]?

    // MARK: Building

    mutating func addReceiver(_ index: Int, subnet: Int) {
        if receivers[subnet] == nil { sorted = nil }
        receivers[subnet, default: []].append(index)
    }

    mutating func addRepairNode(_ index: Int, subnet: Int) {
        sorted = nil
        repairNodes[subnet, default: []].append(index)
    }

    mutating func setLink(into subnet: Int, _ model: LinkModel) {
        sorted = nil
        links[subnet] = Link(model: model)
    }

    mutating func setLink(into subnet: Int, up: Bool) {
        sorted = nil
        if links[subnet] == nil { links[subnet] = Link(model: LinkModel()) }
        links[subnet]?.isUp = up
    }

    mutating func setDistance(_ distance: Int, ofSubnet subnet: Int) { distances[subnet] = distance }

    // MARK: Looking

    func receivers(inSubnet subnet: Int) -> [Int] { receivers[subnet] ?? [] }
    func repairNodes(inSubnet subnet: Int) -> [Int] { repairNodes[subnet] ?? [] }

    /// Subnets where anybody is, or that have a link, ascending: the order decides who draws which random number.
    mutating func occupiedSubnets() -> [Int] {
        if let sorted { return sorted }
        let all = Set(receivers.keys).union(repairNodes.keys).union(links.keys).sorted()
        sorted = all
        return all
    }

    /// False where one of two subnets is cut off from the other.
    func isConnected(_ subnet: Int, _ other: Int) -> Bool { subnet == other || !(cut.contains(subnet) || cut.contains(other)) }

    /// Looked for in lists, since nobody asks but where something is cut off.
    func subnet(ofReceiver index: Int) -> Int { receivers.first { $0.value.contains(index) }?.key ?? 0 }

    /// Routers between a subnet and the senders.
    func distance(ofSubnet subnet: Int) -> Int { distances[subnet] ?? (subnet == 0 ? 0 : 1) }

    /// Time to live that multicast which was sent in one subnet still has in another.
    func timeToLive(from subnet: Int, to other: Int) -> UInt8 {
        let routers = UInt8(clamping: abs(distance(ofSubnet: other) - distance(ofSubnet: subnet)))
        return Self.timeToLive - min(routers, Self.timeToLive)
    }

    // MARK: Passing

    /// Over a subnet's link, once for all behind it.
    mutating func pass(_ payload: Payload, into subnet: Int, at time: Instant, using random: inout RandomSource) -> (Payload, Instant)? {
        guard isConnected(0, subnet) else { return nil }
        guard links[subnet] != nil else { return (payload, time) }
        return links[subnet]?.passPackets(of: payload, at: time, using: &random)
    }

    /// A packet that is no datagram of a session passes it; nil when the queue is full.
    mutating func pass(bytes: Int, into subnet: Int, at time: Instant) -> Instant? { links[subnet]?.pass(bytes: bytes, datagrams: 1, at: time) }
}
