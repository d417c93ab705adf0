import OrderedCollections
import RMCPProtocol
import RMCPReport

/// Jobs for the cache threads, and their results.
extension RepairLoop {
    // MARK: Jobs

    /// Gives the cache threads what the session has for them.
    func submitJobs(of session: RepairSession, at now: Instant) {
        if let datagrams = session.takeUnkept() { cache.submit(.keep(session.bundle, datagrams), for: session.ticket) }
        while let (chunk, purpose) = session.nextCheck() {
            // A page that came before an earlier one is known above alone.
            guard let record = session.engine.record(of: chunk) ?? session.engine.upstream?.record(of: chunk) else {
                checked(session, chunk, false, purpose, at: now)
                continue
            }
            cache.submit(.check(session.bundle, chunk: chunk, record: record, purpose: purpose), for: session.ticket)
        }
        while let (chunk, record, buffer) = session.nextFetch() {
            cache.submit(.fetch(session.bundle, chunk: chunk, record: record, buffer), for: session.ticket)
        }
    }

    private func retryStores() {
        for session in sessions.values {
            for waiting in session.takeWaitingForRoom() {
                let work = CacheJob.Work.store(session.bundle, slot: waiting.slot, chunk: waiting.chunk, record: waiting.record, waiting.buffer)
                cache.submit(work, for: session.ticket)
            }
        }
    }

    /// What is served is never evicted, but what is served to nobody is not worth more than what is asked for. One session goes at a time.
    /// - Returns: true when one is going: then what did not fit is worth another try.
    private func makeRoomInCache(at now: Instant) -> Bool {
        if cache.hasDepartures || sessions.values.contains(where: { $0.isOver && !$0.engine.hasUpstream }) { return true }
        guard let oldest = endpoint.makeRoomInCache(activity: { activity(of: $0) }) else { return false }
        giveUp(oldest, .noRoom, at: now)
        return true
    }

    // MARK: Results

    func collect(at now: Instant) {
        while let output = cache.collect() {
            switch output.result {
            case .opened(let bundle, let table, let fault):
                if let fault { warn("\(fault.description); what comes of this session is passed on and not kept") }
                if let arrival = cache.takeArrival(output.generation) { begin(arrival, bundle, table: table, at: now) }
                retryStores()
            case .notOpened(let error):
                guard let arrival = cache.takeArrival(output.generation), !arrival.ticket.isOver else { continue }
                observer(.warning(error.description))
                endpoint.directory.end(arrival.announce.session, mayReturn: true)
                retryStores()
            case .closed: retryStores()
            default: take(output, at: now)
            }
        }
    }

    /// A result of a session's jobs. One that nobody has asked for, since its session is another one by now, is dropped.
    func take(_ output: CacheOutput, at now: Instant) {
        let owner = sessions.values.first { $0.ticket.generation == output.generation }
        guard let session = owner else {
            if cache.takeArrival(output.generation) != nil { retryStores() }
            if let buffer = output.buffer { cache.giveBack(buffer) }
            return
        }
        switch output.result {
        case .kept: session.endKeeping()
        case .stored(let slot, let chunk, let buffer, let isKept):
            if !isKept, !session.bundle.keepsNothing, !session.isOver, let record = session.engine.record(of: chunk), makeRoomInCache(at: now) {
                return session.waitForRoom(WaitingStore(slot: slot, chunk: chunk, record: record, buffer: buffer))
            }
            if !isKept, !session.bundle.keepsNothing { warn("the cache is full; what does not fit is passed on and not kept: \(cache.adviceOnRoom)") }
            session.keep(buffer, of: chunk)
            noteVerified(session)
            // Payloads that were kept aside of it were forged.
            _ = session.takeAlternates(of: slot)
            session.engine.handle(isKept ? .stored(slot: slot, chunk: chunk) : .passed(slot: slot, chunk: chunk), at: now)
        case .rejected(let slot, let chunk, let buffer):
            session.putBuffer(buffer, at: slot)
            session.engine.handle(.rejected(slot: slot, chunk: chunk), at: now)
        case .examined(let slot, let chunk, let wrong, let buffer):
            session.putBuffer(buffer, at: slot)
            session.engine.handle(.examined(slot: slot, chunk: chunk, wrong: wrong), at: now)
        case .outlined(let chunk, let parts): session.engine.handle(.outlined(chunk: chunk, parts), at: now)
        case .checked(let chunk, let isKept, let purpose): checked(session, chunk, isKept, purpose, at: now)
        case .fetched(let chunk, let buffer):
            session.keep(buffer, of: chunk)
            session.engine.handle(.fetched(chunk: chunk), at: now)
        case .damaged(let chunk, let buffer):
            session.giveBack(buffer)
            session.engine.handle(.damaged(chunk: chunk), at: now)
        case .failed(let slot, let chunk, let buffer, let error):
            warn("\(error.description); what cannot be kept is passed on")
            noteVerified(session)
            session.keep(buffer, of: chunk)
            session.engine.handle(.passed(slot: slot, chunk: chunk), at: now)
        case .dropped, .started, .opened, .notOpened, .closed: break
        }
    }

    private func checked(_ session: RepairSession, _ chunk: UInt32, _ isKept: Bool, _ purpose: CheckPurpose, at now: Instant) {
        session.endCheck(purpose)
        if isKept { noteVerified(session) }
        switch purpose {
        case .consult: session.engine.handle(isKept ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now)
        case .restore:
            if isKept { session.engine.restore(chunk: chunk, at: now) }
            if session.restoring == 0 { session.engine.endRestoring(at: now) }
        }
    }
}
