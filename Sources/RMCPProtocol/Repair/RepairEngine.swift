import DequeModule

/// What a repair node's engine asks of its host, or tells it.
public enum RepairEvent: Sendable {
    /// As a receiver's, for what comes from above.
    case upstream(ReceiverEvent)
    /// As a sender's, for what goes below. There is no source: `.fetch` is from the cache.
    case downstream(SenderEvent)
    /// An authentic page or END, as a datagram that stands for itself: to be kept, so that it can be restored.
    case keep([UInt8])
}

/// What the host tells a repair node's engine about its cache.
public enum CacheEvent: Sendable, Hashable {
    /// Verified and written; the slot's buffer stays with the chunk until `.release`.
    case stored(slot: Int, chunk: UInt32)
    /// Verified, but there was no room to keep it: it is passed on while it is in memory.
    case passed(slot: Int, chunk: UInt32)
    /// As `StorageEvent.rejected`.
    case rejected(slot: Int, chunk: UInt32)
    /// As `StorageEvent.examined`.
    case examined(slot: Int, chunk: UInt32, wrong: IndexRangeSet)
    /// As `SourceEvent.outlined`.
    case outlined(chunk: UInt32, [OutlinePart])
    case kept(chunk: UInt32)
    case absent(chunk: UInt32)
    case fetched(chunk: UInt32)
    /// The cache does not have it any more, or not as it was.
    case damaged(chunk: UInt32)
    case unavailable(slot: Int)
    case overflow(datagrams: UInt64)
    /// As `StorageEvent.backlog`.
    case backlog(share: Double)
    case failed(ReceiverState)
}

/// A repair node's engine for one session: a receiver's above, a sender's below. It adds nothing to either but what one
/// must know of the other: pages and chunks go down, positions and the path to the sender too, and sums of statuses go
/// up. What its children lack and it lacks as well, the receiver asks for on its own account: the union upstream of
/// all NAKs is what is missing here.
///
/// ```
///   parent ──DATA, PAGE, END──▶ receiver ──verified──▶ cache ──▶ sender ──repairs, or the stream──▶ children
///      ▲──────NAK, STATUS────────┘  ▲──────────sums─────────────────┘ ▲────────NAK, STATUS────────────┘
/// ```
public struct RepairEngine: Sendable {
    public enum Mode: Sendable, Hashable {
        /// Children hear the sender's stream; they get here what they lost of it.
        case repair
        /// The stream comes by unicast and goes on from here.
        case relay
    }

    public let mode: Mode
    var configuration: Configuration
    let verifier: any MessageVerifier
    private let digest: any MessageDigest
    /// Nil while nobody above is heard, and once the session is over there.
    public internal(set) var upstream: ReceiverEngine?
    /// The same as a flag: to compare the engine with nil would copy it.
    public private(set) var hasUpstream = false
    /// Counters of those that were above and are not any more.
    private var formerUpstream = ReceiverCounters()
    public internal(set) var downstream: SenderEngine
    private var events: Deque<RepairEvent> = []
    /// Offer of the session, while nobody is above; nil for one that the cache has from before.
    private var offer: SessionOffer?
    /// Bound of what each half may have of the table.
    var tableRoom = TableRoom.unbounded
    /// Source of the seeds of the upper half, whoever is above.
    private var random: RandomSource
    /// When a payload was placed, while nobody has looked yet whether its chunk is whole.
    private var placedAt: Instant?
    /// Datagrams for above that wait for nothing: reports for watchers that asked the upper half, and the last words of one that is gone.
    private var ready: Deque<(bytes: [UInt8], destination: SocketAddress)> = []
    /// Ephemeral id as a child.
    private let identity: UInt32
    private let expectsOthers: Bool

