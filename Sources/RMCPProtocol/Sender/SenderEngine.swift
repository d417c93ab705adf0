import DequeModule

/// The sender's protocol engine: depth 0 of the tree; at a repair node its lower half (`Repeater`). It is told of datagrams, of its
/// source and of time, and is then drained of what to transmit and of events. It holds no payload.
///
/// ```
///   waiting ──start condition──▶ streaming ──all sent once──▶ draining ◀──latecomer── lingering
///      │ nobody came                                              └──all done──▶─────────┘ │
///      └───────────────────────────▶ leaving ◀───────────────────────────────linger passed─┘
///                                       └── LEAVING said often enough ──▶ finished
/// ```
///
/// One thread owns it. Its host
/// - tells it of datagrams (`handle(datagram:from:at:)`), of the source (`handle(_:at:)`) and of time (`handleTimeout(at:)`, when
///   `pollTimeout(at:)` is due), and ends it early with `stop(at:)`;
/// - drains `pollTransmit(at:)` and `pollEvent()` until nil after each of these, and obeys events in their order.
///
/// | the engine says | the host answers |
/// |---|---|
/// | `encodeCredit` above 0 | `.encoded` or `.hole`, in order; `.ended` after the last |
/// | `.outline(chunk:)` | `.outlined` |
/// | `.fetch(chunk:)` | `.fetched(chunk:)`, or at a repair node `lose(_:)` |
/// | `.release(chunk:)` | nothing; the buffer is free |
/// | `.finished` | nothing; nothing more will be sent |
public struct SenderEngine: Sendable {
    enum Phase: Sendable {
        case waiting(since: Instant)
        /// Since the start condition was met.
        case streaming(since: Instant)
        /// Since heartbeats are spaced out.
        case draining(since: Instant)
        case lingering
        case leaving(SenderOutcome, repeatsLeft: Int)
        case finished
    }

    let configuration: Configuration
    let transmitter: UInt32
    var phase: Phase
    var announcement: SignedAnnounce
    /// Set at a repair node.
    var repeater: Repeater?

    // What there is to send, and what was asked for.
    var window: TransmitWindow
    var pending: PendingNAKs
    var unicastChildren: UnicastChildren
    var shares: SendShares
    var statements: StatementSchedule
    var pacer: Pacer

    // Children, and what is known by them.
    var children: ChildTable
    var proofs: ChildProofs
    var acknowledgements: HeldAcknowledgements
    var echoes: Echoes
    var progress: SessionProgress
    var lengthProbe: LengthProbe
    var reports: AnswerBudget

    var timers = TimerTable<SenderTimer, 6>()
    var lastTick: Instant
    var control: ControlQueue
    var events: Deque<SenderEvent> = []
    /// Sequence number of the next datagram to the group.
    var nextSequence: UInt32
    /// Counters since the engine began.
    public internal(set) var counters = SenderCounters()

    /// Status intervals after which a child that is silent is lost, if that is longer than `childTimeout`.
    private static let statusesUntilLost = 4.0

    /// - Parameters:
    ///   - announce: its key must be the signer's, its payload length is set here from the datagram's.
    ///   - verifier: of what repair nodes sign, where `TreeSettings.trustedNodes` are set.
    ///   - seed: where ids and jitter come from; must not repeat in production, and is no secret.
    ///   - secret: of its own, which the seed does not tell.
    public init(
        configuration: Configuration, announce: Announce, signer: any MessageSigner, digest: any MessageDigest,
        verifier: (any MessageVerifier)? = nil, seed: UInt64, secret: CookieSecret, at now: Instant
    ) {
        var announce = announce
        announce.payloadLength = UInt16(configuration.packets.datagramLength - DataHeader.length)
        announce.key = signer.publicKey
        self.init(
            SignedAnnounce(announce, signer: signer), repeater: nil, configuration: configuration, signer: signer, digest: digest, verifier: verifier,
            seed: seed, secret: secret, at: now)
    }

