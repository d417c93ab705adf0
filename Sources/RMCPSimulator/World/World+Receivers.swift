import DequeModule
import RMCPProtocol

extension World {
    // MARK: Reading

    func arrive(_ payload: Payload, from source: SocketAddress, timeToLive: UInt8?, at index: Int) {
        let site = receivers[index]
        guard site.node.isRunning else { return }
        if site.node.host.readsAtOnce, site.node.socket.isEmpty, !site.isReading, max(site.node.busyUntil, site.node.pausedUntil) <= now {
            note(3, index)
            return read(payload, from: source, timeToLive: timeToLive, arrivedAt: now, at: index)
        }
        let (bytes, datagrams) = payload.size
        site.node.enqueue(ReceiverNode.Queued(payload: payload, source: source, timeToLive: timeToLive, bytes: bytes, arrivedAt: now), datagrams: datagrams)
        scheduleRead(index)
    }

    private func scheduleRead(_ index: Int) {
        let site = receivers[index]
        guard !site.isReading, !site.node.socket.isEmpty else { return }
        site.isReading = true
        queue.schedule(.receiverRead(index, life: site.node.life), at: max(now, site.node.busyUntil, site.node.pausedUntil))
    }

    /// Reads one train of datagrams, as one receive call does.
    func readSocket(of index: Int) {
        let site = receivers[index]
        if site.node.pausedUntil <= now {
            guard let item = site.node.socket.popFirst() else { return }
            site.node.socketBytes -= item.bytes
            read(item.payload, from: item.source, timeToLive: item.timeToLive, arrivedAt: item.arrivedAt, at: index)
        }
        scheduleRead(index)
    }

    private func read(_ payload: Payload, from source: SocketAddress, timeToLive: UInt8?, arrivedAt: Instant, at index: Int) {
        let site = receivers[index]
        let clock = now + site.node.clockOffset
        let arrivedAt = arrivedAt + site.node.clockOffset
        let datagrams: Int
        switch payload {
        case .train(let train, let mask):
            datagrams = mask.nonzeroBitCount
            // DATA of a session that is not joined is of no interest to anybody.
            site.node.session(train.batch.sessionTag)?.take(train, mask: mask, from: source, arrivedAt: arrivedAt, at: clock)
        case .control(let datagram):
            datagrams = 1
            take(datagram, from: source, timeToLive: timeToLive, arrivedAt: arrivedAt, at: index, clock: clock)
        case .packet(let bytes, let fingerprint):
            datagrams = 1
            take(bytes, fingerprint: fingerprint, from: source, at: index, clock: clock)
        }
        if site.node.overflowed > 0 {
            let overflow = site.node.overflowed
            site.node.overflowed = 0
            for session in site.node.sessions { session.engine.handle(.overflow(datagrams: overflow), at: clock) }
        }
        noteBacklog(of: site, at: clock)
        site.node.busyUntil = now + .seconds(Double(datagrams) / site.node.host.datagramRate)
        driveReceiver(index)
    }

    /// Costs nothing where nothing waits, before and after.
    private func noteBacklog(of site: ReceiverSite, at clock: Instant) {
        guard site.node.socketBytes > 0 || site.hasBacklog else { return }
        site.hasBacklog = site.node.socketBytes > 0
        let share = Double(site.node.socketBytes) / Double(max(1, site.node.host.socketBuffer))
        for session in site.node.sessions { session.engine.handle(.backlog(share: share), at: clock) }
    }

    private func take(
        _ datagram: ControlDatagram, from source: SocketAddress, timeToLive: UInt8?, arrivedAt: Instant, at index: Int, clock: Instant
    ) {
        if let packet = datagram.packet, let session = receivers[index].node.session(packet.header.sessionTag) {
            session.engine.handle(packet.body, packet.header, length: datagram.bytes.count, from: source, timeToLive: timeToLive,
                arrivedAt: arrivedAt, at: clock)
        } else {
            take(datagram.bytes, fingerprint: 0, from: source, at: index, clock: clock)
        }
    }

