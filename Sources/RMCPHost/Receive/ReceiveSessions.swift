import Glibc
import OrderedCollections
import RMCPContent
import RMCPProtocol
import RMCPReport

/// Network below the sessions.
protocol SessionNetwork: AnyObject {
    /// Name for messages.
    var interfaceName: String { get }
    /// False where it has not left: feedback is repeated by the engine's timers.
    func send(_ bytes: [UInt8], to destination: SocketAddress) -> Bool
    /// Joins every group anew.
    func rejoin()
    /// Listens to a region and tells `table` of it, or tells it that it cannot; whether it is listened to.
    func join(_ region: SocketAddress, in table: inout RegionTable, at now: Instant) -> Bool
    /// Listens no more to a region.
    func leave(_ region: SocketAddress)
}

/// Runs storage jobs somewhere else than on the network thread. Each job has exactly one result.
protocol StorageExecutor: AnyObject {
    func submit(_ job: StorageJob)
    func collect() -> StorageOutput?
}

extension StorageThreads: StorageExecutor {}

/// Sessions of a receiver, without sockets, threads and clocks: so that tests can drive it, with disks and
/// datagrams as they come only once in a thousand years.
///
/// ```
///   accepted ──▶ opening ──▶ ReceiveSession: receiving ──▶ committing ──▶ committed ──▶ hook ──▶ over ──▶ ending ──▶ gone
///      └─ waits while the storage of a predecessor is ending            (jobs are still under way) ──┘
/// ```
///
/// A session begins once its storage is open, since that knows under which id this receiver took part before. Where the
/// disk takes longer than the sender might wait, it begins without, and what comes waits in its slots.
final class ReceiveSessions {
    var request: ReceiveRequest
    let network: any SessionNetwork
    let executor: any StorageExecutor
    let files: FileSystem
    let gate: CommitGate
    /// Nil where ids are drawn.
    private let identity: ReceiverIdentity?
    let completed: CompletedSessions
    let observer: (ReceiveUpdate) -> Void
    /// Decides what a datagram of no session here means.
    var endpoint: ReceiverEndpoint
    /// Regions to listen to once nobody is reading.
    private var joining: [SocketAddress] = []
    let memory: ChunkMemory
    /// By tag, in the order of arrival.
    var sessions: OrderedDictionary<UInt32, ReceiveSession> = [:]
    var pending: [UInt32: Pending] = [:]
    /// Sessions that were given up while their storage was being opened. It is closed as soon as it is open; until then it may have
    /// locked what a successor needs.
    var abandoned: [Pending] = []
    /// Storage of sessions that are over, in the order of their end: its locks are held until its jobs are done.
    var ending: [StorageHandle] = []
    /// Jobs under way, by session.
    var outstanding: [SessionGeneration: Int] = [:]
    private var lastGeneration: UInt64 = 0
    var accounts: ReceiveAccounts
    var once: OnceRule
    private var refusals: LineBudget
    private var random: RandomSource
    private(set) var isStopping = false
    var outcome: ReceiveOutcome?

    /// - Parameters:
    ///   - completed: where sessions are noted that are complete.
    ///   - known: those that were before.
    ///   - seed: where ids and jitter come from; must not repeat in production.
    init(
        _ request: ReceiveRequest, network: any SessionNetwork, executor: any StorageExecutor, completed: CompletedSessions,
        known: [CompletedSessions.Known], identity: ReceiverIdentity? = nil, files: FileSystem = .host,
        memory: ChunkMemory = ChunkMemory(fewest: HostLimits.fewestSlots), seed: UInt64, at now: Instant,
        observer: @escaping (ReceiveUpdate) -> Void
    ) {
        self.request = request
        self.network = network
        self.executor = executor
        self.files = files
        self.memory = memory
        self.identity = identity
        self.completed = completed
        self.observer = observer
        gate = CommitGate(versions: request.versions, trustedKeys: request.trust.trustedKeys)
        var trust = request.trust
        trust.newest = request.versions?.newest ?? [:]
        if let names = request.names { trust.wants = { names.match($0) } }
        trust.sealing = request.groupKey.map { .opening(GroupDetailsOpener(key: $0)) } ?? .none
        // One file is no place for a tree.
        if request.output != .directory, request.output != .standardOutput { trust.refusedKinds = [.tree] }
        let directory = SessionDirectory(
            policy: trust, verifier: Ed25519Verifier(), sessionLimit: HostLimits.sessions, candidateLimit: HostLimits.candidates,
            hasOneOutput: request.output != .directory,
            silence: request.configuration.presence.rejoinAfterSilence)
        random = RandomSource(seed: seed)
        endpoint = ReceiverEndpoint(directory: directory, group: request.group, refusals: RefusalReporter(seed: random.next(), at: now))
        accounts = ReceiveAccounts(at: now)
        once = OnceRule(request, at: now)
        refusals = LineBudget(at: now)
        if !request.takesAgain { for entry in known { endpoint.directory.noteCompletedBefore(entry.session, key: entry.key) } }
    }