    /// - Parameters:
    ///   - identity: the ephemeral id as a child, not 0: drawn afresh by each process. One that is started again knows
    ///     none of its children, and what it says must not take the place of what its predecessor said of them.
    ///   - announce: verified and accepted.
    ///   - expectsOthers: whether the host has heard of other repair nodes, which may be nearer than the sender.
    ///   - signer: the node's own; nil where it does not prove itself.
    ///   - seed: where the lower half's ids and jitter come from; must not repeat in production, and is no secret.
    ///   - random: where the seeds of the upper half come from; another source, since what the lower half says to all tells of its own.
    ///   - secret: of the lower half's cookies.
    public init(
        identity: UInt32, announce: Announce, signature: Signature, mode: Mode, configuration: Configuration, expectsOthers: Bool = false,
        signer: (any MessageSigner)? = nil, verifier: any MessageVerifier, digest: any MessageDigest, seed: UInt64, upstream random: RandomSource,
        secret: CookieSecret, at now: Instant
    ) {
        self.identity = identity
        self.expectsOthers = expectsOthers
        self.mode = mode
        self.configuration = configuration
        self.verifier = verifier
        self.digest = digest
        self.random = random
        downstream = SenderEngine(
            repeating: announce, signature: signature, isRelay: mode == .relay, configuration: configuration, signer: signer, child: identity,
            digest: digest, verifier: verifier, seed: seed, secret: secret, at: now)
    }

    public var session: SessionID { downstream.session }
    /// Payload bytes in a packet, as the sender has settled it.
    public var payloadLength: UInt16 { downstream.announce.payloadLength }
    /// All chunks that END counts are held; false before END. One that was passed and not kept counts until it is missed.
    public var isComplete: Bool { downstream.isRepeaterComplete }
    // Mutating, though they change nothing: they are asked of an engine where it is.
    /// Whether somebody above has to show by an ANNOUNCE before datagrams from above mean anything here.
    public mutating func awaitsParent() -> Bool { mode == .relay && !hasUpstream && !downstream.isRetired }
    /// Counters of the upper half since the beginning, whoever was above.
    public mutating func upstreamCounters() -> ReceiverCounters {
        var sum = formerUpstream
        if let counters = upstream?.inPlace({ $0.counters }) { sum += counters }
        return sum
    }
    /// Time at which anything last came from a parent, the sender or another node; nil while there is nobody above.
    public mutating func lastHeardFromSender() -> Instant? { upstream?.inPlace { $0.lastHeardFromSender } }

    /// Datagrams of the one who offers the session, which came before there was an engine.
    public mutating func note(_ offer: SessionOffer) { self.offer = offer }

    // MARK: Above

    /// A relay's parent, which its user named, announces the session; who else is above shows by its HEARTBEAT.
    public mutating func handleAnnounce(from source: SocketAddress, transmitter: UInt32, at now: Instant) {
        if mode == .relay { beginUpstream(source: source, transmitter: transmitter, at: now) }
    }

    /// Whether a parent that is heard is above this node: the sender is, and another repair node only while something is
    /// missing here and nothing can come of it but a tree.
    private func isAbove(_ heartbeat: Heartbeat, from transmitter: UInt32) -> Bool {
        if heartbeat.phase == .leaving || heartbeat.phase == .aborted { return false }
        if heartbeat.place.depth == 0 { return true }
        let own = downstream.transmitterID
        // As long as nobody has been offered anything here, nobody can be below this node.
        return !isComplete && (!downstream.hasServed || transmitter < own) && !heartbeat.place.path.contains(own)
    }

