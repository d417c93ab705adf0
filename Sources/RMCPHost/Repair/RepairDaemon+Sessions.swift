import RMCPContent
import RMCPProtocol

extension RepairDaemon {
    // MARK: Beginning

    /// Serves what the cache has, as far as it is whole: the sender may be gone for long.
    func restoreCache(at now: Instant, _ observer: (RepairUpdate) -> Void) {
        for bundle in cache.bundles().prefix(HostLimits.repairSessions / 2) {
            guard case .announce(let announce, let signature)? = unsafe try? Packet.parse(bundle.announceDatagram.span.bytes).1,
                isTrusted(announce, signature), isNewest(announce)
            else { continue }
            directory.adopt(announce)
            directory.noteVersion(of: announce)
            _ = open(announce, signature, at: now, observer)
        }
    }

    /// Trust may have been withdrawn since the session was kept.
    private func isTrusted(_ announce: Announce, _ signature: Signature) -> Bool {
        guard announce.isSigned else { return request.trust.allowsUnsigned }
        return (request.trust.trustedKeys.contains(announce.key) || request.trust.allowsUnsigned)
            && Ed25519Verifier().isValid(signature, for: announce.signedMessage, by: announce.key)
    }

    /// Of several bundles of one name and key in the cache, the newest is served: nobody should be offered an older one.
    private func isNewest(_ announce: Announce) -> Bool {
        !cache.bundles().contains {
            $0.announce.name == announce.name && $0.announce.key == announce.key && $0.announce.creationTime > announce.creationTime
        }
    }

    /// Sessions are served for as long as there is room for others: then the one that was longest of no use to anybody
    /// gives way. Its cache stays until that room is needed, too.
    private func makeRoom(at now: Instant, _ observer: (RepairUpdate) -> Void) {
        guard sessions.count >= HostLimits.repairSessions - 1, let oldest = longestIdle else { return }
        retire(oldest, "others need its place", at: now, observer)
        directory.end(oldest.announce.session, mayReturn: true)
    }

    private var longestIdle: RepairSession? {
        let idle = order.compactMap { sessions[$0] }.filter { !$0.isOver && $0.engine.upstream == nil && $0.engine.downstream.receivers.active == 0 }
        return idle.min { $0.lastUse < $1.lastUse }
    }

    /// What is served is never evicted, but what is served to nobody is not worth more than what is asked for. True when
    /// a session is going that makes room in the cache: then what did not fit is worth another try.
    private func makeRoomInCache(at now: Instant, _ observer: (RepairUpdate) -> Void) -> Bool {
        if let oldest = longestIdle {
            retire(oldest, "others need its room in the cache", at: now, observer)
            // It would be fetched anew from whoever else offers it.
            directory.end(oldest.announce.session, mayReturn: false)
        }
        return order.contains { sessions[$0].map { $0.isOver && $0.engine.upstream == nil } ?? false }
    }

    private func retryStores() {
        for session in order.compactMap({ sessions[$0] }) {
            for waiting in session.takeWaitingForRoom() {
                workers.submit(
                    .store(
                        session: session.announce.session, session.bundle, slot: waiting.slot, chunk: waiting.chunk, record: waiting.record, waiting.buffer))
            }
        }
    }

    func open(_ announce: Announce, _ signature: Signature, at now: Instant, _ observer: (RepairUpdate) -> Void) -> RepairSession? {
        makeRoom(at: now, observer)
        let bundle: CachedBundle
        do throws(HostError) {
            let datagram = Packet.announce(announce, signature).datagram(sessionTag: announce.session.tag, transmitter: identity)
            bundle = try cache.open(announce: announce, datagram: datagram)
        } catch {
            observer(.warning(error.description))
            directory.end(announce.session, mayReturn: true)
            return nil
        }
        let configuration = configuration(for: announce)
        let engine = RepairEngine(
            identity: UInt32.random(in: 1...(.max)), announce: announce, signature: signature, mode: mode,
            configuration: configuration, expectsOthers: reception.hearsRepairNodes(at: now), verifier: Ed25519Verifier(),
            digest: BLAKE3Digest(), seed: .random(in: 0...(.max)), at: now)
        let session = RepairSession(
            announce: announce, engine: engine, bundle: bundle, slots: configuration.assemblySlots, pool: pool(for: announce.chunkLength),
            at: now)
        sessions[announce.session.tag] = session
        order.append(announce.session.tag)
        let kept = restore(session, at: now)
        observer(.began(session.snapshot(), kept: kept))
        return session
    }

