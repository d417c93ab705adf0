public import RMCPProtocol

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
    /// Pauses in which nothing is written, as when a drive cleans up or the kernel holds writers back; nil for none.
    public var stalls: Stalls?

    /// Pauses of one length, at random times.
    public struct Stalls: Sendable {
        /// Mean time from the end of one to the beginning of the next, exponentially distributed.
        public var interval: Interval
        public var length: Interval

        public init(interval: Interval, length: Interval) {
            self.interval = interval
            self.length = length
        }
    }

    public init(rate: Double = 400e6, capacity: UInt64 = .max, failsAfter: UInt64 = .max, tornShare: Double = 0) {
        self.rate = rate
        self.capacity = capacity
        self.failsAfter = failsAfter
        self.tornShare = tornShare
    }
}

/// What is on one receiver's disk: partial bundles by name and key, and finished ones. A chunk is stood for by 64 bits of its
/// digest, since there are a hundred thousand disks.
struct SimulatedDisk {
    struct Partial {
        let name: String
        /// What the journal says is there, and what is there, by chunk: different where a write was torn. 0 is nothing, or
        /// zeros.
        var journal: [UInt64] = []
        var bytes: [UInt64] = []
        var identities: [(session: SessionID, identity: UInt32)] = []
    }

    let model: DiskModel
    private var partials: [Partial] = []
    /// Finished bundles by name, chunk by chunk.
    private var finished: [(name: String, chunks: [UInt64])] = []
    private var freeAt = Instant.zero
    private var written: UInt64 = 0
    /// Beginning of the next stall; nil until it is drawn.
    private var nextStall: Instant?

    init(model: DiskModel) { self.model = model }

    /// What stands for a chunk's content.
    static func mark(_ digest: Digest) -> UInt64 { digest.value.a }

    /// When work on `bytes` bytes that is queued now is done.
    mutating func schedule(bytes: Int, at now: Instant, using random: inout RandomSource) -> Instant {
        let begun = max(freeAt, now)
        freeAt = begun + .seconds(Double(bytes) / model.rate)
        guard let stalls = model.stalls else { return freeAt }
        var stall = nextStall ?? now + random.interval(withMean: stalls.interval)
        // One that came while there was nothing to do has passed unseen.
        while stall + stalls.length <= begun { stall = stall + stalls.length + random.interval(withMean: stalls.interval) }
        if stall < freeAt {
            freeAt = freeAt + stalls.length - max(.zero, begun - stall)
            stall = stall + stalls.length + random.interval(withMean: stalls.interval)
        }
        nextStall = stall
        return freeAt
    }

    private func index(of name: String) -> Int? { partials.firstIndex { $0.name == name } }

    private mutating func indexForWriting(_ name: String) -> Int {
        if let known = index(of: name) { return known }
        partials.append(Partial(name: name))
        return partials.count - 1
    }

    /// The id that a receiver drew for a session, kept so that it outlives the process.
    mutating func identity(_ name: String, in session: SessionID, drawn: UInt32) -> UInt32 {
        let index = indexForWriting(name)
        if let known = partials[index].identities.first(where: { $0.session == session }) { return known.identity }
        partials[index].identities.append((session, drawn))
        return drawn
    }

    private static func chunk(_ chunk: UInt32, of marks: [UInt64]?) -> UInt64 {
        guard let marks, Int(chunk) < marks.count else { return 0 }
        return marks[Int(chunk)]
    }

    private static func set(_ chunk: UInt32, of marks: inout [UInt64], to mark: UInt64) {
        while marks.count <= Int(chunk) { marks.append(0) }
        marks[Int(chunk)] = mark
    }

    func isJournalled(_ name: String, chunk: UInt32, as digest: Digest) -> Bool {
        Self.chunk(chunk, of: index(of: name).map { partials[$0].journal }) == Self.mark(digest)
    }
    func holds(_ name: String, chunk: UInt32, as digest: Digest) -> Bool {
        Self.chunk(chunk, of: index(of: name).map { partials[$0].bytes }) == Self.mark(digest)
    }
    func hasPartial(_ name: String) -> Bool { index(of: name).map { !partials[$0].journal.isEmpty } ?? false }

    /// False when the disk breaks at this write.
    mutating func write(_ name: String, chunk: UInt32, digest: Digest, length: UInt32) -> Bool {
        written += UInt64(length)
        guard written <= model.failsAfter else { return false }
        let index = indexForWriting(name)
        Self.set(chunk, of: &partials[index].journal, to: Self.mark(digest))
        Self.set(chunk, of: &partials[index].bytes, to: Self.mark(digest))
        return true
    }

    mutating func zero(_ name: String, chunks: Range<UInt32>) {
        let index = indexForWriting(name)
        for chunk in chunks { Self.set(chunk, of: &partials[index].bytes, to: 0) }
    }

    /// Chunks of a finished bundle.
    func presented(_ name: String) -> [UInt64] { finished.first { $0.name == name }?.chunks ?? [] }

    mutating func commit(_ name: String, chunkCount: UInt32) {
        var chunks = index(of: name).map { partials.remove(at: $0).bytes } ?? []
        if chunks.count < Int(chunkCount) { chunks.append(contentsOf: repeatElement(0, count: Int(chunkCount) - chunks.count)) }
        chunks.removeSubrange(Int(chunkCount)...)
        finished.removeAll { $0.name == name }
        finished.append((name, chunks))
    }

    /// The process was killed in the middle of its writes.
    mutating func tear(using random: inout RandomSource) {
        guard model.tornShare > 0 else { return }
        for partial in partials.indices {
            for chunk in partials[partial].journal.indices where partials[partial].journal[chunk] != 0 && random.chance(model.tornShare) {
                partials[partial].bytes[chunk] = Hash.mix(0x70A4, UInt64(chunk))
            }
        }
    }
}
