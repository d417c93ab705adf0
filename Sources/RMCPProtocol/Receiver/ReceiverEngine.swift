import DequeModule

/// The receiver's protocol engine for one session: told of datagrams, of storage and of time, then drained of
/// placements, datagrams and events. It holds no payload, and neither blocks nor calls back.
///
/// ```
///   receiving ──all done, table agrees──▶ committing ──durable──▶ final(complete)
///       │                                       └──at a repair node──▶ serving ──nobody above──▶ finished
///       └────── failure, sender gone ───────────┴────────────────▶ final(failed) ──acknowledged──▶ finished
/// ```
///
/// Its host tells it of what comes (`handle(datagram:arrival:at:)`), of its storage (`handle(_:at:)`) and of time
/// (`handleTimeout(at:)` when `pollTimeout` is due), and after each of these drains it: `pollEvent` and `pollTransmit` until they say nil.
/// To each request of the engine belongs an answer of the host:
///
/// | the engine says | the host answers |
/// |---|---|
/// | a `Placement` | nothing, or `.unavailable` (no buffer for the slot) |
/// | `.assembled(slot:chunk:record:)` | `.stored`, or `.rejected` (wrong bytes) |
/// | `.examine(slot:chunk:values:)` | `.examined` |
/// | `.consult(chunks)` | for each chunk `.kept` or `.absent` |
/// | `.zeros(chunks)` | `.storedZeros` |
/// | `.commit(end)` | `.committed` |
/// | anything about storage | `.failed(state)` |
/// | `.rejoin` | nothing; the groups are left and joined |
///
/// The engine takes datagrams apart and gives each of its parts what is that part's to decide: `StreamFront` how far the stream has
/// come, `ChunkLedger` and `AssemblySlots` what is here, `NAKSchedule` what is asked for and when, `StatusReporter` what is
/// reported, `Profile` whether this receiver keeps up, `ParentLink` which parent it has.
public struct ReceiverEngine: Sendable {
    enum Phase: Sendable {
        case receiving
        case committing
        /// A repair node that has everything and goes on for its children.
        case serving
        /// Told to the parent until that acknowledges it, `attempts` times so far, by the STATUSes with these sequence numbers.
        case final(ReceiverState, attempts: Int, sequences: [UInt32])
        case finished(ReceiverState)
    }

    /// Reasons to call the engine at a time that is known. Silence and the choice of a parent follow from what was heard last.
    enum Timer: Int, CaseIterable, Sendable {
        case nak
        case status
        /// To join the group anew, should nothing come until then.
        case rejoin
    }

    /// Ways by which datagrams come from the parent.
    enum Hearing: Sendable {
        case group
        /// No multicast for a while; the time since which unicast comes, if it does. The parent may be silent, or gone.
        case silent(unicastSince: Instant?)
        /// The parent is there, and multicast from it is not.
        case deaf
    }

    private let shared: SharedConfiguration
    var configuration: Configuration { _read { yield shared.value } }

    // What every datagram touches is together: of a hundred thousand engines none is in the cache when something comes.
    var phase = Phase.receiving
    /// Ephemeral: drawn for this session, known to the parent only.
    let transmitter: UInt32
    var link: ParentLink
    /// The last datagram by multicast.
    var lastHeardGroup: Instant
    var hearing = Hearing.group
    var timers = TimerTable<Timer, 3>()
    var outbox: Outbox
    var events: Deque<ReceiverEvent> = []
    /// Counters since the engine began.
    public internal(set) var counters = ReceiverCounters()
    var stream: StreamMeter
    /// ANNOUNCE of the session. Its payload length goes down when the sender signs a shorter one; nothing else changes.
    public internal(set) var announce: Announce
    /// From the announced length, computed once: every packet's chunk is held against it.
    private let announcedChunkTotal: UInt32?

    var ledger = ChunkLedger()
    var slots: AssemblySlots
    var front: StreamFront
    var limits = ClaimLimits()
    var naks: NAKSchedule
    var profile = Profile()
    var status: StatusReporter

