/// A child's dealings with parents other than its current one: an ATTACH under way, and former parents that have not confirmed
/// the DETACH.
struct Attachment: Sendable {
    /// An ATTACH that waits for its answer.
    struct Attempt: Sendable {
        var transmitter: UInt32
        var nonce: UInt64
        var count = 0
        var next: Instant
    }

    /// A parent that was left and has not confirmed it: it goes on counting this child.
    struct Former: Sendable {
        var transmitter: UInt32
        var address: SocketAddress
        var cookie: UInt64
        var count = 0
        /// When it is told (again); nil once it has been told often enough and is silent.
        var next: Instant?
        /// Sequence numbers of the latest DETACHes that told it: an ACKNOWLEDGEMENT of another number confirms nothing.
        var sequences: [UInt32] = []
        /// Count of this child that the former parent keeps, by state, less the debt that the child had reported there
        /// (decision 0007).
        var contribution: [Int64]
    }

    var attempt: Attempt?
    /// Oldest first, at most `formerLimit`.
    private(set) var formers: [Former] = []
    /// Contributions of former parents beyond the limit, which are owed for good.
    private var forgotten: [Int64]?
    /// When the parent last changed.
    var changedAt: Instant
    /// When the first NAK was sent that has brought nothing yet; nil when all have.
    var askingSince: Instant?
    /// When a better parent is asked: a random time, so that not all go at once.
    var moveAt: Instant?
    private static let formerLimit = 16
    /// DETACHes to one former parent that may be under way at one time.
    private static let sequenceLimit = 8

    init(at now: Instant) { changedAt = now }

    /// What is counted at former parents, by state; nil for nothing.
    var debt: [Int64]? {
        formers.reduce(forgotten) { sum, former in Self.sum(sum, former.contribution) }
    }

    private static func sum(_ sum: [Int64]?, _ other: [Int64]) -> [Int64] {
        guard var sum else { return other }
        for index in sum.indices { sum[index].increase(by: other[index]) }
        return sum
    }

    mutating func leave(_ former: Former) {
        if formers.count >= Self.formerLimit {
            let oldest = formers.removeFirst()
            forgotten = Self.sum(forgotten, oldest.contribution)
        }
        formers.append(former)
    }

    /// A former parent is the parent again, which puts what is true in the place of what it knew.
    mutating func settle(with transmitter: UInt32) { formers.removeAll { $0.transmitter == transmitter } }

    /// A former parent has let go, if it was a DETACH that it acknowledges.
    mutating func confirm(_ sequence: UInt32, by transmitter: UInt32) -> Bool {
        let count = formers.count
        formers.removeAll { $0.transmitter == transmitter && $0.sequences.contains(sequence) }
        return formers.count < count
    }

    func isFormer(_ transmitter: UInt32) -> Bool { formers.contains { $0.transmitter == transmitter } }

    /// Something came from a parent: one that was silent can be told now.
    mutating func noteHeard(_ transmitter: UInt32, at now: Instant) {
        for index in formers.indices where formers[index].transmitter == transmitter && formers[index].next == nil { formers[index].next = now }
    }

    /// Has former parents told at once that have not been told yet: the sender knows by now where this child is.
    mutating func hastenDetach(at now: Instant) {
        for index in formers.indices where formers[index].count == 0 && formers[index].next != nil { formers[index].next = now }
    }

    /// Whether a former parent must hear of it before this child goes. A sender that is not told counts who was its child as lost, and no
    /// debt takes that off.
    func mustTell(attempts: Int) -> Bool { formers.contains { $0.next != nil && $0.count <= attempts } }

    var nextDetach: Instant? {
        formers.isEmpty ? nil : formers.lazy.compactMap(\.next).min()
    }

    /// Calls `tell` for each former parent that is to be told now; it answers the DETACH's sequence. At first every `interval`;
    /// one that is there and says nothing, since its answers are lost, every `later` from then on.
    mutating func detach(
        attempts: Int, every interval: Interval, later: Interval, isAlive: (UInt32) -> Bool, at now: Instant, _ tell: (Former) -> UInt32
    ) {
        for index in formers.indices {
            guard let due = formers[index].next, now >= due else { continue }
            guard formers[index].count < attempts || isAlive(formers[index].transmitter) else {
                // It is gone: its own parent will count this child as lost there, which the debt says is not so.
                formers[index].next = nil
                continue
            }
            formers[index].count += 1
            formers[index].next = now + (formers[index].count > attempts ? later : interval)
            if formers[index].sequences.count >= Self.sequenceLimit { formers[index].sequences.removeFirst() }
            formers[index].sequences.append(tell(formers[index]))
        }
    }
}
