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
        /// Listeners of its region: receivers by subnet, and other repair nodes, in the order in which they joined.
        var members: [Int: [Int]] = [:]
        var nodeMembers: [Int] = []

        init(node: RepairNode, downlink: Link, uplink: Link, egress: Link, subnet: Int) {
            self.node = node
            self.downlink = downlink
            self.uplink = uplink
            self.egress = egress
            self.subnet = subnet
        }
    }

    /// A repair node has a socket towards parents, and one of its region, to which children send.
    enum RepairSocket {
        case above
        case below
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
        let index = repairNodes.count
        repairNodes.append(
            RepairSite(
                node: makeRepairNode(index, model, configuration), downlink: Link(model: downlink), uplink: Link(model: uplink),
                egress: Link(model: egress), subnet: model.subnet))
        noteRepairNode(index, model)
        wakeRepairNode(index, at: now)
        return index
    }

    private func makeRepairNode(_ index: Int, _ model: RepairNodeModel, _ configuration: Configuration) -> RepairNode {
        // A relay has its site's receivers in the group itself.
        let region = model.upstream == nil ? Addressing.region(ofRepairNode: index) : Addressing.group
        let place = RepairPlace(group: Addressing.group, region: region, upstream: model.upstream)
        return RepairNode(
            model: model, place: place, configuration: configuration, trustedKeys: trustedKeys, identity: .random(in: 1...(.max), using: &random), at: now)
    }

    /// Before the run: the same node with another model in the same subnet.
    public func changeRepairNode(_ index: Int, to model: RepairNodeModel, configuration: Configuration) {
        repairNodes[index].node = makeRepairNode(index, model, configuration)
    }

    // MARK: Arrivals

    func arriveAtRepairNode(_ index: Int, _ payload: Payload, from source: SocketAddress, timeToLive: UInt8?, socket: RepairSocket) {
        let arrival = Arrival(source: source, timeToLive: timeToLive, at: now)
        switch (payload, socket) {
        case (.train(let train, let mask), .above):
            if let session = repairNodes[index].node.session(train.batch.sessionTag) {
                train.forEachPacket(of: mask) { header, data, length, fingerprint in
                    if let placement = session.engine.handle(upstream: data, header, length: length, arrival: arrival, at: now) {
                        session.place(fingerprint, placement)
                    }
                }
            }
        case (.control(let datagram), .above): takeFromAbove(datagram, arrival, at: index)
        case (.control(let datagram), .below): takeFromBelow(datagram, from: source, at: index)
        // Children send no DATA, and nobody damages what goes to repair nodes.
        case (.train, .below), (.packet, _): break
        }
        driveRepairNode(index)
    }

    private func takeFromAbove(_ datagram: ControlDatagram, _ arrival: Arrival, at index: Int) {
        let node = repairNodes[index].node
        func give(_ tag: UInt32) {
            guard let (header, packet) = datagram.packet, let session = node.session(tag) else { return }
            session.engine.handle(upstream: packet, header, length: datagram.bytes.count, arrival: arrival, at: now)
        }
        // A relay's parent shows by its ANNOUNCE: the endpoint sees everything until one has come.
        if let tag = datagram.packet?.header.sessionTag, let session = node.session(tag), node.place.mode == .repair || session.inPlace({ $0.hasUpstream }) {
            return give(tag)
        }
        let bytes = datagram.bytes
        let answer = unsafe repairNodes[index].node.endpoint.handle(above: bytes.span.bytes, from: arrival.source, at: now) { node.activity(of: $0) }
        switch answer {
        case .session(let tag): give(tag)
        case .parent(let tag, let transmitter):
            node.session(tag)?.engine.handleAnnounce(from: arrival.source, transmitter: transmitter, at: now)
            give(tag)
        case .begin(let offer, let superseded, let evicted):
            for id in [superseded, evicted] { if let id, let session = node.session(id.tag) { session.engine.retire(at: now) } }
            let session = openSession(offer.announce, offer.signature, at: index)
            session.engine.handleAnnounce(from: offer.source, transmitter: offer.transmitter, at: now)
        case .join(let region): join(region, repairNode: index)
        case .refuse(_, let reason): log("repair node \(index): refuses a session: \(reason)")
        case .ignore: break
        }
    }

    private func takeFromBelow(_ datagram: ControlDatagram, from source: SocketAddress, at index: Int) {
        if let (header, packet) = datagram.packet, let session = repairNodes[index].node.session(header.sessionTag) {
            return session.engine.handle(child: packet, header, from: source, at: now)
        }
        let bytes = datagram.bytes
        if case .announce(let tag) = unsafe repairNodes[index].node.endpoint.handle(below: bytes.span.bytes) {
            repairNodes[index].node.session(tag)?.engine.announce(to: source)
        }
    }

    /// Makes the engine, and tells it of what the cache has.
    @discardableResult
    private func openSession(_ announce: Announce, _ signature: Signature, at index: Int) -> RepairNode.Session {
        let node = repairNodes[index].node
        log("repair node \(index): \(announce.name)")
        let engine = RepairEngine(
            identity: UInt32.random(in: 1...(.max), using: &random), announce: announce, signature: signature, mode: node.place.mode,
            configuration: node.configuration, expectsOthers: node.endpoint.regions.hearsRepairNodes(at: now),
            verifier: SimulatedVerifier(), digest: SimulatedDigest(), seed: random.next(), at: now)
        let session = RepairNode.Session(engine: engine, announce: announce, at: now)
        repairNodes[index].node.sessions.append(session)
        guard let cached = node.cache[announce.session] else {
            repairNodes[index].node.cache[announce.session] = RepairNode.Cached(announce: announce, signature: signature)
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
        let cached = repairNodes[index].node.cache
        let kept = cached.keys.sorted { ($0.high, $0.low) < ($1.high, $1.low) }.compactMap { cached[$0] }
        let served = repairNodes[index].node.endpoint.takeUp(kept.map { ($0.announce, $0.signature) })
        for entry in served { openSession(entry.announce, entry.signature, at: index) }
        driveRepairNode(index)
    }

    // MARK: Driving

    func driveRepairNode(_ index: Int) {
        let site = repairNodes[index]
        guard site.node.isRunning else { return }
        var next = advertise(index)
        for session in site.node.sessions {
            if session.inPlace({ RepairNode.isOfUse(&$0) }) { session.lastUse = now }
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
                site.node.endpoint.directory.end(session.announce.session, mayReturn: true)
            } else if let due = session.engine.pollTimeout(at: now) {
                next = min(next, due)
            }
        }
        if next < .distantFuture { wakeRepairNode(index, at: max(next, now + .microseconds(1))) }
    }

    private func wakeRepairNode(_ index: Int, at time: Instant) {
        let site = repairNodes[index]
        guard time < site.nextWake || site.nextWake <= now else { return }
        site.nextWake = time
        queue.schedule(.repairWake(index, life: site.node.life), at: time)
    }

    /// Says where it repairs, or asks its parent what there is.
    /// - Returns: when it does so again.
    private func advertise(_ index: Int) -> Instant {
        repairNodes[index].node.endpoint.handleTimeout(at: now)
        while let outgoing = repairNodes[index].node.endpoint.pollTransmit() {
            switch outgoing {
            case .advertisement(let bytes, _): send(.bytes(bytes), fromRepairNode: index) { self.multicast($0, toGroupIn: $1.model.reach, from: index, at: $2) }
            case .solicitation(let bytes, let parent): sendUp(bytes, to: parent, from: index)
            }
        }
        return repairNodes[index].node.endpoint.pollTimeout()
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
            guard !session.inPlace({ $0.isComplete }) else { break }
            session.engine.retire(at: now)
            repairNodes[index].node.endpoint.directory.end(id, mayReturn: true)
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
        deliverUp(bytes, to: parent, from: Addressing.repairNodeAsChild(index), at: arrival)
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
        send(payload, fromRepairNode: index) { payload, node, time in
            switch destination {
            case .group: self.multicast(payload, toRegionOf: index, at: time)
            case .peer(let address): self.deliverDown(payload, to: address, from: Addressing.repairNode(index), at: time)
            }
        }
    }

    /// Over its link into the region.
    private func send(_ payload: Payload, fromRepairNode index: Int, _ deliver: (Payload, RepairNode, Instant) -> Void) {
        let (bytes, datagrams) = payload.size
        guard let time = repairNodes[index].egress.pass(bytes: bytes, datagrams: datagrams, at: now),
            let surviving = survivors(of: payload, link: &repairNodes[index].egress)
        else { return }
        deliver(surviving, repairNodes[index].node, time)
    }

    // MARK: Faults

    public func killRepairNode(_ index: Int, cache: CacheFate = .kept) {
        log("repair node \(index): killed")
        repairNodes[index].node.kill(cache: cache, using: &random)
        repairNodes[index].nextWake = .distantFuture
        for site in repairNodes { site.nodeMembers.removeAll { $0 == index } }
    }

    public func restartRepairNode(_ index: Int) {
        log("repair node \(index): restarted")
        repairNodes[index].node.restart(identity: .random(in: 1...(.max), using: &random), at: now)
        openCachedSessions(index)
    }

    /// Its user stops it: it says so.
    public func stopRepairNode(_ index: Int) {
        repairNodes[index].node.endpoint.stop()
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
