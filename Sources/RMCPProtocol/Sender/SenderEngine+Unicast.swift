/// A child that multicast does not reach any more, though it hears unicast: a switch that lost its membership for good,
/// a firewall. Its needs are served to its own address.
struct UnicastChild: Sendable {
    let id: UInt32
    let address: SocketAddress
    var repairs: RepairQueue
    var catchUp: CatchUpQueue
    var pageRepairs = IndexRangeSet()
    var endRequested = false
    var nextHeartbeat: Instant
    /// Timestamps of the last heartbeats to its address, drawn at random. An echo of one proves that the address is the
    /// child's own: nobody else can be made to receive a stream that they did not ask for.
    var challenges: [UInt64] = []
    var isProven = false
    /// Until then each STATUS is good for one heartbeat, which is shorter: nor can anybody be made to receive more than
    /// is sent in their name.
    var isOwedHeartbeat = true

    init(id: UInt32, address: SocketAddress, configuration: Configuration, at now: Instant) {
        self.id = id
        self.address = address
        repairs = RepairQueue(configuration: configuration)
        catchUp = CatchUpQueue(configuration: configuration)
        nextHeartbeat = now
    }

    static let challengeLimit = 8
    /// No clock says so much (35,000 years and more), so that neither end takes a challenge for a time to measure by.
    static let challengeMark: UInt64 = 1 << 63

    var heartbeatDue: Instant? { isProven || isOwedHeartbeat ? nextHeartbeat : nil }

    /// Whether the chunk's bytes are wanted for it.
    func needs(_ chunk: UInt32) -> Bool { repairs.needs(chunk) || catchUp.current?.chunk == chunk }
}

/// Unicast where multicast is not delivered: heartbeats find it out, and requests are answered to the child alone, under
/// a share of the rate.
extension SenderEngine {
    /// Takes note of whether a child hears the group.
    mutating func noteDelivery(_ report: StatusReport, from id: UInt32, at source: SocketAddress, now: Instant) {
        let index = unicastChildren.firstIndex { $0.id == id }
        guard report.isDeaf, report.histogram.active > 0 else {
            if let index { unicastChildren.remove(at: index) }
            return
        }
        if let index {
            unicastChildren[index].isOwedHeartbeat = true
            if unicastChildren[index].challenges.contains(report.echo.timestamp) { unicastChildren[index].isProven = true }
        } else if unicastChildren.count < configuration.maximumUnicastChildren {
            unicastChildren.append(UnicastChild(id: id, address: source, configuration: configuration, at: now))
            events.append(.unicastFallback(children: unicastChildren.count))
        }
    }

    /// Runs `body` with a proven unicast child's needs in place of the group's; false when `id` is no such child.
    mutating func withNeeds(ofChild id: UInt32, _ body: (inout SenderEngine) -> Void) -> Bool {
        guard let index = unicastChildren.firstIndex(where: { $0.id == id && $0.isProven }) else { return false }
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
        for index in unicastChildren.indices {
            guard let due = unicastChildren[index].heartbeatDue, now >= due else { continue }
            var heartbeat = heartbeat(at: now)
            if !unicastChildren[index].isProven {
                heartbeat.timestamp = random.next() | UnicastChild.challengeMark
                if unicastChildren[index].challenges.count >= UnicastChild.challengeLimit { unicastChildren[index].challenges.removeFirst() }
                unicastChildren[index].challenges.append(heartbeat.timestamp)
            }
            unicastChildren[index].isOwedHeartbeat = false
            unicastChildren[index].nextHeartbeat = now + configuration.unicastHeartbeatInterval
            enqueue(.heartbeat(heartbeat), to: .peer(unicastChildren[index].address))
        }
    }

    var unicastHasWork: Bool {
        unicastChildren.contains { !$0.repairs.isEmpty || !$0.catchUp.isEmpty || !$0.pageRepairs.isEmpty || $0.endRequested }
    }
}
