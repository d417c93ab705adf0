public import RMCPProtocol

/// A repair node's host in the simulator: sessions, the chunks in its memory, and a cache that outlives the process.
struct RepairNode {
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
        /// It was taken off the books.
        var isOver = false

        init(engine: RepairEngine, announce: Announce) {
            place = InPlace(engine)
            self.announce = announce
            buffers = SlotBuffers(chunkLength: announce.chunkLength)
        }

        deinit { place.destroy() }

        /// Asks the engine something that would be mutating for reasons of its own.
        func inPlace<Answer>(_ body: (inout RepairEngine) -> Answer) -> Answer { body(&engine) }

        func place(_ fingerprint: UInt64, _ placement: Placement) {
            buffers.place(fingerprint, slot: placement.slot, packet: placement.offset / Int(inPlace { $0.payloadLength }))
        }
    }

    /// What the cache holds of a session.
    struct Cached {
        var announce: Announce
        var signature: Signature
        var table: [[UInt8]] = []
        /// Digests of the encoded bytes as they lie there.
        var chunks: [UInt32: Digest] = [:]
    }

    let model: RepairNodeModel
    let configuration: Configuration
    let trustedKeys: Set<PublicKey>
    var directory: SessionDirectory
    /// In the order in which they began.
    var sessions: [Session] = []
    var isRunning = true
    var life = 0
    var cache: [SessionID: Cached] = [:]
    private var diskFreeAt = Instant.zero

    // What checks read.
    var repairBytes: UInt64 = 0
    var naksSent = 0
    var upstreamStates: [ReceiverState] = []
    var parentChanges = 0

    init(model: RepairNodeModel, configuration: Configuration, trustedKeys: Set<PublicKey>) {
        self.model = model
        self.configuration = configuration
        self.trustedKeys = trustedKeys
        directory = Self.makeDirectory(configuration, trustedKeys)
    }

    private static func makeDirectory(_ configuration: Configuration, _ keys: Set<PublicKey>) -> SessionDirectory {
        SessionDirectory(
            policy: TrustPolicy(trustedKeys: keys, allowsUnsigned: false), verifier: SimulatedVerifier(), sessionLimit: 8,
            silence: configuration.rejoinAfterSilence)
    }

    mutating func schedule(bytes: Int, at now: Instant) -> Instant {
        diskFreeAt = max(diskFreeAt, now) + .seconds(Double(bytes) / model.diskRate)
        return diskFreeAt
    }

    /// Kills the process; `cache` says what is left of what it kept.
    mutating func kill(cache fate: CacheFate, using random: inout RandomSource) {
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

    mutating func restart() {
        isRunning = true
        life += 1
        directory = Self.makeDirectory(configuration, trustedKeys)
    }

    func session(_ tag: UInt32) -> Session? { sessions.first { $0.announce.session.tag == tag } }

    mutating func retire(_ session: Session) {
        session.isOver = true
        sessions.removeAll { $0 === session }
    }
}

/// What a repair node is like.
public struct RepairNodeModel: Sendable {
    public enum Character: Sendable, Hashable {
        case honest
        /// What it sends of chunks is not what it has.
        case liar
        /// It takes NAKs and statuses and says that it has everything, and sends nothing but heartbeats.
        case blackHole
    }

    public var mode: RepairEngine.Mode
    public var character: Character
    /// Bytes a second, written and read.
    public var diskRate: Double
    /// The subnet where it is, and those that its region reaches.
    public var subnet: Int
    public var reach: [Int]

    public init(
        mode: RepairEngine.Mode = .repair, character: Character = .honest, diskRate: Double = 400e6, subnet: Int = 0, reach: [Int]? = nil
    ) {
        self.mode = mode
        self.character = character
        self.diskRate = diskRate
        self.subnet = subnet
        self.reach = reach ?? [subnet]
    }
}

/// What happens to a repair node's cache when it dies.
public enum CacheFate: Sendable, Hashable {
    case kept
    case lost
    /// This share of the chunks is damaged.
    case torn(Double)
}
