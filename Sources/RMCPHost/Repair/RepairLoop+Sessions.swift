import RMCPContent
import RMCPProtocol
import RMCPReport

extension RepairLoop {
    // MARK: Beginning

    /// Serves what the cache has, as far as it is whole: the sender may be gone for long.
    func restore(_ kept: [KeptSession], at now: Instant) {
        for session in kept.prefix(HostLimits.repairSessions / 2) {
            guard case .announce(let announce, let signature)? = unsafe try? Packet.parse(session.datagram.span.bytes).1,
                isTrusted(announce, signature), isNewest(announce, of: kept)
            else { continue }
            directory.adopt(announce)
            directory.noteVersion(of: announce)
            admit(announce, signature, by: nil, at: now)
        }
    }

    /// Trust may have been withdrawn since the session was kept.
    private func isTrusted(_ announce: Announce, _ signature: Signature) -> Bool {
        guard announce.isSigned else { return request.trust.allowsUnsigned }
        return (request.trust.trustedKeys.contains(announce.key) || request.trust.allowsUnsigned)
            && Ed25519Verifier().isValid(signature, for: announce.signedMessage, by: announce.key)
    }

    /// Of several bundles of one name and key in the cache, the newest is served: nobody should be offered an older one.
    private func isNewest(_ announce: Announce, of kept: [KeptSession]) -> Bool {
        !kept.contains {
            $0.announce.name == announce.name && $0.announce.key == announce.key && $0.announce.creationTime > announce.creationTime
        }
    }

    /// Sessions are served for as long as there is room for others: then the one that was longest of no use to anybody
    /// gives way. Its cache stays until that room is needed, too.
    private func makeRoom(at now: Instant) {
        guard sessions.count + cache.arrivalCount >= HostLimits.repairSessions - 1, let oldest = longestIdle else { return }
        retire(oldest, "others need its place", at: now)
        directory.end(oldest.announce.session, mayReturn: true)
    }

    var longestIdle: RepairSession? {
        let idle = order.compactMap { sessions[$0] }.filter { !$0.isOver && $0.engine.upstream == nil && $0.engine.downstream.receivers.active == 0 }
        return idle.min { $0.lastUse < $1.lastUse }
    }

    /// Takes part in a session, as soon as its part of the cache is open.
    func admit(
        _ announce: Announce, _ signature: Signature, by parent: (source: SocketAddress, transmitter: UInt32)?, at now: Instant
    ) {
        makeRoom(at: now)
        let datagram = Packet.announce(announce, signature).datagram(sessionTag: announce.session.tag, transmitter: identity)
        let arrival = RepairArrival(
            announce: announce, signature: signature, datagram: datagram, parent: parent, since: now, ticket: cache.issueTicket())
        if !cache.open(arrival) { directory.end(announce.session, mayReturn: true) }
    }

    /// Its part of the cache is open.
    func begin(_ arrival: RepairArrival, _ bundle: CachedBundle, table: [[UInt8]], at now: Instant) {
        let announce = arrival.announce
        // Nobody waits for it any more.
        guard !arrival.ticket.isOver, !isStopping else { return cache.leave(bundle, of: announce.session.tag, arrival.ticket) }
        let configuration = configuration(for: announce)
        let engine = RepairEngine(
            identity: UInt32.random(in: 1...(.max)), announce: announce, signature: arrival.signature, mode: mode,
            configuration: configuration, expectsOthers: reception.hearsRepairNodes(at: now), verifier: Ed25519Verifier(),
            digest: BLAKE3Digest(), seed: .random(in: 0...(.max)), at: now)
        let session = RepairSession(
            arrival, engine: engine, bundle: bundle, slots: configuration.memory.assemblySlots, pool: cache.pool(for: announce.chunkLength),
            outlet: outlet, at: now)
        sessions[announce.session.tag] = session
        order.append(announce.session.tag)
        let kept = restore(session, table, at: now)
        observer(.began(session.snapshot(), kept: kept))
        if let (source, transmitter) = arrival.parent { session.engine.handleAnnounce(from: source, transmitter: transmitter, at: now) }
    }

    /// Has what was kept read back; each chunk is verified before it counts.
    private func restore(_ session: RepairSession, _ table: [[UInt8]], at now: Instant) -> Int {
        for datagram in table { _ = session.engine.restore(datagram, at: now) }
        for chunk in 0..<session.engine.downstream.chunkCount {
            guard let record = session.engine.record(of: chunk), record.kind != .zero, session.bundle.mayHave(chunk: chunk, record: record)
            else { continue }
            session.check(chunk, .restore)
        }
        if session.restoring == 0 { session.engine.endRestoring(at: now) }
        return session.restoring
    }

