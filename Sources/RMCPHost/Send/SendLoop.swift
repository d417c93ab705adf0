import Glibc
import RMCPContent
public import RMCPProtocol
public import RMCPReport

/// Runs one send from open to finish: the sender engine, its socket and its source, on the calling thread.
public final class SendLoop {
    private let group: SocketAddress
    private let follower: InterfaceFollower
    private let source: any BundleSource
    private let outlet: Outlet
    private let slab: DatagramSlab
    /// Nil where the session is not sealed.
    private let guarding: ControlGuard?
    private let feeder: ChunkFeeder
    private let loop: HostLoop
    private var socketToken: Poller.Token
    private let announce: Announce
    private var engine: SenderEngine

    private var filter: ReversePathFilter
    private var record: SendRecord
    private var nextProgress: Instant
    private var interrupted = false
    /// A second signal has come.
    private var isInHurry = false
    private var failure: HostError?
    private var warnings = Warnings()
    /// Lines about the session's stamp.
    private var clockWarnings: [String] = []
    private var observer: (SendUpdate) -> Void = { _ in }
    private var outcome: SenderOutcome?

    /// - Throws: one line about what cannot be read, reached or bound.
    public convenience init(_ request: SendRequest, makeSigner: () throws(HostError) -> any MessageSigner) throws(HostError) {
        try request.validate()
        try self.init(request, source: try request.openSource(), makeSigner: makeSigner)
    }

    /// - Parameter source: what is sent, whatever the request says.
    init(_ request: SendRequest, source: any BundleSource, makeSigner: () throws(HostError) -> any MessageSigner) throws(HostError) {
        group = request.group
        self.source = source
        let interface = try NetworkInterface.forGroup(request.group, named: request.interfaceName)
        filter = ReversePathFilter(interface: interface.name, group: request.group)
        follower = InterfaceFollower(interface, for: request.group, named: request.interfaceName)
        let socket = try DatagramSocket.sending(to: request.group, through: interface, timeToLive: request.timeToLive, prefersGroupPort: true)
        guarding = request.groupKey.map { ControlGuard(key: $0.control) }
        slab = DatagramSlab(buffers: 4, guarding: guarding)
        outlet = Outlet(socket: socket, group: request.group, interface: interface, guarding: guarding)
        var configuration = request.configuration
        configuration.joining.timeToLive = UInt8(clamping: request.timeToLive)
        configuration.packets.overhead = DatagramOverhead.bytes(over: group.family)
        configuration.packets.datagramLength = DatagramLength.longest(
            ordinary: configuration.packets.datagramLength, mtu: interface.mtu - (guarding == nil ? 0 : ControlGuard.trailerLength),
            timeToLive: request.timeToLive, over: group.family)
        var announce = try Self.makeAnnounce(request, source: source, configuration: configuration)
        configuration = try SendMemory.bounded(configuration, chunkLength: announce.chunkLength, isSealed: guarding != nil, beside: source.memory)
        // After everything that the user may have got wrong: asking for a signer may make a key.
        let signer = try makeSigner()
        announce.key = signer.publicKey
        // Nobody remembers sessions that are not signed.
        if announce.isSigned {
            let stamp = SenderStamps.ofUser.next(for: announce.key, supersedes: request.supersedes)
            announce.creationTime = stamp.version.time
            announce.epoch = stamp.version.epoch
            clockWarnings = stamp.warnings
        }
        var sealer: ChunkSealer?
        if let key = request.groupKey {
            (announce, sealer) = try Self.seal(announce, for: key)
            MemoryLimit.keepMemoryOfCipher()
        }
        // From here on signals are blocked: after whatever may wait for a file system, so that they end such a wait, and before
        // threads are started, which inherit it.
        loop = try HostLoop()
        socketToken = loop.poller.watch(socket.raw)
        follower.watch(by: loop.poller)
        feeder = try ChunkFeeder(
            source: source, announce: announce, level: request.compressionLevel, sealer: sealer, configuration: configuration,
            wakeUp: loop.wakeUp)
        let created = Poller.now()
        record = SendRecord(configuration: configuration, at: created)
        if request.asksNodes {
            record.inquiry = NodeInquiry(session: announce.session, identity: .random(in: 1...(.max)), at: created)
        }
        nextProgress = created
        var system = SystemRandomNumberGenerator()
        engine = SenderEngine(
            configuration: configuration, announce: announce, signer: signer, digest: BLAKE3Digest(), verifier: Ed25519Verifier(),
            seed: .random(in: 0...(.max)), secret: CookieSecret(using: &system), at: created)
        self.announce = announce
    }

