/// A parent that a child has heard of.
struct ParentCandidate: Sendable {
    let transmitter: UInt32
    /// Where its datagrams come from, and NAKs and statuses go.
    var address: SocketAddress
    /// Nil until its first HEARTBEAT.
    var place: TreePlace?
    /// Routers between it and here, as far as its time to live tells.
    var hops = 0
    var phase = SessionPhase.waiting
    var firstHeard: Instant
    var lastHeard: Instant
    /// It refused, did not answer, or was of no use: not asked before this.
    var avoidedUntil = Instant.zero
    /// Chunks that came from it in part and were not what their records say.
    var spoiltChunks = 0
    /// What it answered an ATTACH with; 0 for none.
    var cookie: UInt64 = 0

    init(transmitter: UInt32, address: SocketAddress, at now: Instant) {
        self.transmitter = transmitter
        self.address = address
        firstHeard = now
        lastHeard = now
    }

    var isRoot: Bool { place?.depth == 0 }
    var isLeaving: Bool { phase == .leaving || phase == .aborted }
}

/// The parents that a child may choose from, and the order in which it would: the nearest, and of those equally near a
/// repair node rather than the sender, the one with clearly fewer children first.
struct ParentTable: Sendable {
    private(set) var candidates: [ParentCandidate] = []
    private let limit: Int
    private let timeout: Interval

    init(configuration: Configuration) {
        limit = configuration.maximumParents
        timeout = configuration.parentTimeout
    }

    subscript(transmitter: UInt32) -> ParentCandidate? { candidates.first { $0.transmitter == transmitter } }
    func contains(_ transmitter: UInt32) -> Bool { candidates.contains { $0.transmitter == transmitter } }
    func lastHeard(_ transmitter: UInt32) -> Instant? { candidates.first { $0.transmitter == transmitter }?.lastHeard }
    var root: ParentCandidate? { candidates.first { $0.isRoot } }

    /// False when there is no room. Forged parents cannot push out real ones: the longest silent goes first.
    mutating func add(_ transmitter: UInt32, at address: SocketAddress, now: Instant) -> Bool {
        if contains(transmitter) { return true }
        if candidates.count >= limit {
            let silent = candidates.indices.filter { now - candidates[$0].lastHeard >= timeout }
            guard let silent = silent.min(by: { candidates[$0].lastHeard < candidates[$1].lastHeard }) else { return false }
            candidates.remove(at: silent)
        }
        candidates.append(ParentCandidate(transmitter: transmitter, address: address, at: now))
        return true
    }

    /// Notes that a parent was heard; false for who is none. Once for each datagram.
    mutating func hear(_ transmitter: UInt32, at now: Instant) -> Bool {
        for index in candidates.indices where candidates[index].transmitter == transmitter {
            candidates[index].lastHeard = now
            return true
        }
        return false
    }

    mutating func update(_ transmitter: UInt32, _ body: (inout ParentCandidate) -> Void) {
        guard let index = candidates.firstIndex(where: { $0.transmitter == transmitter }) else { return }
        body(&candidates[index])
    }

    mutating func avoid(_ transmitter: UInt32, until instant: Instant) { update(transmitter) { $0.avoidedUntil = instant } }

    func isAlive(_ candidate: ParentCandidate, at now: Instant) -> Bool {
        !candidate.isLeaving && now - candidate.lastHeard < timeout
    }

    /// The best of those that may be asked.
    func best(at now: Instant, evenAvoided: Bool = false, where isAllowed: (ParentCandidate) -> Bool) -> ParentCandidate? {
        candidates.filter { $0.place != nil && isAlive($0, at: now) && (evenAvoided || now >= $0.avoidedUntil) && isAllowed($0) }
            .min { Self.rank($0) < Self.rank($1) }
    }

    /// Less is better.
    static func rank(_ candidate: ParentCandidate) -> (Int, Int, Int, UInt32) {
        // The load in powers of four: children must not run back and forth for one more or less.
        let load = Int(candidate.place?.load ?? 0)
        let bucket = (Int.bitWidth - (load + 3).leadingZeroBitCount) / 2
        return (candidate.hops, candidate.isRoot ? 1 : 0, bucket, candidate.transmitter)
    }

    /// Whether leaving `current` for `other` is worth it: nearer, or as near and less loaded by two powers of four.
    static func isClearlyBetter(_ other: ParentCandidate, than current: ParentCandidate) -> Bool {
        let (otherRank, currentRank) = (rank(other), rank(current))
        if (otherRank.0, otherRank.1) != (currentRank.0, currentRank.1) { return (otherRank.0, otherRank.1) < (currentRank.0, currentRank.1) }
        return otherRank.2 + 2 <= currentRank.2
    }
}

/// What a child has to do with parents beside the one that it has.
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
        /// When it is told (again); nil when it was told often enough.
        var next: Instant?
        /// What its books add to the sum of all, by state: what it counts less what this child owed when it left.
        var contribution: [UInt32]
    }

    var attempt: Attempt?
    /// Oldest first, at most `formerLimit`; those beyond it never let go.
    private(set) var formers: [Former] = []
    private var forgotten = [UInt32](repeating: 0, count: StatusHistogram.stateCount)
    private static let formerLimit = 16

    /// What is counted at former parents, by state.
    var debt: [UInt32] {
        formers.reduce(forgotten) { sum, former in zip(sum, former.contribution).map { $0 &+ $1 } }
    }

    mutating func leave(_ former: Former) {
        if formers.count >= Self.formerLimit {
            let oldest = formers.removeFirst()
            forgotten = zip(forgotten, oldest.contribution).map { $0 &+ $1 }
        }
        formers.append(former)
    }

    /// A former parent has let go, or is the parent again, which puts what is true in the place of what it knew.
    mutating func settle(with transmitter: UInt32) -> Bool {
        let count = formers.count
        formers.removeAll { $0.transmitter == transmitter }
        return formers.count < count
    }

    var nextDetach: Instant? {
        formers.isEmpty ? nil : formers.lazy.compactMap(\.next).min()
    }

    /// Calls `tell` for each former parent that is to be told now.
    mutating func detach(attempts: Int, every interval: Interval, at now: Instant, _ tell: (Former) -> Void) {
        for index in formers.indices {
            guard let due = formers[index].next, now >= due else { continue }
            guard formers[index].count < attempts else {
                // It is gone: its own parent will count this child as lost there, which the debt says is not so.
                formers[index].next = nil
                continue
            }
            formers[index].count += 1
            formers[index].next = now + interval
            tell(formers[index])
        }
    }
    /// When the last change was; the next waits a little.
    var changedAt: Instant
    /// Since when NAKs have brought nothing; nil while they do.
    var askingSince: Instant?
    /// A random delay before a better parent is asked, so that not all go at once.
    var moveAt: Instant?

    init(at now: Instant) { changedAt = now }
}
