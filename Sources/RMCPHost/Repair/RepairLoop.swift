import Glibc
import OrderedCollections
import RMCPContent
import RMCPProtocol
public import RMCPReport

/// Runs a repair node until it is told to stop: the sessions that come in from above and those that its cache has, on
/// the calling thread.
public final class RepairLoop {
    var request: RepairNodeRequest
    /// Nil where SIGHUP ends the process.
    let rereader: Rereader<RepairChanges>?
    let reception: Reception
    /// Into the region, and what children send comes to its socket.
    let regionSlab: DatagramSlab
    /// Nil where nothing is sealed.
    let guarding: ControlGuard?
    private let regionFollower: InterfaceFollower
    let outlet: Outlet
    let cache: RepairCache
    let loop: HostLoop
    /// Token of the region's socket, while it is read from.
    private var regionToken: Poller.Token?
    /// Decides what a datagram of no session here means, which session gives way, and what is said in the group.
    var endpoint: RepairEndpoint
    /// Regions to listen to once nobody is reading.
    private var joining: [SocketAddress] = []
    /// By tag, in the order of arrival.
    var sessions: OrderedDictionary<UInt32, RepairSession> = [:]
    /// Ephemeral, for datagrams of no session.
    let identity = UInt32.random(in: 1...(.max))
    private var warnings = Warnings()
    private var refusals: LineBudget
    var observer: (RepairUpdate) -> Void = { _ in }
    var accounts: RepairAccounts
    private(set) var isStopping = false
    /// Which session sends next.
    private var turn = 0

    var region: SocketAddress { endpoint.place.region }

    /// - Parameters:
    ///   - service: the manager that is told how it goes.
    ///   - reread: reads settings anew when SIGHUP asks for it, on a thread of its own; nil where SIGHUP ends the process.
    public init(
        _ request: RepairNodeRequest, service: ServiceNotifier? = nil, reread: (@Sendable () -> Result<RepairChanges, HostError>)? = nil
    ) throws(HostError) {
        try request.validate()
        self.request = request
        let region = request.effectiveRegion
        let loop = try HostLoop(service: service, reloads: reread != nil)
        self.loop = loop
        rereader = reread.map { Rereader(wakeUp: loop.wakeUp, read: $0) }
        let above = request.upstream ?? request.group
        let interface = try NetworkInterface.forGroup(above, named: request.interfaceName, isHost: request.upstream != nil)
        // A relay's receivers may be behind another interface than its parent: the one that routes to their group.
        let sameInterface = request.upstream == nil || interface.isMulticast ? request.interfaceName : nil
        let regionName = request.regionInterfaceName ?? (request.upstream == nil ? interface.name : sameInterface)
        let regionInterface = try NetworkInterface.forGroup(region, named: regionName)
        // A repair node's region is where it listens, wherever that is.
        let isNamed = request.regionInterfaceName ?? sameInterface
        regionFollower = InterfaceFollower(regionInterface, for: region, named: request.upstream == nil && isNamed == nil ? nil : regionName)
        guarding = request.controlKey.map { ControlGuard(key: $0) }
        regionSlab = DatagramSlab(buffers: 4, guarding: guarding)
        reception = try Reception(
            group: request.group,
            follower: InterfaceFollower(interface, for: above, named: request.interfaceName, isHost: request.upstream != nil),
            listens: request.upstream == nil, guarding: guarding)
        let regionSocket = try DatagramSocket.sending(
            to: region, through: regionInterface, timeToLive: request.regionTimeToLive, prefersGroupPort: true)
        reception.ownAddress = regionSocket.localAddress
        outlet = Outlet(socket: regionSocket, group: region, interface: regionInterface, guarding: guarding)
        cache = try RepairCache(wakeUp: loop.wakeUp)
        let now = Poller.now()
        var trust = request.trust
        if request.controlKey != nil { trust.sealing = .carrying }
        endpoint = RepairEndpoint(
            place: RepairPlace(group: request.group, region: region, upstream: request.upstream), policy: trust, signer: request.signer,
            verifier: Ed25519Verifier(), sessionLimit: HostLimits.repairSessions, silence: request.configuration.presence.rejoinAfterSilence,
            identity: identity, at: now)
        accounts = RepairAccounts(at: now)
        refusals = LineBudget(at: now)
    }

