import DequeModule
import RMCPProtocol

extension World {
    // MARK: Reading

    func arrive(_ group: GroupArrival) {
        let members = group.members
        eventCount += members.count - 1
        for start in stride(from: 0, to: members.count, by: Self.touchedAhead) {
            let batch = start..<min(start + Self.touchedAhead, members.count)
            for position in batch { core.value.touched &+= core.value.places[Int(members[position])]?.touch() ?? 0 }
            for position in batch { arrive(group.payload, group.arrival, at: receivers[Int(members[position])]) }
        }
    }

    /// As many as the processor has lines under way at one time, and a few.
    private static let touchedAhead = 4

    func arrive(_ payload: Payload, _ arrival: Arrival, at node: ReceiverNode) {
        guard node.isRunning else { return }
        if node.readsAtOnce, node.socket.isEmpty, !node.isReading, max(node.busyUntil, node.pausedUntil) <= now {
            note(3, node.index)
            return read(payload, arrival, at: node)
        }
        let (bytes, datagrams) = payload.size
        node.socket.enqueue(SimulatedSocket.Queued(payload: payload, arrival: arrival, bytes: bytes), datagrams: datagrams)
        scheduleRead(node)
    }

    private func scheduleRead(_ node: ReceiverNode) {
        guard !node.isReading, !node.socket.isEmpty else { return }
        if let threads = node.threads { return wake(threads.network) }
        node.isReading = true
        queue.schedule(.receiverRead(node.index, life: node.life), at: max(now, node.busyUntil, node.pausedUntil))
    }

    /// Reads one train of datagrams, as one receive call does.
    func readSocket(of node: ReceiverNode) {
        if node.pausedUntil <= now {
            guard let item = node.socket.dequeue() else { return }
            read(item.payload, item.arrival, at: node)
        }
        scheduleRead(node)
    }

    func read(_ payload: Payload, _ arrival: Arrival, at node: ReceiverNode) {
        let clock = now + node.clockOffset
        var arrival = arrival
        arrival.at = arrival.at + node.clockOffset
        let datagrams: Int
        switch payload {
        case .train(let train, let mask):
            datagrams = mask.nonzeroBitCount
            // DATA of a session that is not joined is of no interest to anybody.
            node.session(train.batch.sessionTag)?.take(train, mask: mask, arrival: arrival, at: clock)
        case .control(let datagram):
            datagrams = 1
            take(datagram, arrival, at: node, clock: clock)
        case .packet(let bytes, let fingerprint):
            datagrams = 1
            take(bytes, fingerprint: fingerprint, arrival, at: node, clock: clock)
        }
        let overflow = node.socket.takeDropped()
        if overflow > 0 {
            for session in node.sessions { session.engine.handle(.overflow(datagrams: overflow), at: clock) }
        }
        noteBacklog(of: node, at: clock)
        node.busyUntil = now + .seconds(Double(datagrams) / node.datagramRate)
        drive(node)
    }

    /// Costs nothing where nothing waits, before and after.
    private func noteBacklog(of node: ReceiverNode, at clock: Instant) {
        guard let share = node.socket.takeBacklog() else { return }
        for session in node.sessions { session.engine.handle(.backlog(share: share), at: clock) }
    }

    private func take(_ datagram: ControlDatagram, _ arrival: Arrival, at node: ReceiverNode, clock: Instant) {
        if let packet = datagram.packet, let session = node.session(packet.header.sessionTag) {
            session.engine.handle(packet.body, packet.header, length: datagram.bytes.count, arrival: arrival, at: clock)
        } else {
            take(datagram.bytes, fingerprint: 0, arrival, at: node, clock: clock)
        }
    }

