/// A parent that a child has heard of.
struct ParentCandidate: Sendable {
    // What every datagram touches comes first.
    let transmitter: UInt32
    var lastHeard: Instant
    /// Where its datagrams come from, and NAKs and statuses go.
    var address: SocketAddress
    /// Time at which it was last heard from that address.
    fileprivate(set) var addressHeard: Instant
    /// The address that it had before this one.
    fileprivate(set) var formerAddress: SocketAddress?
    /// Nil until its first HEARTBEAT.
    var place: TreePlace?
    /// Routers between it and here, as far as its time to live tells.
    var hops = 0
    var phase = SessionPhase.waiting
    /// Since when it is said to leave, or to have left; nil when it is not, or has shown that it is there. HEARTBEATs are not signed:
    /// only the silence that follows makes it true.
    var leavingSince: Instant?
    var firstHeard: Instant
    /// It refused, did not answer, or was of no use: not asked before this.
    var avoidedUntil = Instant.zero
    /// The child has gone below it, and nothing had come of it by then.
    var wasTried = false
    /// A chunk that came from it in part was what its record says.
    var hasHelped = false
    /// Chunks that came from it in part and were not what their records say.
    var spoiltChunks = 0
    /// Number of the last place that it has signed; 0 where it has proven nothing.
    fileprivate(set) var serial: UInt32 = 0
    /// Number of the last one that came by multicast: who repeats that to the group comes later, and is elsewhere.
    fileprivate(set) var groupSerial: UInt32 = 0
    /// It has a trusted key, and is taken at its signed word until then.
    fileprivate(set) var provenUntil = Instant.longAgo
    /// Pace of its group as it has signed it.
    fileprivate(set) var pace: StatedPace?
    /// What it answered an ATTACH with; 0 for none.
    var cookie: UInt64 = 0

    init(transmitter: UInt32, address: SocketAddress, at now: Instant) {
        self.transmitter = transmitter
        self.address = address
        addressHeard = now
        firstHeard = now
        lastHeard = now
    }

    var isRoot: Bool { place?.depth == 0 }
}

/// The parents that a child may choose from, and the order in which it would: the nearest, and of those equally near a
/// repair node rather than the sender, the one with clearly fewer children first.
struct ParentTable: Sendable {
    private(set) var candidates: [ParentCandidate] = []
    private let limit: Int
    private let timeout: Interval
    private let leavingSilence: Interval
    private let movingSilence: Interval
    /// Parent that was found to have another address since this was last taken.
    private(set) var moved: UInt32?
    private let reorderDelay: Interval

    init(configuration: Configuration) {
        limit = configuration.tree.maximumParents
        timeout = configuration.tree.parentTimeout
        leavingSilence = configuration.presence.leavingSilence
        movingSilence = configuration.presence.movingSilence
        reorderDelay = configuration.feedback.reorderDelay
    }

    subscript(transmitter: UInt32) -> ParentCandidate? { index(of: transmitter).map { candidates[$0] } }
    /// Fields of one, without a copy of all of it.
    func address(of transmitter: UInt32) -> SocketAddress? { index(of: transmitter).map { candidates[$0].address } }
    func cookie(of transmitter: UInt32) -> UInt64? { index(of: transmitter).map { candidates[$0].cookie } }
    func isRoot(_ transmitter: UInt32) -> Bool { index(of: transmitter).map { candidates[$0].isRoot } ?? false }
    func spoiltChunks(of transmitter: UInt32) -> Int { index(of: transmitter).map { candidates[$0].spoiltChunks } ?? 0 }
    func contains(_ transmitter: UInt32) -> Bool { index(of: transmitter) != nil }
    func lastHeard(_ transmitter: UInt32) -> Instant? { index(of: transmitter).map { candidates[$0].lastHeard } }
    var root: ParentCandidate? { candidates.first { $0.isRoot } }

