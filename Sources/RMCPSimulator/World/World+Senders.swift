import RMCPProtocol

extension World {
    /// Drains a sender's engine: source, events, what it transmits, and its next timeout.
    func driveSender(_ index: Int) {
        guard senders[index].isRunning else { return }
        if let due = senders[index].node.engine.pollTimeout(at: now), due <= now {
            senders[index].node.engine.handleTimeout(at: now)
        }
        for _ in 0..<4 {
            feedSender(index)
            var sent = 0
            while sent < 64, let transmit = senders[index].node.engine.pollTransmit(at: now) {
                sent += 1
                send(transmit, from: index)
            }
            handleSenderEvents(index)
            if sent == 0 { break }
        }
        guard !senders[index].node.engine.isFinished, let next = senders[index].node.engine.pollTimeout(at: now) else {
            senders[index].nextWake = .distantFuture
            return
        }
        let wake = max(next, now)
        guard wake != senders[index].nextWake || wake == now else { return }
        senders[index].nextWake = wake
        queue.schedule(.senderWake(index), at: wake)
    }

    private func feedSender(_ index: Int) {
        var scheduled: [(SenderNode.Work, Instant)] = []
        senders[index].node.feed(at: now) { scheduled.append(($0, $1)) }
        for (work, time) in scheduled { queue.schedule(.senderWork(index, work), at: time) }
    }

    private func handleSenderEvents(_ index: Int) {
        while let event = senders[index].node.engine.pollEvent() {
            logEvent(event, of: index)
            if case .finished(let outcome) = event, outcome.kind == .complete { checkSuccess(ofSender: index) }
            var scheduled: [(SenderNode.Work, Instant)] = []
            senders[index].node.handle(event, at: now) { scheduled.append(($0, $1)) }
            for (work, time) in scheduled { queue.schedule(.senderWork(index, work), at: time) }
        }
    }

    /// A change of the rate with what it was concluded from.
    private func logEvent(_ event: SenderEvent, of index: Int) {
        guard trace != nil else { return }
        guard case .rateChanged(let decision) = event else { return log("sender \(index): \(event)") }
        let receivers = senders[index].node.engine.receivers
        log("sender \(index): \(decision); loss \(receivers.loss), pressure \(receivers.pressure)")
    }

    /// Safety: who says that all receivers are complete has on its books, or on those of a repair node, none that is not.
    private func checkSuccess(ofSender index: Int) {
        let engine = senders[index].node.engine
        guard engine.waitsForReceivers else { return }
        for node in receivers where node.isRunning && node.record.completed[engine.session] == nil {
            guard let identity = node.record.identities[engine.session] else { continue }
            let address = address(ofReceiver: node.index)
            let isCounted =
                engine.counts(identity, at: address)
                || repairNodes.contains { site in
                    site.node.isRunning
                        && site.node.sessions.contains { $0.engine.session == engine.session && $0.engine.downstream.counts(identity, at: address) }
                }
            guard isCounted, node.session(engine.session.tag)?.isCommitted != true else { continue }
            violations.append("sender \(index) says complete, and receiver \(node.index), which had joined, is not")
        }
    }

    private func send(_ transmit: Transmit, from index: Int) {
        switch transmit {
        case .datagram(let bytes, .group): multicast(.bytes(bytes), from: index)
        case .datagram(let bytes, .peer(let address)): unicast(.bytes(bytes), from: index, to: address)
        case .data(let batch):
            guard senders[index].node.resident.contains(batch.chunk),
                let record = senders[index].node.engine.record(of: batch.chunk)
            else { return violations.append("sender \(index) sends chunk \(batch.chunk) without holding it") }
            let payload = Payload.batch(batch, record: record)
            if case .peer(let address) = batch.destination {
                unicast(payload, from: index, to: address)
            } else {
                multicast(payload, from: index)
            }
        }
    }

    // MARK: Through the network