    private mutating func beginUpstream(source: SocketAddress, transmitter: UInt32, at now: Instant) {
        // One that has retired goes, and its host may still be reading what was placed for the parent before.
        guard upstream == nil, !downstream.isRetired, transmitter != downstream.transmitterID else { return }
        let role = ReceiverRole.repairNode(transmitter: downstream.transmitterID, mode == .relay ? .unicast : .group)
        var engine = ReceiverEngine(
            identity: identity, configuration: configuration, announce: downstream.announce, source: source, transmitter: transmitter,
            role: role, isResumable: true, expectsRepairNodes: expectsOthers, verifier: verifier, digest: digest, seed: random.next(), at: now)
        // Pages that are here below in order have their room already. Above, a page that waits for earlier ones takes more than here.
        downstream.window.table.forEachInOrder { engine.adopt($0, at: now) }
        if tableRoom != .unbounded { engine.giveTable(tableRoom, at: now) }
        downstream.window.table.forEachEarly { engine.adopt($0, at: now) }
        if let offer, offer.source == source, offer.transmitter == transmitter { engine.noteEarlier(longestDatagram: offer.longestDatagram) }
        offer = nil
        upstream = engine
        hasUpstream = true
        forward(at: now)
    }

    /// Takes a datagram from above; for DATA that is wanted it answers where the payload goes.
    /// - Parameter arrival: without a time to live for a datagram that came by unicast.
    public mutating func handle(upstream datagram: RawSpan, arrival: Arrival, at now: Instant) -> Placement? {
        let kind = PacketHeader.kind(of: datagram)
        // Whoever knows of this node by its parent asks where it is a child. One question to a group must not have an answer
        // from each of its repair nodes.
        if kind == .query {
            if !arrival.isToGroup, let answer = downstream.answer(toWatcher: datagram, from: arrival.source, at: now) {
                ready.append((answer, arrival.source))
            }
            return nil
        }
        if !hasUpstream, kind == .heartbeat, let (header, packet) = try? Packet.parse(datagram) {
            begin(by: packet, header, from: arrival.source, at: now)
        }
        let isRelay = mode == .relay
        if !hasUpstream { offer?.note(datagram, from: arrival.source, countsUnicast: isRelay) }
        return note(upstream?.handle(datagram: datagram, arrival: arrival, at: now), at: now)
    }

    /// As `ReceiverEngine.handle` for what was read already.
    public mutating func handle(upstream data: DataHeader, _ header: PacketHeader, length: Int, arrival: Arrival, at now: Instant) -> Placement? {
        note(upstream?.handle(data, header, length: length, arrival: arrival, at: now), at: now)
    }

    /// Takes any other packet from above that was read already, in a datagram of `length` bytes.
    public mutating func handle(upstream packet: Packet, _ header: PacketHeader, length: Int, arrival: Arrival, at now: Instant) {
        if !hasUpstream {
            begin(by: packet, header, from: arrival.source, at: now)
            let isRelay = mode == .relay
            offer?.note(header, length: length, from: arrival.source, countsUnicast: isRelay)
        }
        upstream?.handle(packet, header, length: length, arrival: arrival, at: now)
        forward(at: now)
    }

    private mutating func begin(by packet: Packet, _ header: PacketHeader, from source: SocketAddress, at now: Instant) {
        guard mode == .repair, header.sessionTag == session.tag, case .heartbeat(let heartbeat) = packet, isAbove(heartbeat, from: header.transmitter)
        else { return }
        beginUpstream(source: source, transmitter: header.transmitter, at: now)
    }

    private mutating func note(_ placement: Placement?, at now: Instant) -> Placement? {
        guard let placement else {
            forward(at: now)
            return nil
        }
        if mode == .repair, let front = upstream?.inPlace({ $0.knownFront }) { downstream.advance(to: front) }
        placedAt = now
        return placement
    }