    let verifier: any MessageVerifier
    let digest: any MessageDigest
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
        identity: UInt32, sharing shared: SharedConfiguration, announce: Announce, source: SocketAddress, transmitter parent: UInt32,
        role: ReceiverRole = .leaf, isResumable: Bool, expectsRepairNodes: Bool = false, verifier: any MessageVerifier,
        digest: any MessageDigest, seed: UInt64, at now: Instant
    ) {
        let configuration = shared.value
        var random = RandomSource(seed: seed)
        // The first status is what the sender counts joins by: soon, but not all at once.
        timers.arm(.status, at: now + random.interval(upTo: configuration.feedback.minimumStatusInterval * 0.5))
        timers.arm(.rejoin, at: now + configuration.presence.rejoinAfterSilence)
        outbox = Outbox(from: identity, in: announce.session, firstSequence: UInt32.random(in: 0...(.max), using: &random))
        self.shared = shared
        self.random = random
        self.announce = announce
        self.verifier = verifier
        self.digest = digest
        self.isResumable = isResumable
        transmitter = identity
        let chunkLength = UInt64(announce.chunkLength)
        announcedChunkTotal = announce.contentLength.map { UInt32(clamping: $0 / chunkLength + ($0 % chunkLength == 0 ? 0 : 1)) }
        link = ParentLink(child: identity, role: role, of: parent, at: source, isSigned: announce.isSigned, sharing: shared, now: now)
        stream = StreamMeter(of: parent)
        lastHeardGroup = now
        slots = AssemblySlots(
            count: configuration.memory.assemblySlots,
            storageQueue: configuration.memory.storageQueue(ofChunks: announce.chunkLength),
            standstill: configuration.memory.storageStandstill,
            packetCapacity: ChunkGeometry.packetCount(
                encodedLength: announce.chunkLength, payloadLength: announce.payloadLength))
        front = StreamFront(reorderDelay: configuration.feedback.reorderDelay, at: now)
        naks = NAKSchedule(sharing: shared, isRepairNode: role.isRepairNode, asksFrom: now + configuration.tree.parentSettlingTime)
        status = StatusReporter(sharing: shared, at: now)
        limits.follow(ledger, total: announcedChunkTotal)
        if expectsRepairNodes { settleFirst(at: now) }
        // Multicast does not cross the link: nothing comes before the parent knows the address.
        if role.wantsStream { attach(to: parent, at: now) }
    }

    // MARK: What the host asks

    public var session: SessionID { announce.session }
    var role: ReceiverRole { link.role }
    /// Address that NAKs and STATUSes go to now: the parent's, or the source of the ANNOUNCE while that is all that is known.
    public var parentAddress: SocketAddress { link.address }
    /// Ephemeral ids of the parents above, the sender's first.
    public var path: [UInt32] { link.path }
    /// What its parent says of the session; everything before `knownFront` has been sent once.
    public var sessionPhase: SessionPhase { link.phase }
    /// Front of the stream; nil until something tells of it. It goes back where somebody has lied (docs/protocol.md, "What is claimed").
    public var knownFront: StreamPosition? { front.position }
    /// Bits per second of the stream.
    public var streamRate: Double { stream.rate }
    /// Smoothed loss (0...1).
    public var loss: Double { stream.arrivals.loss }
    /// Time at which anything last came from a parent that is known, be it the sender or a repair node, by multicast or unicast; at first the
    /// time at which the engine began.
    public var lastHeardFromSender: Instant { link.lastHeard }
    /// Whether a parent has answered what this child drew: somebody speaks for the session now, and does not only repeat it.
    public var isAnswered: Bool { link.cookie != 0 }
    /// The session is over for this receiver. Its last datagrams may still wait in `pollTransmit`.
    public var isFinished: Bool { if case .finished = phase { true } else { false } }
    /// Chunks that are stored, kept ones and zero ones among them. It falls when the host has lost one (`StorageEvent.damaged`).
    public var chunksDone: UInt32 { ledger.doneCount }
    /// Total number of chunks: from END, or from the announced length; nil while neither is known.
    public var chunkTotal: UInt32? { ledger.end?.chunkCount ?? announcedChunkTotal }
    /// Record of a chunk, as it is in the table: its digest is masked where it is sealed. Nil until the chunk's page is here.
    public func record(of chunk: UInt32) -> ChunkRecord? { ledger.record(of: chunk) }

    /// State that STATUSes report (docs/protocol.md, "STATUS").
    public var state: ReceiverState {
        switch phase {
        case .committing where !role.isRepairNode: return .finishing
        case .receiving, .committing:
            if profile.isBehind { return .behind }
            return front.position == nil && ledger.doneCount == 0 ? .joined : .receiving
        case .serving: return .complete
        case .final(let state, _, _), .finished(let state): return state
        }
    }

    /// What it waits for, in words, for reports of runs that do not end.
    public var diagnosis: String {
        let assembling = slots.indices.filter { slots[$0].isInUse }.prefix(Self.diagnosedSlots).map { index in
            let slot = slots[index]
            return "chunk \(slot.chunk): \(slot.received.count) packets\(slot.isWithHost ? ", with the host" : "")\(slot.isCatchUp ? ", catch-up" : "")"
        }
        return "front \(front.position.map { "\($0.chunk).\($0.packet)" } ?? "none"), pages \(ledger.pageCount) of \(ledger.sentPages), "
            + "END \(ledger.end == nil ? "missing" : "here"), NAK \(timers.isArmed(.nak) ? "due" : "not due"), "
            + "slots \(slots.usedCount) [\(assembling.joined(separator: "; "))]"
    }

    /// Slots that are written out: enough to see a pattern in a line that can be read.
    private static let diagnosedSlots = 8

    /// Reads something of an engine in an optional: mutating, because a getter would be given a copy of all of it, which
    /// costs a repair node twice what it does with a datagram.
    mutating func inPlace<Value>(_ read: (borrowing ReceiverEngine) -> Value) -> Value { read(self) }

    // MARK: Draining

    /// The next event, in the order in which things happened; nil when there is none. No timeout tells of it: poll after each call.
    public mutating func pollEvent() -> ReceiverEvent? { events.popFirst() }

    /// The next datagram, and the unicast address that it goes to.
    public mutating func pollTransmit(at now: Instant) -> (bytes: [UInt8], destination: SocketAddress)? { outbox.next() }

    /// Whether there is nothing to poll but the timeout.
    public mutating func isDrained() -> Bool { events.isEmpty && outbox.isEmpty }

    // MARK: Ending

    mutating func finish(as state: ReceiverState, at now: Instant) {
        switch phase {
        case .receiving, .committing, .serving: break
        case .final, .finished: return
        }
        phase = .final(state, attempts: 0, sequences: [])
        timers.cancel(.nak)
        timers.arm(.status, at: now)
        if link.isLost(at: now) { close(after: state, at: now) }
    }

    /// Says the final state once more and goes: nobody is left to acknowledge it.
    mutating func close(after state: ReceiverState, at now: Instant) {
        enqueueStatus(at: now)
        phase = .finished(state)
        events.append(.finished(state))
    }
}