    /// Reads back what was kept; each chunk is verified before it counts.
    private func restore(_ session: RepairSession, at now: Instant) -> Int {
        for datagram in (try? session.bundle.tableDatagrams()) ?? [] { _ = session.engine.restore(datagram, at: now) }
        var kept = 0
        for chunk in 0..<session.engine.downstream.chunkCount {
            guard let record = session.engine.record(of: chunk), record.kind != .zero, session.bundle.mayHave(chunk: chunk, record: record)
            else { continue }
            kept += 1
            session.restoring += 1
            workers.submit(.check(session: session.announce.session, session.bundle, chunk: chunk, record: record, purpose: .restore))
        }
        if session.restoring == 0 { session.engine.endRestoring(at: now) }
        return kept
    }

    /// Most of the memory goes to whoever comes first; sessions beside it get by with what is left.
    private func configuration(for announce: Announce) -> Configuration {
        var configuration = request.configuration
        configuration.timeToLive = UInt8(clamping: request.regionTimeToLive)
        let chunks = HostLimits.receiveBufferBytes / Int(announce.chunkLength)
        // Those that only wait in the cache for latecomers don't count. What all ask for together the pool bounds.
        let isFirst = !order.contains { sessions[$0]?.engine.upstream != nil }
        let share = isFirst ? chunks * 3 / 4 : chunks / 8
        configuration.assemblySlots = max(4, min(configuration.assemblySlots, share / 2))
        configuration.maximumResidentChunks = max(4, min(configuration.maximumResidentChunks, share / 2))
        configuration.maximumFetches = max(2, min(configuration.maximumFetches, share / 8))
        return configuration
    }

    private func pool(for chunkLength: UInt32) -> BufferPool {
        if let pool = pools[Int(chunkLength)] { return pool }
        let pool = BufferPool(bufferLength: Int(chunkLength), limit: max(8, HostLimits.receiveBufferBytes / Int(chunkLength)))
        pools[Int(chunkLength)] = pool
        return pool
    }

    // MARK: Driving

    func drive(_ session: RepairSession, at now: Instant, _ observer: (RepairUpdate) -> Void) {
        if let due = session.engine.pollTimeout(at: now), due <= now { session.engine.handleTimeout(at: now) }
        if session.engine.upstream != nil || session.engine.downstream.receivers.active > 0 { session.lastUse = now }
        handleEvents(session, at: now, observer)
        while let (bytes, parent) = session.engine.pollUpstream(at: now) {
            // Feedback that the socket does not take is repeated by the engine's timers.
            _ = reception.replySocket.send(bytes, to: parent)
        }
        startFetches(session, at: now)
        if session.engine.isComplete, !session.isToldComplete, session.restoring == 0 {
            session.isToldComplete = true
            directory.noteVersion(of: session.announce)
            observer(.complete(session.snapshot()))
        }
        if session.engine.downstream.isFinished { close(session) }
    }

    func handleEvents(_ session: RepairSession, at now: Instant, _ observer: (RepairUpdate) -> Void) {
        while let event = session.engine.pollEvent() {
            switch event {
            case .keep(let datagram): keep(datagram, of: session)
            case .upstream(let event): handle(event, of: session, at: now, observer)
            case .downstream(.fetch(let chunk)): session.waitingFetches.append(chunk)
            case .downstream(.release(let chunk)): session.release(chunk)
            case .downstream(.unicastFallback(let children)):
                warn("multicast does not reach \(children) \(children == 1 ? "child" : "children") in the region; serving by unicast", observer)
            case .downstream: break
            }
        }
    }

    private func keep(_ datagram: [UInt8], of session: RepairSession) {
        if unsafe PacketHeader.kind(of: datagram.span.bytes) == .end {
            session.bundle.keep(end: datagram)
        } else {
            session.bundle.keep(page: datagram)
        }
    }

    private func handle(_ event: ReceiverEvent, of session: RepairSession, at now: Instant, _ observer: (RepairUpdate) -> Void) {
        let id = session.announce.session
        switch event {
        case .assembled(let slot, let chunk, let record):
            guard let buffer = session.takeBuffer(of: slot) else { return }
            workers.submit(.store(session: id, session.bundle, slot: slot, chunk: chunk, record: record, buffer))
        case .consult(let chunks):
            for chunk in chunks {
                if let record = session.engine.upstream?.record(of: chunk), session.bundle.mayHave(chunk: chunk, record: record) {
                    workers.submit(.check(session: id, session.bundle, chunk: chunk, record: record, purpose: .consult))
                } else {
                    session.engine.handle(.absent(chunk: chunk), at: now)
                }
            }
        case .rejoin: reception.rejoin()
        case .deaf:
            warn(
                "\(BundleName.printable(session.announce.name)): multicast does not arrive on \(reception.interface.name) any more; asking for "
                    + "unicast. Look for IGMP snooping without a querier, or a firewall", observer)
        case .parentChanged(let depth): observer(.parentChanged(session.announce, depth: depth))
        case .refused(let verdict):
            let reason = verdict == .noUnicast ? "it serves as many by unicast as it may (--max-unicast-children there)" : "it has as many children as it takes"
            warn("\(BundleName.printable(session.announce.name)): the parent refuses this node: \(reason); asking again", observer)
        case .finished(let state):
            observer(.upstreamOver(session.snapshot(), state))
            if !session.engine.isComplete {
                retire(session, "its sender is gone and not everything is here", at: now, observer)
                directory.end(id, mayReturn: true)
            }
        case .zeros, .commit, .page, .end, .announced: break
        }
    }

