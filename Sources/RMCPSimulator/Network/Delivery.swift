import RMCPProtocol

/// A datagram, or a train of them, that has come to somebody; its `Arrival` says when.
enum NetworkArrival {
    case atSender(Int, [UInt8], Arrival)
    case atReceiver(Int, Payload, Arrival)
    case atReceivers(GroupArrival)
    case atRepairNode(Int, RepairSocket, Payload, Arrival)

    var time: Instant {
        switch self {
        case .atSender(_, _, let arrival), .atReceiver(_, _, let arrival), .atRepairNode(_, _, _, let arrival): arrival.at
        case .atReceivers(let group): group.arrival.at
        }
    }
}

/// A repair node's place in the network.
struct RepairSite {
    var downlink: Link
    let subnet: Int
    /// Subnets that its region reaches.
    var reach: [Int]
    /// Its region, or the group itself where it is a relay: a relay has its site's receivers there.
    var region: SocketAddress
    /// Listeners of its region: receivers by subnet, and other repair nodes, in the order in which they joined.
    private(set) var members: [Int: [Int]] = [:]
    private(set) var nodeMembers: [Int] = []

    init(downlink: Link, subnet: Int, reach: [Int], region: SocketAddress) {
        self.downlink = downlink
        self.subnet = subnet
        self.reach = reach
        self.region = region
    }

    var isRelay: Bool { region == Addressing.group }

    mutating func join(receiver: Int, inSubnet subnet: Int) { members[subnet, default: []].append(receiver) }
    mutating func leave(receiver: Int, inSubnet subnet: Int) { members[subnet]?.removeAll { $0 == receiver } }
    mutating func join(repairNode: Int) { nodeMembers.append(repairNode) }
    mutating func leave(repairNode: Int) { nodeMembers.removeAll { $0 == repairNode } }
}

/// Number of times that hosts were given another address, by index; none of what is sent to a former one arrives.
struct Moves {
    var receivers: [Int: UInt8] = [:]
    var senders: [Int: UInt8] = [:]
    var repairNodes: [Int: UInt8] = [:]
}

/// The network between the nodes' own links: who gets a copy of what was sent, and when. Like an engine it is told things and
/// then drained: what has been sent on waits in `arrivals`.
///
/// An `Arrival` goes along with each payload: where it is from, what is left of its time to live, and when it is where it is.
struct Delivery {
    var topology = Topology()
    /// Links down to receivers, and whether the network delivers the group there: apart from the nodes, and in the order of
    /// indices, since all that is multicast goes through them.
    var downlinks: ContiguousArray<Link> = []
    var isMember: ContiguousArray<Bool> = []
    /// UDP ports of receivers: who translates addresses on the way may change them.
    var ports: ContiguousArray<UInt16> = []
    /// Number of times that hosts were given another address, those that were.
    var moves = Moves()
    var repairSites: [RepairSite] = []
    var senderCount = 0
    /// Arrivals that nobody has taken yet, in the order in which they were sent down the links.
    private(set) var arrivals: ContiguousArray<NetworkArrival> = []

    mutating func removeArrivals() { arrivals.removeAll(keepingCapacity: true) }

    // MARK: Building

    mutating func addReceiver(downlink: Link, subnet: Int) {
        topology.addReceiver(downlinks.count, subnet: subnet)
        downlinks.append(downlink)
        isMember.append(true)
        ports.append(Addressing.receiverPort)
    }

    mutating func addRepairNode(_ site: RepairSite) {
        topology.addRepairNode(repairSites.count, subnet: site.subnet)
        repairSites.append(site)
    }

    // MARK: Multicast

    /// A copy of what a sender multicast down the link of each member of the group; `arrival` says when it is at the switch.
    mutating func multicast(_ payload: Payload, _ arrival: Arrival, using random: inout RandomSource) {
        guard !topology.links.isEmpty || !repairSites.isEmpty || !topology.cut.isEmpty else {
            let there = Arrival(source: arrival.source, timeToLive: Topology.timeToLive, at: arrival.at)
            return carry(payload, toMembersAmong: downlinks.indices, there, using: &random)
        }
        for subnet in topology.occupiedSubnets() {
            guard let (left, time) = topology.pass(payload, into: subnet, at: arrival.at, using: &random) else { continue }
            let there = Arrival(source: arrival.source, timeToLive: topology.timeToLive(from: 0, to: subnet), at: time)
            carry(left, toSubnet: subnet, there, using: &random)
        }
    }

    /// A copy of what a repair node sends to the group itself, as far as its region reaches.
    mutating func multicast(_ payload: Payload, fromRepairNode index: Int, at time: Instant, using random: inout RandomSource) {
        for subnet in reachable(fromRepairNode: index) {
            carry(payload, toSubnet: subnet, except: index, arrival(fromRepairNode: index, inSubnet: subnet, at: time), using: &random)
        }
    }

