import RMCPContent
import RMCPProtocol
public import RMCPReport

/// Runs a repair node until it is told to stop: the sessions that come in from above and those that its cache has, on
/// the calling thread.
public final class RepairLoop {
    let request: RepairNodeRequest
    let reception: Reception
    /// Into the region, and what children send comes to its socket.
    let regionSlab = DatagramSlab(buffers: 4)
    let region: SocketAddress
    let regionInterface: NetworkInterface
    let outlet: Outlet
    let cache: RepairCache
    let loop: HostLoop
    /// Token of the region's socket, while it is read from.
    private var regionToken: Poller.Token?
    var directory: SessionDirectory
    var sessions: [UInt32: RepairSession] = [:]
    /// The order of arrival, for going through the sessions.
    var order: [UInt32] = []
    /// Ephemeral, for datagrams of no session.
    let identity = UInt32.random(in: 1...(.max))
    private var warnings = Warnings()
    var observer: (RepairUpdate) -> Void = { _ in }
    private var nextProgress: Instant
    private var nextAdvertisement: Instant
    private(set) var isStopping = false
    /// Index of the session that was last told of to somebody who asked.
    private var solicited = 0
    /// Which session sends next.
    private var turn = 0

    var mode: RepairEngine.Mode { request.upstream == nil ? .repair : .relay }

    public init(_ request: RepairNodeRequest) throws(HostError) {
        for group in [request.group, request.region ?? request.group] { try group.requireMulticast() }
        self.request = request
        region = request.effectiveRegion
        guard region.family == request.group.family else {
            throw HostError("the region \(region.text) and the group \(request.group.text) are of different families", kind: .usage)
        }
        if request.upstream == nil, region == request.group {
            throw HostError("the region is the upstream group itself; give another with --region, or --upstream HOST to relay", kind: .usage)
        }
        loop = try HostLoop()
        let interface = try NetworkInterface.forGroup(
            request.upstream ?? request.group, named: request.interfaceName, isHost: request.upstream != nil)
        // A relay's receivers may be behind another interface than its parent: the one that routes to their group.
        let sameInterface = request.upstream == nil || interface.isMulticast ? request.interfaceName : nil
        regionInterface = try NetworkInterface.forGroup(
            region, named: request.regionInterfaceName ?? (request.upstream == nil ? interface.name : sameInterface))
        reception = try Reception(group: request.group, interface: interface, listens: request.upstream == nil)
        let regionSocket = try DatagramSocket.sending(
            to: region, through: regionInterface, timeToLive: request.regionTimeToLive, prefersGroupPort: true)
        reception.ownAddress = regionSocket.localAddress
        outlet = Outlet(socket: regionSocket, group: region, interface: regionInterface)
        cache = try RepairCache(wakeUp: loop.wakeUp)
        directory = SessionDirectory(
            policy: request.trust, verifier: Ed25519Verifier(), sessionLimit: HostLimits.repairSessions,
            silence: request.configuration.presence.rejoinAfterSilence)
        let now = Poller.now()
        nextProgress = now
        nextAdvertisement = now
    }

    /// Returns when a signal comes.
    public func run(observer: @escaping (RepairUpdate) -> Void) throws(HostError) {
        self.observer = observer
        // Whoever observes may hold this, which would keep both.
        defer { self.observer = { _ in } }
        guard let kept = try openCache() else { return observer(.stopped) }
        observer(
            .listening(
                interface: reception.interface.name, group: request.group, upstream: request.upstream, region: region,
                regionInterface: regionInterface.name))
        if let warning = reception.bufferWarning { observer(.warning(warning)) }
        restore(kept, at: Poller.now())
        reception.watch(by: loop.poller)
        regionToken = loop.poller.watch(outlet.socket.raw)
        var isImpatient = false
        loop.run { now, isStopped in
            var isBusy = receive(at: now)
            collect(at: now)
            for tag in order { sessions[tag].map { drive($0, at: Poller.now()) } }
            if transmit() { isBusy = true }
            for text in outlet.takeWarnings() { warn(text) }
            if isStopped {
                isImpatient = isStopping
                if isImpatient { return .over }
                stop(at: now)
            }
            if isStopping, sessions.isEmpty { return .over }
            advertise(at: now)
            reception.keepMembership(isIdle: order.allSatisfy { sessions[$0]?.engine.upstream == nil }, at: now)
            report(at: now)
            return isBusy ? .again : .wait(until: deadline(at: now), room: outlet.wantsRoom ? regionToken : nil)
        }
        reception.unwatch()
        regionToken.map(loop.poller.forget)
        for tag in order { sessions[tag].map { close($0) } }
        if !isImpatient { finish() }
        cache.shutDown()
        observer(.stopped)
    }