    /// Bytes that the way into the region carries, less what is put behind datagrams.
    var regionMTU: Int { regionFollower.interface.mtu - (guarding == nil ? 0 : ControlGuard.trailerLength) }

    /// Returns when a signal comes.
    /// - Returns: `.done` when that was SIGTERM, as service managers ask to end.
    @discardableResult
    public func run(observer: @escaping (RepairUpdate) -> Void) throws(HostError) -> ExitStatus {
        self.observer = observer
        // The observer may hold this, which would keep both.
        defer { self.observer = { _ in } }
        guard let kept = try openCache() else {
            return end()
        }
        observer(
            .listening(
                interface: reception.interface.name, group: request.group, upstream: request.upstream, region: region,
                regionInterface: regionFollower.interface.name))
        if let warning = reception.bufferWarning { observer(.warning(warning)) }
        if request.upstream == nil, !region.mayBeRegion(of: request.group) {
            observer(
                .warning("receivers of \(request.group.text) do not join \(region.text): a region has the group's port, and reaches no further"))
        }
        restore(kept, at: Poller.now())
        loop.service?.ready(at: Poller.now())
        reception.watch(by: loop.poller)
        regionToken = loop.poller.watch(outlet.socket.raw)
        regionFollower.watch(by: loop.poller)
        var isImpatient = false
        loop.run { now, isStopped in
            followInterfaces(at: now)
            followSettings(at: now)
            if loop.takeQuestion() { observer(.asked) }
            var isBusy = receive(at: now)
            collect(at: now)
            shareChunks()
            shareTables(at: now)
            for tag in sessions.keys { sessions[tag].map { drive($0, at: Poller.now()) } }
            if transmit() { isBusy = true }
            for text in outlet.takeWarnings() { warn(text) }
            if isStopped {
                isImpatient = isStopping
                if isImpatient { return .over }
                stop(at: now)
            }
            if isStopping, sessions.isEmpty { return .over }
            speak(at: now)
            reception.keepMembership(isIdle: sessions.values.allSatisfy { $0.engine.upstream == nil }, at: now)
            report(at: now)
            return isBusy ? .again : .wait(until: deadline(at: now), room: outlet.wantsRoom ? regionToken : nil)
        }
        reception.unwatch()
        regionFollower.unwatch()
        regionToken.map(loop.poller.forget)
        for session in sessions.values { close(session) }
        if !isImpatient { finish() }
        cache.shutDown()
        rereader?.stop()
        return end()
    }

    private func end() -> ExitStatus {
        let status = loop.stopSignal == SIGTERM ? ExitStatus.done : .interrupted
        observer(.stopped(status))
        return status
    }

    /// Waits for the cache to be open, and answers signals meanwhile: its disk may not answer. Nil when it is to stop.
    private func openCache() throws(HostError) -> [KeptSession]? {
        cache.start(path: request.cachePath, capacity: request.cacheSize, kept: request.reserve)
        var result: Result<[KeptSession]?, HostError> = .success(nil)
        loop.run { _, isStopped in
            if isStopped { return .over }
            switch cache.collect()?.result {
            case .started(let opened, let kept):
                cache.use(opened)
                result = .success(kept)
            case .notOpened(let error):
                cache.shutDown()
                result = .failure(error)
            default: return .wait(until: nil)
            }
            return .over
        }
        return try result.get()
    }

    /// Lets the cache threads finish what they are at, for a while, and not at all after a second signal.
    private func finish() {
        let deadline = Poller.now() + HostLimits.stopPatience
        loop.run { now, isStopped in
            collect(at: now)
            return cache.isBusy && now < deadline && !isStopped ? .wait(until: deadline) : .over
        }
    }