    private func startFetches(_ session: RepairSession, at now: Instant) {
        while let chunk = session.waitingFetches.first {
            guard let record = session.engine.record(of: chunk) else {
                session.waitingFetches.removeFirst()
                continue
            }
            guard let buffer = session.takeFreeBuffer() else { return }
            session.waitingFetches.removeFirst()
            workers.submit(.fetch(session: session.announce.session, session.bundle, chunk: chunk, record: record, buffer))
        }
    }

    // MARK: Results of the cache threads

    func collect(at now: Instant, _ observer: (RepairUpdate) -> Void) {
        while let output = workers.collect() {
            switch output {
            case .stored(let id, let slot, let chunk, let buffer, let isKept):
                guard let session = session(id, buffer) else { continue }
                if !isKept, !session.isOver, let record = session.engine.record(of: chunk), makeRoomInCache(at: now, observer) {
                    session.waitForRoom(WaitingStore(slot: slot, chunk: chunk, record: record, buffer: buffer))
                    continue
                }
                if !isKept { warn("the cache is full; what does not fit is passed on and not kept: give it more with --cache-size", observer) }
                session.keep(buffer, of: chunk)
                session.engine.handle(isKept ? .stored(slot: slot, chunk: chunk) : .passed(slot: slot, chunk: chunk), at: now)
            case .rejected(let id, let slot, let chunk, let buffer):
                guard let session = session(id, buffer) else { continue }
                session.giveBack(buffer)
                session.engine.handle(.rejected(slot: slot, chunk: chunk), at: now)
            case .checked(let id, let chunk, let isKept, let purpose):
                guard let session = session(id, nil) else { continue }
                checked(session, chunk, isKept, purpose, at: now)
            case .fetched(let id, let chunk, let buffer):
                guard let session = session(id, buffer) else { continue }
                session.keep(buffer, of: chunk)
                session.engine.handle(.fetched(chunk: chunk), at: now)
            case .damaged(let id, let chunk, let buffer):
                guard let session = session(id, buffer) else { continue }
                session.giveBack(buffer)
                session.engine.handle(.damaged(chunk: chunk), at: now)
            case .failed(let id, let slot, let chunk, let buffer, let error):
                guard let session = session(id, buffer) else { continue }
                warn("\(error.description); what cannot be kept is passed on", observer)
                session.keep(buffer, of: chunk)
                session.engine.handle(.passed(slot: slot, chunk: chunk), at: now)
            }
        }
    }

    private func checked(_ session: RepairSession, _ chunk: UInt32, _ isKept: Bool, _ purpose: CheckPurpose, at now: Instant) {
        switch purpose {
        case .consult: session.engine.handle(isKept ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now)
        case .restore:
            session.restoring -= 1
            if isKept { session.engine.restore(chunk: chunk, at: now) }
            if session.restoring == 0 { session.engine.endRestoring(at: now) }
        }
    }

    /// Nil when the session has ended meanwhile; the buffer goes back to its pool then.
    private func session(_ id: SessionID, _ buffer: ChunkBuffer?) -> RepairSession? {
        if let session = sessions[id.tag], session.announce.session == id { return session }
        if let buffer { pools[buffer.length]?.giveBack(buffer) }
        return nil
    }

    // MARK: Ending

    func retire(_ session: RepairSession, _ reason: String, at now: Instant, _ observer: (RepairUpdate) -> Void) {
        guard !session.isOver else { return }
        session.isOver = true
        session.engine.retire(at: now)
        observer(.retired(session.announce, reason: reason))
    }

    func close(_ session: RepairSession) {
        let tag = session.announce.session.tag
        session.close()
        cache.close(session.bundle)
        sessions[tag] = nil
        order.removeAll { $0 == tag }
        directory.end(session.announce.session, mayReturn: true)
        retryStores()
    }
}