    private static func makeAnnounce(
        _ request: SendRequest, source: any BundleSource, configuration: Configuration
    ) throws(HostError) -> Announce {
        let name = try request.bundleName(source.defaultName)
        var chunkLength = source.chunkLength ?? configuration.packets.chunkLength
        // The table is bounded, so the largest bundles have longer chunks.
        while let length = source.contentLength, ChunkMap(chunkLength: chunkLength).chunkCount(for: length) > UInt64(Limits.maximumChunks) {
            guard chunkLength < Limits.maximumChunkLength else {
                throw HostError("\(source.path) has \(length) bytes; the most that one bundle holds are 8 TiB", kind: .usage)
            }
            chunkLength *= 2
        }
        return Announce(
            // A tag of 0 is that of datagrams of no session.
            session: SessionID(high: .random(in: 1 << 32...(.max)), low: .random(in: 0...(.max))), kind: source.kind,
            chunkLength: chunkLength, payloadLength: 0,
            creationTime: Poller.wallClockMilliseconds(),
            contentLength: source.contentLength, allocatedLength: source.allocatedLength, mode: source.mode,
            modificationTime: source.modificationTime, name: name, key: .none)
    }

    /// Details of the bundle are for the holders of the key alone from now on.
    private static func seal(_ announce: Announce, for key: GroupKey) throws(HostError) -> (Announce, ChunkSealer) {
        let sealer = ChunkSealer(new: announce.session, key: key)
        do throws(ContentError) { return (try sealer.seal(announce), sealer) } catch { throw HostError("cannot seal the bundle's name: \(error)") }
    }

    // MARK: Running

    /// Returns when the session is over; an interrupt makes it end with `.stopped`.
    /// - Throws: when the source or the network fails; receivers have been told by then.
    public func run(observer: @escaping (SendUpdate) -> Void) throws(HostError) -> SenderOutcome {
        self.observer = observer
        // The observer may hold this, which would keep both.
        defer { self.observer = { _ in } }
        observer(.ready(interface: follower.interface.name, group: group, announce: announce, tree: source.counts))
        for entry in source.skipped { observer(.skipped(entry)) }
        for text in source.warnings + clockWarnings { observer(.warning(text)) }
        defer { shutDown() }
        loop.run { now, isStopped in
            followInterface(at: now)
            receive(at: now)
            guarded { () throws(HostError) in
                try feeder.collect(&engine, at: now)
                try feeder.feed(&engine, at: now)
            }
            if isStopped { interrupt(at: now) }
            if loop.takeQuestion() { observer(.asked) }
            if let due = engine.pollTimeout(at: now), due <= now { engine.handleTimeout(at: now) }
            outlet.socket.limitPacing(to: engine.rate)
            let isBusy = transmit()
            record.note(look, at: now)
            for text in outlet.takeWarnings() { warn(text) }
            if let text = guarding?.takeWarning(at: now) { observer(.warning(text)) }
            handleEvents()
            report(at: now)
            guard outcome == nil else { return .over }
            return isBusy ? .again : .wait(until: deadline(), room: outlet.wantsRoom ? socketToken : nil)
        }
        if let failure { throw failure }
        return outcome ?? SenderOutcome(kind: .stopped, receivers: engine.receivers, labels: engine.failureLabels)
    }

