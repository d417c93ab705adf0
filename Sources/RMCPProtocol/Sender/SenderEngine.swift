import DequeModule

/// What the sender engine asks of its host, or tells it.
public enum SenderEvent: Sendable, Hashable {
    /// The start condition is met: this many receivers have joined.
    case started(receivers: Int)
    /// Read and encode this chunk again, then say `SourceEvent.fetched`.
    case fetch(chunk: UInt32)
    /// The chunk's bytes are not needed any more (they may be fetched later).
    case release(chunk: UInt32)
    /// Multicast does not reach so many children: they are served by unicast.
    case unicastFallback(children: Int)
    /// Everything has been sent once.
    case sentOnce
    /// The session is over; nothing more will be sent.
    case finished(SenderOutcome)
}

/// What the host tells the sender engine about its source.
public enum SourceEvent: Sendable {
    /// The next chunk in order; its encoded bytes are at hand unless it is a zero chunk.
    case encoded(ChunkRecord)
    /// A hole: this many zero chunks of the same length follow.
    case hole(chunks: Int, contentLength: UInt32)
    /// Bytes of a chunk that was released are at hand again.
    case fetched(chunk: UInt32)
    /// There are no more chunks.
    case ended
}

/// How a session ended, at the sender.
public struct SenderOutcome: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// Every receiver that joined is complete.
        case complete
        /// Some receivers failed, were lost, or came no further.
        case partial
        /// Nobody joined in time.
        case nobodyCame
        /// All who joined were lost before any was complete.
        case noProgress
        /// The host stopped the session.
        case stopped
    }
    public var kind: Kind
    public var receivers: StatusHistogram

    public init(kind: Kind, receivers: StatusHistogram) {
        self.kind = kind
        self.receivers = receivers
    }
}

/// The sender's protocol engine: depth 0 of the tree. It is told of datagrams, of its source and of time, and is then
/// drained of what to transmit and of events. It holds no payload.
///
/// ```
///   waiting ──start condition──▶ streaming ──all sent once──▶ draining ◀──latecomer── lingering
///      │ nobody came                                              └──all done──▶─────────┘ │
///      └───────────────────────────▶ leaving ◀───────────────────────────────linger passed─┘
///                                       └── LEAVING said often enough ──▶ finished
/// ```
public struct SenderEngine: Sendable {
    enum Phase: Sendable {
        case waiting(since: Instant)
        /// Since the start condition was met.
        case streaming(since: Instant)
        /// Since heartbeats are spaced out.
        case draining(since: Instant)
        case lingering(until: Instant)
        case leaving(SenderOutcome, repeatsLeft: Int, next: Instant)
        case finished
    }

    let configuration: Configuration
    let digest: any MessageDigest
    let signer: any MessageSigner
    var announce: Announce
    let transmitter: UInt32
    var random: RandomSource

    var phase: Phase
    var table: TableBuilder
    var sourceEnded = false
    /// First transmissions: everything before this has been sent once.
    var position = StreamPosition.start
    var pagesSent: UInt32 = 0
    var endSent = false
    var resident: ResidentChunks
    var repairs: RepairQueue
    var catchUp: CatchUpQueue
    var pageRepairs = IndexRangeSet()
    var endRequested = false
    /// Children that multicast does not reach.
    var unicastChildren: [UnicastChild] = []
    var unicastTurn = 0
    /// Bytes that they may be sent while first transmissions go on.
    var unicastCredit = 0.0
    /// Bytes that catch-up may send while first transmissions go on.
    var catchUpCredit = 0.0
    /// Bytes that live repairs have taken beyond their share: first transmissions go first until it is paid.
    var firstDebt = 0.0
    /// What the stream's children are still to be sent.
    var copies: Deque<(StreamCopy, SocketAddress)> = []
    var children: ChildTable
    /// What cookies are made of; it never leaves this parent.
    let cookieSecret: UInt64
    /// When a child last left for another parent.
    var lastDetach = Instant(nanoseconds: -1_000_000_000_000)
    /// When watchers were answered, within the last second.
    var reportTimes: Deque<Instant> = []
    /// Set at a repair node.
    var repeater: Repeater?
    var roundTrip: RoundTripEstimator
    var bucket: TokenBucket
    var rateController: RateController
    /// When the latest heartbeat that somebody has answered was sent.
    var newestEcho: Instant
    var lastProgress: Instant
    /// When what children say last changed in any way.
    var lastMovement = Instant.zero
    /// When somebody last asked for what was sent who is not known to be under way.
    var lastRequest = Instant(nanoseconds: -1_000_000_000_000)
    /// When nobody has been active any more since; nil while somebody is.
    var idleSince: Instant?

