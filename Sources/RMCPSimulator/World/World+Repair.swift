public import RMCPProtocol

/// Repair nodes in the world: what arrives at them from above and from below, and what they send.
extension World {
    enum RepairWork {
        case stored(slot: Int32, chunk: UInt32)
        case rejected(slot: Int32, chunk: UInt32)
        case examined(slot: Int32, chunk: UInt32, wrong: IndexRangeSet)
        case outlined(chunk: UInt32, OutlineShape)
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
        let node = RepairNode(
            index: repairNodes.count, model: model, configuration: configuration, trustedKeys: trustedKeys, uplink: Link(model: uplink),
            egress: Link(model: egress), identity: .random(in: 1...(.max), using: &random), at: now)
        repairNodes.append(node)
        delivery.addRepairNode(RepairSite(downlink: Link(model: downlink), subnet: model.subnet, reach: model.reach, region: node.place.region))
        wake(node, at: now)
        return node.index
    }

    /// Before the run: the same node with another model in the same subnet.
    public func changeRepairNode(_ index: Int, to model: RepairNodeModel, configuration: Configuration) {
        let node = repairNodes[index]
        node.change(to: model, configuration: configuration, identity: .random(in: 1...(.max), using: &random), at: now)
        delivery.repairSites[index].reach = model.reach
        delivery.repairSites[index].region = node.place.region
    }

    // MARK: Arrivals

    func arrive(_ payload: Payload, _ arrival: Arrival, at node: RepairNode, socket: RepairSocket) {
        switch (payload, socket) {
        case (.train(let train, let mask), .above):
            if let session = node.session(train.batch.sessionTag) {
                train.forEachPacket(of: mask) { header, data, length, fingerprint in
                    if let placement = session.engine.handle(upstream: data, header, length: length, arrival: arrival, at: now) {
                        session.place(fingerprint, placement)
                    }
                }
            }
        case (.control(let datagram), .above): takeFromAbove(datagram, arrival, at: node)
        case (.control(let datagram), .below): takeFromBelow(datagram, from: arrival.source, at: node)
        // Children send no DATA, and nobody damages what goes to repair nodes.
        case (.train, .below), (.packet, _): break
        }
        drive(node)
    }

    private func takeFromAbove(_ datagram: ControlDatagram, _ arrival: Arrival, at node: RepairNode) {
        func give(_ tag: UInt32) {
            guard let (header, packet) = datagram.packet, let session = node.session(tag) else { return }
            session.engine.handle(upstream: packet, header, length: datagram.bytes.count, arrival: arrival, at: now)
        }
        if let tag = datagram.packet?.header.sessionTag, let session = node.session(tag), !session.engine.awaitsParent() { return give(tag) }
        let bytes = datagram.bytes
        leaveSilentRegions(node)
        let answer = unsafe node.endpoint.handle(above: bytes.span.bytes, from: arrival.source, at: now) { node.activity(of: $0) }
        switch answer {
        case .session(let tag): give(tag)
        case .parent(let tag, let transmitter):
            node.session(tag)?.engine.handleAnnounce(from: arrival.source, transmitter: transmitter, at: now)
            give(tag)
        case .begin(let offer, let superseded, let evicted):
            for id in [superseded, evicted] { if let id, let session = node.session(id.tag) { session.engine.retire(at: now) } }
            let session = openSession(offer.announce, offer.signature, at: node)
            session.engine.handleAnnounce(from: offer.source, transmitter: offer.transmitter, at: now)
        case .join(let region): join(region, node)
        case .refuse(_, let reason): log("repair node \(node.index): refuses a session: \(reason)")
        case .ignore: break
        }
    }

    private func takeFromBelow(_ datagram: ControlDatagram, from source: SocketAddress, at node: RepairNode) {
        if let (header, packet) = datagram.packet, let session = node.session(header.sessionTag) {
            return session.engine.handle(child: packet, header, from: source, at: now)
        }
        let bytes = datagram.bytes
        if case .announce(let tag) = unsafe node.endpoint.handle(below: bytes.span.bytes) {
            node.session(tag)?.engine.answerSolicitation(from: source, at: now)
        }
    }