    /// By position, so that looking for one, as every datagram does, copies none.
    @inline(__always)
    func index(of transmitter: UInt32) -> Int? {
        for index in candidates.indices where candidates[index].transmitter == transmitter { return index }
        return nil
    }

    /// Something came from it; false when it is not known.
    /// - Parameters:
    ///   - source: where it came from.
    ///   - isStream: it is of a kind that who has left does not send, and no HEARTBEAT.
    @inline(__always)
    mutating func noteHeard(_ transmitter: UInt32, from source: SocketAddress, isStream: Bool, at now: Instant) -> Bool {
        guard let index = index(of: transmitter) else { return false }
        candidates[index].lastHeard = now
        if candidates[index].address == source { candidates[index].addressHeard = now } else { noteStranger(at: index, source, now: now) }
        if isStream, candidates[index].leavingSince != nil { contradictLeaving(at: index, now: now) }
        return true
    }

    /// Something came from another address than a parent's, in its name. Whoever is at an address gets what this child says, so that
    /// it is not believed while anything comes from the address that is known: a host that has another address since sends nothing
    /// from its former one, and somebody else's word beside the parent's own changes nothing. The former address counts again as soon
    /// as it speaks: then it was somebody else who spoke.
    ///
    /// The cookie stays: the parent knows it wherever it is, and by it a child that has moved as well.
    @inline(never)
    private mutating func noteStranger(at index: Int, _ source: SocketAddress, now: Instant) {
        // One that signs where it is, is where the first copy of its last word came from: whoever repeats that comes later.
        if candidates[index].serial > 0 { return }
        let isBack = candidates[index].formerAddress == source
        guard isBack || now - candidates[index].addressHeard >= movingSilence else { return }
        candidates[index].formerAddress = isBack ? nil : candidates[index].address
        candidates[index].address = source
        candidates[index].addressHeard = now
        moved = candidates[index].transmitter
    }

    mutating func takeMoved() -> UInt32? {
        defer { moved = nil }
        return moved
    }

    /// A HEARTBEAT says that it leaves, or that it does not.
    mutating func noteLeaving(_ transmitter: UInt32, _ isLeaving: Bool, at now: Instant) {
        guard let index = index(of: transmitter) else { return }
        if !isLeaving { contradictLeaving(at: index, now: now) } else if candidates[index].leavingSince == nil { candidates[index].leavingSince = now }
    }

    /// A parent has signed that it leaves.
    mutating func noteLeft(_ transmitter: UInt32, at now: Instant) {
        let since = now - leavingSilence
        update(transmitter) { $0.leavingSince = since }
    }

    /// What was on its way together with the word that it leaves contradicts nothing.
    private mutating func contradictLeaving(at index: Int, now: Instant) {
        guard let since = candidates[index].leavingSince, now - since > reorderDelay, !hasLeft(candidates[index], at: now) else { return }
        candidates[index].leavingSince = nil
    }

    /// Whether it is believed that it leaves: it was said, and nothing that came since contradicts it.
    func hasLeft(_ candidate: ParentCandidate, at now: Instant) -> Bool { candidate.leavingSince.map { now - $0 >= leavingSilence } ?? false }
    func hasLeft(_ transmitter: UInt32, at now: Instant) -> Bool { index(of: transmitter).map { hasLeft(candidates[$0], at: now) } ?? false }

    /// When it will be believed of a parent that it has left; nil while that is not said.
    func leavesAt(_ transmitter: UInt32) -> Instant? {
        index(of: transmitter).flatMap { candidates[$0].leavingSince }.map { $0 + leavingSilence }
    }

    /// False when there is no room. Forged parents cannot push out real ones: the longest silent goes first.
    /// - Parameter current: the child's parent, which stays however long it is silent: it is left for another one, and not
    ///   forgotten.
    mutating func add(_ transmitter: UInt32, at address: SocketAddress, keeping current: UInt32? = nil, now: Instant) -> Bool {
        if contains(transmitter) { return true }
        if candidates.count >= limit {
            let silent = candidates.indices.filter { candidates[$0].transmitter != current && now - candidates[$0].lastHeard >= timeout }
            guard let silent = silent.min(by: { candidates[$0].lastHeard < candidates[$1].lastHeard }) else { return false }
            candidates.remove(at: silent)
        }
        candidates.append(ParentCandidate(transmitter: transmitter, address: address, at: now))
        return true
    }