    /// One copy out of the sender, then a copy down each receiver's link.
    func multicast(_ payload: Payload, from index: Int) {
        let source = Addressing.sender(index)
        let (bytes, datagrams) = payload.size
        guard let atSwitch = senders[index].egress.pass(bytes: bytes, datagrams: datagrams, at: now) else { return }
        guard let surviving = survivors(of: payload, link: &senders[index].egress) else { return }
        guard !subnets.isEmpty || !repairNodes.isEmpty else {
            return carry(surviving, toMembersAmong: receivers.indices, from: source, timeToLive: Self.timeToLive, at: atSwitch)
        }
        for subnet in occupiedSubnets {
            guard let (payload, time) = through(subnet, surviving, at: atSwitch) else { continue }
            let hops = UInt8(clamping: distance(ofSubnet: subnet))
            let timeToLive = Self.timeToLive - min(hops, Self.timeToLive)
            carry(payload, toMembersAmong: self.receivers(inSubnet: subnet), from: source, timeToLive: timeToLive, at: time)
            for node in repairNodes(inSubnet: subnet) where repairNodes[node].node.place.mode == .repair {
                carry(payload, toRepairNode: node, from: source, timeToLive: timeToLive, at: time)
            }
        }
    }

    /// Over a subnet's link, once for all behind it.
    private func through(_ subnet: Int, _ payload: Payload, at time: Instant) -> (Payload, Instant)? {
        guard var link = subnets[subnet] else { return (payload, time) }
        defer { subnets[subnet] = link }
        guard link.isUp, var left = survivors(of: payload, link: &link) else { return nil }
        if case .train(let train, let mask) = left {
            // A full queue drops packets, not trains.
            let room = link.room(at: time) / (DataHeader.length + Int(train.batch.payloadLength) + 28)
            if room > 0, room < mask.nonzeroBitCount {
                link.drop(datagrams: mask.nonzeroBitCount - room)
                left = .train(train, mask: Self.first(room, of: mask))
            }
        }
        let (bytes, datagrams) = left.size
        guard let arrival = link.pass(bytes: bytes, datagrams: datagrams, at: time) else { return nil }
        return (left, arrival)
    }

    private static func first(_ count: Int, of mask: UInt64) -> UInt64 {
        var kept: UInt64 = 0
        var rest = mask
        for _ in 0..<count {
            kept |= rest & (~rest &+ 1)
            rest &= rest &- 1
        }
        return kept
    }

    func unicast(_ payload: Payload, from index: Int, to address: SocketAddress) {
        let (bytes, datagrams) = payload.size
        guard let atSwitch = senders[index].egress.pass(bytes: bytes, datagrams: datagrams, at: now) else { return }
        guard let surviving = survivors(of: payload, link: &senders[index].egress) else { return }
        deliverDown(surviving, to: address, from: Addressing.sender(index), at: atSwitch)
    }

    /// What of a payload a link lets through; nil when nothing is left.
    func survivors(of payload: Payload, link: inout Link) -> Payload? {
        switch payload {
        case .control(let datagram):
            return link.loses(kind: datagram.packet?.header.kind, length: datagram.bytes.count, using: &random) ? nil : payload
        case .packet(let bytes, _):
            let kind = unsafe PacketHeader.kind(of: bytes.span.bytes)
            return link.loses(kind: kind, length: bytes.count, using: &random) ? nil : payload
        case .train(let train, let mask):
            let left = link.survivors(of: mask, using: &random) { DataHeader.length + train.batch.payloadRange(at: $0).count }
            if left == mask { return payload }
            return left == 0 ? nil : .train(train, mask: left)
        }
    }

    /// A copy down the link of each member of the group.
    func carry(
        _ payload: Payload, toMembersAmong candidates: some Sequence<Int>, from source: SocketAddress, timeToLive: UInt8, at time: Instant
    ) {
        var gathering = Gathering(timeToLive: timeToLive)
        let (bytes, datagrams) = payload.size
        for receiver in candidates where isMember[receiver] {
            if let arrival = downlinks[receiver].passWhole(bytes: bytes, datagrams: datagrams, at: time) {
                gather(receiver, payload, from: source, at: arrival, &gathering)
            } else {
                carry(payload, to: receiver, from: source, at: time, &gathering)
            }
        }
    }

