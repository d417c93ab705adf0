import Glibc
import RMCPContent
public import RMCPProtocol

extension ReceiveDaemon {
    // MARK: Beginning

    func begin(
        _ announce: Announce, from source: SocketAddress, transmitter: UInt32, at now: Instant,
        _ observer: (ReceiveUpdate) -> Void
    ) {
        var storage: (any BundleStorage)?
        var failure: HostError?
        do throws(HostError) { storage = try makeStorage(for: announce) } catch { failure = error }
        var configuration = request.configuration
        // Most of the memory goes to whoever comes first; sessions beside it get by with what is left.
        let slotBytes =
            sessions.isEmpty
            ? HostLimits.receiveBufferBytes / 4 * 3 : HostLimits.receiveBufferBytes / 4 / (HostLimits.sessions - 1)
        configuration.assemblySlots = max(4, min(configuration.assemblySlots, slotBytes / Int(announce.chunkLength)))
        let drawn = UInt32.random(in: 1...(.max))
        let engine = ReceiverEngine(
            identity: storage?.identity(in: announce.session, drawn: drawn) ?? drawn, configuration: configuration, announce: announce, source: source,
            transmitter: transmitter,
            isResumable: storage?.isResumable ?? false, expectsRepairNodes: reception.hearsRepairNodes(at: now),
            verifier: Ed25519Verifier(), digest: BLAKE3Digest(), seed: .random(in: 0...(.max)), at: now)
        let session = ReceiveSession(
            announce: announce, engine: engine, storage: storage, slots: configuration.assemblySlots,
            pool: pool(for: announce.chunkLength), at: now)
        sessions[announce.session.tag] = session
        order.append(announce.session.tag)
        lastActivity = now
        observer(.began(session.snapshot(at: now)))
        if let failure {
            let isName = BundleName.objection(to: announce.name) != nil
            session.failure = failure.description
            session.engine.handle(.failed(isName ? .failedName : failure.receiverState), at: now)
        } else if let storage {
            workers.submit(
                .prepare(
                    session: announce.session, storage, contentLength: announce.contentLength,
                    allocatedLength: announce.allocatedLength))
        }
    }

    /// Its sender was restarted: what was received goes on in the new session.
    func supersede(_ old: ReceiveSession, _ observer: (ReceiveUpdate) -> Void) {
        observer(.warning("\(BundleName.printable(old.announce.name)): the sender started anew; going on with what is here"))
        end(old, mayReturn: false)
    }

    private func makeStorage(for announce: Announce) throws(HostError) -> any BundleStorage {
        switch request.output {
        case .standardOutput: return try StreamStorage(announce: announce)
        case .path(let path):
            if let device = try DeviceStorage.open(path, announce: announce) { return device }
            let components = path.split(separator: "/", omittingEmptySubsequences: true)
            guard let name = components.last.map(String.init), !path.hasSuffix("/") else {
                throw HostError("\(path) names no file; give --output the path of a file or block device")
            }
            let directory = path.contains("/") ? String(path.dropLast(name.count)) : "."
            return try PartialFile(announce: announce, name: name, directoryPath: directory)
        case .directory:
            if let objection = BundleName.objection(to: announce.name) {
                throw HostError("the name \"\(BundleName.printable(announce.name))\" is refused: \(objection)")
            }
            return try PartialFile(announce: announce, name: announce.name, directoryPath: request.directory)
        }
    }

    static func checkDirectory(_ path: String) throws(HostError) {
        let directory = try PartialFile.openDirectory(path)
        guard unsafe faccessat(directory.raw, ".", W_OK | X_OK, 0) == 0 else {
            throw .system("write to directory", path, advice: "choose another with -d")
        }
    }

    private func pool(for chunkLength: UInt32) -> BufferPool {
        if let pool = pools[Int(chunkLength)] { return pool }
        let pool = BufferPool(bufferLength: Int(chunkLength), limit: max(4, HostLimits.receiveBufferBytes / Int(chunkLength)))
        pools[Int(chunkLength)] = pool
        return pool
    }