    /// Waits for the cache to be open, and answers signals meanwhile: its disk may not answer. Nil when it is to stop.
    private func openCache() throws(HostError) -> [KeptSession]? {
        cache.start(path: request.cachePath, capacity: request.cacheSize)
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
        cache.cancelArrivals()
        for tag in order { sessions[tag]?.engine.retire(at: now) }
    }

    // MARK: Arrivals

    private func receive(at now: Instant) -> Bool {
        if let regionToken, loop.poller.isReadable(regionToken) {
            for _ in 0..<HostLimits.receiveRounds {
                let count = unsafe regionSlab.receive(from: outlet.socket.raw) { bytes, arrival in
                    unsafe routeFromBelow(bytes, from: arrival.source, at: now)
                }
                if count == 0 { break }
            }
        }
        var isBusy = false
        for round in 0..<HostLimits.receiveRounds {
            let now = round == 0 ? now : Poller.now()
            isBusy = reception.receive { train in
                unsafe train.route { tag, offset in
                    guard let session = sessions[tag], !mayBeginRelaying(session) else { return nil }
                    return session.handleUpstream(train, from: offset, tag: tag, at: now)
                } others: { bytes in
                    unsafe routeFromAbove(bytes, train.arrival, at: now)
                }
            }
            if !isBusy { break }
            for tag in order { sessions[tag].map { handleEvents($0, at: now) } }
        }
        reception.joinAdvertised(at: now)
        let dropped = reception.takeOverflow()
        if dropped > 0 { for tag in order { sessions[tag]?.engine.handle(.overflow(datagrams: dropped), at: now) } }
        // Whoever has read everything need not ask.
        let share = isBusy && !order.isEmpty ? reception.backlogShare : 0
        for tag in order { sessions[tag]?.engine.handle(.backlog(share: share), at: now) }
        return isBusy
    }

    private func routeFromBelow(_ bytes: UnsafeRawBufferPointer, from source: SocketAddress, at now: Instant) {
        // Nobody else is where this node is.
        let datagram = unsafe RawSpan(_unsafeBytes: bytes)
        guard let tag = PacketHeader.sessionTag(of: datagram), source != reception.ownAddress else { return }
        if let session = sessions[tag] { return session.engine.handle(child: datagram, from: source, at: now) }
        // Somebody asks what there is: one session is told with each question, in turn, so that the answer is no longer.
        guard tag == 0, !order.isEmpty, case .solicitation? = try? Packet.parse(datagram).1 else { return }
        solicited = (solicited + 1) % order.count
        sessions[order[solicited]]?.engine.announce(to: source)
    }

    /// A relay's parent shows by its ANNOUNCE: each datagram is looked at until one has come.
    private func mayBeginRelaying(_ session: RepairSession) -> Bool { mode == .relay && !session.engine.hasUpstream }

