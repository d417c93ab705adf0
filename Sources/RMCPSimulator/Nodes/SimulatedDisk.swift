import RMCPProtocol

/// A disk that takes time, may be full or break, and outlives the process.
public struct DiskModel: Sendable {
    /// Bytes a second, written and read.
    public var rate: Double
    /// Bytes that fit; a bundle that does not is refused at the start.
    public var capacity: UInt64
    /// The write that takes the total beyond this many bytes fails (an I/O error).
    public var failsAfter: UInt64
    /// Of the chunks on disk when the process is killed, this share is torn (0...1).
    public var tornShare: Double

    public init(rate: Double = 400e6, capacity: UInt64 = .max, failsAfter: UInt64 = .max, tornShare: Double = 0) {
        self.rate = rate
        self.capacity = capacity
        self.failsAfter = failsAfter
        self.tornShare = tornShare
    }
}

/// What is on one receiver's disk: partial bundles by name and key, and finished ones.
struct SimulatedDisk {
    struct Partial {
        /// What the journal says is there, and what is there: different where a write was torn.
        var journal: [UInt32: Digest] = [:]
        var bytes: [UInt32: Digest] = [:]
        var identities: [SessionID: UInt32] = [:]
    }

    let model: DiskModel
    private(set) var partials: [String: Partial] = [:]
    /// Content digests of finished bundles by name, chunk by chunk.
    private(set) var finished: [String: [Digest]] = [:]
    private var freeAt = Instant.zero
    private var written: UInt64 = 0

    init(model: DiskModel) { self.model = model }

    /// When work on `bytes` bytes that is queued now is done.
    mutating func schedule(bytes: Int, at now: Instant) -> Instant {
        freeAt = max(freeAt, now) + .seconds(Double(bytes) / model.rate)
        return freeAt
    }

    /// The id that a receiver drew for a session, kept so that it outlives the process.
    mutating func identity(_ name: String, in session: SessionID, drawn: UInt32) -> UInt32 {
        if let known = partials[name]?.identities[session] { return known }
        partials[name, default: Partial()].identities[session] = drawn
        return drawn
    }

    func journalled(_ name: String, chunk: UInt32) -> Digest? { partials[name]?.journal[chunk] }
    func bytes(_ name: String, chunk: UInt32) -> Digest? { partials[name]?.bytes[chunk] }
    func hasPartial(_ name: String) -> Bool { !(partials[name]?.journal.isEmpty ?? true) }

    /// False when the disk breaks at this write.
    mutating func write(_ name: String, chunk: UInt32, digest: Digest, length: UInt32) -> Bool {
        written += UInt64(length)
        guard written <= model.failsAfter else { return false }
        partials[name, default: Partial()].journal[chunk] = digest
        partials[name, default: Partial()].bytes[chunk] = digest
        return true
    }

    mutating func zero(_ name: String, chunks: Range<UInt32>) {
        for chunk in chunks { partials[name, default: Partial()].bytes[chunk] = .zero }
    }

    mutating func commit(_ name: String, chunkCount: UInt32) {
        let bytes = partials.removeValue(forKey: name)?.bytes ?? [:]
        finished[name] = (0..<chunkCount).map { bytes[$0] ?? .zero }
    }

    /// The process was killed in the middle of its writes.
    mutating func tear(using random: inout RandomSource) {
        guard model.tornShare > 0 else { return }
        for name in partials.keys.sorted() {
            for chunk in (partials[name]?.journal.keys.sorted() ?? []) where random.chance(model.tornShare) {
                partials[name]?.bytes[chunk] = Digest(Hash.wide(0x70A4, UInt64(chunk)))
            }
        }
    }
}