    var isEmpty: Bool { sessions.isEmpty && pending.isEmpty }
    /// Whether nothing is under way that must not be cut short.
    var isAtRest: Bool { isEmpty && ending.isEmpty && outstanding.isEmpty }
    /// Descriptors that become readable when a hook ends.
    var hookDescriptors: [Int32] {
        sessions.values.compactMap { if case .hook(let process, _, _) = $0.stage { process.descriptor?.raw } else { nil } }
    }

    // MARK: Arrivals

    /// Gives each session what is its own, and the rest to the endpoint.
    func handle(_ train: DatagramTrain, at now: Instant) {
        unsafe train.route { tag, offset in
            sessions[tag].map { $0.handle(train, from: offset, tag: tag, at: now) }
        } others: { bytes in
            handle(unsafe RawSpan(_unsafeBytes: bytes), from: train.arrival.source, at: now)
        }
    }

    private func handle(_ datagram: RawSpan, from source: SocketAddress, at now: Instant) {
        guard !isStopping else { return }
        let answer = endpoint.handle(
            datagram, from: source, at: now, lastHeard: { lastHeard($0) }, canMakeRoom: { idlePlace(at: now) != nil },
            identity: { [identity] in identity?.id(in: $0) })
        switch answer {
        case .ignore: break
        // Data that comes while a session waits for its storage is not kept: it is asked for later.
        case .session(let tag): pending[tag]?.offer.note(datagram, from: source)
        case .join(let region): joining.append(region)
        case .refuse(let announce, let reason): refuse(announce, reason, at: now)
        case .begin(let offer, let superseded):
            if let superseded { supersede(superseded, at: now) }
            thinOutCandidates(at: now)
            lastGeneration += 1
            let session = offer.announce.session
            let refusing = endpoint.refusals?.withdraw(session)
            var offer = offer
            offer.note(datagram, from: source)
            let drawn: UInt32 =
                ending.first { $0.announce.session == session }?.identity ?? identity?.id(in: session) ?? refusing
                ?? .random(in: 1...(.max), using: &random)
            pending[session.tag] = Pending(offer: offer, generation: SessionGeneration(number: lastGeneration), drawn: drawn, since: now)
            once.noteAccepted(at: now)
            openWhatCan(at: now)
        }
    }

    private func lastHeard(_ session: SessionID) -> Instant? {
        sessions[session.tag]?.engine.lastHeardFromSender ?? pending[session.tag]?.since
    }

    /// Listens to the regions that were advertised in what was read, and no more to those that are not; not while that is under way.
    func followRegions(at now: Instant) {
        for region in joining where network.join(region, in: &endpoint.regions, at: now) { observer(.region(region)) }
        joining.removeAll(keepingCapacity: true)
        for region in endpoint.regions.takeSilent(at: now) { network.leave(region) }
    }

    /// Strangers can cause as many of these lines as they like: few are told.
    func tell(_ warning: String, at now: Instant) {
        if refusals.spend(at: now, warn: { observer(.warning($0)) }) { observer(.warning(warning)) }
    }

    private func refuse(_ announce: Announce, _ reason: SessionRefusal, at now: Instant) {
        accounts.noteRefused()
        if refusals.spend(at: now, warn: { observer(.warning($0)) }) { observer(.refused(announce, reason)) }
        once.noteRefused(reason, at: now)
    }

    /// Something is announced that is not this group's.
    func noteForeignGroup(at now: Instant) { once.noteRefused(.sealedForOthers, at: now) }

    /// The sender of a session was restarted: what was received goes on in the new one.
    private func supersede(_ id: SessionID, at now: Instant) {
        guard let old = sessions[id.tag], old.announce.session == id else { return giveUpOpening(id.tag) }
        // What has its name already is complete, whoever sends it again: its command is not left alone.
        guard !old.isCommitted else { return }
        observer(.warning("\(BundleName.printable(old.announce.name)): the sender started anew; going on with what is here"))
        end(old, mayReturn: false)
    }