    var nextAnnounce: Instant
    var nextHeartbeat: Instant
    var nextTick: Instant
    var lastTick: Instant
    /// Packets in a batch at the current rate.
    var batchLimit = 1
    /// Whether the rate, and not the source, held something back since the last update of the rate.
    var wasLimitedByRate = false
    /// With IP and UDP headers.
    var groupBytesSent: UInt64 = 0
    var sendRate = SendRateMeter()
    /// When receivers were found to lack full-sized datagrams; the start waits for the probes.
    var lastLengthProbe: Instant?
    /// Who is to be sent a padded ANNOUNCE.
    var lengthProbes: Deque<Destination> = []

    var control: Deque<(Packet, Destination)> = []
    /// What single peers are told. Apart, so that no flood of questions pushes out what the group must hear.
    var answers: Deque<(Packet, Destination)> = []
    /// Of final STATUSes, at a repair node; as many as control datagrams.
    var acknowledgements: Deque<HeldAcknowledgement> = []
    var events: Deque<SenderEvent> = []
    var nextSequence: UInt32
    var nextUnicastSequence: UInt32 = 0
    public internal(set) var counters = SenderCounters()

    /// - Parameters:
    ///   - announce: its key must be the signer's, its payload length is set here from the datagram's.
    ///   - seed: where ids and jitter come from; must not repeat in production.
    public init(
        configuration: Configuration, announce: Announce, signer: any MessageSigner, digest: any MessageDigest,
        seed: UInt64, at now: Instant
    ) {
        self.configuration = configuration
        self.signer = signer
        self.digest = digest
        var random = RandomSource(seed: seed)
        transmitter = UInt32.random(in: 1...(.max), using: &random)
        let drawn = UInt32.random(in: 0...(.max), using: &random)
        nextSequence = configuration.firstSequence ?? drawn
        cookieSecret = random.next()
        self.random = random
        var announce = announce
        announce.payloadLength = UInt16(configuration.datagramLength - DataHeader.length)
        announce.key = signer.publicKey
        self.announce = announce
        phase = .waiting(since: now)
        table = TableBuilder(session: announce.session, signer: signer, digest: digest)
        resident = ResidentChunks(configuration: configuration)
        repairs = RepairQueue(configuration: configuration)
        catchUp = CatchUpQueue(configuration: configuration)
        children = ChildTable(configuration: configuration)
        roundTrip = RoundTripEstimator(configuration: configuration)
        rateController = RateController(configuration: configuration, at: now)
        newestEcho = now
        bucket = TokenBucket(rate: UInt64(rateController.rate), burst: 65_536, at: now)
        lastProgress = now
        nextAnnounce = now
        nextHeartbeat = now
        nextTick = now
        lastTick = now
        applyRate(at: now)
    }

    // MARK: What the host asks