    /// Takes a datagram as bytes: of no session that is known, or one that does not parse.
    private func take(_ bytes: [UInt8], fingerprint: UInt64, from source: SocketAddress, at index: Int, clock: Instant) {
        let site = receivers[index]
        let datagram = unsafe bytes.span.bytes
        guard let header = try? PacketHeader(of: datagram) else {
            _ = site.node.directory.judge(datagram, at: clock) { _ in nil }
            return
        }
        if let session = site.node.session(header.sessionTag) {
            if let placement = session.engine.handle(datagram: datagram, from: source, at: clock) { session.place(fingerprint, placement) }
            return
        }
        let node = site.node
        let verdict = site.node.directory.judge(datagram, at: clock) { id in node.session(id.tag)?.inPlace { $0.lastHeardFromSender } }
        switch verdict {
        case .ignore: break
        case .refuse(_, let reason): site.node.refusals.append(reason)
        case .accept(let announce, let superseded):
            if let superseded, let session = site.node.session(superseded.tag) { site.node.retire(session) }
            begin(announce, source: source, transmitter: header.transmitter, at: index, clock: clock)
            _ = site.node.session(header.sessionTag)?.engine.handle(datagram: datagram, from: source, at: clock)
        }
    }

    private func begin(_ announce: Announce, source: SocketAddress, transmitter: UInt32, at index: Int, clock: Instant) {
        let site = receivers[index]
        let name = ReceiverNode.diskName(announce)
        let identity = site.node.disk.identity(name, in: announce.session, drawn: UInt32.random(in: 1...(.max), using: &random))
        let engine = ReceiverEngine(
            identity: identity, sharing: site.node.configuration, announce: announce, source: source, transmitter: transmitter,
            isResumable: site.node.disk.hasPartial(name), expectsRepairNodes: hearsRepairNode(inSubnet: site.subnet), verifier: SimulatedVerifier(),
            digest: SimulatedDigest(), seed: random.next(),
            at: clock)
        let session = ReceiverNode.Session(engine: engine, announce: announce)
        site.node.sessions.append(session)
        log("receiver \(index): joins \(announce.name)")
        if announce.contentLength ?? 0 > site.node.disk.model.capacity { session.engine.handle(.failed(.failedDiskFull), at: clock) }
    }

    // MARK: Driving

    func driveReceiver(_ index: Int) {
        let site = receivers[index]
        guard site.node.isRunning else { return }
        if site.node.pausedUntil > now { return wake(index, at: site.node.pausedUntil) }
        let offset = site.node.clockOffset
        let clock = now + offset
        var next = Instant.distantFuture
        for session in site.node.sessions {
            let idleUntil = session.inPlace { engine -> Instant? in
                let due = engine.pollTimeout() ?? .distantFuture
                if due <= clock { engine.handleTimeout(at: clock) }
                return due > clock && engine.isDrained() ? due : nil
            }
            if let idleUntil {
                next = min(next, idleUntil)
                continue
            }
            handleEvents(of: session, at: index, clock: clock)
            // Its end took it off the books.
            guard !session.isOver else { continue }
            while let (bytes, parent) = session.engine.pollTransmit(at: clock) { send(bytes, to: parent, from: index) }
            if let due = session.engine.pollTimeout() { next = min(next, due) }
        }
        if next < .distantFuture { wake(index, at: next + (.zero - offset)) }
    }

    private func wake(_ index: Int, at time: Instant) {
        let site = receivers[index]
        // A timer that is due already and stays so would stop the clock.
        let time = max(time, now + .microseconds(1))
        guard time < site.nextWake || site.nextWake <= now else { return }
        site.nextWake = time
        queue.schedule(.receiverWake(index, life: site.node.life), at: time)
    }

    private func send(_ bytes: [UInt8], to parent: SocketAddress, from index: Int) {
        if trace != nil, let (_, packet) = unsafe try? Packet.parse(bytes.span.bytes), case .nak(let nak) = packet {
            log("receiver \(index): NAK \(nak.request.summary)")
        }
        let site = receivers[index]
        guard let arrival = site.uplink.pass(bytes: bytes.count + 28, datagrams: 1, at: now) else { return }
        let kind = unsafe PacketHeader.kind(of: bytes.span.bytes)
        guard !site.uplink.loses(kind: kind, length: bytes.count, using: &random) else { return }
        deliverUp(bytes, to: parent, from: address(ofReceiver: index), at: arrival)
    }

    private func handleEvents(of session: ReceiverNode.Session, at index: Int, clock: Instant) {
        while let event = session.engine.pollEvent() {
            switch event {
            case .assembled(let slot, let chunk, let record):
                let isGood = session.buffers.holds(record, slot: slot, payloadLength: session.inPlace { $0.announce.payloadLength })
                store(
                    isGood ? .stored(slot: Int32(slot), chunk: chunk) : .rejected(slot: Int32(slot), chunk: chunk),
                    bytes: Int(record.contentLength), session: session, at: index)
            case .consult(let range): consult(range, session: session, at: index, clock: clock)
            case .zeros(let range): store(.zeroed(range), bytes: 4_096, session: session, at: index)
            case .rejoin: receivers[index].isMember = receivers[index].mayJoin
            case .deaf: log("receiver \(index): deaf")
            case .commit(let end): store(.committed(chunkCount: end.chunkCount), bytes: 1 << 16, session: session, at: index)
            case .finished(let state): return finished(state, session: session, at: index)
            case .parentChanged(let depth): log("receiver \(index): below depth \(depth - 1) now")
            case .refused, .page, .end, .announced: break
            }
        }
    }

