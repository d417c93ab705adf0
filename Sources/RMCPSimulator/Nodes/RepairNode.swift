public import RMCPProtocol

/// A repair node's host in the simulator: sessions, the chunks in its memory, and a cache that outlives the process.
final class RepairNode {
    /// A class, so that engines are driven in place and never copied.
    final class Session {
        private let place: InPlace<RepairEngine>
        var engine: RepairEngine {
            _read { yield place.value }
            _modify { yield &place.value }
        }
        let announce: Announce
        var buffers: SlotBuffers
        /// Chunks whose bytes are in memory: sending any other is the engine's mistake.
        var resident: Set<UInt32> = []
        /// True once it was taken off the books.
        var isOver = false
        var use: SessionUse

        init(engine: RepairEngine, announce: Announce, at now: Instant) {
            use = SessionUse(at: now)
            place = InPlace(engine)
            self.announce = announce
            buffers = SlotBuffers(chunkLength: announce.chunkLength)
        }

        deinit { place.destroy() }

        /// Asks the engine something that would be mutating for reasons of its own.
        func inPlace<Answer>(_ body: (inout RepairEngine) -> Answer) -> Answer { body(&engine) }

        func place(_ fingerprint: UInt64, _ placement: Placement) {
            let packet = placement.offset / Int(inPlace { $0.payloadLength })
            if placement.isDuplicate {
                buffers.keepAside(fingerprint, slot: placement.slot, packet: packet)
            } else {
                buffers.place(fingerprint, slot: placement.slot, packet: packet)
            }
        }
    }

    /// A session in the cache.
    struct Cached {
        var announce: Announce
        var signature: Signature
        var table: [[UInt8]] = []
        /// Digests of the encoded bytes as they lie there.
        var chunks: [UInt32: Digest] = [:]
    }

    /// Deeds of the node, for the checkers.
    struct Record {
        var repairBytes: UInt64 = 0
        var naksSent = 0
        var upstreamStates: [ReceiverState] = []
        var parentChanges = 0
        /// Parents above it: 1 below the sender, where it begins.
        var depth = 1
    }

    let index: Int
    private(set) var model: RepairNodeModel
    private(set) var configuration: Configuration
    private let trustedKeys: Set<PublicKey>
    private(set) var place: RepairPlace
    var endpoint: RepairEndpoint
    /// Its links to parents and into its region; the one down to it is the network's.
    var uplink: Link
    var egress: Link
    /// In the order in which they began.
    private(set) var sessions: [Session] = []
    private(set) var isRunning = true
    private(set) var life = 0
    var nextWake = Instant.distantFuture
    var cache: [SessionID: Cached] = [:]
    private var diskFreeAt = Instant.zero
    var record = Record()

    /// - Parameter identity: ephemeral, for datagrams of no session.
    init(
        index: Int, model: RepairNodeModel, configuration: Configuration, trustedKeys: Set<PublicKey>, uplink: Link, egress: Link, identity: UInt32,
        at now: Instant
    ) {
        self.index = index
        self.model = model
        self.configuration = configuration
        self.trustedKeys = trustedKeys
        self.uplink = uplink
        self.egress = egress
        place = Self.place(of: model, index)
        endpoint = Self.makeEndpoint(model, place, configuration, trustedKeys, Self.signer(ofNode: index), identity, at: now)
    }

    /// The node before the run: it is the same one with another model in the same subnet.
    func change(to model: RepairNodeModel, configuration: Configuration, identity: UInt32, at now: Instant) {
        self.model = model
        self.configuration = configuration
        place = Self.place(of: model, index)
        endpoint = Self.makeEndpoint(model, place, configuration, trustedKeys, Self.signer(ofNode: index), identity, at: now)
    }

    /// A relay has its site's receivers in the group itself.
    private static func place(of model: RepairNodeModel, _ index: Int) -> RepairPlace {
        let region = model.upstream == nil ? Addressing.region(ofRepairNode: index) : Addressing.group
        return RepairPlace(group: Addressing.group, region: region, upstream: model.upstream)
    }

