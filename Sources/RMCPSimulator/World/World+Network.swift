import RMCPProtocol

/// Datagrams that nodes put into the network, and the regions that they listen to.
extension World {
    /// Puts what the network has brought somewhere into the queue.
    private func scheduleArrivals() {
        for index in delivery.arrivals.indices { schedule(delivery.arrivals[index]) }
        delivery.removeArrivals()
    }

    func schedule(_ arrival: NetworkArrival) { queue.schedule(.arrival(arrival), at: arrival.time) }

    // MARK: Down the tree

    func send(_ payload: Payload, from sender: SenderNode, to destination: Destination) {
        guard let (left, time) = sender.egress.send(payload, at: now, using: &random) else { return }
        let arrival = Arrival(source: delivery.address(ofSender: sender.index), at: time)
        switch destination {
        case .group: delivery.multicast(left, arrival, using: &random)
        case .peer(let address): unicast(left, to: address, arrival)
        }
        scheduleArrivals()
    }

    /// Into its region, or to one child.
    func send(_ payload: Payload, from node: RepairNode, to destination: Destination) {
        guard let (left, time) = node.egress.send(payload, at: now, using: &random) else { return }
        if let eavesdropper, destination == .group, case .control(let datagram) = payload { eavesdropper(datagram.bytes) }
        switch destination {
        case .group: delivery.multicast(left, toRegionOf: node.index, at: time, using: &random)
        case .peer(let address): unicast(left, to: address, Arrival(source: delivery.address(ofRepairNode: node.index), at: time))
        }
        scheduleArrivals()
    }

    /// An advertisement of its region goes to the group itself.
    func advertise(_ bytes: [UInt8], from node: RepairNode) {
        guard let (left, time) = node.egress.send(.bytes(bytes), at: now, using: &random) else { return }
        delivery.multicast(left, fromRepairNode: node.index, at: time, using: &random)
        scheduleArrivals()
    }

    private func unicast(_ payload: Payload, to address: SocketAddress, _ arrival: Arrival) {
        if case .control(let datagram) = payload, case .attached(let answer)? = datagram.packet?.body {
            if answer.verdict == .accepted { givenCookies[address] = answer.cookie } else { turnedDown[address] = answer.verdict }
        }
        delivery.unicast(payload, to: address, arrival, using: &random)
    }

    // MARK: Up the tree

    func send(_ bytes: [UInt8], to parent: SocketAddress, from node: ReceiverNode) {
        saidTo?[parent, default: 0] += 1
        guard let time = node.uplink.send(bytes, at: now, using: &random) else { return }
        if let answer = impostor?(bytes, parent) { inject(answer, toReceiver: node.index, from: parent) }
        delivery.unicast(bytes, up: parent, Arrival(source: address(ofReceiver: node.index), at: time))
        scheduleArrivals()
    }

    func send(_ bytes: [UInt8], to parent: SocketAddress, from node: RepairNode) {
        if node.model.character == .phantom, unsafe PacketHeader.kind(of: bytes.span.bytes) == .status { return }
        guard let time = node.uplink.send(bytes, at: now, using: &random) else { return }
        delivery.unicast(bytes, up: parent, Arrival(source: delivery.childAddress(ofRepairNode: node.index), at: time))
        scheduleArrivals()
    }

    // MARK: Regions

    func join(_ region: SocketAddress, _ node: ReceiverNode) {
        let index = Addressing.repairNode(ofRegion: region)
        guard index < repairNodes.count else { return node.endpoint.regions.noteFailed(region, at: now + node.clockOffset) }
        node.endpoint.regions.noteJoined(region)
        delivery.repairSites[index].join(receiver: node.index, inSubnet: node.subnet)
    }

    private func leave(_ region: SocketAddress, _ node: ReceiverNode) {
        delivery.repairSites[Addressing.repairNode(ofRegion: region)].leave(receiver: node.index, inSubnet: node.subnet)
    }

    func leaveSilentRegions(_ node: ReceiverNode) { for region in node.endpoint.regions.takeSilent(at: now + node.clockOffset) { leave(region, node) } }

    func leaveSilentRegions(_ node: RepairNode) {
        for region in node.endpoint.regions.takeSilent(at: now) {
            delivery.repairSites[Addressing.repairNode(ofRegion: region)].leave(repairNode: node.index)
        }
    }

    /// Its process is gone, and its sockets with it.
    func leaveRegions(_ node: ReceiverNode) { for region in node.endpoint.regions.joined { leave(region, node) } }

    func join(_ region: SocketAddress, _ node: RepairNode) {
        let parent = Addressing.repairNode(ofRegion: region)
        guard parent < repairNodes.count else { return node.endpoint.regions.noteFailed(region, at: now) }
        node.endpoint.regions.noteJoined(region)
        delivery.repairSites[parent].join(repairNode: node.index)
    }

    func leaveRegions(_ node: RepairNode) { for index in delivery.repairSites.indices { delivery.repairSites[index].leave(repairNode: node.index) } }
}