    private func gather(_ receiver: Int, _ payload: Payload, from source: SocketAddress, at time: Instant, _ gathering: inout Gathering) {
        if let group = gathering.add(receiver, payload, from: source, at: time) { queue.schedule(.groupArrival(group), at: time) }
    }

    /// Down one receiver's link, with everything that the link does to it.
    func carry(_ payload: Payload, to receiver: Int, from source: SocketAddress, at time: Instant, _ gathering: inout Gathering) {
        guard downlinks[receiver].isUp, let arriving = survivors(of: payload, link: &downlinks[receiver]) else { return }
        if downlinks[receiver].isDisturbing {
            let rest = disturb(arriving, to: receiver, from: source, timeToLive: gathering.timeToLive, at: time)
            return deliver(rest, to: receiver, from: source, timeToLive: gathering.timeToLive, at: time, late: .zero)
        }
        let (bytes, datagrams) = arriving.size
        guard let arrival = downlinks[receiver].pass(bytes: bytes, datagrams: datagrams, at: time) else { return }
        if arriving.isWhole(payload) {
            gather(receiver, payload, from: source, at: arrival, &gathering)
        } else {
            queue.schedule(.receiverArrival(receiver, arriving, source, timeToLive: gathering.timeToLive), at: arrival)
        }
    }

    func deliver(_ payload: Payload, to receiver: Int, from source: SocketAddress, timeToLive: UInt8?, at time: Instant, late: Interval) {
        let (bytes, datagrams) = payload.size
        guard datagrams > 0 else { return }
        guard let arrival = downlinks[receiver].pass(bytes: bytes, datagrams: datagrams, at: time) else { return }
        queue.schedule(.receiverArrival(receiver, payload, source, timeToLive: timeToLive), at: arrival + late)
    }

    /// Takes single packets out of a train and sends them late, twice, damaged or short. What is left goes on.
    private func disturb(
        _ payload: Payload, to receiver: Int, from source: SocketAddress, timeToLive: UInt8?, at time: Instant
    ) -> Payload {
        let model = downlinks[receiver].model
        func deliver(_ payload: Payload, late: Interval = .zero) {
            self.deliver(payload, to: receiver, from: source, timeToLive: timeToLive, at: time, late: late)
        }
        switch payload {
        case .control(let datagram):
            if random.chance(model.duplication) { deliver(payload) }
            if let damaged = damage(datagram.bytes, model: model) { return .bytes(damaged.0) }
            if random.chance(model.reorder) {
                deliver(payload, late: random.interval(upTo: model.reorderDelay))
                return .bytes([])
            }
            return payload
        case .packet: return payload
        case .train(let train, var mask):
            for packet in 0..<train.batch.count where mask & (1 << UInt64(packet)) != 0 {
                let bit: UInt64 = 1 << UInt64(packet)
                let single = Payload.train(train, mask: bit)
                if random.chance(model.duplication) { deliver(single) }
                if let (bytes, flips) = damage(train.materialise(packet: packet), model: model) {
                    let fingerprint = SimulatedContent.fingerprint(of: train.record, packet: Int(train.batch[packet])) ^ flips
                    deliver(.packet(bytes, fingerprint: fingerprint))
                    mask &= ~bit
                } else if random.chance(model.reorder) {
                    deliver(single, late: random.interval(upTo: model.reorderDelay))
                    mask &= ~bit
                }
            }
            return .train(train, mask: mask)
        }
    }

    /// A flipped bit or a cut end; also what that does to a fingerprint. Nil when the datagram stays as it is.
    private func damage(_ bytes: [UInt8], model: LinkModel) -> ([UInt8], UInt64)? {
        if random.chance(model.truncation) {
            return (Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random))), 1)
        }
        guard random.chance(model.corruption) else { return nil }
        var bytes = bytes
        let position = Int.random(in: 0..<bytes.count, using: &random)
        bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        return (bytes, position >= DataHeader.length ? 1 << UInt64(position & 63) : 0)
    }
}