    private func routeFromAbove(_ bytes: UnsafeRawBufferPointer, _ arrival: Arrival, at now: Instant) {
        guard let tag = unsafe PacketHeader.sessionTag(of: RawSpan(_unsafeBytes: bytes)) else { return }
        if let session = sessions[tag] {
            if mayBeginRelaying(session), let (header, packet) = unsafe try? Packet.parse(RawSpan(_unsafeBytes: bytes)),
                case .announce(let announce, _) = packet, announce == session.announce
            {
                session.engine.handleAnnounce(from: arrival.source, transmitter: header.transmitter, at: now)
            }
            _ = unsafe session.handleUpstream(DatagramTrain(bytes: bytes, segment: 0, arrival: arrival), from: 0, tag: tag, at: now)
            return
        }
        if tag == 0, let region = unsafe Reception.advertisedRegion(in: bytes) {
            return reception.noteAdvertised(region)
        }
        let datagram = unsafe RawSpan(_unsafeBytes: bytes)
        switch directory.judge(datagram, at: now, lastHeard: { lastHeard($0) }) {
        case .ignore: break
        case .refuse(let announce, let reason): observer(.refused(announce, reason))
        case .accept(let announce, let superseded):
            guard !isStopping, let (header, packet) = try? Packet.parse(datagram), case .announce(_, let signature) = packet else { return }
            if let superseded {
                if let old = sessions[superseded.tag] { retire(old, "a newer session of the same bundle has begun", at: now) }
                if let old = cache.arrival(of: superseded) { cache.cancel(old) }
            }
            admit(announce, signature, by: (arrival.source, header.transmitter), at: now)
        }
    }

    /// One that waits for its part of the cache is not dead.
    private func lastHeard(_ session: SessionID) -> Instant? {
        sessions[session.tag]?.engine.upstream?.lastHeardFromSender ?? cache.arrival(of: session)?.since
    }

    // MARK: Time

    private func deadline(at now: Instant) -> Instant? {
        // The advertisement comes before a membership is due.
        var deadline = nextAdvertisement
        if !sessions.isEmpty { deadline = min(deadline, nextProgress) }
        if let attempt = outlet.nextAttempt { deadline = min(deadline, attempt) }
        if outlet.isBlocked { return deadline }
        for tag in order { sessions[tag]?.engine.pollTimeout(at: now).map { deadline = min(deadline, $0) } }
        return deadline
    }

    /// Says in the upstream group where repairs are; asks a named parent what there is.
    private func advertise(at now: Instant) {
        guard now >= nextAdvertisement, !isStopping else { return }
        nextAdvertisement = now + RepairEndpoint.advertisementInterval
        if region != request.group {
            let bytes = Packet.advertisement(Advertisement(region: region)).datagram(sessionTag: 0, transmitter: identity, isUnicast: false)
            _ = outlet.socket.send(bytes, to: request.group.scoped(to: regionInterface.index))
        }
        if let upstream = request.upstream {
            _ = reception.replySocket.send(Packet.solicitation.datagram(sessionTag: 0, transmitter: identity), to: upstream)
        }
    }

    private func report(at now: Instant) {
        guard now >= nextProgress, !sessions.isEmpty else { return }
        nextProgress = now + .milliseconds(200)
        observer(.progress(order.compactMap { sessions[$0]?.snapshot() }))
    }

    // MARK: Sending

    /// Sends what the engines have, in turn; true when there is more.
    private func transmit() -> Bool {
        guard outlet.isReady(at: Poller.now()) else { return false }
        let rate = order.reduce(0) { $0 + (sessions[$1]?.engine.downstream.rate ?? 0) }
        if rate > 0 { outlet.socket.limitPacing(to: rate) }
        var isBusy = false
        for step in 0..<order.count {
            guard let session = sessions[order[(turn + step) % order.count]] else { continue }
            switch transmit(session) {
            case .more: isBusy = true
            case .nothing: break
            case .blocked:
                turn = (turn + step) % order.count
                return false
            }
        }
        turn = order.isEmpty ? 0 : (turn + 1) % order.count
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

    func warn(_ text: String) { if warnings.isNew(text) { observer(.warning(text)) } }
}
