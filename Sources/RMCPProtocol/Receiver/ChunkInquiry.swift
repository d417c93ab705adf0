/// Findings about a chunk that came whole and is not what its record says: its outline is asked for, and then the host says
/// which subtrees are wrong. Only their packets are fetched again.
struct ChunkInquiry: Sendable {
    let shape: OutlineShape
    /// Values of the subtrees, in order; those of parts that have not come are zero.
    private(set) var values: [Digest]
    private var parts: PacketSet
    /// Keeps the outline from being asked for.
    var hold = RequestHold()
    /// Requests since the last part came.
    private(set) var vainRequests = 0
    /// Every subtree was found to be right: should the whole be wrong all the same, no outline helps.
    var isSound = false

    /// Requests in vain after which whoever supplied the chunk is taken to have nothing better: a lost answer or two are none.
    static let patience = 3

    init(_ shape: OutlineShape) {
        self.shape = shape
        values = Array(repeating: .zero, count: shape.subtreeCount)
        parts = PacketSet(capacity: shape.partCount)
    }

    var isComplete: Bool { parts.count == shape.partCount }
    var missingParts: PacketSet { parts.missing(in: 0..<shape.partCount) }
    func lacks(_ part: UInt8) -> Bool { !parts.contains(Int(part)) }

    /// Takes a part that was verified.
    mutating func take(_ part: OutlinePart) {
        guard parts.insert(Int(part.part)) else { return }
        values.replaceSubrange(shape.subtrees(ofPart: Int(part.part)), with: part.values)
        hold.noteProgress()
        vainRequests = 0
    }

    mutating func ask(for holdOff: Interval, at now: Instant) {
        hold.ask(for: holdOff, at: now)
        vainRequests += 1
    }
}