    private func stop(at now: Instant) {
        isStopping = true
        loop.service?.stopping(within: HostLimits.stopPatience * 2)
        endpoint.stop()
        cache.cancelArrivals()
        for session in sessions.values { session.engine.retire(at: now) }
    }

    /// Goes on with what the host has now in place of addresses and interfaces that are gone.
    private func followInterfaces(at now: Instant) {
        for line in reception.lookAround(at: now) { warn(line) }
        switch regionFollower.look(at: now) {
        case nil: break
        case .unusable(let diagnosis): warn("cannot send to the region: \(diagnosis.text)")
        case .moved(let interface):
            guard let socket = try? outlet.socket.successor(through: interface) else { return regionFollower.retry(at: now) }
            regionToken.map(loop.poller.forget)
            for peer in outlet.replace(with: socket, through: interface) { for session in sessions.values { session.engine.announce(to: peer) } }
            regionToken = loop.poller.watch(socket.raw)
            reception.ownAddress = socket.localAddress
            warn("region: \(regionFollower.adopt(interface))")
        }
    }

    // MARK: Arrivals

    private func receive(at now: Instant) -> Bool {
        if let regionToken, loop.poller.isReadable(regionToken) {
            for _ in 0..<HostLimits.receiveRounds {
                let count = unsafe regionSlab.receive(from: outlet.socket.raw) { bytes, arrival in
                    outlet.noteHeard(arrival.source)
                    handle(below: unsafe RawSpan(_unsafeBytes: bytes), from: arrival.source, at: now)
                }
                if count == 0 { break }
            }
        }
        var isBusy = false
        for round in 0..<HostLimits.receiveRounds {
            let now = round == 0 ? now : Poller.now()
            isBusy = reception.receive { handle(above: $0, at: now) }
            if !isBusy { break }
            for tag in sessions.keys { sessions[tag].map { handleEvents($0, at: now) } }
        }
        for region in joining { reception.join(region, in: &endpoint.regions, at: now) }
        joining.removeAll(keepingCapacity: true)
        // Its own advertisement wakes a repair node often enough.
        for region in endpoint.regions.takeSilent(at: now) { reception.leave(region) }
        let dropped = reception.takeOverflow()
        if dropped > 0 { for session in sessions.values { session.engine.handle(.overflow(datagrams: dropped), at: now) } }
        // Whoever has read everything need not ask.
        let share = isBusy && !sessions.isEmpty ? reception.backlogShare : 0
        for session in sessions.values { session.engine.handle(.backlog(share: share), at: now) }
        return isBusy
    }

    /// Gives each session what is its own, and the rest to the endpoint.
    private func handle(above train: DatagramTrain, at now: Instant) {
        unsafe train.route { tag, offset in
            guard let session = sessions[tag], !session.engine.awaitsParent() else { return nil }
            return session.handleUpstream(train, from: offset, tag: tag, at: now)
        } others: { bytes in
            unsafe handle(above: bytes, train.arrival, at: now)
        }
    }

    private func handle(above bytes: UnsafeRawBufferPointer, _ arrival: Arrival, at now: Instant) {
        let datagram = unsafe RawSpan(_unsafeBytes: bytes)
        func give(toSessionOf tag: UInt32) {
            guard let session = sessions[tag] else {
                return cache.note(datagram, from: arrival.source, ofTag: tag, countsUnicast: endpoint.place.mode == .relay)
            }
            _ = unsafe session.handleUpstream(DatagramTrain(bytes: bytes, segment: 0, arrival: arrival), from: 0, tag: tag, at: now)
        }
        switch endpoint.handle(above: datagram, from: arrival.source, at: now, activity: { activity(of: $0) }) {
        case .ignore: break
        case .session(let tag): give(toSessionOf: tag)
        case .parent(let tag, let transmitter):
            sessions[tag]?.engine.handleAnnounce(from: arrival.source, transmitter: transmitter, at: now)
            give(toSessionOf: tag)
        case .join(let region): joining.append(region)
        case .refuse(let announce, let reason): refuse(announce, reason, at: now)
        case .begin(let offer, let superseded, let evicted):
            if let superseded { giveUp(superseded, .superseded, at: now) }
            if let evicted { giveUp(evicted, .noPlace, at: now) }
            var offer = offer
            offer.note(datagram, from: arrival.source, countsUnicast: endpoint.place.mode == .relay)
            admit(offer.announce, offer.signature, offer, at: now)
        }
    }

