import Glibc
import OrderedCollections
import RMCPContent
import RMCPProtocol
import RMCPReport

/// Questions of engines to storage, and its answers.
extension ReceiveSessions {
    func handleEvents(at now: Instant) { for tag in sessions.keys { sessions[tag].map { handleEvents($0, at: now) } } }

    func handleEvents(_ session: ReceiveSession, at now: Instant) {
        while let event = session.engine.pollEvent() { handleEvent(event, of: session, at: now) }
    }

    func handleEvent(_ event: ReceiverEvent, of session: ReceiveSession, at now: Instant) {
        switch event {
        case .assembled, .examine, .consult, .zeros, .commit:
            if case .assembled = event, !takePlace(session, at: now) { return }
            if case .commit = event, !takePlace(session, at: now) { return }
            guard let handle = session.handle else { return session.deferUntilOpen(event) }
            store(event, of: session, in: handle, at: now)
        case .rejoin: network.rejoin()
        case .deaf:
            let found = Diagnosis.ofLostMulticast(on: network.interfaceName).text
            observer(.warning("\(BundleName.printable(session.announce.name)): \(found); asking the sender for unicast"))
        case .finished(let state): finished(session, state, at: now)
        case .parentChanged(let depth): observer(.parentChanged(session.announce, depth: depth))
        case .parentMoved(let address):
            observer(.warning("\(BundleName.printable(session.announce.name)): the parent's address is \(address.host) now; going on with it"))
        case .refused: break
        case .untrusted(let key):
            observer(.warning("\(BundleName.printable(session.announce.name)): a repair node is not trusted, and not used; its key is \(key.text)"))
        // What only a repair node's engine says.
        case .page, .end, .announced, .statement: break
        }
    }

    /// Hands an event to the storage threads.
    private func store(_ event: ReceiverEvent, of session: ReceiveSession, in handle: StorageHandle, at now: Instant) {
        switch event {
        case .assembled(let slot, let chunk, let record):
            guard let buffer = session.takeBuffer(of: slot) else { return }
            submit(.store(handle, slot: slot, chunk: chunk, record: record, buffer), of: session.generation)
        case .examine(let slot, let chunk, let shape, let values):
            guard let buffer = session.takeBuffer(of: slot) else { return }
            let check = OutlineCheck(shape: shape, values: values, alternates: session.takeAlternates(of: slot))
            submit(.examine(handle, slot: slot, chunk: chunk, check, buffer), of: session.generation)
        case .consult(let chunks): consult(session, handle, chunks, at: now)
        case .zeros(let chunks):
            let length = chunks.reduce(UInt64(0)) { $0 + UInt64(session.engine.record(of: $1)?.contentLength ?? 0) }
            submit(.zero(handle, chunks, contentLength: length), of: session.generation)
        case .commit(let end):
            session.stage = .committing
            submit(.commit(handle, end, gate, completed), of: session.generation)
        default: break
        }
    }

    private func consult(_ session: ReceiveSession, _ handle: StorageHandle, _ chunks: Range<UInt32>, at now: Instant) {
        for chunk in chunks {
            let record = session.engine.record(of: chunk).map { handle.readable($0, of: chunk) }
            if let record, case let matches = handle.seeds.matches(of: chunk, record), !matches.isEmpty {
                submit(.check(handle, chunk: chunk, record: record, matches), of: session.generation)
            } else {
                session.engine.handle(.absent(chunk: chunk), at: now)
            }
        }
    }

    // MARK: Results

    /// Takes what the storage threads have done. The results of a session that is over change nothing any more, whatever
    /// has come since under its id.
    func collect(at now: Instant) {
        while let output = executor.collect() {
            let generation = output.generation
            let left = (outstanding[generation] ?? 1) - 1
            outstanding[generation] = left > 0 ? left : nil
            let session = session(of: generation)
            giveBackBuffer(of: output, to: session)
            if case .opened(_, let result) = output {
                opened(generation, result, at: now)
            } else if case .closed(_, let notes) = output {
                for note in notes { observer(.warning(note)) }
                ending.removeAll { $0.generation == generation }
                openWhatCan(at: now)
            } else if let session {
                take(output, of: session, at: now)
            } else if case .hookStarted(_, let process) = output {
                process.signal(SIGTERM)
            }
            if outstanding[generation] == nil, let handle = ending.first(where: { $0.generation == generation }) { submit(.close(handle), of: generation) }
        }
    }