    /// The socket that all sessions share was read.
    /// - Parameters:
    ///   - dropped: datagrams that it had no room for since it was last read.
    ///   - share: of its room (0...1) that waiting datagrams take.
    func noteSocket(dropped: UInt64, share: Double, at now: Instant) {
        for session in sessions.values {
            if dropped > 0 { session.engine.handle(.overflow(datagrams: dropped), at: now) }
            session.engine.handle(.backlog(share: share), at: now)
        }
    }

    // MARK: Opening

    /// The session is over before its storage is open.
    func giveUpOpening(_ tag: UInt32) { if let entry = pending.removeValue(forKey: tag), entry.isSubmitted { abandoned.append(entry) } }

    /// Where two bundles would meet on the disk.
    private func meets(_ announce: Announce, _ other: Announce) -> Bool {
        request.output != .directory || announce.name.utf8.elementsEqual(other.name.utf8)
    }

    /// Opens the storage of sessions whose predecessors have let go of it. One whose predecessor does not come to an end,
    /// since its disk takes so long, gets storage of its own where there may be two.
    func openWhatCan(at now: Instant) {
        guard !pending.isEmpty else { return }
        for (tag, entry) in pending.sorted(by: { $0.value.generation.number < $1.value.generation.number }) {
            if !entry.hasBegun, now - entry.since >= HostLimits.openingPatience {
                pending[tag]?.hasBegun = true
                begin(entry, nil, at: now)
            }
            if entry.isSubmitted { continue }
            let predecessor = ending.first { meets($0.announce, entry.announce) }
            if predecessor != nil || abandoned.contains(where: { meets($0.announce, entry.announce) }) {
                guard now - entry.since >= HostLimits.predecessorPatience, request.output == .directory else { continue }
                predecessor?.cancel(.discarding)
            }
            pending[tag]?.isSubmitted = true
            submit(
                .open(
                    StorageOpening(
                        generation: entry.generation, announce: entry.announce, output: request.output, directory: request.directory,
                        drawn: entry.drawn, turn: gate.turn, groupKey: request.groupKey, replacesFirst: request.replacesFirst, tree: request.tree,
                        reserve: request.reserve,
                        files: files)),
                of: entry.generation)
        }
    }

    /// The storage is there, or why it is not: the session begins, or goes on.
    func opened(_ generation: SessionGeneration, _ result: Result<StorageHandle, HostError>, at now: Instant) {
        guard let entry = pending.values.first(where: { $0.generation == generation }) else {
            abandoned.removeAll { $0.generation == generation }
            if case .success(let handle) = result { letGo(of: handle, .keeping) } else { openWhatCan(at: now) }
            return
        }
        let announce = entry.announce
        pending[announce.session.tag] = nil
        var handle: StorageHandle?
        if case .success(let opened) = result { handle = opened }
        let begun = entry.hasBegun ? sessions[announce.session.tag] : begin(entry, handle, at: now)
        guard let session = begun, session.generation == generation else {
            // It is over by now.
            if let handle { letGo(of: handle, .keeping) }
            return
        }
        switch result {
        case .success(let handle):
            session.handle = handle
            submit(.prepare(handle), of: generation)
            for event in session.takeDeferred() { handleEvent(event, of: session, at: now) }
        case .failure(let failure):
            let isName = BundleName.objection(to: announce.name) != nil
            session.failure = failure.description
            session.engine.handle(.failed(isName ? .failedName : failure.receiverState), at: now)
        }
    }

    @discardableResult
    private func begin(_ entry: Pending, _ handle: StorageHandle?, at now: Instant) -> ReceiveSession {
        let announce = entry.announce
        var configuration = request.configuration
        configuration.memory.assemblySlots = firstSlots(of: announce)
        var engine = ReceiverEngine(
            identity: handle?.identity ?? entry.drawn, configuration: configuration, announce: announce, source: entry.offer.source,
            transmitter: entry.offer.transmitter,
            // As long as nobody knows, there may be chunks from before.
            isResumable: handle.map { !$0.seeds.isEmpty } ?? true, expectsRepairNodes: endpoint.regions.hearsRepairNodes(at: now),
            verifier: Ed25519Verifier(), digest: BLAKE3Digest(), seed: random.next(), at: now)
        engine.noteEarlier(longestDatagram: entry.offer.longestDatagram)
        engine.giveTable(TableMemory.candidate, at: now)
        let session = ReceiveSession(
            announce: announce, generation: entry.generation, engine: engine,
            slots: max(HostLimits.fewestSlots, request.configuration.memory.assemblySlots), account: memory.open(chunkLength: announce.chunkLength), at: now)
        sessions[announce.session.tag] = session
        once.noteProgress(at: now)
        observer(.began(session.snapshot(at: now)))
        return session
    }