    /// A copy down the link of each member of a repair node's region.
    mutating func multicast(_ payload: Payload, toRegionOf index: Int, at time: Instant, using random: inout RandomSource) {
        guard !repairSites[index].isRelay else { return multicast(payload, fromRepairNode: index, at: time, using: &random) }
        let reach = reachable(fromRepairNode: index)
        for subnet in reach {
            guard let members = repairSites[index].members[subnet] else { continue }
            carry(payload, toMembersAmong: members, arrival(fromRepairNode: index, inSubnet: subnet, at: time), using: &random)
        }
        for other in repairSites[index].nodeMembers where reach.contains(repairSites[other].subnet) {
            carry(payload, toRepairNode: other, arrival(fromRepairNode: index, inSubnet: repairSites[other].subnet, at: time), using: &random)
        }
    }

    /// Subnets that its region reaches at the moment.
    private func reachable(fromRepairNode index: Int) -> [Int] {
        guard !topology.cut.isEmpty else { return repairSites[index].reach }
        return repairSites[index].reach.filter { topology.isConnected(repairSites[index].subnet, $0) }
    }

    private func arrival(fromRepairNode index: Int, inSubnet subnet: Int, at time: Instant) -> Arrival {
        Arrival(source: address(ofRepairNode: index), timeToLive: topology.timeToLive(from: repairSites[index].subnet, to: subnet), at: time)
    }

    /// Delivers to all members of the group in a subnet. A relay hears nothing of the group from above.
    private mutating func carry(
        _ payload: Payload, toSubnet subnet: Int, except sender: Int? = nil, _ arrival: Arrival, using random: inout RandomSource
    ) {
        carry(payload, toMembersAmong: topology.receivers(inSubnet: subnet), arrival, using: &random)
        for node in topology.repairNodes(inSubnet: subnet) where node != sender && !repairSites[node].isRelay {
            carry(payload, toRepairNode: node, arrival, using: &random)
        }
    }

    // MARK: Addresses

    func address(ofReceiver index: Int) -> SocketAddress { Addressing.receiver(index, port: ports[index], moves: moves.receivers[index, default: 0]) }
    func address(ofSender index: Int) -> SocketAddress { Addressing.sender(index, moves: moves.senders[index, default: 0]) }
    func address(ofRepairNode index: Int) -> SocketAddress { Addressing.repairNode(index, moves: moves.repairNodes[index, default: 0]) }
    func childAddress(ofRepairNode index: Int) -> SocketAddress { Addressing.repairNodeAsChild(index, moves: moves.repairNodes[index, default: 0]) }

    /// Index of the repair node that an address is of at the moment.
    private func repairNode(at address: SocketAddress) -> Int? {
        guard let node = Addressing.repairNodeIndex(of: address), node < repairSites.count, Addressing.moves(of: address) == moves.repairNodes[node, default: 0]
        else { return nil }
        return node
    }

    // MARK: Unicast between any two

    /// Subnet of the node that has an address, or had it. Senders and strangers are in subnet 0.
    func subnet(of address: SocketAddress) -> Int {
        if let receiver = Addressing.receiverIndex(of: address) { return topology.subnet(ofReceiver: receiver) }
        guard let node = Addressing.repairNodeIndex(of: address), node < repairSites.count else { return 0 }
        return repairSites[node].subnet
    }

    private func isCut(from source: SocketAddress, to destination: SocketAddress) -> Bool {
        !topology.cut.isEmpty && !topology.isConnected(subnet(of: source), subnet(of: destination))
    }

    /// Down the link of the node at an address.
    mutating func unicast(_ payload: Payload, to address: SocketAddress, _ arrival: Arrival, using random: inout RandomSource) {
        guard !isCut(from: arrival.source, to: address) else { return }
        if let receiver = Addressing.receiverIndex(of: address), receiver < downlinks.count {
            // An address that the receiver had before is nobody's now.
            guard self.address(ofReceiver: receiver) == address else { return }
            var gathering = Gathering()
            carry(payload, to: receiver, arrival, &gathering, using: &random)
        } else if let node = repairNode(at: address) {
            carry(payload, toRepairNode: node, socket: Addressing.socket(of: address), arrival, using: &random)
        }
    }

    /// Delivers from a child to its parent; parents' links down are not in the way.
    mutating func unicast(_ bytes: [UInt8], up parent: SocketAddress, _ arrival: Arrival) {
        guard !isCut(from: arrival.source, to: parent) else { return }
        if let node = repairNode(at: parent) {
            arrivals.append(.atRepairNode(node, Addressing.socket(of: parent), .bytes(bytes), arrival))
        } else if let sender = Addressing.senderIndex(of: parent), sender < senderCount, address(ofSender: sender) == parent {
            arrivals.append(.atSender(sender, bytes, arrival))
        }
    }