    /// Takes a datagram as bytes: of no session that is known, or one that does not parse.
    private func take(_ bytes: [UInt8], fingerprint: UInt64, _ arrival: Arrival, at node: ReceiverNode, clock: Instant) {
        let datagram = unsafe bytes.span.bytes
        if let header = try? PacketHeader(of: datagram), let session = node.session(header.sessionTag) {
            if let placement = session.engine.handle(datagram: datagram, arrival: arrival, at: clock) { session.place(fingerprint, placement) }
            return
        }
        leaveSilentRegions(node)
        let answer = node.endpoint.handle(datagram, from: arrival.source, at: clock) { id in node.session(id.tag)?.inPlace { $0.lastHeardFromSender } }
        switch answer {
        case .ignore, .session: break
        case .refuse(_, let reason): node.record.refusals.append(reason)
        case .join(let region): join(region, node)
        case .begin(let offer, let superseded):
            if let superseded, let session = node.session(superseded.tag) { retire(session, of: node) }
            thinOutCandidates(of: node)
            begin(offer, at: node, clock: clock)
            _ = node.session(offer.announce.session.tag)?.engine.handle(datagram: datagram, arrival: arrival, at: clock)
        }
    }

    private func begin(_ offer: SessionOffer, at node: ReceiverNode, clock: Instant) {
        let announce = offer.announce
        let name = ReceiverNode.diskName(announce)
        let drawn = node.endpoint.refusals?.withdraw(announce.session) ?? UInt32.random(in: 1...(.max), using: &random)
        let identity = node.disk.identity(name, in: announce.session, drawn: drawn)
        let engine = ReceiverEngine(
            identity: identity, sharing: node.configuration, announce: announce, source: offer.source, transmitter: offer.transmitter,
            isResumable: node.disk.hasPartial(name), expectsRepairNodes: node.endpoint.regions.hearsRepairNodes(at: clock), verifier: SimulatedVerifier(),
            digest: SimulatedDigest(), seed: random.next(),
            at: clock)
        let session = ReceiverNode.Session(engine: engine, announce: announce)
        node.begin(session)
        node.record.identities[announce.session] = identity
        noteFirstSession(of: node)
        log("receiver \(node.index): joins \(announce.name)")
        if announce.contentLength ?? 0 > node.disk.model.capacity { session.engine.handle(.failed(.failedDiskFull), at: clock) }
    }

    // MARK: Driving

    /// Drains its engines, or wakes the thread that does.
    func attend(to node: ReceiverNode) {
        guard let threads = node.threads else { return drive(node) }
        node.threads?.isDue = true
        wake(threads.network)
    }

    func drive(_ node: ReceiverNode) {
        guard node.isRunning else { return }
        if node.pausedUntil > now { return wake(node, at: node.pausedUntil) }
        let offset = node.clockOffset
        let clock = now + offset
        while let (bytes, parent) = node.endpoint.refusals?.pollTransmit(at: clock) { say(bytes, to: parent, from: node) }
        var next = node.endpoint.refusals?.nextDue(at: clock) ?? .distantFuture
        if node.others.isEmpty {
            if let session = node.first { next = min(next, drive(session, at: node, clock: clock)) }
        } else {
            for session in node.sessions { next = min(next, drive(session, at: node, clock: clock)) }
        }
        if next < .distantFuture { wake(node, at: next + (.zero - offset)) }
    }

    /// - Returns: when there is something to do for it without being told of anything.
    private func drive(_ session: ReceiverNode.Session, at node: ReceiverNode, clock: Instant) -> Instant {
        let due = session.engine.pollTimeout() ?? .distantFuture
        if due > clock {
            if session.engine.isDrained() { return due }
        } else {
            session.engine.handleTimeout(at: clock)
        }
        handleEvents(of: session, at: node, clock: clock)
        // Its end took it off the books.
        guard !session.isOver else { return .distantFuture }
        if !session.isCommitted, session.inPlace({ $0.state == .complete }) { safety.checkDurable(session, at: node) }
        while let (bytes, parent) = session.engine.pollTransmit(at: clock) { say(bytes, to: parent, from: node) }
        return session.engine.pollTimeout() ?? .distantFuture
    }

    private func wake(_ node: ReceiverNode, at time: Instant) {
        // A timer that is due already and stays so would stop the clock.
        let time = max(time, now + .microseconds(1))
        guard time < node.nextWake || node.nextWake <= now else { return }
        node.nextWake = time
        queue.schedule(.receiverWake(node.index, life: node.life), at: time)
    }

