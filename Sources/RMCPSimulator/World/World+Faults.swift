public import RMCPProtocol

/// Faults: what scenarios do to a world while it runs.
extension World {
    /// kill -9: the process is gone, the disk stays.
    public func killReceiver(_ index: Int) {
        log("receiver \(index): killed")
        leaveRegions(receivers[index])
        receivers[index].kill(using: &random)
        noteFirstSession(of: receivers[index])
        receivers[index].isReading = false
        receivers[index].nextWake = .distantFuture
    }

    public func restartReceiver(_ index: Int) {
        log("receiver \(index): restarted")
        receivers[index].restart(trustedKeys: trustedKeys, seed: refusalSeed(of: index, life: receivers[index].life))
        delivery.isMember[index] = true
    }

    /// The process does not run for a while; its clock does, and its socket fills.
    public func pauseReceiver(_ index: Int, for interval: Interval) {
        receivers[index].pausedUntil = max(receivers[index].pausedUntil, now + interval)
    }

    /// The host sleeps: nothing arrives, and its monotonic clock stands still.
    public func suspendReceiver(_ index: Int, for interval: Interval) {
        log("receiver \(index): suspended")
        pauseReceiver(index, for: interval)
        setLinks(ofReceiver: index, up: false)
        after((now - Self.start) + interval) { world in
            world.receivers[index].clockOffset = world.receivers[index].clockOffset - interval
            world.setLinks(ofReceiver: index, up: true)
            world.drive(world.receivers[index])
        }
    }

    /// The cable is pulled, or plugged in.
    public func setLinks(ofReceiver index: Int, up: Bool) {
        log("receiver \(index): link \(up ? "up" : "down")")
        delivery.downlinks[index].isUp = up
        receivers[index].uplink.isUp = up
    }

    /// A translator of addresses on the way gives the receiver another one.
    public func changeAddress(ofReceiver index: Int) {
        log("receiver \(index): another address")
        delivery.ports[index] += 1
    }

    /// A host is given another address, as by DHCP: nothing comes to the former one any more, nor from there.
    public func moveReceiver(_ index: Int) {
        log("receiver \(index): moved")
        delivery.moves.receivers[index, default: 0] += 1
    }

    public func moveSender(_ index: Int) {
        log("sender \(index): moved")
        delivery.moves.senders[index, default: 0] += 1
    }

    public func moveRepairNode(_ index: Int) {
        log("repair node \(index): moved")
        delivery.moves.repairNodes[index, default: 0] += 1
    }

    public func setEgress(ofSender index: Int, up: Bool) { senders[index].egress.isUp = up }

    /// A switch forgets that the receiver belongs to the group; it is let in again when it says so anew.
    public func forgetMembership(ofReceiver index: Int) { delivery.isMember[index] = false }

    /// The network stops delivering multicast to the receiver, or starts again; unicast goes on.
    public func setMulticast(ofReceiver index: Int, delivered: Bool) {
        receivers[index].mayJoin = delivered
        delivery.isMember[index] = delivered
    }

    /// The next `count` packets of a kind that go to the receiver, or come from it, are lost.
    public func drop(_ kind: PacketKind, count: Int, ofReceiver index: Int) {
        delivery.downlinks[index].dropNext[kind] = count
        receivers[index].uplink.dropNext[kind] = count
    }

    /// The sender's process is gone without a word.
    public func killSender(_ index: Int) {
        log("sender \(index): killed")
        senders[index].isRunning = false
    }

    public func stopSender(_ index: Int) {
        senders[index].engine.stop(at: now)
        drive(senders[index])
    }

    /// Somebody writes to the source of a sender.
    public func changeSource(ofSender index: Int) { senders[index].sourceChanged = true }

    /// Somebody else's datagram reaches every receiver by the group's address.
    /// - Parameter timeToLive: what is left of it; nil where the host does not know.
    public func inject(
        _ bytes: [UInt8], fingerprint: UInt64 = 0xBAD, from source: SocketAddress = .ipv4(10, 9, 9, 9, port: 9), timeToLive: UInt8? = nil,
        after delay: Interval = .microseconds(10)
    ) {
        let arrival = Arrival(source: source, timeToLive: timeToLive, at: now + delay)
        for index in receivers.indices where delivery.isMember[index] {
            schedule(.atReceiver(index, .packet(bytes, fingerprint: fingerprint), arrival))
        }
    }

    /// Somebody else's datagram reaches one receiver.
    func inject(_ bytes: [UInt8], toReceiver index: Int, from source: SocketAddress) {
        schedule(.atReceiver(index, .packet(bytes, fingerprint: 0xBAD), Arrival(source: source, at: now + .microseconds(10))))
    }