    public var session: SessionID { announce.session }
    /// The ephemeral id in the headers of this session's packets.
    public var transmitterID: UInt32 { transmitter }
    public var datagramLength: Int { Int(announce.payloadLength) + DataHeader.length }
    /// Receivers by state, and their loss.
    public var receivers: StatusHistogram { children.receivers }
    /// What a repair node tells its own parent: everybody below it, those that are counted elsewhere too among them.
    public var sum: StatusHistogram { children.summary }
    public var childCount: Int { children.childCount }
    /// Whether the end is that of all receivers, and not of the repair nodes alone.
    public var waitsForReceivers: Bool { configuration.until == .receivers }
    /// Whether somebody with this ephemeral id, who has proven to be at this host, is on the books.
    public func counts(_ id: UInt32, at address: SocketAddress) -> Bool { children.contains(ChildName(id, at: address)) }
    /// Bits per second.
    public var rate: Double { rateController.rate }
    public var groupRoundTrip: Interval { roundTrip.estimate }
    /// Totals of the table so far.
    public var contentLength: UInt64 { table.contentLength }
    public var encodedLength: UInt64 { table.encodedLength }
    public var chunkCount: UInt32 { table.chunkCount }
    /// The first chunk that has not been sent whole once.
    public var positionChunk: UInt32 { position.chunk }
    public func record(of chunk: UInt32) -> ChunkRecord? { table[chunk] }
    public var isFinished: Bool { if case .finished = phase { true } else { false } }

    public var sessionPhase: SessionPhase {
        switch phase {
        case .waiting: .waiting
        case .streaming: .streaming
        case .draining: .draining
        case .lingering: .lingering
        case .leaving(let outcome, _, _): outcome.kind == .stopped ? .aborted : .leaving
        case .finished: .leaving
        }
    }

    /// How many more chunks the host may encode now, those under way included: bounds memory whatever the network does.
    public var encodeCredit: Int {
        guard repeater == nil, !sourceEnded, chunkCount < Limits.maximumChunks else { return 0 }
        if case .leaving = phase { return 0 }
        // Holes cost no memory, but records without a page are bounded too.
        guard chunkCount - table.pagedChunkCount < UInt32(TablePage.maximumRecords) else { return 0 }
        let ahead = Int(chunkCount - min(position.chunk, chunkCount))
        return max(0, configuration.encodeAhead - ahead)
    }

    public mutating func pollEvent() -> SenderEvent? { events.popFirst() }

    /// Whether there is nothing to poll before `pollTimeout`. Mutating, though it changes nothing, as that is.
    mutating func isDrained() -> Bool { events.isEmpty && control.isEmpty && answers.isEmpty && lengthProbes.isEmpty }

    // MARK: What the host tells

    public mutating func handle(_ event: SourceEvent, at now: Instant) {
        switch event {
        case .encoded(let record):
            let chunk = chunkCount
            guard !sourceEnded, chunk < Limits.maximumChunks else { return refuse(chunk) }
            table.append(record)
            if record.kind != .zero {
                resident.insert(chunk, at: now)
                makeRoom()
            }
        case .hole(let chunks, let contentLength):
            guard !sourceEnded else { return }
            for _ in 0..<max(0, min(chunks, Int(Limits.maximumChunks) - Int(chunkCount))) { table.append(.zero(contentLength: contentLength)) }
        case .fetched(let chunk):
            guard resident.isFetching(chunk) else { return refuse(chunk) }
            resident.insert(chunk, at: now)
            makeRoom()
        case .ended: sourceEnded = true
        }
    }

    /// Bytes that nobody asked for: the host need not hold them.
    mutating func refuse(_ chunk: UInt32) { if !resident.contains(chunk) { events.append(.release(chunk: chunk)) } }

    /// Ends the session before its time: the source failed, or the user interrupted it.
    public mutating func stop(at now: Instant) {
        switch phase {
        case .leaving, .finished: break
        default: leave(.stopped, at: now)
        }
    }

    mutating func makeRoom() {
        while let chunk = resident.evict(
            before: position.chunk,
            unless: { [repairs, catchUp, unicastChildren, copies] chunk in
                repairs.needs(chunk) || catchUp.current?.chunk == chunk || unicastChildren.contains { $0.needs(chunk) }
                    || copies.contains { $0.0.chunk == chunk }
            })
        {
            events.append(.release(chunk: chunk))
        }
    }

    // MARK: Time

