import DequeModule

/// Where the host puts a DATA packet's payload: `length` bytes from `payloadOffset` of the datagram go to `offset` of
/// the slot's buffer.
public struct Placement: Sendable, Hashable {
    public var slot: Int
    public var chunk: UInt32
    public var payloadOffset: Int
    public var offset: Int
    public var length: Int
}

/// What the receiver engine asks of its host, or tells it.
public enum ReceiverEvent: Sendable, Hashable {
    /// Records of these chunks are known and the chunks are not here yet: the host says of each whether it has it from
    /// before (`StorageEvent.kept` or `.absent`). Only asked of a resumable session.
    case consult(Range<UInt32>)
    /// The slot's buffer holds all encoded bytes of the chunk: verify, decode, write, then say `.stored` or `.rejected`.
    case assembled(slot: Int, chunk: UInt32, record: ChunkRecord)
    /// These chunks are zero: make holes of them, then say `.storedZeros`.
    case zeros(Range<UInt32>)
    /// Nothing has come for a while: join the group anew.
    case rejoin
    /// Multicast does not arrive, and joining anew does not help: the sender is asked to serve by unicast.
    case deaf
    /// Every chunk is stored and the table agrees with the signed END: make the bundle durable and visible, then say
    /// `.committed`.
    case commit(EndOfTable)
    /// The session is over for this receiver.
    case finished(ReceiverState)
    /// Another parent from now on; 0 is below the sender.
    case parentChanged(depth: Int)
    /// The parent does not take this child. It is asked again later.
    case refused(AttachAnswer.Verdict)
    // Of a repair node alone: what its children need from it.
    /// An authentic page, as it was signed.
    case page(TablePage, body: [UInt8], Signature)
    case end(EndOfTable, Signature)
    case announced(Announce, Signature)
}

/// What the host tells the receiver engine about its storage.
public enum StorageEvent: Sendable, Hashable {
    case kept(chunk: UInt32)
    case absent(chunk: UInt32)
    /// Verified and written; the slot's buffer is free.
    case stored(slot: Int, chunk: UInt32)
    case storedZeros(Range<UInt32>)
    /// The bytes are not what the signed record says; the slot's buffer may be filled again.
    case rejected(slot: Int, chunk: UInt32)
    /// The host has no buffer for this slot: what was placed is lost.
    case unavailable(slot: Int)
    /// What was stored can't be read back: it is fetched again.
    case damaged(chunk: UInt32)
    /// The bundle is on stable storage under its final name.
    case committed
    /// The bundle cannot be received here.
    case failed(ReceiverState)
    /// Datagrams that the socket dropped because the host did not come to read them.
    case overflow(datagrams: UInt64)
    /// Share of the socket's room (0...1) that waiting datagrams take.
    case backlog(share: Double)
}

/// What a receiver has to say, and to whom.
struct Outgoing: Sendable {
    var packet: Packet
    var destination: SocketAddress
}

/// The receiver's protocol engine for one session: told of datagrams, of storage and of time, then drained of
/// placements, datagrams and events. It holds no payload.
///
/// ```
///   receiving ──all done, table agrees──▶ committing ──durable──▶ final(complete)
///       │                                       └──at a repair node──▶ serving ──nobody above──▶ finished
///       └────── failure, sender gone ───────────┴────────────────▶ final(failed) ──acknowledged──▶ finished
/// ```
public struct ReceiverEngine: Sendable {
    enum Phase: Sendable {
        case receiving
        case committing
        /// A repair node that has everything and goes on for its children.
        case serving
        case final(ReceiverState, attempts: Int)
        case finished
    }

    private let shared: SharedConfiguration
    var configuration: Configuration { _read { yield shared.value } }
    /// From the announced length, computed once: every packet's chunk is held against it.
    private let announcedChunkTotal: UInt32?

    // What every datagram touches is together: of a hundred thousand engines none is in the cache when something comes.
    var phase = Phase.receiving
    /// Ephemeral: drawn for this session, known to the parent only.
    let transmitter: UInt32
    var parentTransmitter: UInt32
    /// Who multicasts the first transmissions, and whose sequence loss is measured by.
    var streamTransmitter: UInt32
    var parents: ParentTable
    var lastHeard: Instant
    /// The last datagram by multicast.
    var lastHeardGroup: Instant
    /// The sender is there, and multicast from it is not.
    var isDeaf = false
    var nextRejoin: Instant
    var nextStatus: Instant
    var nakAt: Instant?
    /// Nothing is reported and nothing asked for before this: there are repair nodes, and the nearest is looked for. Nil once
    /// somebody was told that this child is there.
    var settlesAt: Instant?
    var outbox: Deque<Outgoing> = []
    var events: Deque<ReceiverEvent> = []
    let role: ReceiverRole
    var lastParentCheck: Instant
    var attachment: Attachment
    public internal(set) var counters = ReceiverCounters()
    var longestDatagram = 0
    var arrivals = ArrivalTracker()
    public internal(set) var announce: Announce