    // MARK: Driving

    /// Everything that a session's engine has to say, and the time.
    func drive(_ session: ReceiveSession, at now: Instant, _ observer: (ReceiveUpdate) -> Void) {
        if let due = session.engine.pollTimeout(), due <= now { session.engine.handleTimeout(at: now) }
        handleEvents(session, at: now, observer)
        transmit(session, at: now)
    }

    func transmit(_ session: ReceiveSession, at now: Instant) {
        while let (bytes, parent) = session.engine.pollTransmit(at: now) {
            // Feedback that the socket does not take is repeated by the engine's timers.
            _ = reception.replySocket.send(bytes, to: parent)
        }
    }

    func handleEvents(_ session: ReceiveSession, at now: Instant, _ observer: (ReceiveUpdate) -> Void) {
        while let event = session.engine.pollEvent() {
            switch event {
            case .assembled(let slot, let chunk, let record):
                guard let storage = session.storage, let buffer = session.takeBuffer(of: slot) else { continue }
                workers.submit(.store(session: session.announce.session, storage, slot: slot, chunk: chunk, record: record, buffer))
            case .consult(let chunks): consult(session, chunks, at: now)
            case .zeros(let chunks): zero(session, chunks)
            case .rejoin: reception.rejoin()
            case .deaf:
                observer(
                    .warning(
                        "\(BundleName.printable(session.announce.name)): multicast does not arrive on \(interface.name) any more; asking the sender "
                            + "for unicast. Look for IGMP snooping without a querier, or a firewall"))
            case .commit(let end):
                guard let storage = session.storage else { continue }
                workers.submit(.commit(session: session.announce.session, storage, contentLength: end.contentLength))
            case .finished(let state): finished(session, state, at: now, observer)
            case .parentChanged(let depth): observer(.parentChanged(session.announce, depth: depth))
            case .refused: break
            // What only a repair node's engine says.
            case .page, .end, .announced: break
            }
        }
    }

    private func consult(_ session: ReceiveSession, _ chunks: Range<UInt32>, at now: Instant) {
        guard let storage = session.storage else { return }
        for chunk in chunks {
            if let record = session.engine.record(of: chunk), storage.mayHave(chunk: chunk, record: record) {
                workers.submit(.check(session: session.announce.session, storage, chunk: chunk, record: record))
            } else {
                session.engine.handle(.absent(chunk: chunk), at: now)
            }
        }
    }

    private func zero(_ session: ReceiveSession, _ chunks: Range<UInt32>) {
        guard let storage = session.storage else { return }
        let length = chunks.reduce(UInt64(0)) { $0 + UInt64(session.engine.record(of: $1)?.contentLength ?? 0) }
        workers.submit(.zero(session: session.announce.session, storage, chunks, contentLength: length))
    }

    // MARK: Results of the storage threads

    func collect(at now: Instant, _ observer: (ReceiveUpdate) -> Void) {
        while let output = workers.collect() {
            switch output {
            case .prepared: break
            case .stored(let id, let slot, let chunk, let length, let buffer):
                pools[buffer.length]?.giveBack(buffer)
                guard let session = session(id) else { continue }
                session.noteStored(UInt64(length), kept: false, at: now)
                lastActivity = now
                session.engine.handle(.stored(slot: slot, chunk: chunk), at: now)
            case .rejected(let id, let slot, let chunk, let buffer):
                pools[buffer.length]?.giveBack(buffer)
                session(id)?.engine.handle(.rejected(slot: slot, chunk: chunk), at: now)
            case .checked(let id, let chunk, let length, let isKept):
                guard let session = session(id) else { continue }
                if isKept { session.noteStored(UInt64(length), kept: true, at: now) }
                lastActivity = now
                session.engine.handle(isKept ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now)
            case .zeroed(let id, let chunks, let length):
                guard let session = session(id) else { continue }
                session.noteStored(length, kept: false, at: now)
                lastActivity = now
                session.engine.handle(.storedZeros(chunks), at: now)
            case .committed(let id):
                guard let session = session(id) else { continue }
                committed(session, at: now, observer)
            case .hookFinished(let id, let status):
                guard let session = session(id) else { continue }
                hookFinished(session, status: status, at: now)
            case .failed(let id, let error, let buffer):
                if let buffer { pools[buffer.length]?.giveBack(buffer) }
                guard let session = session(id) else { continue }
                if session.failure == nil { session.failure = error.description }
                session.engine.handle(.failed(session.isCommitted ? .failedHook : error.receiverState), at: now)
            }
        }
    }

