public import RMCPProtocol

/// Repair nodes in the world: what arrives at them from above and from below, and what they send.
extension World {
    struct RepairSite {
        var node: RepairNode
        var downlink: Link
        var uplink: Link
        /// Into the region.
        var egress: Link
        var nextWake = Instant.distantFuture
        let subnet: Int
    }

    enum RepairWork {
        case stored(slot: Int, chunk: UInt32, record: ChunkRecord)
        case rejected(slot: Int, chunk: UInt32)
        case checked(chunk: UInt32, record: ChunkRecord)
        case restored(chunk: UInt32, record: ChunkRecord)
        case fetched(chunk: UInt32)
    }

    /// - Returns: the repair node's index.
    @discardableResult
    public func addRepairNode(
        _ model: RepairNodeModel = RepairNodeModel(), configuration: Configuration, downlink: LinkModel = LinkModel(),
        uplink: LinkModel = LinkModel(), egress: LinkModel = LinkModel()
    ) -> Int {
        let node = RepairNode(model: model, configuration: configuration, trustedKeys: trustedKeys)
        repairNodes.append(
            RepairSite(
                node: node, downlink: Link(model: downlink), uplink: Link(model: uplink), egress: Link(model: egress),
                subnet: model.subnet))
        noteRepairNode(repairNodes.count - 1, inSubnet: model.subnet)
        return repairNodes.count - 1
    }

    static func address(ofRepairNode index: Int) -> SocketAddress {
        .ipv4(10, 0, UInt8(index >> 8 & 255), UInt8(index & 255), port: 17_628)
    }

    // MARK: Arrivals

    func arriveAtRepairNode(_ index: Int, _ payload: Payload, from source: SocketAddress, timeToLive: UInt8?) {
        guard repairNodes[index].node.isRunning else { return }
        forEachDatagram(of: payload) { bytes, fingerprint in
            guard let header = try? PacketHeader(of: bytes) else { return }
            if let session = repairNodes[index].node.sessions[header.sessionTag] {
                switch header.kind {
                case .nak, .status, .attach, .detach: session.engine.handle(child: bytes, from: source, at: now)
                case .announce where session.inPlace({ $0.upstream == nil }):
                    session.engine.handleAnnounce(from: source, transmitter: header.transmitter, at: now)
                default:
                    if let placement = session.engine.handle(upstream: bytes, from: source, timeToLive: timeToLive, at: now) {
                        let packet = placement.offset / Int(session.inPlace { $0.payloadLength })
                        session.buffers.place(fingerprint, slot: placement.slot, packet: packet)
                    }
                }
            } else {
                judge(bytes, header: header, source: source, at: index)
            }
        }
        driveRepairNode(index)
    }

    private func judge(_ bytes: RawSpan, header: PacketHeader, source: SocketAddress, at index: Int) {
        // Its own region's ANNOUNCEs come back to it.
        guard source != Self.address(ofRepairNode: index) else { return }
        let sessions = repairNodes[index].node.sessions
        let verdict = repairNodes[index].node.directory.judge(bytes, at: now) { sessions[$0.tag]?.engine.upstream?.lastHeardFromSender }
        guard case .accept(let announce, let superseded) = verdict, case .announce(_, let signature)? = try? Packet.parse(bytes).1 else { return }
        if let superseded { repairNodes[index].node.retire(superseded.tag) }
        let tag = announce.session.tag
        if repairNodes[index].node.sessions[tag] == nil { openSession(announce, signature, at: index) }
        repairNodes[index].node.sessions[tag]?.engine.handleAnnounce(from: source, transmitter: header.transmitter, at: now)
    }