    init(
        _ announcement: SignedAnnounce, repeater: Repeater?, configuration: Configuration, signer: any MessageSigner,
        digest: any MessageDigest, verifier: (any MessageVerifier)?, seed: UInt64, secret: CookieSecret, at now: Instant
    ) {
        self.configuration = configuration
        self.announcement = announcement
        self.repeater = repeater
        var random = RandomSource(seed: seed)
        transmitter = UInt32.random(in: 1...(.max), using: &random)
        let drawn = UInt32.random(in: 0...(.max), using: &random)
        nextSequence = configuration.packets.firstSequence ?? drawn
        proofs = ChildProofs(secret: secret, digest: digest, trustedNodes: configuration.tree.trustedNodes, verifier: verifier)
        phase = .waiting(since: now)
        window = TransmitWindow(
            table: TableBuilder(session: announcement.announce.session, signer: signer, digest: digest), isRepairNode: repeater != nil,
            configuration: configuration)
        pending = PendingNAKs(configuration: configuration)
        unicastChildren = UnicastChildren(configuration: configuration)
        shares = SendShares(configuration: configuration)
        statements = StatementSchedule(session: announcement.announce.session, signer: repeater == nil && signer.publicKey != .none ? signer : nil)
        children = ChildTable(configuration: configuration)
        acknowledgements = HeldAcknowledgements(configuration: configuration)
        echoes = Echoes(configuration: configuration, at: now)
        progress = SessionProgress(configuration: configuration, at: now)
        lengthProbe = LengthProbe(configuration: configuration)
        reports = AnswerBudget(perSecond: configuration.feedback.maximumReportsPerSecond)
        control = ControlQueue(configuration: configuration)
        pacer = Pacer(configuration: configuration, datagramLength: configuration.packets.datagramLength, at: now)
        lastTick = now
        for timer in [SenderTimer.announce, .heartbeat, .statement, .tick] { timers.arm(timer, at: now) }
    }

    // MARK: What the host asks

    /// ANNOUNCE as it is signed now. Its payload length may go down until the stream begins (docs/protocol.md, "Path MTU").
    public var announce: Announce { announcement.announce }
    public var session: SessionID { announce.session }
    /// The ephemeral id in the headers of this session's packets.
    public var transmitterID: UInt32 { transmitter }
    /// Bytes of a datagram of DATA that is not its chunk's last, without headers of IP and UDP. It may go down until the stream begins.
    public var datagramLength: Int { Int(announce.payloadLength) + DataHeader.length }
    /// Receivers by state, and their loss.
    public var receivers: StatusHistogram { children.receivers }
    /// Receivers that failed and want to be named, as far as their parents had room for that.
    public var failureLabels: [FailureLabel] { children.failureLabels }
    /// Repair nodes right below, and the last that each of them said of itself and those below it. Costs a look at every child.
    public func repairNodes(limit: Int) -> [(address: SocketAddress, histogram: StatusHistogram, isLost: Bool)] { children.nodeReports(limit: limit) }
    /// The sum that a repair node reports to its own parent: all receivers below it, those that are counted elsewhere too among them.
    public var sum: StatusHistogram { children.summary }
    /// Children on the books, repair nodes and the lost among them; nobody below repair nodes.
    public var childCount: Int { children.childCount }
    /// Whether the end is that of all receivers, and not of the repair nodes alone.
    public var waitsForReceivers: Bool { configuration.joining.until == .receivers }
    /// Whether somebody with this ephemeral id, who has proven to be at this host, is on the books.
    public func counts(_ id: UInt32, at address: SocketAddress) -> Bool { children.contains(ChildName(id, at: address)) }
    /// Bits per second.
    public var rate: Double { pacer.rate }
    /// Group round-trip time (RFC 5401, 3.2.3), within the bounds of `FeedbackSettings`.
    public var groupRoundTrip: Interval { echoes.roundTrip }
    /// Totals of the table so far.
    public var contentLength: UInt64 { window.table.contentLength }
    public var encodedLength: UInt64 { window.table.encodedLength }
    /// Chunks that have a record; at a repair node those of the pages before the first gap.
    public var chunkCount: UInt32 { window.chunkCount }
    /// The first chunk that has not been sent whole once.
    public var positionChunk: UInt32 { window.position.chunk }
    /// Record of a chunk; nil from `chunkCount` on.
    public func record(of chunk: UInt32) -> ChunkRecord? { window[chunk] }
    /// Nothing more is sent, and what comes is not looked at.
    public var isFinished: Bool { if case .finished = phase { true } else { false } }

    /// Phase that HEARTBEATs say: `.aborted` in place of `.leaving` where the session was stopped, and `.leaving` once it is finished.
    public var sessionPhase: SessionPhase {
        switch phase {
        case .waiting: .waiting
        case .streaming: .streaming
        case .draining: .draining
        case .lingering: .lingering
        case .leaving(let outcome, _): outcome.kind == .stopped ? .aborted : .leaving
        case .finished: .leaving
        }
    }

