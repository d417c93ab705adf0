import RMCPContent
import RMCPProtocol

/// Takes sessions from a group until it is told to stop: receiver engines, their sockets and their storage, on the
/// calling thread.
public final class ReceiveDaemon {
    let request: ReceiveRequest
    let interface: NetworkInterface
    let reception: Reception
    let wakeUp: WakeUp
    let signals: SignalListener
    let workers: WorkerPool<StorageJob, StorageOutput>
    /// Buffers of each chunk length in use; nearly always one.
    var pools: [Int: BufferPool] = [:]
    var directory: SessionDirectory
    var versions: VersionRecords?
    var sessions: [UInt32: ReceiveSession] = [:]
    /// The order of arrival, for going through the sessions.
    var order: [UInt32] = []
    private var poller: Poller
    private var nextProgress: Instant
    var lastActivity: Instant
    var refusedSession: SessionID?
    /// When an outdated session was refused while nothing else was under way.
    private var outdatedSince: Instant?
    /// Datagrams too short for a header.
    private var runts: UInt64 = 0
    var outcome: ReceiveOutcome?

    public init(_ request: ReceiveRequest) throws(HostError) {
        guard request.group.isMulticast else {
            throw HostError(
                "\(request.group.host) is not a multicast address; use one of 224.0.0.0/4 (239.255.0.0/16 is for local use) or ff00::/8",
                kind: .usage)
        }
        self.request = request
        signals = try SignalListener()
        wakeUp = try WakeUp()
        if request.output == .directory { try Self.checkDirectory(request.directory) }
        interface = try NetworkInterface.forGroup(request.group, named: request.interfaceName)
        reception = try Reception(group: request.group, interface: interface)
        workers = try WorkerPool(name: "rmcp-store", threads: HostLimits.workerThreads, wakeUp: wakeUp) {
            let worker = StorageWorker()
            return { worker.run($0) }
        }
        versions = request.versions
        var trust = request.trust
        trust.newest = versions?.newest ?? [:]
        directory = SessionDirectory(
            policy: trust, verifier: Ed25519Verifier(), sessionLimit: HostLimits.sessions,
            silence: request.configuration.rejoinAfterSilence)
        let now = Poller.now()
        nextProgress = now
        lastActivity = now
        poller = Poller([wakeUp.descriptor.raw, signals.descriptor.raw] + reception.descriptors)
    }

    /// Returns when `once` is fulfilled or a signal comes.
    public func run(observer: (ReceiveUpdate) -> Void) throws(HostError) -> ReceiveOutcome {
        observer(.listening(interface: interface.name, group: request.group))
        if let length = reception.receiveBufferLength, length < 4 << 20 {
            observer(
                .warning(
                    "the socket buffer is only \(length >> 10) KiB; fast senders will overrun it: sysctl -w net.core.rmem_max=33554432"
                ))
        }
        while outcome == nil {
            let now = Poller.now()
            let isBusy = receive(at: now, observer)
            if poller.isReadable(0) { wakeUp.clear() }
            collect(at: now, observer)
            for tag in order { sessions[tag].map { drive($0, at: Poller.now(), observer) } }
            if poller.isReadable(1), signals.take() { stop(at: now) }
            checkTimeout(at: now)
            reception.keepMembership(isIdle: sessions.isEmpty, at: now)
            report(observer, at: now)
            guard outcome == nil else { break }
            poller.wait(until: isBusy ? now : deadline(at: now))
        }
        shutDown()
        let malformed = directory.malformed + runts + reception.truncated
        observer(.stopped(StrayCounters(malformed: malformed, foreign: directory.foreign)))
        return outcome ?? .interrupted
    }

    private func receive(at now: Instant, _ observer: (ReceiveUpdate) -> Void) -> Bool {
        var isBusy = false
        for round in 0..<HostLimits.receiveRounds {
            let now = round == 0 ? now : Poller.now()
            isBusy = reception.receive(isReady: { poller.isReadable($0 + 2) }) { train in
                unsafe train.route { tag, offset in
                    sessions[tag].map { $0.handle(train, from: offset, tag: tag, at: now) }
                } others: { bytes in
                    unsafe route(bytes, from: train.origin, at: now, observer)
                }
            }
            if !isBusy { break }
            // What was assembled goes to the storage threads at once, so that they work while more is read.
            for tag in order { sessions[tag].map { handleEvents($0, at: now, observer) } }
        }
        let regions = reception.joinAdvertised(at: now)
        if regions.changed { poller = Poller([wakeUp.descriptor.raw, signals.descriptor.raw] + reception.descriptors) }
        for region in regions.joined { observer(.region(region)) }
        let dropped = reception.takeOverflow()
        if dropped > 0 { for tag in order { sessions[tag]?.engine.handle(.overflow(datagrams: dropped), at: now) } }
        // Whoever has read everything need not ask.
        let share = isBusy && !order.isEmpty ? reception.backlogShare : 0
        for tag in order { sessions[tag]?.engine.handle(.backlog(share: share), at: now) }
        return isBusy
    }

