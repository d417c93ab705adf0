import RMCPProtocol

/// Abilities of a receiver's host.
public struct ReceiverHostModel: Sendable {
    /// Datagrams a second that its network thread handles.
    public var datagramRate: Double
    /// Bytes that its socket holds while the process does not read.
    public var socketBuffer: Int
    public var disk: DiskModel
    public var trusts: Trust
    /// False makes the hook after a bundle fail.
    public var hookSucceeds = true
    /// How long it takes, or the flush before it.
    var hookDuration = Interval.zero
    /// The process ends after a bundle, as `rmcp recv --once` does.
    public var exitsWhenDone = false
    /// A datagram is read in the event that brings it, unless an earlier one is still being handled: half the events,
    /// where there are millions of them.
    public var readsAtOnce = false

    public enum Trust: Sendable, Hashable {
        /// The key of the senders that the scenario adds.
        case sender
        case nobody
        case anybody
    }

    public init(
        datagramRate: Double = 500_000, socketBuffer: Int = 8 << 20, disk: DiskModel = DiskModel(), trusts: Trust = .sender
    ) {
        self.datagramRate = datagramRate
        self.socketBuffer = socketBuffer
        self.disk = disk
        self.trusts = trusts
    }
}

/// A receiver's host in the simulator: a socket buffer, a process that may sleep or be killed, sessions, and a disk. A
/// class, so that one of a million is worked on where it is.
final class ReceiverNode {
    /// A class, so that engines are driven in place and never copied.
    final class Session {
        let place: InPlace<ReceiverEngine>
        var engine: ReceiverEngine {
            _read { yield place.value }
            _modify { yield &place.value }
        }
        let id: SessionID
        let tag: UInt32
        /// The name under which the bundle lies on disk.
        let diskName: String
        var buffers: SlotBuffers
        var isCommitted = false
        /// True once it was taken off the books.
        var isOver = false

        init(engine: ReceiverEngine, announce: Announce) {
            place = InPlace(engine)
            id = announce.session
            tag = announce.session.tag
            diskName = ReceiverNode.diskName(announce)
            buffers = SlotBuffers(chunkLength: announce.chunkLength)
        }

        deinit { place.destroy() }

        /// Asks the engine something that would be mutating for reasons of its own.
        func inPlace<Answer>(_ body: (inout ReceiverEngine) -> Answer) -> Answer { body(&engine) }

        func take(_ train: Train, mask: UInt64, arrival: Arrival, at clock: Instant) {
            train.forEachPacket(of: mask) { header, data, length, fingerprint in
                if let placement = engine.handle(data, header, length: length, arrival: arrival, at: clock) {
                    place(fingerprint, placement)
                }
            }
        }

        func place(_ fingerprint: UInt64, _ placement: Placement) {
            let packet = placement.offset / Int(inPlace { $0.announce.payloadLength })
            if placement.isDuplicate {
                buffers.keepAside(fingerprint, slot: placement.slot, packet: packet)
            } else {
                buffers.place(fingerprint, slot: placement.slot, packet: packet)
            }
        }
    }

    /// Fate of its sessions, for the checkers.
    struct Record {
        /// Time at which each was complete.
        var completed: [SessionID: Instant] = [:]
        var failed: [SessionID: ReceiverState] = [:]
        /// The ids that it had in its sessions.
        var identities: [SessionID: UInt32] = [:]
        var refusals: [SessionRefusal] = []
        var keptChunks = 0
        /// Counters of sessions that are over.
        var counters = ReceiverCounters()
        /// Parents above it when its last session ended: 1 below the sender.
        var lastDepth = 0
        /// The nearest of them.
        var lastParent: SocketAddress?
        var fetchedBytes: UInt64 = 0
    }

    // What every datagram touches comes first.
    let index: Int
    /// False while the process is not running.
    var isRunning = true
    /// The session that began first, of those that are under way; there is hardly ever another one.
    private(set) var first: Session?
    private(set) var others: [Session] = []
    /// Counts lives: what was scheduled for an earlier one is void.
    var life = 0
    /// No reading from the socket before this.
    var pausedUntil = Instant.zero
    /// Time that the node's clock is ahead of the world's: a suspended host's falls behind.
    var clockOffset = Interval.zero
    var isReading = false
    var nextWake = Instant.distantFuture
    var busyUntil = Instant.zero
    let readsAtOnce: Bool
    let datagramRate: Double

    var socket: SimulatedSocket
    let subnet: Int
    var uplink: Link
    /// False while the network does not deliver multicast to it, whatever it joins.
    var mayJoin = true
    let host: ReceiverHostModel
    let configuration: SharedConfiguration
    var disk: SimulatedDisk
    var endpoint: ReceiverEndpoint

    var record = Record()
    /// Set where it shares processors with others.
    var threads: HostThreads?
    /// Pieces of work that its disk has yet to do.
    var storing = 0

    init(
        index: Int, subnet: Int, uplink: Link, host: ReceiverHostModel, configuration: SharedConfiguration, trustedKeys: Set<PublicKey>, seed: UInt64
    ) {
        self.index = index
        self.subnet = subnet
        self.uplink = uplink
        self.host = host
        socket = SimulatedSocket(limit: host.socketBuffer)
        readsAtOnce = host.readsAtOnce
        datagramRate = host.datagramRate
        self.configuration = configuration
        disk = SimulatedDisk(model: host.disk)
        endpoint = Self.makeEndpoint(host: host, configuration: configuration.value, trustedKeys: trustedKeys, seed: seed)
    }

    func session(_ tag: UInt32) -> Session? {
        if let first, first.tag == tag { return first }
        return others.isEmpty ? nil : others.first { $0.tag == tag }
    }

    /// In the order in which they began.
    var sessions: [Session] { first.map { [$0] + others } ?? [] }

    func begin(_ session: Session) {
        if first == nil { first = session } else { others.append(session) }
    }

    private static func makeEndpoint(host: ReceiverHostModel, configuration: Configuration, trustedKeys: Set<PublicKey>, seed: UInt64) -> ReceiverEndpoint {
        let keys = host.trusts == .sender ? trustedKeys : []
        let directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: keys, allowsUnsigned: host.trusts == .anybody, trustedNodes: configuration.tree.trustedNodes),
            verifier: SimulatedVerifier(), sessionLimit: 8, candidateLimit: 64, silence: configuration.presence.rejoinAfterSilence)
        return ReceiverEndpoint(directory: directory, group: Addressing.group, refusals: RefusalReporter(seed: seed, at: .zero))
    }

    /// Kills the process: only the disk is left.
    func kill(using random: inout RandomSource) {
        isRunning = false
        life += 1
        for session in sessions { retire(session) }
        socket.removeAll()
        disk.tear(using: &random)
    }

    func restart(trustedKeys: Set<PublicKey>, seed: UInt64) {
        isRunning = true
        life += 1
        endpoint = Self.makeEndpoint(host: host, configuration: configuration.value, trustedKeys: trustedKeys, seed: seed)
    }

    /// Takes a session off the books and adds up what it counted.
    func retire(_ session: Session) {
        session.isOver = true
        others.removeAll { $0 === session }
        if first === session { first = others.isEmpty ? nil : others.removeFirst() }
        let last = session.inPlace { $0.counters }
        record.lastDepth = session.inPlace { $0.path.count }
        record.lastParent = session.inPlace { $0.parentAddress }
        record.counters += last
        record.fetchedBytes += last.payloadBytes
    }

    /// The key under which a bundle lies on disk: another signer's bundle of the same name is another file.
    static func diskName(_ announce: Announce) -> String { "\(announce.name)/\(announce.key.value.a)" }
}