    /// How many more chunks the host may encode now, those under way included: bounds memory whatever the network does.
    public var encodeCredit: Int {
        guard !window.isRepairNode, !window.isWhole, chunkCount < Limits.maximumChunks else { return 0 }
        if case .leaving = phase { return 0 }
        // Holes cost no memory, but records without a page are bounded too.
        guard chunkCount - window.table.pagedChunkCount < UInt32(TablePage.maximumRecords) else { return 0 }
        let ahead = Int(chunkCount - min(window.position.chunk, chunkCount))
        let holes = ahead < configuration.memory.encodeAhead ? 0 : window.table.trailingHoles(from: window.position.chunk)
        return max(0, configuration.memory.encodeAhead - ahead + holes)
    }

    /// The next event, in the order in which things happened; nil when there is none.
    public mutating func pollEvent() -> SenderEvent? { events.popFirst() }

    /// Whether there is nothing to do before `pollTimeout`: a change of the rate is told, and nothing follows from it. Mutating,
    /// though it changes nothing, as `pollTimeout` is.
    mutating func isDrained() -> Bool {
        control.isEmpty && lengthProbe.isEmpty && events.allSatisfy { if case .rateChanged = $0 { true } else { false } }
    }

    // MARK: What the host tells

    /// Takes a datagram that came by unicast. Anything that a child of this session does not send is counted and dropped.
    public mutating func handle(datagram: RawSpan, from source: SocketAddress, at now: Instant) {
        do throws(WireError) {
            var reader = ByteReader(datagram)
            let header = try PacketHeader(reading: &reader)
            // Lists cost more to read than to send: none is read that is not for this session, or of somebody who may not ask.
            if header.kind == .solicitation {
                _ = try Packet.body(of: .solicitation, from: &reader)
                return answerSolicitation(from: source, at: now)
            }
            guard isForThis(header) else { return counters.foreign += 1 }
            guard !isFinished else { return }
            switch header.kind {
            case .nak: try takeNAK(from: &reader, header, at: source, now: now)
            case .status: try takeStatus(from: &reader, header, at: source, now: now)
            case .attach, .detach, .query, .refusal, .place:
                return handle(try Packet.body(of: header.kind, from: &reader), header, from: source, at: now)
            default: counters.foreign += 1
            }
            advancePhase(at: now)
        } catch { counters.note(error) }
    }

    private func isForThis(_ header: PacketHeader) -> Bool { header.sessionTag == session.tag && header.transmitter != transmitter }

    /// The same for a packet that was read already.
    mutating func handle(_ packet: Packet, _ header: PacketHeader, from source: SocketAddress, at now: Instant) {
        if case .solicitation = packet { return answerSolicitation(from: source, at: now) }
        guard isForThis(header) else { return counters.foreign += 1 }
        guard !isFinished else { return }
        switch packet {
        case .status(let report):
            if admitReport(showing: report.cookie, header, at: source) { handle(report, header: header, from: source, at: now) }
        case .nak(let nak):
            if admitRequest(showing: nak.cookie, header, at: source, now: now) { handle(nak, from: header.transmitter, at: source, now: now) }
        case .attach(let request): handle(request, from: header.transmitter, at: source)
        case .detach(let cookie): handleDetach(cookie: cookie, header: header, from: source, at: now)
        case .query(let query): answer(query, to: source, at: now)
        case .refusal(let notice): handle(notice, header, from: source)
        case .place(let place, let signature): take(place, signature, header, from: source, at: now)
        default: counters.foreign += 1
        }
        advancePhase(at: now)
    }

    /// Takes what the source says. Chunks behind `.ended`, or beyond `Limits.maximumChunks`, are not taken: `.release` follows.
    public mutating func handle(_ event: SourceEvent, at now: Instant) {
        switch event {
        case .encoded(let record):
            let chunk = chunkCount
            guard !window.isWhole, chunk < Limits.maximumChunks else { return refuse(chunk) }
            window.append(record)
            if record.kind != .zero { takeIn(chunk, at: now) }
        case .hole(let chunks, let contentLength):
            guard !window.isWhole else { return }
            for _ in 0..<max(0, min(chunks, Int(Limits.maximumChunks) - Int(chunkCount))) { window.append(.zero(contentLength: contentLength)) }
        case .fetched(let chunk):
            guard window.resident.isFetching(chunk) else { return refuse(chunk) }
            takeIn(chunk, at: now)
        case .outlined(let chunk, let parts): if window.outlines.finish(chunk, parts) { unpark(chunk, at: now) }
        case .ended: window.end()
        }
    }

    /// Ends the session before its time: the source failed, or the user interrupted it.
    public mutating func stop(at now: Instant) {
        switch phase {
        case .leaving, .finished: break
        default: leave(.stopped, at: now)
        }
    }