    /// Makes the engine, and tells it of what the cache has.
    private func openSession(_ announce: Announce, _ signature: Signature, at index: Int) {
        let node = repairNodes[index].node
        log("repair node \(index): \(announce.name)")
        let engine = RepairEngine(
            identity: UInt32.random(in: 1...(.max), using: &random), announce: announce, signature: signature, mode: node.model.mode,
            configuration: node.configuration,
            verifier: SimulatedVerifier(), digest: SimulatedDigest(), seed: random.next(), at: now)
        let session = RepairNode.Session(engine: engine, announce: announce)
        repairNodes[index].node.sessions[announce.session.tag] = session
        repairNodes[index].node.order.append(announce.session.tag)
        guard let cached = node.cache[announce.session] else {
            repairNodes[index].node.cache[announce.session] = RepairNode.Cached(
                announce: announce, signature: signature)
            return
        }
        for datagram in cached.table where !session.engine.restore(datagram, at: now) {
            violations.append("repair node \(index) kept a page that is not authentic")
        }
        for chunk in cached.chunks.keys.sorted() {
            guard let record = session.engine.record(of: chunk) else { continue }
            schedule(.restored(chunk: chunk, record: record), bytes: Int(record.encodedLength), session: announce.session, at: index)
        }
    }

    /// Sessions that the cache has are served again without anybody above.
    func openCachedSessions(_ index: Int) {
        for session in repairNodes[index].node.cache.keys.sorted(by: { ($0.high, $0.low) < ($1.high, $1.low) }) {
            guard let cached = repairNodes[index].node.cache[session] else { continue }
            openSession(cached.announce, cached.signature, at: index)
        }
        driveRepairNode(index)
    }

    // MARK: Driving

    func driveRepairNode(_ index: Int) {
        guard repairNodes[index].node.isRunning else { return }
        var next = Instant.distantFuture
        for tag in repairNodes[index].node.order {
            guard let session = repairNodes[index].node.sessions[tag] else { continue }
            if let due = session.inPlace({ $0.pollTimeout(at: now) }), due <= now { session.engine.handleTimeout(at: now) }
            for _ in 0..<4 {
                handleRepairEvents(session, at: index)
                while let (bytes, parent) = session.engine.pollUpstream(at: now) { sendUp(bytes, to: parent, from: index) }
                var sent = 0
                while sent < 64, let transmit = session.engine.pollDownstream(at: now) {
                    sent += 1
                    send(transmit, of: session, fromRepairNode: index)
                }
                if sent == 0 { break }
            }
            if session.inPlace({ $0.downstream.isFinished }) {
                repairNodes[index].node.retire(tag)
            } else if let due = session.inPlace({ $0.pollTimeout(at: now) }) {
                next = min(next, due)
            }
        }
        guard next < .distantFuture else { return }
        let time = max(next, now + .microseconds(1))
        guard time < repairNodes[index].nextWake || repairNodes[index].nextWake <= now else { return }
        repairNodes[index].nextWake = time
        queue.schedule(.repairWake(index, life: repairNodes[index].node.life), at: time)
    }

    private func handleRepairEvents(_ session: RepairNode.Session, at index: Int) {
        let id = session.announce.session
        while let event = session.engine.pollEvent() {
            switch event {
            case .keep(let datagram): repairNodes[index].node.cache[id]?.table.append(datagram)
            case .upstream(let event): handle(event, of: session, at: index)
            case .downstream(.fetch(let chunk)):
                schedule(.fetched(chunk: chunk), bytes: Int(session.announce.chunkLength), session: id, at: index)
            case .downstream(.release(let chunk)): session.resident.remove(chunk)
            case .downstream(let event): log("repair node \(index): \(event)")
            }
        }
    }

    private func handle(_ event: ReceiverEvent, of session: RepairNode.Session, at index: Int) {
        let id = session.announce.session
        switch event {
        case .assembled(let slot, let chunk, let record):
            let isGood = session.buffers.holds(record, slot: slot, payloadLength: session.engine.payloadLength)
            schedule(
                isGood ? .stored(slot: slot, chunk: chunk, record: record) : .rejected(slot: slot, chunk: chunk),
                bytes: Int(record.encodedLength), session: id, at: index)
        case .consult(let range):
            for chunk in range {
                guard let record = session.engine.upstream?.record(of: chunk) else { continue }
                if repairNodes[index].node.cache[id]?.chunks[chunk] != nil {
                    schedule(.checked(chunk: chunk, record: record), bytes: Int(record.encodedLength), session: id, at: index)
                } else {
                    session.engine.handle(.absent(chunk: chunk), at: now)
                }
            }
        case .finished(let state):
            log("repair node \(index): above it is over: \(state)")
            repairNodes[index].node.upstreamStates.append(state)
        case .parentChanged(let depth):
            repairNodes[index].node.parentChanges += 1
            log("repair node \(index): below depth \(depth - 1) now")
        default: break
        }
    }