    private func session(_ id: SessionID) -> ReceiveSession? {
        guard let session = sessions[id.tag], session.announce.session == id else { return nil }
        return session
    }

    private func committed(_ session: ReceiveSession, at now: Instant, _ observer: (ReceiveUpdate) -> Void) {
        session.isCommitted = true
        lastActivity = now
        if versions != nil { directory.noteVersion(of: session.announce) }
        do throws(HostError) { try versions?.note(session.announce) } catch {
            observer(.warning("\(error.description); older versions of this bundle will not be refused after a restart"))
        }
        guard let hook = request.hook else { return session.engine.handle(.committed, at: now) }
        let announce = session.announce
        let facts = [
            ("RMCP_NAME", announce.name), ("RMCP_PATH", session.storage?.path ?? ""),
            ("RMCP_SIZE", String(session.contentDone)), ("RMCP_SESSION", announce.session.text),
            ("RMCP_KEY", announce.isSigned ? PublicKeyText.line(for: announce.key) : ""), ("RMCP_STATE", "complete"),
        ]
        workers.submit(.hook(session: announce.session, command: hook, environment: Hook.environment(adding: facts)))
    }

    private func hookFinished(_ session: ReceiveSession, status: Int32, at now: Instant) {
        if status == 0 { return session.engine.handle(.committed, at: now) }
        session.failure = "\(session.storage?.path ?? session.announce.name) is complete, but the --exec command ended with status \(status)"
        session.engine.handle(.failed(.failedHook), at: now)
    }

    // MARK: Ending

    private func finished(
        _ session: ReceiveSession, _ state: ReceiverState, at now: Instant, _ observer: (ReceiveUpdate) -> Void
    ) {
        let snapshot = session.snapshot(at: now)
        if state == .complete {
            observer(.completed(snapshot, path: session.storage?.path ?? ""))
        } else {
            observer(.failed(snapshot, reason: session.failure ?? Self.explain(state, session)))
        }
        transmit(session, at: now)
        end(session, mayReturn: state == .failedSender)
        lastActivity = now
        if request.once { outcome = state == .complete ? .complete : .failed(state) }
    }

    private static func explain(_ state: ReceiverState, _ session: ReceiveSession) -> String {
        let name = BundleName.printable(session.announce.name)
        switch state {
        case .failedSender:
            return "\(name): the sender went away before everything was here; what came is kept and the next session goes on from it"
        case .failedVerification: return "\(name): the signed table and the data do not agree; nothing was written under that name"
        default: return "\(name): \(state.reason)"
        }
    }

    func end(_ session: ReceiveSession, mayReturn: Bool) {
        let tag = session.announce.session.tag
        session.close()
        sessions[tag] = nil
        order.removeAll { $0 == tag }
        directory.end(session.announce.session, mayReturn: mayReturn)
    }
}

extension HostError {
    /// What the sender is told about a receiver with this error.
    var receiverState: ReceiverState { kind == .diskFull ? .failedDiskFull : .failedStorage }
}

extension SessionID {
    /// 32 hexadecimal digits.
    public var text: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