    /// A datagram of no session that is taken part in.
    private func route(
        _ bytes: UnsafeRawBufferPointer, from origin: DatagramOrigin, at now: Instant, _ observer: (ReceiveUpdate) -> Void
    ) {
        guard bytes.count >= PacketHeader.length else {
            runts += 1
            return
        }
        let tag = unsafe UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        if tag == 0, let region = unsafe Reception.advertisedRegion(in: bytes) {
            return reception.noteAdvertised(region)
        }
        let datagram = unsafe RawSpan(_unsafeBytes: bytes)
        switch directory.judge(datagram, at: now, lastHeard: { [sessions] in sessions[$0.tag]?.engine.lastHeardFromSender }) {
        case .ignore: noteRefusedSender(datagram)
        case .refuse(let announce, let reason): refuse(announce, reason, observer)
        case .accept(let announce, let superseded):
            guard let header = try? PacketHeader(of: datagram) else { return }
            if let superseded, let old = sessions[superseded.tag] { supersede(old, observer) }
            begin(announce, from: origin.source, transmitter: header.transmitter, at: now, observer)
        }
    }

    // MARK: Time

    private func deadline(at now: Instant) -> Instant? {
        var deadline: Instant?
        func consider(_ instant: Instant) { deadline = min(deadline ?? .distantFuture, instant) }
        if !sessions.isEmpty { consider(nextProgress) }
        reception.idleRejoin.map(consider)
        if request.once, let timeout = request.timeout { consider(lastActivity + timeout) }
        if let since = outdatedSince, sessions.isEmpty { consider(since + HostLimits.outdatedPatience) }
        for tag in order { sessions[tag]?.engine.pollTimeout().map(consider) }
        return deadline
    }

    private func checkTimeout(at now: Instant) {
        if let since = outdatedSince, now - since >= HostLimits.outdatedPatience, sessions.isEmpty { outcome = .refused }
        guard request.once, let timeout = request.timeout, now - lastActivity >= timeout else { return }
        for tag in order { sessions[tag]?.engine.handle(.failed(.interrupted), at: now) }
        outcome = refusedSession != nil && sessions.isEmpty ? .refused : .timedOut
    }

    private func stop(at now: Instant) {
        for tag in order { sessions[tag]?.engine.handle(.failed(.interrupted), at: now) }
        outcome = .interrupted
    }

    private func report(_ observer: (ReceiveUpdate) -> Void, at now: Instant) {
        guard now >= nextProgress, !sessions.isEmpty else { return }
        nextProgress = now + .milliseconds(200)
        observer(.progress(order.compactMap { sessions[$0]?.snapshot(at: now) }))
    }

    /// Says goodbye to the senders and leaves partial files behind in good order.
    private func shutDown() {
        let now = Poller.now()
        for tag in order {
            guard let session = sessions[tag] else { continue }
            session.engine.handleTimeout(at: now)
            transmit(session, at: now)
        }
        workers.shutDown()
        for tag in order { sessions[tag]?.close() }
    }

    // MARK: Refusals

    private func refuse(_ announce: Announce, _ reason: SessionRefusal, _ observer: (ReceiveUpdate) -> Void) {
        observer(.refused(announce, reason))
        guard request.once else { return }
        // A repair node may offer it for as long as it runs: a newer one would have come by then.
        if case .rollback = reason { outdatedSince = outdatedSince ?? Poller.now() }
        refusedSession = announce.session
        // Nothing can ever be accepted: waiting on would be in vain.
        if request.trust.trustedKeys.isEmpty, !request.trust.allowsUnsigned { outcome = .refused }
    }

    /// With `once`, the only session that came was refused and is over: so is the waiting.
    private func noteRefusedSender(_ datagram: RawSpan) {
        guard let refused = refusedSession, sessions.isEmpty else { return }
        guard let (header, packet) = try? Packet.parse(datagram), header.sessionTag == refused.tag else { return }
        guard case .heartbeat(let heartbeat) = packet, heartbeat.phase == .leaving || heartbeat.phase == .aborted else { return }
        outcome = .refused
    }
}