    var hasReported = false
    var ledger = ChunkLedger()
    var slots: AssemblySlots
    var end: EndOfTable?
    /// Everything before this has been sent once, as far as is known here; nil until something is known.
    var front: StreamPosition?
    /// `front` as it was a reordering delay ago: what is missing before it is lost.
    var settledFront = StreamPosition.start
    var candidateFront = StreamPosition.start
    var candidateTime: Instant
    /// As the parent says; it may be ahead of it, but not behind.
    var parentPhase = SessionPhase.waiting
    /// Bits per second of the stream.
    public internal(set) var streamRate = 0.0
    var knownPages: UInt32 = 0
    var senderHasEnd = false
    /// No request for absent chunks before this, unless all before `catchUpRenewal` are in.
    var catchUpHold = RequestHold()
    var catchUpRenewal = UInt32.max

    var queueing = QueueingDelayEstimator()
    var overflowed = false
    /// Of the socket's room, taken by datagrams that wait to be read (0...1).
    var socketShare = 0.0
    var groupRoundTrip: Interval
    var population = 1.0
    var liveLossLimit: UInt8 = UInt8(LossBucket.count)
    var livePressureLimit: UInt8 = UInt8(PressureBucket.count)
    var isBehind = false
    var profileChangedAt: Instant?
    /// Not back in profile before this, since the host itself was overrun.
    var behindUntil = Instant.zero
    var behindPenalty = Interval.seconds(2)
    var storageFullSince: Instant?
    var echo: (timestamp: UInt64, at: Instant)?

    /// Those of a repair node are this far apart.
    var nakInterval = Interval.zero
    var lastNAK = Instant(nanoseconds: -1_000_000_000_000)
    var pagesHold = RequestHold()
    var endHold = RequestHold()
    var statusInterval: Interval
    var lastStatus: Instant
    var reportedPressure: UInt8 = 0

    /// From a random one on: who has not heard a STATUS or DETACH cannot acknowledge it.
    var nextSequence: UInt32

    let verifier: any MessageVerifier
    let digest: any MessageDigest
    let firstAddress: SocketAddress
    /// What was last reported, with what is owed for former parents.
    var lastReport = StatusHistogram()
    /// A repair node's cache has taken all that came: it can serve without anybody above.
    var keepsEverything = true
    /// The last report that the parent has been heard after, or the first one; nil when it has got none.
    var heardReport: StatusHistogram?
    /// Everybody below a repair node.
    var region = StatusHistogram()
    let isResumable: Bool
    var random: RandomSource

    /// - Parameters:
    ///   - identity: the ephemeral id of this receiver in this session, not 0: drawn for it, and drawn once even if the
    ///     process is restarted.
    ///   - announce: verified and accepted.
    ///   - source, transmitter: where it came from, and who multicasts the session.
    ///   - role: a leaf, or the upper half of a repair node.
    ///   - isResumable: whether the host may have chunks of this bundle from before.
    ///   - expectsRepairNodes: whether the host has heard of any: then the nearest is looked for before anybody is told.
    ///   - seed: where jitter comes from; must not repeat in production.
    public init(
        identity: UInt32, configuration: Configuration, announce: Announce, source: SocketAddress, transmitter: UInt32,
        role: ReceiverRole = .leaf, isResumable: Bool, expectsRepairNodes: Bool = false, verifier: any MessageVerifier,
        digest: any MessageDigest, seed: UInt64, at now: Instant
    ) {
        self.init(
            identity: identity, sharing: SharedConfiguration(configuration), announce: announce, source: source, transmitter: transmitter,
            role: role, isResumable: isResumable, expectsRepairNodes: expectsRepairNodes, verifier: verifier, digest: digest, seed: seed,
            at: now)
    }