    /// Waits for the workers, but not for a disk that does not answer, and not beyond another signal: the process ends with
    /// threads in it that still wait.
    private func shutDown() {
        feeder.stop()
        loop.poller.forget(socketToken)
        follower.unwatch()
        let deadline = Poller.now() + (isInHurry ? .zero : HostLimits.readerPatience)
        var isIdle = false
        loop.run { now, isStopped in
            isIdle = feeder.isIdle()
            return isIdle || isStopped || now >= deadline ? .over : .wait(until: deadline)
        }
        if isIdle { feeder.shutDown() }
    }

    private func guarded(_ body: () throws(HostError) -> Void) {
        guard failure == nil else { return }
        do throws(HostError) { try body() } catch {
            failure = error
            engine.stop(at: Poller.now())
        }
    }

    private func interrupt(at now: Instant) {
        isInHurry = interrupted
        if interrupted { outcome = SenderOutcome(kind: .stopped, receivers: engine.receivers, labels: engine.failureLabels) }
        interrupted = true
        engine.stop(at: now)
    }

    /// Goes on with what the host has now in place of an address or an interface that is gone.
    private func followInterface(at now: Instant) {
        switch follower.look(at: now) {
        // The outlet says why nothing leaves.
        case nil, .unusable: break
        case .moved(let interface):
            guard let socket = try? outlet.socket.successor(through: interface) else { return follower.retry(at: now) }
            loop.poller.forget(socketToken)
            for peer in outlet.replace(with: socket, through: interface) { engine.announce(to: peer) }
            socketToken = loop.poller.watch(socket.raw)
            observer(.warning(follower.adopt(interface)))
        }
    }

    private func deadline() -> Instant {
        let now = Poller.now()
        var deadline = nextProgress
        if let look = follower.deadline { deadline = min(deadline, look) }
        if let attempt = outlet.nextAttempt { deadline = min(deadline, attempt) }
        if outlet.isBlocked { return deadline }
        if let due = engine.pollTimeout(at: now) { deadline = min(deadline, due) }
        return deadline
    }

    private func receive(at now: Instant) {
        guard loop.poller.isReadable(socketToken) else { return }
        for _ in 0..<HostLimits.receiveRounds {
            let count = unsafe slab.receive(from: outlet.socket.raw) { bytes, arrival in
                outlet.noteHeard(arrival.source)
                let datagram = unsafe RawSpan(_unsafeBytes: bytes)
                if record.inquiry?.take(datagram, from: arrival.source) != true { engine.handle(datagram: datagram, from: arrival.source, at: now) }
            }
            if count == 0 { return }
        }
    }

    /// The engine's state, field by field: handed over as a whole, the engine would be copied each time the loop comes round.
    private var look: SendRecord.Look {
        SendRecord.Look(
            phase: engine.sessionPhase, isStarved: engine.positionChunk == engine.chunkCount, isBlocked: outlet.isBlocked, rate: engine.rate,
            sent: engine.counters.bytesSent)
    }

    /// Sends what the engine has; true when there is more.
    private func transmit() -> Bool {
        guard outlet.beginRound(at: Poller.now()) else { return false }
        for _ in 0..<HostLimits.sendsPerRound {
            let now = Poller.now()
            guard let transmit = engine.pollTransmit(at: now) else { return false }
            guard outlet.send(transmit, at: now, buffer: { feeder.resident[$0] }) else { return false }
        }
        return true
    }

    private func warn(_ text: String) { if warnings.remember(text) { observer(.warning(text)) } }