    mutating func update(_ transmitter: UInt32, _ body: (inout ParentCandidate) -> Void) {
        guard let index = index(of: transmitter) else { return }
        body(&candidates[index])
    }

    /// Takes a place that the candidate has signed, newer than the last that came the same way.
    /// - Parameter toGroup: it came by multicast, and its first copy tells where the candidate is. Somebody else's copy by unicast may
    ///   overtake it, as where an access point keeps multicast back: it tells that where nothing else does.
    mutating func prove(_ place: NodePlace, at source: SocketAddress, toGroup: Bool, until instant: Instant, now: Instant) {
        guard let index = index(of: place.transmitter) else { return }
        if toGroup || candidates[index].groupSerial == 0 || now - candidates[index].addressHeard >= movingSilence {
            if candidates[index].address != source { moved = place.transmitter }
            candidates[index].address = source
            candidates[index].addressHeard = now
            candidates[index].formerAddress = nil
        }
        candidates[index].lastHeard = now
        candidates[index].serial = max(place.serial, candidates[index].serial)
        if toGroup { candidates[index].groupSerial = place.serial }
        candidates[index].provenUntil = instant
        candidates[index].pace = place.pace
        candidates[index].place = place.place
    }

    /// Takes back what others than this one have said of being the sender.
    mutating func disprove(but sender: UInt32) {
        for index in candidates.indices where candidates[index].isRoot && candidates[index].transmitter != sender { candidates[index].place = nil }
    }

    mutating func avoid(_ transmitter: UInt32, until instant: Instant) { update(transmitter) { $0.avoidedUntil = instant } }

    func isAlive(at index: Int, now: Instant) -> Bool {
        !hasLeft(candidates[index], at: now) && now - candidates[index].lastHeard < timeout
    }

    func isAlive(_ candidate: ParentCandidate, at now: Instant) -> Bool {
        !hasLeft(candidate, at: now) && now - candidate.lastHeard < timeout
    }

    /// The best of those that may be asked.
    func best(at now: Instant, evenAvoided: Bool = false, where isAllowed: (ParentCandidate) -> Bool) -> ParentCandidate? {
        var best: ParentCandidate?
        for candidate in candidates where candidate.place != nil && isAlive(candidate, at: now) {
            guard evenAvoided || now >= candidate.avoidedUntil, isAllowed(candidate) else { continue }
            if best.map({ Self.rank(candidate) < Self.rank($0) }) ?? true { best = candidate }
        }
        return best
    }

    /// Children that are added to a load, so that buckets end at 4, 28 and 124 of them.
    private static let bucketOffset = 3

    /// Less is better.
    static func rank(_ candidate: ParentCandidate) -> (Int, Int, Int, UInt32) {
        // The load in powers of four: children must not run back and forth for one more or less.
        let load = Int(candidate.place?.load ?? 0)
        let bucket = (Int.bitWidth - (load + Self.bucketOffset).leadingZeroBitCount) / 2
        return (candidate.hops, candidate.isRoot ? 1 : 0, bucket, candidate.transmitter)
    }

    /// Whether leaving `current` for `other` is worth it: nearer, or as near and less loaded by two powers of four.
    static func isClearlyBetter(_ other: ParentCandidate, than current: ParentCandidate) -> Bool {
        let (otherRank, currentRank) = (rank(other), rank(current))
        if (otherRank.0, otherRank.1) != (currentRank.0, currentRank.1) { return (otherRank.0, otherRank.1) < (currentRank.0, currentRank.1) }
        return otherRank.2 + 2 <= currentRank.2
    }
}