    private func store(_ result: StorageResult, bytes: Int, session: ReceiverNode.Session, at index: Int) {
        let done = receivers[index].node.disk.schedule(bytes: bytes, at: now)
        queue.schedule(.storage(index, session, result), at: done)
    }

    private func consult(_ range: Range<UInt32>, session: ReceiverNode.Session, at index: Int, clock: Instant) {
        for chunk in range {
            guard let record = session.inPlace({ $0.record(of: chunk) }) else { continue }
            if receivers[index].node.disk.isJournalled(session.diskName, chunk: chunk, as: record.contentDigest) {
                store(.checked(chunk: chunk), bytes: Int(record.contentLength), session: session, at: index)
            } else {
                session.engine.handle(.absent(chunk: chunk), at: clock)
            }
        }
    }

    // MARK: Storage

    func finishStorage(of index: Int, session: ReceiverNode.Session, _ result: StorageResult) {
        let site = receivers[index]
        let clock = now + site.node.clockOffset
        switch result {
        case .stored(let slot, let chunk):
            guard let record = session.inPlace({ $0.record(of: chunk) }) else { break }
            let isWritten = site.node.disk.write(session.diskName, chunk: chunk, digest: record.contentDigest, length: record.contentLength)
            session.buffers.release(Int(slot))
            session.engine.handle(isWritten ? .stored(slot: Int(slot), chunk: chunk) : .failed(.failedStorage), at: clock)
        case .rejected(let slot, let chunk): session.engine.handle(.rejected(slot: Int(slot), chunk: chunk), at: clock)
        case .checked(let chunk):
            guard let record = session.inPlace({ $0.record(of: chunk) }) else { break }
            // Read back and compared: a journal's entry alone proves nothing.
            let isThere = site.node.disk.holds(session.diskName, chunk: chunk, as: record.contentDigest)
            if isThere { site.node.keptChunks += 1 }
            session.engine.handle(isThere ? .kept(chunk: chunk) : .absent(chunk: chunk), at: clock)
        case .zeroed(let range):
            site.node.disk.zero(session.diskName, chunks: range)
            session.engine.handle(.storedZeros(range), at: clock)
        case .committed(let chunkCount):
            site.node.disk.commit(session.diskName, chunkCount: chunkCount)
            session.isCommitted = true
            checkCommitted(session, at: index)
            session.engine.handle(site.node.host.hookSucceeds ? .committed : .failed(.failedHook), at: clock)
        }
        driveReceiver(index)
    }

    /// Safety: what is presented is what the sender had, all of it.
    private func checkCommitted(_ session: ReceiverNode.Session, at index: Int) {
        guard let content = contents[session.id] else {
            return violations.append("receiver \(index) presents \(session.diskName), which nobody sent")
        }
        let chunks = receivers[index].node.disk.presented(session.diskName)
        guard chunks.count == Int(content.chunkCount) else {
            return violations.append("receiver \(index) presents \(chunks.count) chunks of \(content.chunkCount)")
        }
        for chunk in 0..<content.chunkCount where chunks[Int(chunk)] != SimulatedDisk.mark(content.record(of: chunk).contentDigest) {
            return violations.append("receiver \(index) presents a wrong chunk \(chunk)")
        }
    }

    private func finished(_ state: ReceiverState, session: ReceiverNode.Session, at index: Int) {
        log("receiver \(index): \(state)")
        let site = receivers[index]
        if state == .complete {
            if !session.isCommitted { violations.append("receiver \(index) says complete before its bundle is durable") }
            site.node.completed[session.id] = now
        } else {
            site.node.failed[session.id] = state
        }
        let clock = now + site.node.clockOffset
        while let (bytes, parent) = session.engine.pollTransmit(at: clock) { send(bytes, to: parent, from: index) }
        site.node.retire(session)
        site.node.directory.end(session.id, mayReturn: state == .failedSender)
        if site.node.host.exitsWhenDone { exit(index) }
    }

    /// The process ends of itself: what it leaves is on its disk.
    private func exit(_ index: Int) {
        let site = receivers[index]
        site.isMember = false
        site.node.isRunning = false
        site.node.life += 1
        site.node.socket = []
        site.node.socketBytes = 0
    }
}