    // MARK: Time

    /// Mutating, though it changes nothing, as `ReceiverEngine.pollTimeout` is.
    public mutating func pollTimeout(at now: Instant) -> Instant? {
        if isFinished { return nil }
        if !control.isEmpty { return now }
        if case .leaving = phase { return timers[.leaving] }
        var next = timers.next ?? .distantFuture
        if let due = acknowledgements.nextDue { next = min(next, due) }
        if let due = unicastChildren.nextHeartbeat { next = min(next, due) }
        // A repair node may be asked before it has heard that the session has begun.
        if case .waiting = phase { return next }
        return min(next, nextPacedTransmission(at: now) ?? .distantFuture)
    }

    /// Does what is due. It may be called at any time.
    public mutating func handleTimeout(at now: Instant) {
        if case .leaving(let outcome, let left) = phase {
            // Nothing else: who heard an ANNOUNCE now would begin a session that is over, and wait for its sender.
            if timers.isDue(.leaving, at: now) { sayLeaving(outcome, left: left, at: now) }
            return
        }
        while let held = acknowledgements.release(dueAt: now) { say(held) }
        if timers.isDue(.tick, at: now) { tick(at: now) }
        advancePhase(at: now)
        if case .leaving = phase { return }
        if timers.isDue(.announce, at: now) { scheduleAnnounce(at: now) }
        if timers.isDue(.statement, at: now) { scheduleStatement(at: now) }
        if timers.isDue(.heartbeat, at: now) { scheduleHeartbeat(at: now) }
        sendUnicastHeartbeats(at: now)
    }

    /// Housekeeping at the pace of feedback: lost children, rate, round trip.
    private mutating func tick(at now: Instant) {
        lastTick = now
        timers.arm(.tick, at: nextTick(after: now))
        children.expire(silentFor: childTimeout, at: now)
        unicastChildren.removeAll { [children] in children.isLostOrUnknown($0) }
        pending.prune(holdOff: echoes.longestRoundTrip, at: now)
        // A chunk that was needed when room was wanted may not be needed any more, and the host may wait for its buffer.
        makeRoom()
        updateRate(at: now)
        let isAwaited = children.saidToBeActive > 0 || (configuration.joining.until == .repairNodes && children.incompleteRepairNodes > 0)
        if isAwaited || children.population == 0 { progress.noteActive() } else { progress.noteIdle(at: now) }
    }

    private func nextTick(after now: Instant) -> Instant {
        let presence = configuration.presence
        switch phase {
        case .waiting(let since):
            // The stream begins at these times at the latest, whoever reports.
            let limits = [since + configuration.joining.minimumWait, since + configuration.joining.maximumWait]
            return limits.reduce(now + max(statusInterval, presence.idleTickInterval)) { $1 > now ? min($0, $1) : $0 }
        case .lingering where children.saidToBeActive == 0: return now + max(statusInterval, presence.idleTickInterval)
        default: return now + max(statusInterval, isFindingRate ? configuration.feedback.finding.statusInterval : presence.minimumHeartbeatInterval)
        }
    }

    /// How often a child may report, so that all together stay within the limit.
    var statusInterval: Interval { configuration.feedback.statusInterval(children: children.childCount, isFindingRate: isFindingRate) }

    /// Time for which a child may be silent.
    var childTimeout: Interval { max(configuration.presence.childTimeout, statusInterval * Self.statusesUntilLost) }

    /// While streaming has begun and nobody knows yet what the path carries, each round that is saved counts.
    var isFindingRate: Bool {
        guard case .streaming(let since) = phase, !window.isRepairNode, pacer.isFindingRate else { return false }
        return lastTick - since < configuration.feedback.finding.duration
    }

    /// Time before which a repaired packet is not repaired again: a round trip.
    var repairHoldOff: Interval { echoes.roundTrip }

    // MARK: Buffers

    /// The host has a chunk's bytes at hand.
    mutating func takeIn(_ chunk: UInt32, at now: Instant) {
        window.resident.insert(chunk, at: now)
        makeRoom()
    }

    /// Bytes that nobody asked for: the host need not hold them.
    mutating func refuse(_ chunk: UInt32) { if !window.resident.contains(chunk) { events.append(.release(chunk: chunk)) } }

    mutating func makeRoom() {
        while let chunk = window.resident.evict(
            before: window.position.chunk,
            unless: { [pending, unicastChildren, outlines = window.outlines] in
                pending.needs($0) || unicastChildren.needs($0) || outlines.isMaking($0)
            })
        {
            events.append(.release(chunk: chunk))
        }
    }
}
