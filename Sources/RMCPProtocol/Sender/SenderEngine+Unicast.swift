import DequeModule

/// A child that is served at its own address: one that multicast does not reach any more though it hears unicast (a
/// switch that lost its membership for good, a firewall), or a repair node behind a link without multicast.
struct UnicastChild: Sendable {
    let name: ChildName
    var address: SocketAddress
    /// First transmissions go to it, too, and not only what it asks for.
    var wantsStream: Bool
    var repairs: RepairQueue
    var catchUp: CatchUpQueue
    var pageRepairs = IndexRangeSet()
    var endRequested = false
    var nextHeartbeat: Instant
    /// Its own, without gaps from where the common one was: it measures loss by it.
    var nextSequence: UInt32

    init(name: ChildName, address: SocketAddress, wantsStream: Bool, sequence: UInt32, configuration: Configuration, at now: Instant) {
        nextSequence = sequence
        self.name = name
        self.address = address
        self.wantsStream = wantsStream
        repairs = RepairQueue(configuration: configuration)
        catchUp = CatchUpQueue(configuration: configuration)
        nextHeartbeat = now
    }

    /// Whether the chunk's bytes are wanted for it.
    func needs(_ chunk: UInt32) -> Bool { repairs.needs(chunk) || catchUp.current?.chunk == chunk }
}

/// Unicast where multicast is not delivered. Only a child that has shown its address's cookie is served so: nobody else
/// can be made to receive a stream that they did not ask for.
extension SenderEngine {
    /// Takes note of how a child must be reached.
    mutating func noteDelivery(_ report: StatusReport, of name: ChildName, at source: SocketAddress, now: Instant) {
        let index = unicastChildren.firstIndex { $0.name == name }
        let isUnderWay = report.histogram.active > 0 || report.histogram.tree.repairNodes > 0
        guard report.isDeaf || report.wantsStream, isUnderWay else {
            if let index { unicastChildren.remove(at: index) }
            return
        }
        if let index {
            unicastChildren[index].wantsStream = report.wantsStream
            unicastChildren[index].address = source
        } else if unicastChildren.count < configuration.maximumUnicastChildren {
            unicastChildren.append(
                UnicastChild(
                    name: name, address: source, wantsStream: report.wantsStream, sequence: nextUnicastSequence, configuration: configuration, at: now))
            if !report.wantsStream { events.append(.unicastFallback(children: unicastChildren.count { !$0.wantsStream })) }
        }
    }

    /// Runs `body` with a unicast child's needs in place of the group's; false when it is no such child.
    mutating func withNeeds(ofChild name: ChildName, _ body: (inout SenderEngine) -> Void) -> Bool {
        guard let index = unicastChildren.firstIndex(where: { $0.name == name }) else { return false }
        exchangeNeeds(with: index)
        body(&self)
        exchangeNeeds(with: index)
        return true
    }

    /// The queues are lent, not copied.
    private mutating func exchangeNeeds(with index: Int) {
        swap(&repairs, &unicastChildren[index].repairs)
        swap(&catchUp, &unicastChildren[index].catchUp)
        swap(&pageRepairs, &unicastChildren[index].pageRepairs)
        swap(&endRequested, &unicastChildren[index].endRequested)
    }

    /// The next packets for a unicast child, in turn.
    mutating func nextUnicast(at now: Instant) -> Transmit? {
        for step in 0..<unicastChildren.count {
            let index = (unicastTurn + step) % unicastChildren.count
            exchangeNeeds(with: index)
            let transmit = nextNeed(of: .peer(unicastChildren[index].address), at: now)
            exchangeNeeds(with: index)
            guard let transmit else { continue }
            unicastTurn = index + 1
            return transmit
        }
        return nil
    }

    private mutating func nextNeed(of destination: Destination, at now: Instant) -> Transmit? {
        if let page = nextPageRepair() { return paced(page, to: destination) }
        if let batch = nextRepair(at: now, to: destination) { return .data(batch) }
        return nextCatchUp(at: now, to: destination).map { .data($0) }
    }

    mutating func sendUnicastHeartbeats(at now: Instant) {
        for index in unicastChildren.indices where now >= unicastChildren[index].nextHeartbeat {
            unicastChildren[index].nextHeartbeat = now + configuration.unicastHeartbeatInterval
            enqueue(.heartbeat(heartbeat(at: now, timeToLive: 0)), to: .peer(unicastChildren[index].address))
        }
    }

    var unicastHasWork: Bool {
        unicastChildren.contains { !$0.repairs.isEmpty || !$0.catchUp.isEmpty || !$0.pageRepairs.isEmpty || $0.endRequested }
    }

    // MARK: Copies of the stream

    /// What the group has just been sent and a child across a link without multicast must have, too.
    enum StreamCopy: Sendable {
        case packet(Packet)
        case batch(DataBatch)

        var chunk: UInt32? { if case .batch(let batch) = self { batch.chunk } else { nil } }
    }

    mutating func copyToStreamChildren(_ copy: StreamCopy) {
        for child in unicastChildren where child.wantsStream {
            guard copies.count < configuration.maximumControlQueue else { return }
            copies.append((copy, child.address))
        }
    }

    mutating func nextCopy() -> Transmit? {
        guard let (copy, address) = copies.popFirst() else { return nil }
        switch copy {
        case .packet(let packet): return paced(packet, to: .peer(address))
        case .batch(let batch):
            let copied = batch.redirected(to: .peer(address), firstSequence: sequence(for: .peer(address)))
            counters.relayedBytes += UInt64(account(copied))
            return .data(copied)
        }
    }

    /// The number of the next datagram to a destination.
    func sequence(for destination: Destination) -> UInt32 {
        switch destination {
        case .group: nextSequence
        case .peer(let address): unicastChildren.first { $0.address == address }?.nextSequence ?? nextUnicastSequence
        }
    }

    mutating func advanceSequence(for destination: Destination, by count: Int) {
        switch destination {
        case .group: nextSequence &+= UInt32(count)
        case .peer(let address):
            if let index = unicastChildren.firstIndex(where: { $0.address == address }) {
                unicastChildren[index].nextSequence &+= UInt32(count)
            } else {
                nextUnicastSequence &+= UInt32(count)
            }
        }
    }
}