    /// A chunk that is wrong stays where it is, if its session does.
    private func giveBackBuffer(of output: StorageOutput, to session: ReceiveSession?) {
        switch output {
        case .rejected(_, let slot, _, let buffer), .examined(_, let slot, _, _, let buffer):
            if let session { session.putBuffer(buffer, at: slot) } else { memory.giveBack(buffer) }
        case .stored(_, _, _, _, let buffer): memory.giveBack(buffer)
        case .failed(_, _, let buffer?), .cancelled(_, let buffer?): memory.giveBack(buffer)
        default: break
        }
    }

    private func session(of generation: SessionGeneration) -> ReceiveSession? {
        for session in sessions.values where session.generation == generation { return session }
        return nil
    }

    private func take(_ output: StorageOutput, of session: ReceiveSession, at now: Instant) {
        switch output {
        case .stored(_, let slot, let chunk, let length, _):
            session.noteStored(UInt64(length), kept: false)
            // Payloads that were kept aside of it were forged.
            _ = session.takeAlternates(of: slot)
            session.lastProgress = now
            noteVerified(session, at: now)
            once.noteProgress(at: now)
            session.engine.handle(.stored(slot: slot, chunk: chunk), at: now)
        case .rejected(_, let slot, let chunk, _):
            if session.lastProgress == nil { endpoint.directory.demote(session.announce.session) }
            session.engine.handle(.rejected(slot: slot, chunk: chunk), at: now)
        case .examined(_, let slot, let chunk, let wrong, _): session.engine.handle(.examined(slot: slot, chunk: chunk, wrong: wrong), at: now)
        case .checked(_, let chunk, let length, let isKept):
            once.noteProgress(at: now)
            let before = session.engine.counters.chunksKept
            session.engine.handle(isKept ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now)
            // A chunk that has come over the network before counts as that.
            if session.engine.counters.chunksKept > before { session.noteStored(UInt64(length), kept: true) }
        case .zeroed(_, let chunks, let length):
            session.noteStored(length, kept: false)
            once.noteProgress(at: now)
            session.engine.handle(.storedZeros(chunks), at: now)
        case .committed(_, let notes): committed(session, notes, at: now)
        case .prepared(_, let notes): for text in notes { observer(.warning(text)) }
        case .hookStarted(_, let process):
            // Whoever was told to stop meanwhile has the command stopped, too.
            if isStopping { process.signal(SIGTERM) }
            let limit = isStopping ? HostLimits.hookPatience : request.hookTimeout
            session.hookBegan = now
            session.stage = .hook(process, deadline: now + limit, signalled: isStopping ? now : nil)
            watchHook(of: session, at: now)
        case .spooled(_, let fault):
            if let fault { observer(.warning("\(session.path) is complete, and nobody is told of it by --spool-events: \(fault)")) }
            session.engine.handle(.committed, at: now)
        case .failed(_, let error, let buffer):
            // A chunk that could not be stored has been verified.
            if buffer != nil { session.isProven = true }
            fail(session, error, at: now)
        case .cancelled, .opened, .closed: break
        }
    }

    func fail(_ session: ReceiveSession, _ error: HostError, at now: Instant) {
        if session.failure == nil { session.failure = error.description }
        session.engine.handle(.failed(session.isCommitted ? .failedHook : error.receiverState), at: now)
    }

    private func committed(_ session: ReceiveSession, _ notes: [String], at now: Instant) {
        session.stage = .committed
        once.noteProgress(at: now)
        let announce = session.announce
        if let versions = request.versions { endpoint.directory.noteVersion(of: announce, notAfter: versions.latest) }
        for text in notes { observer(.warning(text)) }
        guard let hook = request.hook, !isStopping else { return tell(session, at: now) }
        let facts = [
            ("RMCP_NAME", SystemText.text(of: Array(announce.name.utf8))), ("RMCP_PATH", session.path),
            ("RMCP_SIZE", String(session.contentDone)), ("RMCP_SESSION", announce.session.text),
            ("RMCP_KEY", announce.isSigned ? PublicKeyText.line(for: announce.key) : ""), ("RMCP_STATE", "complete"),
        ]
        submit(.hook(session.generation, HookCommand(command: hook, facts: facts)), of: session.generation)
    }

