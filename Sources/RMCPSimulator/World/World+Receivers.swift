import DequeModule
import RMCPProtocol

extension World {
    // MARK: Reading

    func scheduleRead(_ index: Int) {
        guard !receivers[index].isReading, !receivers[index].node.socket.isEmpty else { return }
        receivers[index].isReading = true
        let time = max(now, receivers[index].node.busyUntil, receivers[index].node.pausedUntil)
        queue.schedule(.receiverRead(index, life: receivers[index].node.life), at: time)
    }

    func mayRead(_ index: Int) -> Bool {
        !receivers[index].isReading && receivers[index].node.busyUntil <= now && receivers[index].node.pausedUntil <= now
    }

    /// Reads one train of datagrams, as one receive call does.
    func readSocket(of index: Int) {
        if receivers[index].node.pausedUntil > now { return scheduleRead(index) }
        guard let item = receivers[index].node.socket.popFirst() else { return }
        receivers[index].node.socketBytes -= item.bytes
        let clock = now + receivers[index].node.clockOffset
        var datagrams = 0
        forEachDatagram(of: item.payload) { bytes, fingerprint in
            datagrams += 1
            dispatch(bytes, fingerprint: fingerprint, source: item.source, to: index, at: clock)
        }
        if receivers[index].node.overflowed > 0 {
            let overflow = receivers[index].node.overflowed
            receivers[index].node.overflowed = 0
            for tag in receivers[index].node.order {
                receivers[index].node.sessions[tag]?.engine.handle(.overflow(datagrams: overflow), at: clock)
            }
        }
        receivers[index].node.busyUntil = now + .seconds(Double(datagrams) / receivers[index].node.host.datagramRate)
        driveReceiver(index)
        scheduleRead(index)
    }

    private func dispatch(_ bytes: RawSpan, fingerprint: UInt64, source: SocketAddress, to index: Int, at clock: Instant) {
        guard let header = try? PacketHeader(of: bytes) else {
            _ = receivers[index].node.directory.judge(bytes, at: clock) { _ in nil }
            return
        }
        if let session = receivers[index].node.sessions[header.sessionTag] {
            if let placement = session.engine.handle(datagram: bytes, from: source, at: clock) {
                let packet = placement.offset / Int(session.inPlace { $0.announce.payloadLength })
                session.buffers.place(fingerprint, slot: placement.slot, packet: packet)
            }
            return
        }
        let sessions = receivers[index].node.sessions
        switch receivers[index].node.directory.judge(bytes, at: clock, lastHeard: { sessions[$0.tag]?.engine.lastHeardFromSender }) {
        case .ignore: break
        case .refuse(_, let reason): receivers[index].node.refusals.append(reason)
        case .accept(let announce, let superseded):
            if let superseded { receivers[index].node.retire(superseded.tag) }
            begin(announce, source: source, transmitter: header.transmitter, at: index, clock: clock)
            _ = receivers[index].node.sessions[header.sessionTag]?.engine.handle(datagram: bytes, from: source, at: clock)
        }
    }

    private func begin(_ announce: Announce, source: SocketAddress, transmitter: UInt32, at index: Int, clock: Instant) {
        let node = receivers[index].node
        let identity = receivers[index].node.disk.identity(
            ReceiverNode.diskName(announce), in: announce.session, drawn: UInt32.random(in: 1...(.max), using: &random))
        let engine = ReceiverEngine(
            identity: identity, configuration: node.configuration, announce: announce, source: source, transmitter: transmitter,
            isResumable: node.disk.hasPartial(ReceiverNode.diskName(announce)), verifier: SimulatedVerifier(),
            digest: SimulatedDigest(), seed: random.next(), at: clock)
        receivers[index].node.sessions[announce.session.tag] = ReceiverNode.Session(
            engine: engine, announce: announce)
        receivers[index].node.order.append(announce.session.tag)
        receivers[index].node.joinedAt[announce.session] = now
        log("receiver \(index): joins \(announce.name)")
        if announce.contentLength ?? 0 > node.disk.model.capacity {
            receivers[index].node.sessions[announce.session.tag]?.engine.handle(.failed(.failedDiskFull), at: clock)
        }
    }