    private func say(_ bytes: [UInt8], to parent: SocketAddress, from node: ReceiverNode) {
        if trace != nil, let (_, packet) = unsafe try? Packet.parse(bytes.span.bytes) {
            switch packet {
            case .nak(let nak): log("receiver \(node.index): NAK \(nak.request.summary)")
            case .attach: log("receiver \(node.index): ATTACH to \(parent)")
            case .detach: log("receiver \(node.index): DETACH from \(parent)")
            case .refusal(let notice): log("receiver \(node.index): REFUSAL, \(notice.reason), to \(parent)")
            case .status(let report): log("receiver \(node.index): STATUS \(report.histogram.leaf.map { "\($0.state)" } ?? "with debts") to \(parent)")
            default: break
            }
        }
        send(bytes, to: parent, from: node)
    }

    private func handleEvents(of session: ReceiverNode.Session, at node: ReceiverNode, clock: Instant) {
        while let event = session.engine.pollEvent() {
            switch event {
            case .assembled(let slot, let chunk, let record):
                guard takePlace(session, at: node) else { return }
                let isGood = session.buffers.holds(record, slot: slot, payloadLength: session.inPlace { $0.announce.payloadLength })
                store(
                    isGood ? .stored(slot: Int32(slot), chunk: chunk) : .rejected(slot: Int32(slot), chunk: chunk),
                    bytes: Int(record.contentLength), session: session, at: node)
            case .examine(let slot, let chunk, let shape, _):
                guard let record = session.inPlace({ $0.record(of: chunk) }) else { break }
                let wrong = session.buffers.mend(record, slot: slot, shape, payloadLength: session.inPlace { $0.announce.payloadLength })
                store(.examined(slot: Int32(slot), chunk: chunk, wrong: wrong), bytes: Int(record.contentLength), session: session, at: node)
            case .consult(let range): consult(range, session: session, at: node, clock: clock)
            case .zeros(let range): store(.zeroed(range), bytes: 4_096, session: session, at: node)
            case .rejoin: delivery.isMember[node.index] = node.mayJoin
            case .deaf: log("receiver \(node.index): deaf")
            case .commit(let end):
                guard takePlace(session, at: node) else { return }
                store(.committed(chunkCount: end.chunkCount), bytes: 1 << 16, session: session, at: node)
            case .finished(let state): return finished(state, session: session, at: node)
            case .parentChanged(let depth): log("receiver \(node.index): below depth \(depth - 1) now")
            case .parentMoved: log("receiver \(node.index): its parent has another address")
            case .untrusted: log("receiver \(node.index): a repair node that is not trusted")
            case .refused, .page, .end, .announced, .statement: break
            }
        }
    }

    private func store(_ result: StorageResult, bytes: Int, session: ReceiverNode.Session, at node: ReceiverNode) {
        node.storing += 1
        guard let workers = node.threads?.workers, let model = sharedHost?.processors.model else {
            let done = node.disk.schedule(bytes: bytes, at: now, using: &random)
            return queue.schedule(.storage(node.index, session, result), at: done)
        }
        let cost = Interval.seconds(model.callCost + Double(bytes) * model.storeCost)
        enqueue(ThreadJob(cost: cost, result: .storage(node.index, session, result), disk: (node.index, bytes)), onOneOf: workers)
    }

    private func consult(_ range: Range<UInt32>, session: ReceiverNode.Session, at node: ReceiverNode, clock: Instant) {
        for chunk in range {
            guard let record = session.inPlace({ $0.record(of: chunk) }) else { continue }
            if node.disk.isJournalled(session.diskName, chunk: chunk, as: record.contentDigest) {
                store(.checked(chunk: chunk), bytes: Int(record.contentLength), session: session, at: node)
            } else {
                session.engine.handle(.absent(chunk: chunk), at: clock)
            }
        }
    }

    // MARK: Storage

