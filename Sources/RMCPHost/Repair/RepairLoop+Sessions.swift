import OrderedCollections
import RMCPContent
import RMCPProtocol
import RMCPReport

extension RepairLoop {
    // MARK: Beginning

    /// Serves what the cache has, as far as it is whole: the sender may be gone for long.
    func restore(_ kept: [KeptSession], at now: Instant) {
        let offered = kept.compactMap { entry -> (announce: Announce, signature: Signature)? in
            guard case .announce(let announce, let signature)? = unsafe try? Packet.parse(entry.datagram.span.bytes).1 else { return nil }
            return (announce, signature)
        }
        for (announce, signature) in endpoint.takeUp(offered, notAfter: HostClock.now().latestCredible) { admit(announce, signature, nil, at: now) }
    }

    /// State of a session that is under way.
    func activity(of session: SessionID) -> SessionActivity {
        if let begun = sessions[session.tag], begun.announce.session == session { return begun.activity }
        // One that waits for its part of the cache is not dead.
        return SessionActivity(lastHeard: cache.arrival(of: session)?.since)
    }

    /// The session gives way to others, whether it has begun or not.
    func giveUp(_ session: SessionID, _ reason: RetireReason, at now: Instant) {
        if let begun = sessions[session.tag], begun.announce.session == session { retire(begun, reason, at: now) }
        if let arrival = cache.arrival(of: session) { cache.cancel(arrival) }
    }

    /// Takes part in a session, as soon as its part of the cache is open.
    /// - Parameter offer: nil for a session that the cache has from before.
    func admit(_ announce: Announce, _ signature: Signature, _ offer: SessionOffer?, at now: Instant) {
        let datagram = Packet.announce(announce, signature).datagram(sessionTag: announce.session.tag, transmitter: identity)
        let arrival = RepairArrival(
            announce: announce, signature: signature, datagram: datagram, offer: offer, since: now, ticket: cache.issueTicket())
        if !cache.open(arrival) { endpoint.directory.end(announce.session, mayReturn: true) }
    }

