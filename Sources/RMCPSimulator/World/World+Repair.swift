public import RMCPProtocol

/// Repair nodes in the world: what arrives at them from above and from below, and what they send.
extension World {
    final class RepairSite {
        var node: RepairNode
        var downlink: Link
        var uplink: Link
        /// Into the region.
        var egress: Link
        var nextWake = Instant.distantFuture
        let subnet: Int

        init(node: RepairNode, downlink: Link, uplink: Link, egress: Link, subnet: Int) {
            self.node = node
            self.downlink = downlink
            self.uplink = uplink
            self.egress = egress
            self.subnet = subnet
        }
    }

    enum RepairWork {
        case stored(slot: Int32, chunk: UInt32)
        case rejected(slot: Int32, chunk: UInt32)
        case checked(chunk: UInt32)
        case restored(chunk: UInt32)
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
        noteRepairNode(repairNodes.count - 1, model)
        return repairNodes.count - 1
    }

    /// Before the run: the same node with another model in the same subnet.
    public func changeRepairNode(_ index: Int, to model: RepairNodeModel, configuration: Configuration) {
        repairNodes[index].node = RepairNode(model: model, configuration: configuration, trustedKeys: trustedKeys)
        noteReach(of: index, model)
    }

    // MARK: Arrivals

    func arriveAtRepairNode(_ index: Int, _ payload: Payload, from source: SocketAddress, timeToLive: UInt8?) {
        let arrival = Arrival(source: source, timeToLive: timeToLive, at: now)
        switch payload {
        case .train(let train, let mask):
            if let session = repairNodes[index].node.session(train.batch.sessionTag) {
                train.forEachPacket(of: mask) { header, data, length, fingerprint in
                    if let placement = session.engine.handle(upstream: data, header, length: length, arrival: arrival, at: now) {
                        session.place(fingerprint, placement)
                    }
                }
            }
        case .control(let datagram):
            guard let (header, packet) = datagram.packet else { return }
            if let session = repairNodes[index].node.session(header.sessionTag) {
                take(datagram, header, packet, of: session, arrival)
            } else {
                judge(datagram, header: header, source: source, at: index)
            }
        // Nobody damages what goes to repair nodes.
        case .packet: break
        }
        driveRepairNode(index)
    }

    private func take(
        _ datagram: ControlDatagram, _ header: PacketHeader, _ packet: Packet, of session: RepairNode.Session, _ arrival: Arrival
    ) {
        switch header.kind {
        case .nak, .status, .attach, .detach: session.engine.handle(child: packet, header, from: arrival.source, at: now)
        case .announce where session.inPlace({ $0.upstream == nil }):
            session.engine.handleAnnounce(from: arrival.source, transmitter: header.transmitter, at: now)
        default: session.engine.handle(upstream: packet, header, length: datagram.bytes.count, arrival: arrival, at: now)
        }
    }

    private func judge(_ datagram: ControlDatagram, header: PacketHeader, source: SocketAddress, at index: Int) {
        // Its own region's ANNOUNCEs come back to it.
        guard source != Addressing.repairNode(index) else { return }
        let node = repairNodes[index].node
        let bytes = datagram.bytes
        let verdict = unsafe repairNodes[index].node.directory.judge(bytes.span.bytes, at: now) { id in
            node.session(id.tag)?.inPlace { $0.upstream?.lastHeardFromSender }
        }
        guard case .accept(let announce, let superseded) = verdict, case .announce(_, let signature)? = datagram.packet?.body else { return }
        if let superseded, let session = node.session(superseded.tag) { repairNodes[index].node.retire(session) }
        let session = node.session(announce.session.tag) ?? openSession(announce, signature, at: index)
        session.engine.handleAnnounce(from: source, transmitter: header.transmitter, at: now)
    }

