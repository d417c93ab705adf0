/// Nodes that may be a child's parent: the sender, by the id that it has signed, and repair nodes with a key that the child's user trusts.
struct TreeTrust: Sendable {
    /// Keys of the repair nodes that are taken; nil where anybody is.
    let keys: Set<PublicKey>?
    /// Whether the sender signs where it stands.
    private let isSigned: Bool
    /// Ephemeral id of the sender, as it has signed it; nil while that is not known.
    private(set) var sender: UInt32?
    /// The sender's statements: the last one, and those that were the last one at the two former looks.
    private var latest: UInt32 = 0
    private var former: UInt32 = 0
    private var oldest: UInt32 = 0
    private var lookedAt: Instant
    private var heardAt = Instant.longAgo
    /// Keys that are not trusted and were told of.
    private var told: [PublicKey] = []

    /// Time from one look at the last statement to the next, and thrice what a node's news of it takes: what a node has signed is old
    /// after one to two of these.
    private static let window = Interval.seconds(3)
    private static let toldLimit = 4

    init(keys: Set<PublicKey>?, isSigned: Bool, at now: Instant) {
        self.keys = keys
        self.isSigned = isSigned
        lookedAt = now
    }

    /// Whether the sender can be told from others by now.
    var knowsSender: Bool { sender != nil || !isSigned }

    /// Whether repair nodes have to prove themselves.
    var isLimited: Bool { keys != nil }

    /// Whether an id that is heard for the first time may be a parent's by what an unsigned packet says.
    func admitsUnproven(_ transmitter: UInt32) -> Bool { keys == nil || !isSigned || transmitter == sender }

    /// Whether this candidate may be the parent.
    func admits(_ candidate: ParentCandidate, at now: Instant) -> Bool {
        if keys == nil || candidate.transmitter == sender || now < candidate.provenUntil { return true }
        // Without signatures the sender cannot show that it is the sender.
        return !isSigned && candidate.isRoot
    }

    /// - Returns: whether the id is another than was known.
    mutating func noteStatement(_ statement: Statement, at now: Instant) -> Bool {
        if now - lookedAt >= Self.window {
            (oldest, former) = (former, latest)
            lookedAt = now
        }
        latest = max(latest, statement.serial)
        heardAt = now
        defer { sender = statement.transmitter }
        return sender != statement.transmitter
    }

    /// Whether a node has signed this lately, by the sender's statement that it names. When there are none any more, as after the sender
    /// has left, nothing becomes old.
    func isFresh(_ place: NodePlace, at now: Instant) -> Bool {
        place.statement >= oldest || now - heardAt >= Self.window
    }

    /// Notes that the user is told of a key that is not trusted.
    /// - Returns: false where that is not worth a line.
    mutating func noteTold(_ key: PublicKey) -> Bool {
        guard told.count < Self.toldLimit, !told.contains(key) else { return false }
        told.append(key)
        return true
    }
}