    private static func makeEndpoint(
        _ model: RepairNodeModel, _ place: RepairPlace, _ configuration: Configuration, _ keys: Set<PublicKey>, _ signer: SimulatedSigner,
        _ identity: UInt32, at now: Instant
    ) -> RepairEndpoint {
        RepairEndpoint(
            place: place, policy: TrustPolicy(trustedKeys: keys, allowsUnsigned: false, trustedNodes: configuration.tree.trustedNodes), signer: signer,
            verifier: SimulatedVerifier(), sessionLimit: model.sessionLimit, silence: configuration.presence.rejoinAfterSilence, identity: identity, at: now)
    }

    /// Each node has a key of its own.
    static func signer(ofNode index: Int) -> SimulatedSigner { SimulatedSigner(secret: 0x40DE + UInt64(index)) }
    var signer: SimulatedSigner { Self.signer(ofNode: index) }

    func schedule(bytes: Int, at now: Instant) -> Instant {
        diskFreeAt = max(diskFreeAt, now) + .seconds(Double(bytes) / model.diskRate)
        return diskFreeAt
    }

    /// Kills the process; `cache` says what is left of what it kept.
    func kill(cache fate: CacheFate, using random: inout RandomSource) {
        isRunning = false
        life += 1
        for session in sessions { retire(session) }
        for session in cache.keys.sorted(by: { ($0.high, $0.low) < ($1.high, $1.low) }) {
            switch fate {
            case .kept: break
            case .lost: cache[session] = nil
            case .torn(let share):
                for chunk in (cache[session]?.chunks.keys.sorted() ?? []) where random.chance(share) {
                    cache[session]?.chunks[chunk] = Digest(Hash.wide(0x70A4, UInt64(chunk)))
                }
            }
        }
    }

    func restart(identity: UInt32, at now: Instant) {
        isRunning = true
        life += 1
        endpoint = Self.makeEndpoint(model, place, configuration, trustedKeys, Self.signer(ofNode: index), identity, at: now)
    }

    func begin(_ session: Session) { sessions.append(session) }

    func session(_ tag: UInt32) -> Session? { sessions.first { $0.announce.session.tag == tag } }

    /// How a session that is under way stands.
    func activity(of id: SessionID) -> SessionActivity {
        guard let session = sessions.first(where: { $0.announce.session == id }) else { return SessionActivity() }
        return session.use.activity(of: &session.engine)
    }

    func retire(_ session: Session) {
        session.isOver = true
        sessions.removeAll { $0 === session }
    }
}

/// Properties of a repair node.
public struct RepairNodeModel: Sendable {
    public enum Character: Sendable, Hashable {
        case honest
        /// The bytes of chunks that it sends are not those that it has.
        case liar
        /// NAKs and statuses are taken, but it says that it has everything, and sends nothing but heartbeats.
        case blackHole
        /// A black hole that tells nobody above of those below it.
        case phantom
    }

    public var character: Character
    /// Bytes a second, written and read.
    public var diskRate: Double
    /// The subnet where it is, and those that its region reaches.
    public var subnet: Int
    public var reach: [Int]
    /// A relay's parent, which its user named; nil at other repair nodes.
    public var upstream: SocketAddress?
    /// Sessions at one time.
    public var sessionLimit = 16
    /// Chunks of a session that its cache has room for, the first ones; the others are passed on.
    public var keptChunks = UInt32.max

    public init(
        character: Character = .honest, diskRate: Double = 400e6, subnet: Int = 0, reach: [Int]? = nil, upstream: SocketAddress? = nil
    ) {
        self.upstream = upstream
        self.character = character
        self.diskRate = diskRate
        self.subnet = subnet
        self.reach = reach ?? [subnet]
    }
}

/// Fate of a repair node's cache when the node dies.
public enum CacheFate: Sendable, Hashable {
    case kept
    case lost
    /// This share of the chunks is damaged.
    case torn(Double)
}