    /// Its part of the cache is open.
    func begin(_ arrival: RepairArrival, _ bundle: CachedBundle, table: [[UInt8]], at now: Instant) {
        let announce = arrival.announce
        // Nobody waits for it any more.
        guard !arrival.ticket.isOver, !isStopping else { return cache.leave(bundle, of: announce.session.tag, arrival.ticket) }
        let configuration = configuration(for: announce)
        var system = SystemRandomNumberGenerator()
        let engine = RepairEngine(
            identity: UInt32.random(in: 1...(.max)), announce: announce, signature: arrival.signature, mode: endpoint.place.mode,
            configuration: configuration, expectsOthers: endpoint.regions.hearsRepairNodes(at: now), signer: request.signer, verifier: Ed25519Verifier(),
            digest: BLAKE3Digest(), seed: .random(in: 0...(.max)), upstream: RandomSource(seed: .random(in: 0...(.max))),
            secret: CookieSecret(using: &system), at: now)
        let session = RepairSession(
            arrival, engine: engine, bundle: bundle, slots: max(HostLimits.fewestSlots, request.configuration.memory.assemblySlots),
            account: cache.memory.open(chunkLength: announce.chunkLength), outlet: outlet, at: now)
        sessions[announce.session.tag] = session
        // The sender has chosen it.
        outlet.noteFinal(length: DataHeader.length + Int(announce.payloadLength))
        // The cache has little of a session of which no chunk was verified.
        session.engine.giveTable(table.isEmpty ? TableMemory.candidate : tableRoomOfKept(), at: now)
        let kept = restore(session, table, at: now)
        observer(.began(session.snapshot(), kept: kept))
        guard let offer = arrival.offer else { return }
        session.engine.note(offer)
        session.engine.handleAnnounce(from: offer.source, transmitter: offer.transmitter, at: now)
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

    // MARK: Driving

    func drive(_ session: RepairSession, at now: Instant) {
        if let due = session.engine.pollTimeout(at: now), due <= now { session.engine.handleTimeout(at: now) }
        session.use.note(&session.engine, at: now)
        handleEvents(session, at: now)
        while let (bytes, parent) = session.engine.pollUpstream(at: now) {
            // Feedback that the socket does not take is repeated by the engine's timers.
            reception.answer(bytes, to: parent)
        }
        submitJobs(of: session, at: now)
        if session.engine.isComplete, !session.isToldComplete, session.restoring == 0 {
            session.isToldComplete = true
            let latest = HostClock.now().latestCredible
            endpoint.directory.noteVersion(of: session.announce, notAfter: latest)
            if session.announce.isSigned, session.announce.creationTime > latest {
                warn("\(BundleName.printable(session.announce.name)): its sender's clock is ahead; it outdates nothing")
            }
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
        retire(session, .damaged, at: now)
    }

    func handleEvents(_ session: RepairSession, at now: Instant) {
        while let event = session.engine.pollEvent() {
            switch event {
            case .keep(let datagram): session.keep(datagram)
            case .upstream(let event): handle(event, of: session, at: now)
            case .downstream(.fetch(let chunk)): session.fetch(chunk, at: now)
            case .downstream(.outline(let chunk, let shape)):
                if let buffer = session.buffer(of: chunk) { cache.submit(.outline(chunk: chunk, shape, buffer), for: session.ticket) }
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
        case .examine(let slot, let chunk, let shape, let values):
            guard let buffer = session.takeBuffer(of: slot) else { return }
            let check = OutlineCheck(shape: shape, values: values, alternates: session.takeAlternates(of: slot))
            cache.submit(.examine(slot: slot, chunk: chunk, check, buffer), for: session.ticket)
        case .consult(let chunks):
            for chunk in chunks {
                if let record = session.engine.upstream?.record(of: chunk), session.bundle.mayHave(chunk: chunk, record: record) {
                    session.check(chunk, .consult)
                } else {
                    session.engine.handle(.absent(chunk: chunk), at: now)
                }
            }
        case .rejoin: reception.rejoin(.silence)
        case .deaf:
            let found = Diagnosis.ofLostMulticast(on: reception.interface.name).text
            warn("\(BundleName.printable(session.announce.name)): \(found); asking for unicast")
        case .parentChanged(let depth): observer(.parentChanged(session.announce, depth: depth))
        case .parentMoved(let address): warn("\(BundleName.printable(session.announce.name)): the parent's address is \(address.host) now; going on with it")
        case .refused(let verdict):
            let reason =
                switch verdict {
                case .noUnicast: "it serves as many by unicast as it may (--max-unicast-children there)"
                case .untrusted: "this node's key is not trusted there (--trust-repair), and its receivers are not counted"
                default: "it has as many children as it takes"
                }
            warn("\(BundleName.printable(session.announce.name)): the parent refuses this node: \(reason); asking again")
        case .untrusted(let key):
            warn("\(BundleName.printable(session.announce.name)): another repair node is not trusted, and not used; its key is \(key.text)")
        case .finished(let state):
            session.endUpstream()
            observer(.upstreamOver(session.snapshot(), state))
            if !session.engine.isComplete {
                retire(session, .incomplete, at: now)
                endpoint.directory.end(session.announce.session, mayReturn: true)
            }
        case .zeros, .commit, .page, .end, .announced, .statement: break
        }
    }

    // MARK: Ending

    func retire(_ session: RepairSession, _ reason: RetireReason, at now: Instant) {
        guard !session.isOver else { return }
        session.isOver = true
        session.engine.retire(at: now)
        observer(.retired(session.announce, reason: reason))
    }

    func close(_ session: RepairSession) {
        let tag = session.announce.session.tag
        accounts.close(session)
        let unkept = session.takeAllUnkept()
        session.close()
        cache.memory.close(session.account)
        cache.leave(session.bundle, of: tag, session.ticket, unkept: unkept)
        sessions[tag] = nil
        endpoint.directory.end(session.announce.session, mayReturn: true)
    }
}