    public mutating func handle(_ event: CacheEvent, at now: Instant) {
        switch event {
        case .stored(let slot, let chunk): hold(chunk, of: slot, isKept: true, at: now)
        case .passed(let slot, let chunk): hold(chunk, of: slot, isKept: false, at: now)
        case .rejected(let slot, let chunk): upstream?.handle(.rejected(slot: slot, chunk: chunk), at: now)
        case .examined(let slot, let chunk, let wrong): upstream?.handle(.examined(slot: slot, chunk: chunk, wrong: wrong), at: now)
        case .outlined(let chunk, let parts): downstream.handle(.outlined(chunk: chunk, parts), at: now)
        case .kept(let chunk):
            // Without anybody above, what was asked before it went is still true.
            if upstream?.take(.kept(chunk: chunk), at: now) ?? true { downstream.hold(chunk, isResident: false, at: now) }
        case .absent(let chunk): upstream?.handle(.absent(chunk: chunk), at: now)
        case .fetched(let chunk): downstream.handle(.fetched(chunk: chunk), at: now)
        case .damaged(let chunk):
            downstream.lose(chunk)
            upstream?.handle(.damaged(chunk: chunk), at: now)
        case .unavailable(let slot): upstream?.handle(.unavailable(slot: slot), at: now)
        case .overflow(let datagrams): upstream?.handle(.overflow(datagrams: datagrams), at: now)
        case .backlog(let share): upstream?.handle(.backlog(share: share), at: now)
        case .failed(let state):
            reportRegion()
            upstream?.handle(.failed(state), at: now)
        }
        forward(at: now)
    }

    /// A chunk came from a slot of the upper half. Of a slot that the half has not given away it is some former one's.
    private mutating func hold(_ chunk: UInt32, of slot: Int, isKept: Bool, at now: Instant) {
        guard upstream?.take(.stored(slot: slot, chunk: chunk), at: now) ?? true else { return downstream.refuse(chunk) }
        if !isKept { upstream?.noteNotKept() }
        downstream.hold(chunk, isResident: true, at: now)
    }

    // MARK: Below

    public mutating func handle(child datagram: RawSpan, from source: SocketAddress, at now: Instant) {
        downstream.handle(datagram: datagram, from: source, at: now)
    }

    /// The same for a packet that was read already.
    public mutating func handle(child packet: Packet, _ header: PacketHeader, from source: SocketAddress, at now: Instant) {
        downstream.handle(packet, header, from: source, at: now)
    }

    /// Answers a SOLICITATION.
    public mutating func answerSolicitation(from source: SocketAddress, at now: Instant) { downstream.answerSolicitation(from: source, at: now) }

    /// Says to one address what there is to have.
    public mutating func announce(to address: SocketAddress) { downstream.announce(to: address) }

    /// Leaves the children to others: the node is stopped, or the session gives way.
    public mutating func retire(at now: Instant) {
        reportRegion()
        upstream?.handle(.failed(.interrupted), at: now)
        downstream.retire(at: now)
        forward(at: now)
    }

    // MARK: Between them

    /// Passes on what one half must know of the other.
    private mutating func forward(at now: Instant) {
        placedAt = nil
        while let event = upstream?.pollEvent() {
            switch event {
            case .page(let page, let body, let signature):
                downstream.adopt(page, body: body, signature: signature, at: now)
                keep(.page(page, body: body, signature))
            case .end(let end, let signature):
                downstream.adopt(end, signature: signature)
                keep(.end(end, signature))
            case .announced(let announce, let signature): downstream.adopt(announce, signature: signature)
            case .statement(let statement, let signature, let isDirect):
                if isDirect, mode == .repair { downstream.retreat(to: statement.position) }
                downstream.adopt(statement, signature)
            case .zeros(let chunks): upstream?.handle(.storedZeros(chunks), at: now)
            case .consult(let chunks): consult(chunks, at: now)
            case .commit:
                // Each chunk was verified before it counted; there is nothing to put in place. It may have a last word to say.
                reportRegion()
                upstream?.handle(.committed, at: now)
            case .finished:
                events.append(.upstream(event))
                keepLastWords(at: now)
                formerUpstream = upstreamCounters()
                upstream = nil
                hasUpstream = false
                downstream.endUpstream(at: now)
                return
            default: events.append(.upstream(event))
            }
        }
        guard let above = upstream?.view(at: now), above.isAdmitted else { return }
        // A relay that is one too many is not taken, and its parent would not know of its children: it offers nothing.
        guard mode == .repair || downstream.hasServed || above.isTaken else { return }
        downstream.follow(
            phase: above.phase, front: above.front, path: above.path, distance: above.distance, rate: above.rate, at: now)
    }