    // MARK: Down the nodes' links

    /// A copy down the link of each member of the group.
    private mutating func carry(
        _ payload: Payload, toMembersAmong candidates: some Sequence<Int>, _ arrival: Arrival, using random: inout RandomSource
    ) {
        var gathering = Gathering()
        let (bytes, datagrams) = payload.size
        for receiver in candidates where isMember[receiver] {
            if let time = downlinks[receiver].passWhole(bytes: bytes, datagrams: datagrams, at: arrival.at) {
                gather(receiver, payload, arrival, at: time, &gathering)
            } else {
                carry(payload, to: receiver, arrival, &gathering, using: &random)
            }
        }
    }

    private mutating func gather(_ receiver: Int, _ payload: Payload, _ arrival: Arrival, at time: Instant, _ gathering: inout Gathering) {
        if let group = gathering.add(receiver, payload, arrival, at: time) { arrivals.append(.atReceivers(group)) }
    }

    /// Down one receiver's link, with everything that the link does to it.
    private mutating func carry(
        _ payload: Payload, to receiver: Int, _ arrival: Arrival, _ gathering: inout Gathering, using random: inout RandomSource
    ) {
        guard downlinks[receiver].isUp, let left = downlinks[receiver].survivors(of: payload, using: &random) else { return }
        if downlinks[receiver].isDisturbing {
            let rest = disturb(left, to: receiver, arrival, using: &random)
            return deliver(rest, to: receiver, arrival)
        }
        let (bytes, datagrams) = left.size
        guard let time = downlinks[receiver].pass(bytes: bytes, datagrams: datagrams, at: arrival.at) else { return }
        if left.isWhole(payload) {
            gather(receiver, payload, arrival, at: time, &gathering)
        } else {
            arrivals.append(.atReceiver(receiver, left, arrival.moved(to: time)))
        }
    }

    private mutating func carry(
        _ payload: Payload, toRepairNode index: Int, socket: RepairSocket = .above, _ arrival: Arrival, using random: inout RandomSource
    ) {
        guard let (left, time) = repairSites[index].downlink.receive(payload, at: arrival.at, using: &random) else { return }
        arrivals.append(.atRepairNode(index, socket, left, arrival.moved(to: time)))
    }

    private mutating func deliver(_ payload: Payload, to receiver: Int, _ arrival: Arrival, late: Interval = .zero) {
        let (bytes, datagrams) = payload.size
        guard datagrams > 0, let time = downlinks[receiver].pass(bytes: bytes, datagrams: datagrams, at: arrival.at) else { return }
        arrivals.append(.atReceiver(receiver, payload, arrival.moved(to: time + late)))
    }

    /// Takes single packets out of a train and sends them late, twice, damaged or short. What is left goes on.
    private mutating func disturb(_ payload: Payload, to receiver: Int, _ arrival: Arrival, using random: inout RandomSource) -> Payload {
        let model = downlinks[receiver].model
        switch payload {
        case .control(let datagram):
            if random.chance(model.duplication) { deliver(payload, to: receiver, arrival) }
            if let damaged = model.damage(datagram.bytes, using: &random) { return .bytes(damaged.0) }
            if random.chance(model.reorder) {
                deliver(payload, to: receiver, arrival, late: random.interval(upTo: model.reorderDelay))
                return .bytes([])
            }
            return payload
        case .packet: return payload
        case .train(let train, var mask):
            for packet in 0..<train.batch.count where mask & (1 << UInt64(packet)) != 0 {
                let bit: UInt64 = 1 << UInt64(packet)
                let single = Payload.train(train, mask: bit)
                if random.chance(model.duplication) { deliver(single, to: receiver, arrival) }
                if let (bytes, flips) = model.damage(train.materialise(packet: packet), using: &random) {
                    let fingerprint = SimulatedContent.fingerprint(of: train.record, packet: Int(train.batch[packet])) ^ flips
                    deliver(.packet(bytes, fingerprint: fingerprint), to: receiver, arrival)
                    mask &= ~bit
                } else if random.chance(model.reorder) {
                    deliver(single, to: receiver, arrival, late: random.interval(upTo: model.reorderDelay))
                    mask &= ~bit
                }
            }
            return .train(train, mask: mask)
        }
    }
}

extension Arrival {
    /// The same datagram at a later place on its way.
    func moved(to time: Instant) -> Arrival { Arrival(source: source, timeToLive: timeToLive, at: time) }
}