    func submit(_ job: StorageJob, of generation: SessionGeneration) {
        outstanding[generation, default: 0] += 1
        executor.submit(job)
    }

    // MARK: Time

    /// Does what the engines ask for, and tells them the time.
    func drive(at now: Instant) {
        shareTables(at: now)
        for tag in sessions.keys { sessions[tag].map { drive($0, at: now) } }
        // A word that does not leave is said again.
        while let (bytes, parent) = endpoint.refusals?.pollTransmit(at: now) { _ = network.send(bytes, to: parent) }
        openWhatCan(at: now)
        let isFinishing = sessions.values.contains { $0.isFinishing }
        if let over = once.outcome(isIdle: isEmpty, isFinishing: isFinishing, hasToldWhy: endpoint.refusals?.isSilent ?? true, at: now) {
            outcome = outcome ?? over
        }
        report(at: now)
    }

    private func drive(_ session: ReceiveSession, at now: Instant) {
        if let due = session.engine.pollTimeout(), due <= now { session.engine.handleTimeout(at: now) }
        keepOutput(for: session, at: now)
        watchHook(of: session, at: now)
        // Payloads that had no place would be asked for over and over.
        if !session.engine.state.isFinal, let shortage = session.shortage { fail(session, shortage, at: now) }
        handleEvents(session, at: now)
        transmit(session, at: now)
        // Whoever stops does not wait until the sender has heard how it ended.
        let isHere = sessions[session.announce.session.tag] === session
        guard isStopping, isHere, session.engine.state.isFinal else { return }
        session.engine.handleTimeout(at: now)
        finished(session, session.engine.state, at: now)
    }

    func transmit(_ session: ReceiveSession, at now: Instant) {
        while let (bytes, parent) = session.engine.pollTransmit(at: now) {
            if !network.send(bytes, to: parent) { session.noteUnsent(bytes) }
        }
    }

    func deadline(at now: Instant) -> Instant? {
        var deadline: Instant?
        func consider(_ instant: Instant) { deadline = min(deadline ?? .distantFuture, instant) }
        accounts.progressPace.deadline(isEmpty: sessions.isEmpty).map(consider)
        once.deadline(isIdle: isEmpty).map(consider)
        endpoint.refusals?.nextDue(at: now).map(consider)
        endpoint.regions.nextSilence.map(consider)
        for entry in pending.values {
            if !entry.hasBegun { consider(entry.since + HostLimits.openingPatience) }
            // Where there is one output, nothing but its predecessor's end helps.
            if !entry.isSubmitted, request.output == .directory { consider(entry.since + HostLimits.predecessorPatience) }
        }
        for session in sessions.values {
            session.engine.pollTimeout().map(consider)
            if case .hook(let process, let deadline, _) = session.stage {
                consider(deadline)
                if process.descriptor == nil { consider(now + .milliseconds(100)) }
            }
        }
        return deadline
    }

    private func report(at now: Instant) {
        guard accounts.progressPace.advance(to: now, isEmpty: sessions.isEmpty) else { return }
        observer(.progress(sessions.values.map { $0.snapshot(at: now) }))
    }

    // MARK: The end of all

    /// Says goodbye to the senders. What is received so far stays for the next time; a command that runs is asked to end.
    func stop(at now: Instant) {
        guard !isStopping else { return }
        isStopping = true
        for session in sessions.values {
            if case .hook(let process, _, let signalled) = session.stage {
                // A command that has run for too long was asked already, and is ended when its time is over.
                guard signalled == nil else { continue }
                process.signal(SIGTERM)
                session.stage = .hook(process, deadline: now + HostLimits.hookPatience, signalled: now)
                continue
            }
            if case .committed = session.stage { continue }
            session.engine.handle(.failed(.interrupted), at: now)
            session.engine.handleTimeout(at: now)
            transmit(session, at: now)
            end(session, mayReturn: true)
        }
        for tag in pending.keys { giveUpOpening(tag) }
    }

    /// Ends what `stop` was patient with.
    func abort() {
        for session in sessions.values { if case .hook(let process, _, _) = session.stage { process.signal(SIGKILL) } }
    }
}