    /// Mutating, though it changes nothing, as `ReceiverEngine.pollTimeout` is.
    public mutating func pollTimeout(at now: Instant) -> Instant? {
        if isFinished { return nil }
        var next = min(nextHeartbeat, nextTick)
        switch phase {
        case .leaving(_, _, let at): return control.isEmpty && answers.isEmpty ? at : now
        case .lingering(let until): next = min(next, until)
        default: break
        }
        next = min(next, nextAnnounce)
        if !control.isEmpty || !answers.isEmpty { return now }
        if let held = acknowledgements.first { next = min(next, held.due) }
        for child in unicastChildren { next = min(next, child.nextHeartbeat) }
        // A repair node may be asked before it has heard that the session has begun.
        if case .waiting = phase { return next }
        if !copies.isEmpty { next = min(next, bucket.nextTransmission(at: now)) }
        if unicastHasWork { next = min(next, max(now + configuration.repairAggregationDelay, bucket.nextTransmission(at: now))) }
        if let due = repairs.nextDue { next = min(next, max(due, bucket.nextTransmission(at: now))) }
        if hasPacedWork { next = min(next, bucket.nextTransmission(at: now)) }
        return next
    }

    /// Something that only the rate holds back.
    var hasPacedWork: Bool {
        if !pageRepairs.isEmpty || endRequested { return true }
        switch phase {
        case .streaming:
            guard let repeater else { return position.chunk < chunkCount || sourceEnded }
            return repeater.isRelay && (isEverythingSentOnce || position.chunk < chunkCount && resident.contains(position.chunk))
        case .draining, .lingering: return catchUp.upcoming(limit: 1).contains { resident.contains($0) }
        case .waiting, .leaving, .finished: return false
        }
    }

    /// A relay may have END and not all pages yet: more chunks come than it knows of.
    var isEverythingSentOnce: Bool { sourceEnded && position.chunk >= max(chunkCount, table.end?.chunkCount ?? 0) }

    public mutating func handleTimeout(at now: Instant) {
        if case .leaving(let outcome, let left, let next) = phase, now >= next {
            sayLeaving(outcome, left: left, at: now)
            return
        }
        releaseAcknowledgements(dueAt: now)
        if now >= nextTick { tick(at: now) }
        advancePhase(at: now)
        if now >= nextAnnounce { scheduleAnnounce(at: now) }
        if now >= nextHeartbeat { scheduleHeartbeat(at: now) }
        sendUnicastHeartbeats(at: now)
    }

    /// Housekeeping at the pace of feedback: lost children, rate, round trip.
    private mutating func tick(at now: Instant) {
        let interval = statusInterval
        lastTick = now
        nextTick = now + max(interval, isFindingRate ? configuration.startupStatusInterval : configuration.minimumHeartbeatInterval)
        children.expire(silentFor: max(configuration.childTimeout, interval * 4), at: now)
        unicastChildren.removeAll { children.isLost($0.name) }
        repairs.prune(holdOff: repairHoldOff, at: now)
        // What was needed when room was wanted may not be needed any more, and the host may wait for its buffer.
        makeRoom()
        updateRate(at: now)
        let isAwaited = children.saidToBeActive > 0 || (configuration.until == .repairNodes && children.incompleteRepairNodes > 0)
        if isAwaited || children.population == 0 { idleSince = nil } else if idleSince == nil { idleSince = now }
    }

    /// How often a child may report, so that all together stay within the limit.
    var statusInterval: Interval {
        let fair = Interval.seconds(Double(children.childCount) / configuration.statusRateLimit)
        let shortest = isFindingRate ? configuration.startupStatusInterval : configuration.minimumStatusInterval
        return min(max(fair, shortest), configuration.maximumStatusInterval)
    }

    /// While streaming has begun and nobody knows yet what the path carries, each round that is saved counts.
    var isFindingRate: Bool {
        guard case .streaming(let since) = phase, repeater == nil, rateController.isStartingUp else { return false }
        return lastTick - since < configuration.startupDuration
    }

    var repairHoldOff: Interval { roundTrip.estimate }
}