    /// Most of the memory goes to whoever comes first; sessions beside it get by with what is left.
    private func configuration(for announce: Announce) -> Configuration {
        var configuration = request.configuration
        configuration.joining.timeToLive = UInt8(clamping: request.regionTimeToLive)
        let chunks = HostLimits.receiveBufferBytes / Int(announce.chunkLength)
        // Those that only wait in the cache for latecomers don't count. What all ask for together the pool bounds.
        let isFirst = !order.contains { sessions[$0]?.engine.upstream != nil }
        let share = isFirst ? chunks * 3 / 4 : chunks / 8
        configuration.memory.assemblySlots = max(4, min(configuration.memory.assemblySlots, share / 2))
        configuration.memory.maximumResidentChunks = max(4, min(configuration.memory.maximumResidentChunks, share / 2))
        configuration.memory.maximumFetches = max(2, min(configuration.memory.maximumFetches, share / 8))
        return configuration
    }

    // MARK: Driving

    func drive(_ session: RepairSession, at now: Instant) {
        if let due = session.engine.pollTimeout(at: now), due <= now { session.engine.handleTimeout(at: now) }
        if session.engine.upstream != nil || session.engine.downstream.receivers.active > 0 { session.lastUse = now }
        handleEvents(session, at: now)
        while let (bytes, parent) = session.engine.pollUpstream(at: now) {
            // Feedback that the socket does not take is repeated by the engine's timers.
            _ = reception.replySocket.send(bytes, to: parent)
        }
        submitJobs(of: session)
        if session.engine.isComplete, !session.isToldComplete, session.restoring == 0 {
            session.isToldComplete = true
            directory.noteVersion(of: session.announce)
            observer(.complete(session.snapshot()))
        }
        checkForDamage(session, at: now)
        if session.engine.downstream.isFinished { close(session) }
    }

    /// What was complete here and is not any more cannot be had from anybody once the sender has gone: its children must not
    /// wait for it.
    private func checkForDamage(_ session: RepairSession, at now: Instant) {
        guard session.isToldComplete, !session.isOver, !session.engine.isComplete, session.engine.upstream == nil else {
            session.damagedSince = nil
            return
        }
        guard let since = session.damagedSince else { return session.damagedSince = now }
        guard now - since >= HostLimits.damagePatience else { return }
        retire(session, "part of it was damaged on disk, and nobody above has it", at: now)
    }

    func handleEvents(_ session: RepairSession, at now: Instant) {
        while let event = session.engine.pollEvent() {
            switch event {
            case .keep(let datagram): session.keep(datagram)
            case .upstream(let event): handle(event, of: session, at: now)
            case .downstream(.fetch(let chunk)): session.fetch(chunk)
            case .downstream(.release(let chunk)): session.release(chunk)
            case .downstream(.unicastFallback(let children)):
                warn("multicast does not reach \(children) \(children == 1 ? "child" : "children") in the region; serving by unicast")
            case .downstream: break
            }
        }
    }

    private func handle(_ event: ReceiverEvent, of session: RepairSession, at now: Instant) {
        switch event {
        case .assembled(let slot, let chunk, let record):
            guard let buffer = session.takeBuffer(of: slot) else { return }
            cache.submit(.store(session.bundle, slot: slot, chunk: chunk, record: record, buffer), for: session.ticket)
        case .consult(let chunks):
            for chunk in chunks {
                if let record = session.engine.upstream?.record(of: chunk), session.bundle.mayHave(chunk: chunk, record: record) {
                    session.check(chunk, .consult)
                } else {
                    session.engine.handle(.absent(chunk: chunk), at: now)
                }
            }
        case .rejoin: reception.rejoin()
        case .deaf:
            warn(
                "\(BundleName.printable(session.announce.name)): multicast does not arrive on \(reception.interface.name) any more; asking for "
                    + "unicast. Look for IGMP snooping without a querier, or a firewall")
        case .parentChanged(let depth): observer(.parentChanged(session.announce, depth: depth))
        case .refused(let verdict):
            let reason = verdict == .noUnicast ? "it serves as many by unicast as it may (--max-unicast-children there)" : "it has as many children as it takes"
            warn("\(BundleName.printable(session.announce.name)): the parent refuses this node: \(reason); asking again")
        case .finished(let state):
            observer(.upstreamOver(session.snapshot(), state))
            if !session.engine.isComplete {
                retire(session, "its sender is gone and not everything is here", at: now)
                directory.end(session.announce.session, mayReturn: true)
            }
        case .zeros, .commit, .page, .end, .announced: break
        }
    }

    // MARK: Ending

    func retire(_ session: RepairSession, _ reason: String, at now: Instant) {
        guard !session.isOver else { return }
        session.isOver = true
        session.engine.retire(at: now)
        observer(.retired(session.announce, reason: reason))
    }

    func close(_ session: RepairSession) {
        let tag = session.announce.session.tag
        let unkept = session.takeAllUnkept()
        session.close()
        cache.leave(session.bundle, of: tag, session.ticket, unkept: unkept)
        sessions[tag] = nil
        order.removeAll { $0 == tag }
        directory.end(session.announce.session, mayReturn: true)
    }
}