    /// All is done for a bundle: whoever waits for such in the spool directory is told first, so that nothing is called complete before.
    private func tell(_ session: ReceiveSession, at now: Instant) {
        guard let spool = request.spool else { return session.engine.handle(.committed, at: now) }
        let event = SpoolDirectory.Event(session.snapshot(at: now), path: session.path, at: Poller.wallClockMilliseconds())
        submit(.spool(session.generation, spool, event), of: session.generation)
    }

    /// Looks whether the session's command has ended, and ends it where its time is over: politely, then not.
    func watchHook(of session: ReceiveSession, at now: Instant) {
        guard case .hook(let process, let deadline, let signalled) = session.stage else { return }
        if let status = process.ended() {
            once.noteProgress(at: now)
            session.stage = .committed
            if let began = session.hookBegan { accounts.noteHook(now - began) }
            if status == 0 { return tell(session, at: now) }
            let end = signalled == nil ? "ended with status \(status)" : "was ended: it took longer than --exec-timeout allows, or rmcp was stopped"
            session.failure = "\(session.path) is complete, but the --exec command \(end)"
            session.engine.handle(.failed(.failedHook), at: now)
        } else if now >= deadline {
            process.signal(signalled == nil ? SIGTERM : SIGKILL)
            session.stage = .hook(process, deadline: now + HostLimits.hookPatience, signalled: now)
        }
    }

    // MARK: Ending

    func finished(_ session: ReceiveSession, _ state: ReceiverState, at now: Instant) {
        // The last word first: what does not leave is not counted.
        transmit(session, at: now)
        let snapshot = session.snapshot(at: now)
        if state == .complete {
            observer(.completed(snapshot, path: session.path))
        } else {
            observer(.failed(snapshot, reason: session.failure ?? Self.explain(state, session)))
        }
        if session.isCommitted { endpoint.directory.noteCompleted(session.announce.session, key: session.announce.key) }
        end(session, mayReturn: state == .failedSender)
        if let over = once.outcome(of: session, state) { outcome = outcome ?? over }
    }

    private static func explain(_ state: ReceiverState, _ session: ReceiveSession) -> String {
        let name = BundleName.printable(session.announce.name)
        switch state {
        case .failedSender:
            return "\(name): the sender went away before everything was here; what came is kept and the next session goes on from it"
        case .failedPath:
            let length = Int(session.announce.payloadLength) + DataHeader.length
            return "\(name): nothing came of the sender's datagrams of \(length) bytes, and shorter ones did: the path's MTU is too small; "
                + "a receiver that is there when a session begins has them made shorter"
        case .failedVerification: return "\(name): the signed table and the data do not agree; nothing was written under that name"
        default: return "\(name): \(state.reason)"
        }
    }

    func end(_ session: ReceiveSession, mayReturn: Bool) {
        let tag = session.announce.session.tag
        accounts.close(session)
        session.giveBackBuffers()
        memory.close(session.account)
        sessions[tag] = nil
        endpoint.directory.end(session.announce.session, mayReturn: mayReturn)
        if let handle = session.handle { letGo(of: handle, .keeping) } else { giveUpOpening(tag) }
    }

    /// The storage is closed as soon as its jobs are done; those that have not begun do nothing any more.
    func letGo(of handle: StorageHandle, _ cancellation: StorageHandle.Cancellation) {
        handle.cancel(cancellation)
        ending.append(handle)
        if outstanding[handle.generation] == nil { submit(.close(handle), of: handle.generation) }
    }
}

extension HostError {
    /// State that the sender is told of a receiver with this error.
    var receiverState: ReceiverState {
        switch kind {
        case .diskFull: .failedDiskFull
        case .outdated: .outdated
        case .usage, .failure, .changed, .cancelled: .failedStorage
        }
    }
}
