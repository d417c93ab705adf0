import RMCPProtocol

extension World {
    /// Drains a sender's engine: source, events, what it transmits, and its next timeout.
    func driveSender(_ index: Int) {
        guard senders[index].isRunning else { return }
        if let due = senders[index].node.engine.pollTimeout(at: now), due <= now {
            senders[index].node.engine.handleTimeout(at: now)
        }
        if trace != nil, senders[index].node.tracedRate != senders[index].node.engine.rate {
            senders[index].node.tracedRate = senders[index].node.engine.rate
            let receivers = senders[index].node.engine.receivers
            log("sender \(index): rate \(Int(senders[index].node.tracedRate / 1e6)) Mb/s, loss \(receivers.loss), pressure \(receivers.pressure)")
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
            log("sender \(index): \(event)")
            var scheduled: [(SenderNode.Work, Instant)] = []
            senders[index].node.handle(event, at: now) { scheduled.append(($0, $1)) }
            for (work, time) in scheduled { queue.schedule(.senderWork(index, work), at: time) }
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
            let mask: UInt64 = batch.count == 64 ? ~0 : (1 << UInt64(batch.count)) - 1
            let payload = Payload.batch(batch, record: record, mask: mask)
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
        let source = Self.address(ofSender: index)
        let (bytes, datagrams) = Self.size(of: payload)
        guard let atSwitch = senders[index].egress.pass(bytes: bytes, datagrams: datagrams, at: now) else { return }
        guard let surviving = survivors(of: payload, link: &senders[index].egress) else { return }
        guard !subnets.isEmpty || !repairNodes.isEmpty else {
            for receiver in receivers.indices where receivers[receiver].isMember {
                carry(surviving, to: receiver, from: source, at: atSwitch)
            }
            return
        }
        // By subnet; nil where nothing came through. Those that have no link of their own get what left the switch.
        var arrivals: [Int: (Payload, Instant)?] = [:]
        for subnet in subnets.keys.sorted() { arrivals.updateValue(through(subnet, surviving, at: atSwitch), forKey: subnet) }
        // Neighbours are mostly in one subnet.
        var last = (subnet: Int.min, arrival: Optional((surviving, atSwitch)))
        func arrival(at subnet: Int) -> (Payload, Instant)? {
            if last.subnet != subnet { last = (subnet, arrivals[subnet] ?? (surviving, atSwitch)) }
            return last.arrival
        }
        for receiver in receivers.indices where receivers[receiver].isMember {
            guard let (payload, time) = arrival(at: receivers[receiver].subnet) else { continue }
            carry(payload, to: receiver, from: source, at: time)
        }
        for node in repairNodes.indices where repairNodes[node].node.model.mode == .repair {
            let subnet = repairNodes[node].subnet
            guard let (payload, time) = arrival(at: subnet) else { continue }
            carry(payload, toRepairNode: node, from: source, hops: subnet == 0 ? 0 : 1, at: time)
        }
    }

    /// Over a subnet's link, once for all behind it.
    private func through(_ subnet: Int, _ payload: Payload, at time: Instant) -> (Payload, Instant)? {
        guard var link = subnets[subnet] else { return (payload, time) }
        defer { subnets[subnet] = link }
        guard link.isUp, var left = survivors(of: payload, link: &link) else { return nil }
        if case .batch(let batch, let record, let mask) = left {
            // A full queue drops packets, not trains.
            let room = link.room(at: time) / (DataHeader.length + Int(batch.payloadLength) + 28)
            if room > 0, room < mask.nonzeroBitCount {
                link.drop(datagrams: mask.nonzeroBitCount - room)
                left = .batch(batch, record: record, mask: Self.first(room, of: mask))
            }
        }
        let (bytes, datagrams) = Self.size(of: left)
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
        let (bytes, datagrams) = Self.size(of: payload)
        guard let atSwitch = senders[index].egress.pass(bytes: bytes, datagrams: datagrams, at: now) else { return }
        guard let surviving = survivors(of: payload, link: &senders[index].egress) else { return }
        deliverDown(surviving, to: address, from: Self.address(ofSender: index), at: atSwitch)
    }

    static func receiverIndex(of address: SocketAddress) -> Int? {
        let low = Int(address.low)
        let second = low >> 16 & 255
        return second >= 2 ? (second - 2) << 16 | (low & 0xFFFF) : nil
    }

    static func size(of payload: Payload) -> (bytes: Int, datagrams: Int) {
        switch payload {
        case .bytes(let bytes), .packet(let bytes, _): return (bytes.count + 28, 1)
        case .batch(let batch, _, let mask):
            let count = mask.nonzeroBitCount
            if count == batch.count { return (batch.byteCount + 28 * count, count) }
            return (count * (DataHeader.length + Int(batch.payloadLength) + 28), count)
        }
    }

    /// What of a payload a link lets through; nil when nothing is left.
    func survivors(of payload: Payload, link: inout Link) -> Payload? {
        switch payload {
        case .bytes(let bytes), .packet(let bytes, _):
            let kind = unsafe try? PacketHeader(of: bytes.span.bytes).kind
            return link.loses(kind: kind, length: bytes.count, using: &random) ? nil : payload
        case .batch(let batch, let record, let mask):
            if case .none = link.model.loss, link.dropNext.isEmpty, link.model.longestDatagram == .max { return payload }
            var left: UInt64 = 0
            for packet in 0..<batch.count where mask & (1 << UInt64(packet)) != 0 {
                let length = DataHeader.length + batch.payloadRange(at: packet).count
                if !link.loses(kind: .data, length: length, using: &random) { left |= 1 << UInt64(packet) }
            }
            if left == mask { return payload }
            return left == 0 ? nil : .batch(batch, record: record, mask: left)
        }
    }

    /// Down one receiver's link, with everything that the link does to it.
    func carry(_ payload: Payload, to receiver: Int, from source: SocketAddress, at time: Instant) {
        guard receivers[receiver].downlink.isUp, let arriving = survivors(of: payload, link: &receivers[receiver].downlink)
        else { return }
        let model = receivers[receiver].downlink.model
        var rest = arriving
        if model.reorder > 0 || model.duplication > 0 || model.corruption > 0 || model.truncation > 0 {
            rest = disturb(arriving, model: model, to: receiver, from: source, at: time)
        }
        deliver(rest, to: receiver, from: source, at: time, late: .zero)
    }

    func deliver(_ payload: Payload, to receiver: Int, from source: SocketAddress, at time: Instant, late: Interval) {
        let (bytes, datagrams) = Self.size(of: payload)
        guard datagrams > 0 else { return }
        guard let arrival = receivers[receiver].downlink.pass(bytes: bytes, datagrams: datagrams, at: time) else { return }
        queue.schedule(
            .receiverArrival(receiver, payload, source, bytes: bytes, datagrams: datagrams), at: arrival + late)
    }

    /// Takes single packets out of a train and sends them late, twice, damaged or short. What is left goes on.
    private func disturb(
        _ payload: Payload, model: LinkModel, to receiver: Int, from source: SocketAddress, at time: Instant
    ) -> Payload {
        switch payload {
        case .bytes(let bytes):
            if random.chance(model.duplication) { deliver(payload, to: receiver, from: source, at: time, late: .zero) }
            if let damaged = damage(bytes, model: model) { return .bytes(damaged.0) }
            if random.chance(model.reorder) {
                deliver(payload, to: receiver, from: source, at: time, late: random.interval(upTo: model.reorderDelay))
                return .bytes([])
            }
            return payload
        case .packet: return payload
        case .batch(let batch, let record, var mask):
            for packet in 0..<batch.count where mask & (1 << UInt64(packet)) != 0 {
                let bit: UInt64 = 1 << UInt64(packet)
                let single = Payload.batch(batch, record: record, mask: bit)
                if random.chance(model.duplication) { deliver(single, to: receiver, from: source, at: time, late: .zero) }
                if let (bytes, flips) = damage(materialise(batch, packet: packet), model: model) {
                    let fingerprint = SimulatedContent.fingerprint(of: record, packet: Int(batch[packet])) ^ flips
                    deliver(.packet(bytes, fingerprint: fingerprint), to: receiver, from: source, at: time, late: .zero)
                    mask &= ~bit
                } else if random.chance(model.reorder) {
                    deliver(single, to: receiver, from: source, at: time, late: random.interval(upTo: model.reorderDelay))
                    mask &= ~bit
                }
            }
            return .batch(batch, record: record, mask: mask)
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