    /// The same for one of many engines that share their settings.
    public init(
        identity: UInt32, sharing shared: SharedConfiguration, announce: Announce, source: SocketAddress, transmitter parentTransmitter: UInt32,
        role: ReceiverRole = .leaf, isResumable: Bool, expectsRepairNodes: Bool = false, verifier: any MessageVerifier,
        digest: any MessageDigest, seed: UInt64, at now: Instant
    ) {
        self.shared = shared
        let configuration = shared.value
        self.announce = announce
        let chunkLength = UInt64(announce.chunkLength)
        announcedChunkTotal = announce.contentLength.map { UInt32(clamping: $0 / chunkLength + ($0 % chunkLength == 0 ? 0 : 1)) }
        self.verifier = verifier
        self.digest = digest
        self.isResumable = isResumable
        self.role = role
        firstAddress = source
        self.parentTransmitter = parentTransmitter
        streamTransmitter = parentTransmitter
        parents = ParentTable(configuration: configuration)
        _ = parents.add(parentTransmitter, at: source, now: now)
        // A first choice that turns out not to be the best is corrected soon.
        attachment = Attachment(at: now + (configuration.parentJitter - configuration.parentHysteresis))
        lastParentCheck = now
        var random = RandomSource(seed: seed)
        transmitter = identity
        slots = AssemblySlots(
            count: configuration.assemblySlots,
            packetCapacity: ChunkGeometry.packetCount(
                encodedLength: announce.chunkLength, payloadLength: announce.payloadLength))
        candidateTime = now
        groupRoundTrip = configuration.initialGroupRoundTrip
        lastHeard = now
        lastHeardGroup = now
        nextRejoin = now + configuration.rejoinAfterSilence
        statusInterval = configuration.minimumStatusInterval
        lastStatus = now
        // What a latecomer lacks it should ask of the parent that it settles with, and not of the first one that it hears.
        catchUpHold.extend(until: now + configuration.parentSettlingTime)
        // The first status is what the sender counts joins by: soon, but not all at once.
        nextStatus = now + random.interval(upTo: configuration.minimumStatusInterval * 0.5)
        nextSequence = UInt32.random(in: 0...(.max), using: &random)
        self.random = random
        if expectsRepairNodes { settleFirst(at: now) }
        // Multicast does not cross the link: nothing comes before the parent knows the address.
        if wantsStream { attach(to: parentTransmitter, at: now) }
    }

    // MARK: What the host asks

    public var session: SessionID { announce.session }
    var wantsStream: Bool { if case .repairNode(_, .unicast) = role { true } else { false } }
    /// The id of a repair node's other half, which is a parent itself.
    var downstreamTransmitter: UInt32? { if case .repairNode(let id, _) = role { id } else { nil } }
    var isRepairNode: Bool { downstreamTransmitter != nil }
    /// What its parent says of the session; everything before `knownFront` has been sent once.
    public var sessionPhase: SessionPhase { parentPhase }
    public var knownFront: StreamPosition? { front }
    /// Reads something of an engine in an optional: mutating, because a getter would be given a copy of all of it, which
    /// costs a repair node twice what it does with a datagram.
    mutating func inPlace<Value>(_ read: (borrowing ReceiverEngine) -> Value) -> Value { read(self) }
    /// A repair node's children, as it sums them up.
    public mutating func report(region sum: StatusHistogram) { region = sum }
    mutating func noteNotKept() { keepsEverything = false }
    public var isFinished: Bool { if case .finished = phase { true } else { false } }
    public var chunksDone: UInt32 { ledger.doneCount }
    /// Total number of chunks: from END, or from the announced length; nil while neither is known.
    public var chunkTotal: UInt32? {
        if let end { return end.chunkCount }
        return announcedChunkTotal
    }
    /// Smoothed loss (0...1).
    public var loss: Double { arrivals.loss }
    public var lastHeardFromSender: Instant { lastHeard }
    public func record(of chunk: UInt32) -> ChunkRecord? { ledger.record(of: chunk) }

    public var state: ReceiverState {
        switch phase {
        case .committing where !isRepairNode: return .finishing
        case .receiving, .committing:
            if isBehind { return .behind }
            return front == nil && ledger.doneCount == 0 ? .joined : .receiving
        case .serving: return .complete
        case .final(let state, _): return state
        case .finished: return finalState
        }
    }
    var finalState = ReceiverState.failedSender
    /// Of the STATUSes that told the parent of it.
    var finalSequences: [UInt32] = []

    /// What it waits for, in words, for reports of runs that do not end.
    public var diagnosis: String {
        let assembling = slots.indices.filter { slots[$0].isInUse }.prefix(8).map { index in
            let slot = slots[index]
            return "chunk \(slot.chunk): \(slot.received.count) packets\(slot.isWithHost ? ", with the host" : "")\(slot.isCatchUp ? ", catch-up" : "")"
        }
        return "front \(front.map { "\($0.chunk).\($0.packet)" } ?? "none"), pages \(ledger.pageCount) of \(knownPages), "
            + "END \(end == nil ? "missing" : "here"), NAK \(nakAt == nil ? "not due" : "due"), slots \(slots.usedCount) [\(assembling.joined(separator: "; "))]"
    }

    public mutating func pollEvent() -> ReceiverEvent? { events.popFirst() }

    // MARK: Ending

    mutating func finish(as state: ReceiverState, at now: Instant) {
        switch phase {
        case .receiving, .committing, .serving: break
        case .final, .finished: return
        }
        finalState = state
        phase = .final(state, attempts: 0)
        nakAt = nil
        nextStatus = now
        if hasLost(parentTransmitter, at: now) { close(after: state, at: now) }
    }

    /// Says the final state once more and goes: nobody is left to acknowledge it.
    mutating func close(after state: ReceiverState, at now: Instant) {
        finalState = state
        enqueueStatus(at: now)
        phase = .finished
        events.append(.finished(state))
    }
}