    /// An upper half that is new asks for all that may be here. What can be had was verified when it came: the host reads nothing back for
    /// that, however often somebody above comes and goes.
    private mutating func consult(_ chunks: Range<UInt32>, at now: Instant) {
        var unknown: Range<UInt32>?
        for chunk in chunks {
            if !downstream.window.holds(chunk) {
                unknown = (unknown?.lowerBound ?? chunk)..<chunk + 1
                continue
            }
            if let range = unknown { events.append(.upstream(.consult(range))) }
            unknown = nil
            if downstream.record(of: chunk)?.kind != .zero { upstream?.handle(.kept(chunk: chunk), at: now) }
        }
        if let range = unknown { events.append(.upstream(.consult(range))) }
    }

    /// Last words of an upper half that is gone go up all the same. Children are told that their own have been passed on.
    private mutating func keepLastWords(at now: Instant) {
        if let proof = proof(at: now) { ready.append(proof) }
        while let last = upstream?.pollTransmit(at: now) { ready.append(last) }
    }

    private mutating func reportRegion() { upstream?.report(region: downstream.sum, labels: downstream.failureLabels) }

    private mutating func keep(_ packet: Packet) {
        events.append(.keep(packet.datagram(sessionTag: session.tag, transmitter: downstream.transmitterID)))
    }

    // MARK: Draining

    /// The next event; nil when there is none. The payload of all placements so far must be in its place by the time of the call.
    public mutating func pollEvent() -> RepairEvent? {
        // By now the payload is where it belongs.
        if let placedAt { forward(at: placedAt) }
        if let event = events.popFirst() { return event }
        return downstream.pollEvent().map { .downstream($0) }
    }

    /// The next datagram for a parent or a watcher, and its address.
    public mutating func pollUpstream(at now: Instant) -> (bytes: [UInt8], destination: SocketAddress)? {
        ready.popFirst() ?? proof(at: now) ?? upstream?.pollTransmit(at: now)
    }

    /// Before anything else is said to a parent it is shown, once a second, who says so.
    private mutating func proof(at now: Instant) -> (bytes: [UInt8], destination: SocketAddress)? {
        guard hasUpstream, let parent = upstream?.inPlace({ $0.parentToTell() }) ?? nil, let place = downstream.place(showing: parent.cookie, at: now)
        else { return nil }
        return (place.datagram(sessionTag: session.tag, transmitter: identity), parent.address)
    }

    /// The next transmission for children; nil until `pollTimeout`.
    public mutating func pollDownstream(at now: Instant) -> Transmit? { downstream.pollTransmit(at: now) }

    /// Whether there is nothing to poll before `pollTimeout`.
    public mutating func isDrained() -> Bool {
        events.isEmpty && ready.isEmpty && placedAt == nil && downstream.isDrained() && upstream?.isDrained() ?? true
    }

    /// Time at which `handleTimeout` is due, or something may be sent; nil when the session is over above and below.
    public mutating func pollTimeout(at now: Instant) -> Instant? {
        let below = downstream.pollTimeout(at: now)
        guard let above = upstream?.pollTimeout() else { return below }
        return below.map { min(above, $0) } ?? above
    }

    public mutating func handleTimeout(at now: Instant) {
        if let due = upstream?.pollTimeout(), due <= now {
            let said = upstream?.inPlace { $0.counters.statusesSent }
            reportRegion()
            upstream?.handleTimeout(at: now)
            if upstream?.inPlace({ $0.counters.statusesSent }) != said { downstream.releaseAcknowledgements() }
            forward(at: now)
        }
        if let due = downstream.pollTimeout(at: now), due <= now { downstream.handleTimeout(at: now) }
    }
}