    private func handleEvents() {
        while let event = engine.pollEvent() {
            switch event {
            case .started(let receivers):
                record.streamingSince = Poller.now()
                outlet.noteFinal(length: engine.datagramLength)
                if engine.counters.datagramLengthReductions > 0 {
                    warn("some receivers do not get full-sized datagrams; using \(engine.datagramLength) bytes")
                }
                observer(.started(receivers: receivers, wanted: record.wanted))
            case .fetch(let chunk):
                if let record = engine.record(of: chunk) { feeder.fetch(chunk, record: record) }
            case .outline(let chunk, let shape): feeder.outline(chunk, shape)
            case .release(let chunk):
                if let buffer = feeder.surrender(chunk) { outlet.release(buffer, to: feeder.pool) }
            case .unicastFallback(let children):
                warn(
                    "multicast does not reach \(children) \(children == 1 ? "receiver" : "receivers") any more; serving by unicast, which costs a copy each: "
                        + "look for IGMP snooping without a querier, or a firewall")
            case .rateChanged(let decision):
                record.note(decision)
                observer(.rateChanged(decision))
            case .sentOnce: observer(.sentOnce(milestone()))
            case .finished(let outcome):
                self.outcome = outcome
                if outcome.kind == .nobodyCame, let found = filter.look() { warn(found.text) }
                observer(.finished(outcome, milestone(), hasFailed: failure != nil))
            }
        }
    }

    private func report(at now: Instant) {
        guard now >= nextProgress else { return }
        askNodes(at: now)
        nextProgress = now + .milliseconds(200)
        observer(.progress(snapshot()))
    }

    private func snapshot() -> SendSnapshot {
        let now = Poller.now()
        let sent = min(ChunkMap(announce).offset(of: engine.positionChunk), engine.contentLength)
        var counters = engine.counters
        counters.bytesSent &-= outlet.unsent.bytes
        counters.datagramsSent &-= outlet.unsent.datagrams
        counters.foreign &+= (guarding?.forged ?? 0) &+ (guarding?.replayed ?? 0)
        let loss = StatusHistogram.quantile(0.5, of: engine.receivers.loss)
        var snapshot = SendSnapshot(
            phase: engine.sessionPhase, elapsed: now - record.created, streaming: record.streamingSince.map { now - $0 },
            contentSent: sent, contentLength: announce.contentLength, encodedLength: engine.encodedLength,
            rate: engine.rate, receivers: engine.receivers, wanted: record.wanted, required: record.required, medianLoss: LossBucket.fraction(of: loss),
            groupRoundTrip: engine.groupRoundTrip, counters: counters,
            unsent: outlet.droppedToPeers, unanswerable: slab.impossible, network: network)
        snapshot.limits = record.limits
        snapshot.level = feeder.level
        snapshot.tree = source.counts
        return snapshot
    }

    /// The same with what takes a look at every child.
    private func milestone() -> SendSnapshot {
        var snapshot = snapshot()
        snapshot.nodes = engine.repairNodes(limit: SendRecord.nodeLimit).map {
            var node = RepairNodeStatus(address: $0.address, histogram: $0.histogram, isLost: $0.isLost)
            if let report = record.inquiry?.report(of: $0.address) {
                node.repairedBytes = report.counts.repairBytes &+ report.counts.catchUpBytes
                node.chunksHeld = report.chunksHeld
            }
            return node
        }
        return snapshot
    }

    /// Asks repair nodes what they hold and have repaired, where somebody wants to know.
    private func askNodes(at now: Instant) {
        guard engine.receivers.tree.repairNodes > 0, engine.sessionPhase != .waiting,
            record.inquiry?.begin(isEnd: engine.sessionPhase != .streaming, at: now) == true
        else { return }
        for node in engine.repairNodes(limit: NodeInquiry.limit) where !node.isLost {
            if let question = record.inquiry?.question(to: node.address) { _ = outlet.send(question, to: .peer(node.address), at: now) }
        }
    }

    private var network: NetworkFigures {
        var figures = slab.figures
        figures.unsentDatagrams = outlet.unsent.datagrams
        figures.unsentBytes = outlet.unsent.bytes
        return figures
    }
}