    // MARK: Driving

    func driveReceiver(_ index: Int) {
        guard receivers[index].node.isRunning else { return }
        if receivers[index].node.pausedUntil > now { return wake(index, at: receivers[index].node.pausedUntil) }
        let offset = receivers[index].node.clockOffset
        let clock = now + offset
        var next = Instant.distantFuture
        for tag in receivers[index].node.order {
            guard let session = receivers[index].node.sessions[tag] else { continue }
            if let due = session.inPlace({ $0.pollTimeout() }), due <= clock { session.engine.handleTimeout(at: clock) }
            handleEvents(of: session, at: index, clock: clock)
            // Its end took it off the books.
            guard receivers[index].node.sessions[tag] != nil else { continue }
            while let (bytes, parent) = session.engine.pollTransmit(at: clock) { send(bytes, to: parent, from: index) }
            if let due = session.inPlace({ $0.pollTimeout() }) { next = min(next, due) }
        }
        if next < .distantFuture { wake(index, at: next + (.zero - offset)) }
    }

    private func wake(_ index: Int, at time: Instant) {
        // A timer that is due already and stays so would stop the clock.
        let time = max(time, now + .microseconds(1))
        guard time < receivers[index].nextWake || receivers[index].nextWake <= now else { return }
        receivers[index].nextWake = time
        queue.schedule(.receiverWake(index, life: receivers[index].node.life), at: time)
    }

    private func send(_ bytes: [UInt8], to parent: SocketAddress, from index: Int) {
        if trace != nil, let (_, packet) = unsafe try? Packet.parse(bytes.span.bytes), case .nak(let nak) = packet {
            log("receiver \(index): NAK \(nak.request.summary)")
        }
        let source = Self.address(ofReceiver: index)
        guard let arrival = receivers[index].uplink.pass(bytes: bytes.count + 28, datagrams: 1, at: now) else { return }
        guard let survivor = survivors(of: .bytes(bytes), link: &receivers[index].uplink) else { return }
        deliverUp(survivor, to: parent, from: source, at: arrival)
    }

    private func handleEvents(of session: ReceiverNode.Session, at index: Int, clock: Instant) {
        while let event = session.engine.pollEvent() {
            let id = session.announce.session
            switch event {
            case .assembled(let slot, let chunk, let record):
                let isGood = session.buffers.holds(record, slot: slot, payloadLength: session.engine.announce.payloadLength)
                store(
                    isGood ? .stored(slot: slot, chunk: chunk, record: record) : .rejected(slot: slot, chunk: chunk),
                    bytes: Int(record.contentLength), session: id, at: index)
            case .consult(let range): consult(range, session: session, at: index, clock: clock)
            case .zeros(let range): store(.zeroed(range), bytes: 4_096, session: id, at: index)
            case .rejoin: receivers[index].isMember = receivers[index].mayJoin
            case .deaf: log("receiver \(index): deaf")
            case .commit(let end): store(.committed(end), bytes: 1 << 16, session: id, at: index)
            case .finished(let state): return finished(state, session: session, at: index)
            case .parentChanged(let depth): log("receiver \(index): below depth \(depth - 1) now")
            case .refused, .page, .end, .announced: break
            }
        }
    }

    private func store(_ result: StorageResult, bytes: Int, session: SessionID, at index: Int) {
        let done = receivers[index].node.disk.schedule(bytes: bytes, at: now)
        queue.schedule(.storage(index, life: receivers[index].node.life, session, result), at: done)
    }