    func finishStorage(of node: ReceiverNode, session: ReceiverNode.Session, _ result: StorageResult) {
        let clock = now + node.clockOffset
        switch result {
        case .stored(let slot, let chunk):
            guard let record = session.inPlace({ $0.record(of: chunk) }) else { break }
            let isWritten = node.disk.write(session.diskName, chunk: chunk, digest: record.contentDigest, length: record.contentLength)
            session.buffers.release(Int(slot))
            session.engine.handle(isWritten ? .stored(slot: Int(slot), chunk: chunk) : .failed(.failedStorage), at: clock)
        case .rejected(let slot, let chunk):
            if session.inPlace({ $0.chunksDone }) == 0 { node.endpoint.directory.demote(session.id) }
            session.engine.handle(.rejected(slot: Int(slot), chunk: chunk), at: clock)
        case .examined(let slot, let chunk, let wrong): session.engine.handle(.examined(slot: Int(slot), chunk: chunk, wrong: wrong), at: clock)
        case .checked(let chunk):
            guard let record = session.inPlace({ $0.record(of: chunk) }) else { break }
            // Read back and compared: a journal's entry alone proves nothing.
            let isThere = node.disk.holds(session.diskName, chunk: chunk, as: record.contentDigest)
            if isThere { node.record.keptChunks += 1 }
            session.engine.handle(isThere ? .kept(chunk: chunk) : .absent(chunk: chunk), at: clock)
        case .zeroed(let range):
            node.disk.zero(session.diskName, chunks: range)
            session.engine.handle(.storedZeros(range), at: clock)
        case .committed(let chunkCount):
            node.disk.commit(session.diskName, chunkCount: chunkCount)
            session.isCommitted = true
            safety.checkPresented(session, by: node)
            if node.host.hookDuration > .zero {
                node.storing += 1
                queue.schedule(.storage(node.index, session, .hooked), at: now + node.host.hookDuration)
                break
            }
            session.engine.handle(node.host.hookSucceeds ? .committed : .failed(.failedHook), at: clock)
        case .hooked: session.engine.handle(node.host.hookSucceeds ? .committed : .failed(.failedHook), at: clock)
        }
        attend(to: node)
    }

    private func finished(_ state: ReceiverState, session: ReceiverNode.Session, at node: ReceiverNode) {
        log("receiver \(node.index): \(state)")
        if state == .complete {
            safety.checkDurable(session, at: node)
            node.record.completed[session.id] = now
        } else {
            node.record.failed[session.id] = state
        }
        let clock = now + node.clockOffset
        while let (bytes, parent) = session.engine.pollTransmit(at: clock) { say(bytes, to: parent, from: node) }
        retire(session, of: node)
        node.endpoint.directory.end(session.id, mayReturn: state == .failedSender)
        if node.host.exitsWhenDone { exit(node) }
    }

    // MARK: Places

    /// A session has a place from its first chunk on, or none.
    private func takePlace(_ session: ReceiverNode.Session, at node: ReceiverNode) -> Bool {
        if node.endpoint.directory.promote(session.id) { return true }
        giveUp(session, of: node)
        return false
    }

    private func thinOutCandidates(of node: ReceiverNode) {
        let id = node.endpoint.directory.superfluous { id in node.session(id.tag)?.inPlace { $0.isAnswered } ?? false }
        if let id, let session = node.session(id.tag) { giveUp(session, of: node) }
    }

    private func giveUp(_ session: ReceiverNode.Session, of node: ReceiverNode) {
        log("receiver \(node.index): a session gives way to others")
        retire(session, of: node)
        node.endpoint.directory.end(session.id, mayReturn: true)
    }

    private func retire(_ session: ReceiverNode.Session, of node: ReceiverNode) {
        node.retire(session)
        noteFirstSession(of: node)
    }

    func noteFirstSession(of node: ReceiverNode) { core.value.places[node.index] = node.first?.place }

    /// The process ends of itself: what it leaves is on its disk.
    private func exit(_ node: ReceiverNode) {
        delivery.isMember[node.index] = false
        node.isRunning = false
        node.life += 1
        node.socket.removeAll()
    }
}