    private func schedule(_ work: RepairWork, bytes: Int, session: SessionID, at index: Int) {
        let done = repairNodes[index].node.schedule(bytes: bytes, at: now)
        queue.schedule(.repairWork(index, life: repairNodes[index].node.life, session, work), at: done)
    }

    func finishRepairWork(of index: Int, session id: SessionID, _ work: RepairWork) {
        guard let session = repairNodes[index].node.sessions[id.tag], session.announce.session == id else { return }
        func isThere(_ chunk: UInt32, _ record: ChunkRecord) -> Bool {
            repairNodes[index].node.cache[id]?.chunks[chunk] == record.encodedDigest
        }
        switch work {
        case .stored(let slot, let chunk, let record):
            repairNodes[index].node.cache[id]?.chunks[chunk] = record.encodedDigest
            session.resident.insert(chunk)
            session.buffers.release(slot)
            session.engine.handle(.stored(slot: slot, chunk: chunk), at: now)
        case .rejected(let slot, let chunk): session.engine.handle(.rejected(slot: slot, chunk: chunk), at: now)
        case .checked(let chunk, let record):
            session.engine.handle(isThere(chunk, record) ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now)
        case .restored(let chunk, let record):
            if isThere(chunk, record) { session.engine.restore(chunk: chunk, at: now) }
            session.engine.endRestoring(at: now)
        case .fetched(let chunk):
            guard let record = session.engine.record(of: chunk), isThere(chunk, record) else {
                session.engine.handle(.damaged(chunk: chunk), at: now)
                break
            }
            session.resident.insert(chunk)
            session.engine.handle(.fetched(chunk: chunk), at: now)
        }
        driveRepairNode(index)
    }

    // MARK: Sending

    private func sendUp(_ bytes: [UInt8], to parent: SocketAddress, from index: Int) {
        if let kind = unsafe try? PacketHeader(of: bytes.span.bytes).kind, kind == .nak { repairNodes[index].node.naksSent += 1 }
        guard let arrival = repairNodes[index].uplink.pass(bytes: bytes.count + 28, datagrams: 1, at: now),
            let survivor = survivors(of: .bytes(bytes), link: &repairNodes[index].uplink)
        else { return }
        deliverUp(survivor, to: parent, from: Self.address(ofRepairNode: index), at: arrival)
    }

    private func send(_ transmit: Transmit, of session: RepairNode.Session, fromRepairNode index: Int) {
        let character = repairNodes[index].node.model.character
        let payload: Payload
        let destination: Destination
        switch transmit {
        case .datagram(let bytes, let to):
            (payload, destination) = (.bytes(bytes), to)
        case .data(let batch):
            guard character != .blackHole else { return }
            guard session.resident.contains(batch.chunk), let record = session.inPlace({ $0.record(of: batch.chunk) }) else {
                return violations.append("repair node \(index) sends chunk \(batch.chunk) without holding it")
            }
            repairNodes[index].node.repairBytes += UInt64(batch.byteCount)
            var shown = record
            if character == .liar { shown.encodedDigest = Digest(Hash.wide(0x11A2, UInt64(batch.chunk))) }
            let mask: UInt64 = batch.count == 64 ? ~0 : (1 << UInt64(batch.count)) - 1
            (payload, destination) = (.batch(batch, record: shown, mask: mask), batch.destination)
        }
        let (bytes, datagrams) = Self.size(of: payload)
        guard let time = repairNodes[index].egress.pass(bytes: bytes, datagrams: datagrams, at: now),
            let surviving = survivors(of: payload, link: &repairNodes[index].egress)
        else { return }
        let source = Self.address(ofRepairNode: index)
        switch destination {
        case .group: multicast(surviving, toSubnets: repairNodes[index].node.model.reach, from: source, except: index, at: time)
        case .peer(let address): deliverDown(surviving, to: address, from: source, at: time)
        }
    }