    /// Makes the engine, and tells it of what the cache has.
    @discardableResult
    private func openSession(_ announce: Announce, _ signature: Signature, at node: RepairNode) -> RepairNode.Session {
        log("repair node \(node.index): \(announce.name)")
        let identity = UInt32.random(in: 1...(.max), using: &random)
        var upstream = RandomSource(seed: random.next())
        let seed = upstream.next()
        let engine = RepairEngine(
            identity: identity, announce: announce, signature: signature, mode: node.place.mode,
            configuration: node.configuration, expectsOthers: node.endpoint.regions.hearsRepairNodes(at: now),
            signer: node.signer, verifier: SimulatedVerifier(), digest: SimulatedDigest(), seed: seed, upstream: upstream,
            secret: CookieSecret(simulatedWith: seed), at: now)
        let session = RepairNode.Session(engine: engine, announce: announce, at: now)
        node.begin(session)
        guard let cached = node.cache[announce.session] else {
            node.cache[announce.session] = RepairNode.Cached(announce: announce, signature: signature)
            return session
        }
        for datagram in cached.table where !session.engine.restore(datagram, at: now) {
            safety.report("repair node \(node.index) kept a page that is not authentic")
        }
        for chunk in cached.chunks.keys.sorted() {
            guard let record = session.inPlace({ $0.record(of: chunk) }) else { continue }
            schedule(.restored(chunk: chunk), bytes: Int(record.encodedLength), session: session, at: node)
        }
        return session
    }

    /// Sessions that the cache has are served again without anybody above.
    func openCachedSessions(_ node: RepairNode) {
        let cached = node.cache
        let kept = cached.keys.sorted { ($0.high, $0.low) < ($1.high, $1.low) }.compactMap { cached[$0] }
        let served = node.endpoint.takeUp(kept.map { ($0.announce, $0.signature) })
        for entry in served { openSession(entry.announce, entry.signature, at: node) }
        drive(node)
    }

    // MARK: Driving