    /// Strangers can have as much refused as they like: little of it is told.
    private func refuse(_ announce: Announce, _ reason: SessionRefusal, at now: Instant) {
        if refusals.spend(at: now, warn: { observer(.warning($0)) }) { observer(.refused(announce, reason)) }
    }

    private func handle(below datagram: RawSpan, from source: SocketAddress, at now: Instant) {
        // This node is alone where it is.
        guard source != reception.ownAddress, let tag = PacketHeader.sessionTag(of: datagram) else { return }
        if let session = sessions[tag] { return session.engine.handle(child: datagram, from: source, at: now) }
        if case .announce(let tag) = endpoint.handle(below: datagram) { sessions[tag]?.engine.answerSolicitation(from: source, at: now) }
    }

    // MARK: Time

    private func deadline(at now: Instant) -> Instant? {
        // The advertisement comes before a membership is due.
        var deadline = min(endpoint.pollTimeout(), reception.nextLook, regionFollower.deadline ?? .distantFuture)
        if let due = accounts.progressPace.deadline(isEmpty: sessions.isEmpty) { deadline = min(deadline, due) }
        if let due = accounts.figurePace.deadline { deadline = min(deadline, due) }
        if let attempt = outlet.nextAttempt { deadline = min(deadline, attempt) }
        if outlet.isBlocked { return deadline }
        for session in sessions.values { session.engine.pollTimeout(at: now).map { deadline = min(deadline, $0) } }
        return deadline
    }

    /// Sends what the endpoint has to say: in the upstream group where repairs are, to a named parent what it is asked.
    private func speak(at now: Instant) {
        endpoint.handleTimeout(at: now)
        while let outgoing = endpoint.pollTransmit(time: HostClock.now().milliseconds) {
            switch outgoing {
            case .advertisement(let bytes, let group):
                let datagram = guarding?.protect(bytes) ?? bytes
                let result = outlet.socket.send(datagram, to: group.scoped(to: regionFollower.interface.index))
                if result == .sent { accounts.noteAdvertised(bytes: datagram.count) }
            case .solicitation(let bytes, let parent): reception.answer(bytes, to: parent)
            }
        }
    }

    // MARK: Sending

    /// Sends what the engines have, in turn; true when there is more.
    private func transmit() -> Bool {
        guard outlet.beginRound(at: Poller.now()) else { return false }
        let rate = sessions.values.reduce(0) { $0 + $1.engine.downstream.rate }
        if rate > 0 { outlet.socket.limitPacing(to: rate) }
        var isBusy = false
        for step in 0..<sessions.count {
            switch transmit(sessions.values[(turn + step) % sessions.count]) {
            case .more: isBusy = true
            case .nothing: break
            case .blocked:
                turn = (turn + step) % sessions.count
                return false
            }
        }
        turn = sessions.isEmpty ? 0 : (turn + 1) % sessions.count
        return isBusy
    }

    private enum Progress {
        case more
        case nothing
        case blocked
    }

    private func transmit(_ session: RepairSession) -> Progress {
        for _ in 0..<HostLimits.sendsPerRound {
            let now = Poller.now()
            guard let transmit = session.engine.pollDownstream(at: now) else { return .nothing }
            guard outlet.send(transmit, at: now, buffer: { session.buffer(of: $0) }) else { return .blocked }
        }
        return .more
    }

    func warn(_ text: String) { if warnings.remember(text) { observer(.warning(text)) } }
}