    private func consult(_ range: Range<UInt32>, session: ReceiverNode.Session, at index: Int, clock: Instant) {
        let name = ReceiverNode.diskName(session.announce)
        for chunk in range {
            guard let record = session.engine.record(of: chunk) else { continue }
            if receivers[index].node.disk.journalled(name, chunk: chunk) == record.contentDigest {
                store(.checked(chunk: chunk, record: record), bytes: Int(record.contentLength), session: session.announce.session, at: index)
            } else {
                receivers[index].node.sessions[session.announce.session.tag]?.engine.handle(.absent(chunk: chunk), at: clock)
            }
        }
    }

    // MARK: Storage

    func finishStorage(of index: Int, session id: SessionID, _ result: StorageResult) {
        guard let session = receivers[index].node.sessions[id.tag], session.announce.session == id else { return }
        let clock = now + receivers[index].node.clockOffset
        let name = ReceiverNode.diskName(session.announce)
        func tell(_ event: StorageEvent) { receivers[index].node.sessions[id.tag]?.engine.handle(event, at: clock) }
        switch result {
        case .stored(let slot, let chunk, let record):
            let isWritten = receivers[index].node.disk.write(
                name, chunk: chunk, digest: record.contentDigest, length: record.contentLength)
            session.buffers.release(slot)
            tell(isWritten ? .stored(slot: slot, chunk: chunk) : .failed(.failedStorage))
        case .rejected(let slot, let chunk): tell(.rejected(slot: slot, chunk: chunk))
        case .checked(let chunk, let record):
            // Read back and compared: a journal's entry alone proves nothing.
            let isThere = receivers[index].node.disk.bytes(name, chunk: chunk) == record.contentDigest
            if isThere { receivers[index].node.keptChunks += 1 }
            tell(isThere ? .kept(chunk: chunk) : .absent(chunk: chunk))
        case .zeroed(let range):
            receivers[index].node.disk.zero(name, chunks: range)
            tell(.storedZeros(range))
        case .committed(let end):
            receivers[index].node.disk.commit(name, chunkCount: end.chunkCount)
            receivers[index].node.sessions[id.tag]?.isCommitted = true
            checkCommitted(name, session: id, at: index)
            tell(receivers[index].node.host.hookSucceeds ? .committed : .failed(.failedHook))
        case .failed(let state): tell(.failed(state))
        }
        driveReceiver(index)
    }

    /// Safety: what is presented is what the sender had, all of it.
    private func checkCommitted(_ name: String, session: SessionID, at index: Int) {
        guard let content = contents[session] else {
            return violations.append("receiver \(index) presents \(name), which nobody sent")
        }
        let digests = receivers[index].node.disk.finished[name] ?? []
        guard digests.count == Int(content.chunkCount) else {
            return violations.append("receiver \(index) presents \(digests.count) chunks of \(content.chunkCount)")
        }
        for chunk in 0..<content.chunkCount where digests[Int(chunk)] != content.record(of: chunk).contentDigest {
            return violations.append("receiver \(index) presents a wrong chunk \(chunk)")
        }
    }

    private func finished(_ state: ReceiverState, session: ReceiverNode.Session, at index: Int) {
        log("receiver \(index): \(state)")
        let id = session.announce.session
        if state == .complete {
            if !session.isCommitted { violations.append("receiver \(index) says complete before its bundle is durable") }
            receivers[index].node.completed[id] = now
        } else {
            receivers[index].node.failed[id] = state
        }
        let clock = now + receivers[index].node.clockOffset
        while let (bytes, parent) = receivers[index].node.sessions[id.tag]?.engine.pollTransmit(at: clock) { send(bytes, to: parent, from: index) }
        receivers[index].node.retire(id.tag)
        receivers[index].node.directory.end(id, mayReturn: state == .failedSender)
        if receivers[index].node.host.exitsWhenDone { exit(index) }
    }

    /// The process ends of itself: what it leaves is on its disk.
    private func exit(_ index: Int) {
        receivers[index].isMember = false
        receivers[index].node.isRunning = false
        receivers[index].node.life += 1
        receivers[index].node.socket = []
        receivers[index].node.socketBytes = 0
    }
}
