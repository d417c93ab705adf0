import RMCPProtocol

/// Listeners of each group, and unicast between any two nodes.
extension World {
    /// Time to live of multicast; hops are taken from it.
    static let timeToLive: UInt8 = 8

    // MARK: Membership

    func join(_ region: SocketAddress, receiver node: ReceiverNode) {
        let index = Addressing.repairNode(ofRegion: region)
        guard index < repairNodes.count else { return node.endpoint.regions.noteFailed(region, at: now + node.clockOffset) }
        if let left = node.endpoint.regions.noteJoined(region) { leave(left, receiver: node) }
        repairNodes[index].members[node.subnet, default: []].append(node.index)
    }

    private func leave(_ region: SocketAddress, receiver node: ReceiverNode) {
        repairNodes[Addressing.repairNode(ofRegion: region)].members[node.subnet]?.removeAll { $0 == node.index }
    }

    /// Its process is gone, and its sockets with it.
    func leaveRegions(receiver node: ReceiverNode) { for region in node.endpoint.regions.joined { leave(region, receiver: node) } }

    func join(_ region: SocketAddress, repairNode index: Int) {
        let parent = Addressing.repairNode(ofRegion: region)
        guard parent < repairNodes.count else { return repairNodes[index].node.endpoint.regions.noteFailed(region, at: now) }
        if let left = repairNodes[index].node.endpoint.regions.noteJoined(region) {
            repairNodes[Addressing.repairNode(ofRegion: left)].nodeMembers.removeAll { $0 == index }
        }
        repairNodes[parent].nodeMembers.append(index)
    }

    // MARK: Multicast of repair nodes

    /// A copy down the link of each member of the group, as far as the region reaches.
    func multicast(_ payload: Payload, toGroupIn reach: [Int], from index: Int, at time: Instant) {
        for subnet in reach {
            let timeToLive = timeToLive(from: index, toSubnet: subnet)
            let source = Addressing.repairNode(index)
            carry(payload, toMembersAmong: receivers(inSubnet: subnet), from: source, timeToLive: timeToLive, at: time)
            for other in repairNodes(inSubnet: subnet) where other != index && repairNodes[other].node.place.mode == .repair {
                carry(payload, toRepairNode: other, from: source, timeToLive: timeToLive, at: time)
            }
        }
    }

    /// A copy down the link of each member of the region.
    func multicast(_ payload: Payload, toRegionOf index: Int, at time: Instant) {
        let site = repairNodes[index]
        guard site.node.place.region != Addressing.group else { return multicast(payload, toGroupIn: site.node.model.reach, from: index, at: time) }
        let source = Addressing.repairNode(index)
        for subnet in site.node.model.reach {
            guard let members = site.members[subnet] else { continue }
            carry(payload, toMembersAmong: members, from: source, timeToLive: timeToLive(from: index, toSubnet: subnet), at: time)
        }
        for other in site.nodeMembers where site.node.model.reach.contains(repairNodes[other].subnet) {
            carry(payload, toRepairNode: other, from: source, timeToLive: timeToLive(from: index, toSubnet: repairNodes[other].subnet), at: time)
        }
    }

    private func timeToLive(from index: Int, toSubnet subnet: Int) -> UInt8 {
        let hops = UInt8(clamping: abs(distance(ofSubnet: subnet) - distance(ofSubnet: repairNodes[index].subnet)))
        return Self.timeToLive - min(hops, Self.timeToLive)
    }

    func carry(_ payload: Payload, toRepairNode index: Int, from source: SocketAddress, timeToLive: UInt8?, socket: RepairSocket = .above, at time: Instant) {
        let site = repairNodes[index]
        let (bytes, datagrams) = payload.size
        guard site.downlink.isUp, let arriving = survivors(of: payload, link: &site.downlink),
            let arrival = site.downlink.pass(bytes: bytes, datagrams: datagrams, at: time)
        else { return }
        queue.schedule(.repairArrival(index, arriving, source, timeToLive: timeToLive, socket), at: arrival)
    }

    // MARK: Unicast between any two

    func deliverDown(_ payload: Payload, to address: SocketAddress, from source: SocketAddress, at time: Instant) {
        if case .control(let datagram) = payload, case .attached(let answer)? = datagram.packet?.body, answer.verdict == .accepted {
            givenCookies[address] = answer.cookie
        }
        if let receiver = Addressing.receiverIndex(of: address), receiver < receivers.count {
            // What was its address before is nobody's now.
            guard receivers[receiver].port == address.port else { return }
            var gathering = Gathering(timeToLive: nil)
            carry(payload, to: receiver, from: source, at: time, &gathering)
        } else if let node = Addressing.repairNodeIndex(of: address), node < repairNodes.count {
            carry(payload, toRepairNode: node, from: source, timeToLive: nil, socket: Self.socket(of: address), at: time)
        }
    }

    func deliverUp(_ bytes: [UInt8], to parent: SocketAddress, from source: SocketAddress, at time: Instant) {
        if let node = Addressing.repairNodeIndex(of: parent), node < repairNodes.count {
            queue.schedule(.repairArrival(node, .bytes(bytes), source, timeToLive: nil, Self.socket(of: parent)), at: time)
        } else if let sender = Addressing.senderIndex(of: parent), sender < senders.count {
            queue.schedule(.senderArrival(sender, bytes, source), at: time)
        }
    }

    private static func socket(of address: SocketAddress) -> RepairSocket { Addressing.isOfRegion(address) ? .below : .above }
}