    func drive(_ node: RepairNode) {
        guard node.isRunning else { return }
        var next = advertise(node)
        for session in node.sessions {
            session.use.note(&session.engine, at: now)
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
                handleEvents(of: session, at: node)
                while let (bytes, parent) = session.engine.pollUpstream(at: now) { say(bytes, to: parent, from: node) }
                var sent = 0
                while sent < 64, let transmit = session.engine.pollDownstream(at: now) {
                    sent += 1
                    send(transmit, of: session, from: node)
                }
                if sent == 0 { break }
            }
            if session.inPlace({ $0.downstream.isFinished }) {
                node.retire(session)
                node.endpoint.directory.end(session.announce.session, mayReturn: true)
            } else if let due = session.engine.pollTimeout(at: now) {
                next = min(next, due)
            }
        }
        if next < .distantFuture { wake(node, at: max(next, now + .microseconds(1))) }
    }

    private func wake(_ node: RepairNode, at time: Instant) {
        guard time < node.nextWake || node.nextWake <= now else { return }
        node.nextWake = time
        queue.schedule(.repairWake(node.index, life: node.life), at: time)
    }

    /// Says where it repairs, or asks its parent what there is.
    /// - Returns: when it does so again.
    private func advertise(_ node: RepairNode) -> Instant {
        node.endpoint.handleTimeout(at: now)
        while let outgoing = node.endpoint.pollTransmit(time: UInt64(now.nanoseconds / 1_000_000)) {
            switch outgoing {
            case .advertisement(let bytes, _): advertise(bytes, from: node)
            case .solicitation(let bytes, let parent): say(bytes, to: parent, from: node)
            }
        }
        return node.endpoint.pollTimeout()
    }

    private func handleEvents(of session: RepairNode.Session, at node: RepairNode) {
        let id = session.announce.session
        while let event = session.engine.pollEvent() {
            switch event {
            case .keep(let datagram): node.cache[id]?.table.append(datagram)
            case .upstream(let event): handle(event, of: session, at: node)
            case .downstream(.fetch(let chunk)):
                schedule(.fetched(chunk: chunk), bytes: Int(session.announce.chunkLength), session: session, at: node)
            case .downstream(.outline(let chunk, let shape)):
                schedule(.outlined(chunk: chunk, shape), bytes: Int(session.announce.chunkLength), session: session, at: node)
            case .downstream(.release(let chunk)): session.resident.remove(chunk)
            case .downstream(let event): log("repair node \(node.index): \(event)")
            }
        }
    }

    private func handle(_ event: ReceiverEvent, of session: RepairNode.Session, at node: RepairNode) {
        let id = session.announce.session
        switch event {
        case .assembled(let slot, let chunk, let record):
            let isGood = session.buffers.holds(record, slot: slot, payloadLength: session.inPlace { $0.payloadLength })
            schedule(
                isGood ? .stored(slot: Int32(slot), chunk: chunk) : .rejected(slot: Int32(slot), chunk: chunk),
                bytes: Int(record.encodedLength), session: session, at: node)
        case .examine(let slot, let chunk, let shape, _):
            guard let record = session.inPlace({ $0.upstream?.record(of: chunk) }) else { break }
            let wrong = session.buffers.mend(record, slot: slot, shape, payloadLength: session.inPlace { $0.payloadLength })
            schedule(.examined(slot: Int32(slot), chunk: chunk, wrong: wrong), bytes: Int(record.encodedLength), session: session, at: node)
        case .consult(let range):
            for chunk in range {
                guard let record = session.inPlace({ $0.upstream?.record(of: chunk) }) else { continue }
                if node.cache[id]?.chunks[chunk] != nil {
                    schedule(.checked(chunk: chunk), bytes: Int(record.encodedLength), session: session, at: node)
                } else {
                    session.engine.handle(.absent(chunk: chunk), at: now)
                }
            }
        case .finished(let state):
            log("repair node \(node.index): above it is over: \(state)")
            node.record.upstreamStates.append(state)
            guard !session.inPlace({ $0.isComplete }) else { break }
            session.engine.retire(at: now)
            node.endpoint.directory.end(id, mayReturn: true)
        case .parentChanged(let depth):
            node.record.parentChanges += 1
            node.record.depth = depth
            log("repair node \(node.index): below depth \(depth - 1) now")
        case .parentMoved: log("repair node \(node.index): its parent has another address")
        default: break
        }
    }

    private func schedule(_ work: RepairWork, bytes: Int, session: RepairNode.Session, at node: RepairNode) {
        queue.schedule(.repairWork(node.index, session, work), at: node.schedule(bytes: bytes, at: now))
    }

    func finishWork(of node: RepairNode, session: RepairNode.Session, _ work: RepairWork) {
        let id = session.announce.session
        func record(_ chunk: UInt32) -> ChunkRecord? { session.inPlace { $0.record(of: chunk) } ?? session.inPlace { $0.upstream?.record(of: chunk) } }
        func isThere(_ chunk: UInt32) -> Bool {
            guard let record = record(chunk) else { return false }
            return node.cache[id]?.chunks[chunk] == record.encodedDigest
        }
        switch work {
        case .stored(let slot, let chunk) where chunk >= node.model.keptChunks:
            session.resident.insert(chunk)
            session.buffers.release(Int(slot))
            session.engine.handle(.passed(slot: Int(slot), chunk: chunk), at: now)
        case .stored(let slot, let chunk):
            node.cache[id]?.chunks[chunk] = record(chunk)?.encodedDigest
            session.resident.insert(chunk)
            session.buffers.release(Int(slot))
            session.engine.handle(.stored(slot: Int(slot), chunk: chunk), at: now)
        case .rejected(let slot, let chunk): session.engine.handle(.rejected(slot: Int(slot), chunk: chunk), at: now)
        case .examined(let slot, let chunk, let wrong): session.engine.handle(.examined(slot: Int(slot), chunk: chunk, wrong: wrong), at: now)
        case .outlined(let chunk, let shape):
            // A liar outlines what it sends.
            guard var shown = record(chunk) else { break }
            if node.model.character == .liar { shown = Self.forged(shown, chunk) }
            session.engine.handle(.outlined(chunk: chunk, SimulatedContent.outline(of: shown, chunk: chunk, shape)), at: now)
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
        drive(node)
    }

    // MARK: Sending

    private func say(_ bytes: [UInt8], to parent: SocketAddress, from node: RepairNode) {
        if unsafe PacketHeader.kind(of: bytes.span.bytes) == .nak { node.record.naksSent += 1 }
        send(bytes, to: parent, from: node)
    }

    /// The record of what a liar has in place of a chunk.
    private static func forged(_ record: ChunkRecord, _ chunk: UInt32) -> ChunkRecord {
        var record = record
        record.encodedDigest = Digest(Hash.wide(0x11A2, UInt64(chunk)))
        return record
    }

    private func send(_ transmit: Transmit, of session: RepairNode.Session, from node: RepairNode) {
        let character = node.model.character
        let payload: Payload
        let destination: Destination
        switch transmit {
        case .datagram(let bytes, let to):
            (payload, destination) = (.bytes(bytes), to)
        case .data(let batch):
            guard character != .blackHole, character != .phantom else { return }
            guard session.resident.contains(batch.chunk), let record = session.inPlace({ $0.record(of: batch.chunk) }) else {
                return safety.reportUnheld(chunk: batch.chunk, by: "repair node \(node.index)")
            }
            node.record.repairBytes += UInt64(batch.byteCount)
            let shown = character == .liar ? Self.forged(record, batch.chunk) : record
            (payload, destination) = (.batch(batch, record: shown), batch.destination)
        }
        send(payload, from: node, to: destination)
    }
}