    /// A copy down the link of each member of the subnets.
    private func multicast(_ payload: Payload, toSubnets reach: [Int], from source: SocketAddress, except node: Int, at time: Instant) {
        for receiver in receivers(inSubnets: reach) where receivers[receiver].isMember {
            carry(payload, to: receiver, from: source, at: time)
        }
        for other in repairNodes(inSubnets: reach) where other != node {
            carry(payload, toRepairNode: other, from: source, hops: 0, at: time)
        }
    }

    func carry(_ payload: Payload, toRepairNode index: Int, from source: SocketAddress, hops: UInt8, at time: Instant) {
        let (bytes, datagrams) = Self.size(of: payload)
        guard repairNodes[index].downlink.isUp, let arriving = survivors(of: payload, link: &repairNodes[index].downlink),
            let arrival = repairNodes[index].downlink.pass(bytes: bytes, datagrams: datagrams, at: time)
        else { return }
        queue.schedule(.repairArrival(index, arriving, source, timeToLive: Self.timeToLive - hops), at: arrival)
    }

    /// What multicast is sent with; hops are taken from it.
    static let timeToLive: UInt8 = 8

    /// A relay asks a sender what there is to have.
    public func solicit(sender: Int, fromRepairNode index: Int) {
        senders[sender].node.engine.announce(to: Self.address(ofRepairNode: index))
        driveSender(sender)
    }

    // MARK: Unicast between any two

    func deliverDown(_ payload: Payload, to address: SocketAddress, from source: SocketAddress, at time: Instant) {
        if let receiver = Self.receiverIndex(of: address), receiver < receivers.count {
            carry(payload, to: receiver, from: source, at: time)
        } else if let node = repairNodeIndex(of: address) {
            carry(payload, toRepairNode: node, from: source, hops: 0, at: time)
        }
    }

    func deliverUp(_ payload: Payload, to parent: SocketAddress, from source: SocketAddress, at time: Instant) {
        if let node = repairNodeIndex(of: parent) {
            queue.schedule(.repairArrival(node, payload, source, timeToLive: nil), at: time)
        } else if parent.low >> 16 & 255 == 1, Int(parent.low & 0xFFFF) < senders.count, case .bytes(let bytes) = payload {
            queue.schedule(.senderArrival(Int(parent.low & 0xFFFF), bytes, source), at: time)
        }
    }

    private func repairNodeIndex(of address: SocketAddress) -> Int? {
        let index = Int(address.low & 0xFFFF)
        return address.low >> 16 & 255 == 0 && index < repairNodes.count ? index : nil
    }

    // MARK: Faults

    public func killRepairNode(_ index: Int, cache: CacheFate = .kept) {
        log("repair node \(index): killed")
        repairNodes[index].node.kill(cache: cache, using: &random)
        repairNodes[index].nextWake = .distantFuture
    }

    public func restartRepairNode(_ index: Int) {
        log("repair node \(index): restarted")
        repairNodes[index].node.restart()
        openCachedSessions(index)
    }

    /// Its user stops it: it says so.
    public func stopRepairNode(_ index: Int) {
        for tag in repairNodes[index].node.order { repairNodes[index].node.sessions[tag]?.engine.retire(at: now) }
        driveRepairNode(index)
    }

    public func setLinks(ofRepairNode index: Int, up: Bool) {
        repairNodes[index].downlink.isUp = up
        repairNodes[index].uplink.isUp = up
        repairNodes[index].egress.isUp = up
    }

    /// The link between a subnet and the sender: multicast passes it once for all behind it.
    public func setSubnet(_ subnet: Int, link model: LinkModel) { subnets[subnet] = Link(model: model) }
    public func setSubnet(_ subnet: Int, up: Bool) {
        if subnets[subnet] == nil { subnets[subnet] = Link(model: LinkModel()) }
        subnets[subnet]?.isUp = up
    }
}