    /// Somebody else's datagram reaches the sender.
    public func inject(_ bytes: [UInt8], toSender index: Int, from source: SocketAddress = .ipv4(10, 9, 9, 9, port: 9)) {
        schedule(.atSender(index, bytes, Arrival(source: source, at: now + .microseconds(10))))
    }

    /// Somebody else's datagram reaches every repair node in the group, or in its region where that is `socket`.
    func inject(_ bytes: [UInt8], toRepairNodesAt socket: RepairSocket, from source: SocketAddress = .ipv4(10, 9, 9, 9, port: 9)) {
        for index in repairNodes.indices {
            schedule(.atRepairNode(index, socket, .bytes(bytes), Arrival(source: source, at: now + .microseconds(10))))
        }
    }

    // MARK: Repair nodes

    /// The next `count` packets of a kind that go to the repair node's parents, or come to it, are lost.
    public func drop(_ kind: PacketKind, count: Int, ofRepairNode index: Int) {
        delivery.repairSites[index].downlink.dropNext[kind] = count
        repairNodes[index].uplink.dropNext[kind] = count
    }

    public func killRepairNode(_ index: Int, cache: CacheFate = .kept) {
        log("repair node \(index): killed")
        let node = repairNodes[index]
        node.kill(cache: cache, using: &random)
        node.nextWake = .distantFuture
        leaveRegions(node)
    }

    public func restartRepairNode(_ index: Int) {
        log("repair node \(index): restarted")
        let node = repairNodes[index]
        node.restart(identity: .random(in: 1...(.max), using: &random), at: now)
        openCachedSessions(node)
    }

    /// Its user stops it: it says so.
    public func stopRepairNode(_ index: Int) {
        let node = repairNodes[index]
        node.endpoint.stop()
        for session in node.sessions { session.engine.retire(at: now) }
        drive(node)
    }

    public func setLinks(ofRepairNode index: Int, up: Bool) {
        delivery.repairSites[index].downlink.isUp = up
        repairNodes[index].uplink.isUp = up
        repairNodes[index].egress.isUp = up
    }

    // MARK: Subnets

    /// A subnet is cut off from all others for a while, multicast and unicast, whoever sends.
    public func cutOff(subnet: Int, from start: Interval, until end: Interval) {
        after(start) { $0.setCut(subnet, true) }
        after(end) { $0.setCut(subnet, false) }
    }

    private func setCut(_ subnet: Int, _ isCut: Bool) {
        log("subnet \(subnet): \(isCut ? "cut off" : "connected")")
        if isCut { delivery.topology.cut.insert(subnet) } else { delivery.topology.cut.remove(subnet) }
    }

    /// The link between a subnet and the sender: multicast passes it once for all behind it. Unicast does not pass it.
    public func setSubnet(_ subnet: Int, link model: LinkModel) { delivery.topology.setLink(into: subnet, model) }
    public func setSubnet(_ subnet: Int, up: Bool) { delivery.topology.setLink(into: subnet, up: up) }
    /// Routers between a subnet and the senders: 1 unless it is said, and none in subnet 0.
    public func setDistance(_ distance: Int, ofSubnet subnet: Int) { delivery.topology.setDistance(distance, ofSubnet: subnet) }

    // MARK: What checks ask

    public func session(ofSender index: Int) -> SessionID { senders[index].engine.session }
    public func outcome(ofSender index: Int) -> SenderOutcome? { senders[index].outcome }
    public func counters(ofSender index: Int) -> SenderCounters { senders[index].engine.counters }
    public func encodedLength(ofSender index: Int) -> UInt64 { senders[index].engine.encodedLength }
    public func rate(ofSender index: Int) -> Double { senders[index].engine.rate }
    public func datagramLength(ofSender index: Int) -> Int { senders[index].engine.datagramLength }
    public func peakResident(ofSender index: Int) -> Int { senders[index].peakResident }
    /// From the start of streaming, nil until everything was sent once.
    public func timeToSendOnce(ofSender index: Int) -> Interval? {
        guard let end = senders[index].sentOnceAt, let start = senders[index].startedAt else { return nil }
        return end - start
    }
    public func startTime(ofSender index: Int) -> Instant? { senders[index].startedAt }
    public var receiverCount: Int { receivers.count }
    public func completion(ofReceiver index: Int, session: SessionID) -> Instant? { receivers[index].record.completed[session] }
    public func failure(ofReceiver index: Int, session: SessionID) -> ReceiverState? { receivers[index].record.failed[session] }
    public func refusals(ofReceiver index: Int) -> [SessionRefusal] { receivers[index].record.refusals }
    public func keptChunks(ofReceiver index: Int) -> Int { receivers[index].record.keptChunks }

    /// Counters of all of a receiver's sessions, past and present.
    public func counters(ofReceiver index: Int) -> ReceiverCounters {
        var total = receivers[index].record.counters
        for session in receivers[index].sessions { total += session.inPlace { $0.counters } }
        return total
    }
}