    /// Makes the engine, and tells it of what the cache has.
    @discardableResult
    private func openSession(_ announce: Announce, _ signature: Signature, at index: Int) -> RepairNode.Session {
        let node = repairNodes[index].node
        log("repair node \(index): \(announce.name)")
        let engine = RepairEngine(
            identity: UInt32.random(in: 1...(.max), using: &random), announce: announce, signature: signature, mode: node.model.mode,
            configuration: node.configuration, expectsOthers: hearsRepairNode(inSubnet: node.model.subnet, except: index),
            verifier: SimulatedVerifier(), digest: SimulatedDigest(), seed: random.next(), at: now)
        let session = RepairNode.Session(engine: engine, announce: announce)
        repairNodes[index].node.sessions.append(session)
        guard let cached = node.cache[announce.session] else {
            repairNodes[index].node.cache[announce.session] = RepairNode.Cached(
                announce: announce, signature: signature)
            return session
        }
        for datagram in cached.table where !session.engine.restore(datagram, at: now) {
            violations.append("repair node \(index) kept a page that is not authentic")
        }
        for chunk in cached.chunks.keys.sorted() {
            guard let record = session.inPlace({ $0.record(of: chunk) }) else { continue }
            schedule(.restored(chunk: chunk), bytes: Int(record.encodedLength), session: session, at: index)
        }
        return session
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
        let site = repairNodes[index]
        guard site.node.isRunning else { return }
        var next = Instant.distantFuture
        for session in site.node.sessions {
            let idleUntil = session.inPlace { engine -> Instant? in
                let due = engine.pollTimeout(at: now) ?? .distantFuture
                if due <= now { engine.handleTimeout(at: now) }
                return due > now && engine.isDrained() && !engine.downstream.isFinished ? due : nil
            }
            if let idleUntil {
                next = min(next, idleUntil)
                continue
            }
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
                site.node.retire(session)
            } else if let due = session.engine.pollTimeout(at: now) {
                next = min(next, due)
            }
        }
        guard next < .distantFuture else { return }
        let time = max(next, now + .microseconds(1))
        guard time < site.nextWake || site.nextWake <= now else { return }
        site.nextWake = time
        queue.schedule(.repairWake(index, life: site.node.life), at: time)
    }

    private func handleRepairEvents(_ session: RepairNode.Session, at index: Int) {
        let id = session.announce.session
        while let event = session.engine.pollEvent() {
            switch event {
            case .keep(let datagram): repairNodes[index].node.cache[id]?.table.append(datagram)
            case .upstream(let event): handle(event, of: session, at: index)
            case .downstream(.fetch(let chunk)):
                schedule(.fetched(chunk: chunk), bytes: Int(session.announce.chunkLength), session: session, at: index)
            case .downstream(.release(let chunk)): session.resident.remove(chunk)
            case .downstream(let event): log("repair node \(index): \(event)")
            }
        }
    }

    private func handle(_ event: ReceiverEvent, of session: RepairNode.Session, at index: Int) {
        let id = session.announce.session
        switch event {
        case .assembled(let slot, let chunk, let record):
            let isGood = session.buffers.holds(record, slot: slot, payloadLength: session.inPlace { $0.payloadLength })
            schedule(
                isGood ? .stored(slot: Int32(slot), chunk: chunk) : .rejected(slot: Int32(slot), chunk: chunk),
                bytes: Int(record.encodedLength), session: session, at: index)
        case .consult(let range):
            for chunk in range {
                guard let record = session.inPlace({ $0.upstream?.record(of: chunk) }) else { continue }
                if repairNodes[index].node.cache[id]?.chunks[chunk] != nil {
                    schedule(.checked(chunk: chunk), bytes: Int(record.encodedLength), session: session, at: index)
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

    private func schedule(_ work: RepairWork, bytes: Int, session: RepairNode.Session, at index: Int) {
        queue.schedule(.repairWork(index, session, work), at: repairNodes[index].node.schedule(bytes: bytes, at: now))
    }

    func finishRepairWork(of index: Int, session: RepairNode.Session, _ work: RepairWork) {
        let id = session.announce.session
        func record(_ chunk: UInt32) -> ChunkRecord? { session.inPlace { $0.record(of: chunk) } ?? session.inPlace { $0.upstream?.record(of: chunk) } }
        func isThere(_ chunk: UInt32) -> Bool {
            guard let record = record(chunk) else { return false }
            return repairNodes[index].node.cache[id]?.chunks[chunk] == record.encodedDigest
        }
        switch work {
        case .stored(let slot, let chunk):
            repairNodes[index].node.cache[id]?.chunks[chunk] = record(chunk)?.encodedDigest
            session.resident.insert(chunk)
            session.buffers.release(Int(slot))
            session.engine.handle(.stored(slot: Int(slot), chunk: chunk), at: now)
        case .rejected(let slot, let chunk): session.engine.handle(.rejected(slot: Int(slot), chunk: chunk), at: now)
        case .checked(let chunk): session.engine.handle(isThere(chunk) ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now)
        case .restored(let chunk):
            if isThere(chunk) { session.engine.restore(chunk: chunk, at: now) }
            session.engine.endRestoring(at: now)
        case .fetched(let chunk):
            guard isThere(chunk) else {
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
        let site = repairNodes[index]
        let kind = unsafe PacketHeader.kind(of: bytes.span.bytes)
        if kind == .nak { site.node.naksSent += 1 }
        guard let arrival = site.uplink.pass(bytes: bytes.count + 28, datagrams: 1, at: now),
            !site.uplink.loses(kind: kind, length: bytes.count, using: &random)
        else { return }
        deliverUp(bytes, to: parent, from: Addressing.repairNode(index), at: arrival)
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
            (payload, destination) = (.batch(batch, record: shown), batch.destination)
        }
        let (bytes, datagrams) = payload.size
        guard let time = repairNodes[index].egress.pass(bytes: bytes, datagrams: datagrams, at: now),
            let surviving = survivors(of: payload, link: &repairNodes[index].egress)
        else { return }
        let source = Addressing.repairNode(index)
        switch destination {
        case .group: multicast(surviving, toSubnets: repairNodes[index].node.model.reach, from: source, except: index, at: time)
        case .peer(let address): deliverDown(surviving, to: address, from: source, at: time)
        }
    }

    /// A copy down the link of each member of the subnets.
    private func multicast(_ payload: Payload, toSubnets reach: [Int], from source: SocketAddress, except node: Int, at time: Instant) {
        let distance = distance(ofSubnet: repairNodes[node].subnet)
        for subnet in reach {
            let hops = UInt8(clamping: abs(self.distance(ofSubnet: subnet) - distance))
            let timeToLive = Self.timeToLive - min(hops, Self.timeToLive)
            carry(payload, toMembersAmong: receivers(inSubnet: subnet), from: source, timeToLive: timeToLive, at: time)
            for other in repairNodes(inSubnet: subnet) where other != node {
                carry(payload, toRepairNode: other, from: source, timeToLive: timeToLive, at: time)
            }
        }
    }

    func carry(_ payload: Payload, toRepairNode index: Int, from source: SocketAddress, timeToLive: UInt8?, at time: Instant) {
        let site = repairNodes[index]
        let (bytes, datagrams) = payload.size
        guard site.downlink.isUp, let arriving = survivors(of: payload, link: &site.downlink),
            let arrival = site.downlink.pass(bytes: bytes, datagrams: datagrams, at: time)
        else { return }
        queue.schedule(.repairArrival(index, arriving, source, timeToLive: timeToLive), at: arrival)
    }

    /// What multicast is sent with; hops are taken from it.
    static let timeToLive: UInt8 = 8

    /// A relay asks a sender what there is to have.
    public func solicit(sender: Int, fromRepairNode index: Int) {
        senders[sender].node.engine.announce(to: Addressing.repairNode(index))
        driveSender(sender)
    }

    // MARK: Unicast between any two

    func deliverDown(_ payload: Payload, to address: SocketAddress, from source: SocketAddress, at time: Instant) {
        if case .control(let datagram) = payload, case .attached(let answer)? = datagram.packet?.body, answer.verdict == .accepted {
            givenCookies[address] = answer.cookie
        }
        if let receiver = Self.receiverIndex(of: address), receiver < receivers.count {
            // What was its address before is nobody's now.
            guard receivers[receiver].port == address.port else { return }
            var gathering = Gathering(timeToLive: nil)
            carry(payload, to: receiver, from: source, at: time, &gathering)
        } else if let node = repairNodeIndex(of: address) {
            carry(payload, toRepairNode: node, from: source, timeToLive: nil, at: time)
        }
    }

    func deliverUp(_ bytes: [UInt8], to parent: SocketAddress, from source: SocketAddress, at time: Instant) {
        if let node = repairNodeIndex(of: parent) {
            queue.schedule(.repairArrival(node, .bytes(bytes), source, timeToLive: nil), at: time)
        } else if parent.low >> 16 & 255 == 1, Int(parent.low & 0xFFFF) < senders.count {
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
        for session in repairNodes[index].node.sessions { session.engine.retire(at: now) }
        driveRepairNode(index)
    }

    public func setLinks(ofRepairNode index: Int, up: Bool) {
        repairNodes[index].downlink.isUp = up
        repairNodes[index].uplink.isUp = up
        repairNodes[index].egress.isUp = up
    }

    /// The link between a subnet and the sender: multicast passes it once for all behind it.
    public func setSubnet(_ subnet: Int, link model: LinkModel) {
        sortedSubnets = nil
        subnets[subnet] = Link(model: model)
    }
    public func setSubnet(_ subnet: Int, up: Bool) {
        sortedSubnets = nil
        if subnets[subnet] == nil { subnets[subnet] = Link(model: LinkModel()) }
        subnets[subnet]?.isUp = up
    }
}
