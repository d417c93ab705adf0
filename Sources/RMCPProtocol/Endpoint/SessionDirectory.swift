import DequeModule

/// Why a session was not accepted: one line to the user for each session.
public enum SessionRefusal: Sendable, Hashable {
    /// The session has no key, and sessions that are not signed are not allowed here.
    case unsigned
    /// The session's key is not trusted here. Nobody has looked at the signature, so that anybody may have said so.
    case untrusted(PublicKey)
    /// A newer version of the bundle has been received: this one.
    case rollback(newest: BundleVersion)
    /// Signature that the key has not made, or that was not looked at amid forgeries. Counted as malformed, and never told.
    case badSignature
    /// Another session with the same tag is under way.
    case tagInUse
    /// As many sessions have a place as may, and none gives way.
    case tooManySessions
    /// Everything goes to one output, which another session has.
    case outputInUse
    /// This receiver has completed that session before.
    case completedBefore
    /// Sealed for a group, and there is no group's key here.
    case sealed
    /// Sealed for another group than this node's.
    case sealedForOthers
    /// Not sealed, and this node takes what is sealed for its group alone.
    case notSealed
    /// A kind of bundle that this version does not know how to store.
    case unsupported(BundleKind)

    /// Whether no signature was looked at.
    var isUnverified: Bool {
        switch self {
        case .untrusted, .sealed, .notSealed: true
        default: false
        }
    }

    /// Reason that the sender is told; nil where it is not told: the bundle is here, or nobody knows who has said that, or the group does
    /// not hear who is not of it.
    var reason: RefusalReason? {
        switch self {
        case .unsigned, .untrusted: .untrusted
        case .rollback: .outdated
        case .tagInUse, .tooManySessions, .outputInUse: .busy
        case .unsupported: .unsupported
        case .badSignature, .completedBefore, .sealed, .sealedForOthers, .notSealed: nil
        }
    }

    /// Whether the session may be taken later, as it is.
    public var isForNow: Bool { self == .tooManySessions || self == .outputInUse || self == .tagInUse }
}

/// Decides which announced sessions a receiver takes part in.
public struct SessionDirectory: Sendable {
    /// Decision about an ANNOUNCE, or about what is none.
    public enum Verdict: Sendable {
        /// A session that has not been seen: make an engine for it. `superseding` is one that gives way to it: the same
        /// bundle by a sender that has fallen silent, so that what came of it goes on in the new one.
        case accept(Announce, superseding: SessionID?)
        /// - `isNew`: true once for each session.
        case refuse(Announce, SessionRefusal, isNew: Bool)
        /// Known, or over.
        case ignore
    }

    private var policy: TrustPolicy
    private let verifier: any MessageVerifier
    /// Signatures that may be looked at.
    private var budget = VerificationBudget()
    /// Time of the last advertisement of each trusted repair node.
    private var advertised: [PublicKey: UInt64] = [:]
    private let sessionLimit: Int
    /// Sessions beside those that have a place.
    public let candidateLimit: Int
    /// Everything that is received goes to one place.
    private let hasOneOutput: Bool
    /// Sessions that are under way, in order of arrival; at most `sessionLimit` with a place, unless the caller makes room.
    public private(set) var active: [Announce] = []
    /// Sessions among them that nothing has come of yet but what anybody can repeat: they have no place, and keep nobody out.
    private var candidates: Set<SessionID> = []
    /// The candidate that the one output is kept for.
    private var holder: SessionID?
    /// Sessions of a bundle that is being received already, and since when they are put off: until it is clear whether
    /// the other sender is dead.
    private var postponed: Deque<(session: SessionID, since: Instant)> = []
    private static let postponedLimit = 16
    private let silence: Interval
    /// Sessions that are over or complete. With their keys: a forgery of a session must not close the session itself.
    private struct Known: Hashable, Sendable {
        var session: SessionID
        var key: PublicKey
    }
    /// A bounded memory of sessions, the first of which are forgotten first.
    private struct Memory: Sendable {
        let limit: Int
        private var order: Deque<Known> = []
        private var members: Set<Known> = []

        init(limit: Int) { self.limit = limit }

        func contains(_ entry: Known) -> Bool { members.contains(entry) }

        /// False when it was there.
        @discardableResult
        mutating func insert(_ entry: Known) -> Bool {
            guard members.insert(entry).inserted else { return false }
            order.append(entry)
            if order.count > limit, let oldest = order.popFirst() { members.remove(oldest) }
            return true
        }
    }
    /// Sessions that were taken part in and failed for good. Nobody who is not believed gets anything in here.
    private var closed = Memory(limit: 1_024)
    /// Sessions that an earlier process has received whole: somebody who has just started this one may wonder why nothing comes.
    private var completedBefore = Memory(limit: 10_000)
    /// Complete sessions that nothing more is said of, since their user knows: they became complete here, or were told of once. A repair
    /// node offers them on and on, and nothing is wrong with that.
    private var knownComplete = Memory(limit: 10_000)
    /// Sessions whose refusal was told. Forgetting one costs a line.
    private var told = Memory(limit: 64)
    /// Bundles whose newest version is remembered; the oldest are forgotten.
    private static let versionLimit = 10_000
    /// Datagrams of no engine that were not understood, and ANNOUNCEs with a bad signature, since the beginning.
    public private(set) var malformed: UInt64 = 0
    /// Datagrams of no engine that are another protocol's or another version's. Those of other sessions are not among them.
    public private(set) var foreign: UInt64 = 0

    /// - Parameters:
    ///   - sessionLimit: sessions at one time.
    ///   - candidateLimit: how many may wait for a place beside those until a chunk of theirs has come; with 0 each has a place at once.
    ///   - hasOneOutput: one session at a time, since all write to the same place.
    ///   - silence: a sender that has not been heard for this long is taken for dead when another one offers the same.
    public init(policy: TrustPolicy, verifier: any MessageVerifier, sessionLimit: Int, candidateLimit: Int = 0, hasOneOutput: Bool = false, silence: Interval) {
        self.silence = silence
        self.hasOneOutput = hasOneOutput
        self.policy = policy
        self.verifier = verifier
        self.sessionLimit = sessionLimit
        self.candidateLimit = candidateLimit
    }

    /// A datagram that was not understood.
    mutating func note(_ error: WireError) { if error.isForeign { foreign += 1 } else { malformed += 1 } }

    /// Judges a datagram whose session tag belongs to no engine.
    /// - Parameters:
    ///   - source: where it came from.
    ///   - lastHeard: when the sender of an accepted session was last heard.
    ///   - canMakeRoom: whether one of `sessionLimit` sessions would give way. Where one is accepted beside as many, the
    ///     caller ends another.
    public mutating func judge(
        _ datagram: RawSpan, from source: SocketAddress, at now: Instant, lastHeard: (SessionID) -> Instant?, canMakeRoom: () -> Bool = { false }
    ) -> Verdict {
        var announce: Announce
        let signature: Signature
        let origin: VerificationBudget.Origin
        do throws(WireError) {
            // Most of what comes here is DATA of sessions that are over: it is not decoded any further.
            let header = try PacketHeader(of: datagram)
            guard header.kind == .announce else { return .ignore }
            origin = VerificationBudget.Origin(source: source, transmitter: header.transmitter)
            guard case .announce(let parsed, let parsedSignature) = try Packet.parse(datagram).1 else { return .ignore }
            (announce, signature) = (parsed, parsedSignature)
        } catch {
            note(error)
            return .ignore
        }
        let known = Known(session: announce.session, key: announce.key)
        if closed.contains(known) || knownComplete.contains(known) { return .ignore }
        if active.contains(where: { $0.session == announce.session }) { return .ignore }
        // The cheapest question first: whoever wants one bundle of many hears of all of them.
        if !isWanted(announce) { return .ignore }
        let distrust = refusal(of: announce, signature, origin, at: now) ?? unseal(&announce)
        if distrust == nil, !isWanted(announce) {
            if announce.isSigned { budget.noteVain(origin, at: now) }
            return .ignore
        }
        if let refusal = distrust ?? refusal(of: announce, at: now, lastHeard: lastHeard, canMakeRoom: canMakeRoom) {
            // Replays cost as much as forgeries.
            if announce.isSigned, refusal != .badSignature, !refusal.isUnverified { budget.noteVain(origin, at: now) }
            // A bad signature may be somebody else's forgery of a session that is good.
            if refusal == .badSignature {
                malformed += 1
                return .ignore
            }
            // Whoever is refused is judged anew each time, so that nobody can fill a memory by being refused: but its user is
            // told once.
            let isNew = refusal == .completedBefore ? knownComplete.insert(known) : told.insert(known)
            return .refuse(announce, refusal, isNew: isNew)
        }
        let verdict = admit(announce, at: now, lastHeard: lastHeard)
        if announce.isSigned { if case .accept = verdict { budget.noteGood(origin) } else { budget.noteVain(origin, at: now) } }
        return verdict
    }

    /// The session under way whose datagrams have this tag.
    public func announce(ofTag tag: UInt32) -> Announce? { active.firstIndex { $0.session.tag == tag }.map { active[$0] } }

    /// The same, where nothing but that is asked: of each datagram of a session that is not taken part in.
    func isUnderWay(_ tag: UInt32) -> Bool { active.contains { $0.session.tag == tag } }

    /// Whether an ANNOUNCE that was kept from before is authentic, and by somebody who is still trusted.
    func believes(_ announce: Announce, _ signature: Signature) -> Bool {
        guard announce.isSealed == policy.sealing.wantsSealed else { return false }
        guard announce.isSigned else { return policy.allowsUnsigned }
        return (policy.trustedKeys.contains(announce.key) || policy.allowsUnsigned)
            && verifier.isValid(signature, for: announce.signedMessage, by: announce.key)
    }

    private mutating func admit(_ announce: Announce, at now: Instant, lastHeard: (SessionID) -> Instant?) -> Verdict {
        var superseded: SessionID?
        if let rival = rival(of: announce) {
            let isCandidate = candidates.contains(rival.session)
            // An older one that is offered while a newer is here is somebody's replay, or of no use to anybody.
            if announce.version < rival.version, !isCandidate { return .ignore }
            if announce.version >= rival.version, now - (lastHeard(rival.session) ?? .zero) >= silence {
                superseded = rival.session
                end(rival.session, mayReturn: false)
            } else if !isCandidate, !postpone(announce.session, at: now) {
                return .ignore
            }
        }
        postponed.removeAll { $0.session == announce.session }
        active.append(announce)
        if candidateLimit > 0 { candidates.insert(announce.session) }
        return .accept(announce, superseding: superseded)
    }

    /// Puts a session off.
    /// - Returns: true when it was for long enough for a dead sender to be known as dead: both are alive then.
    private mutating func postpone(_ session: SessionID, at now: Instant) -> Bool {
        if let entry = postponed.first(where: { $0.session == session }) { return now - entry.since >= silence * 1.5 }
        if postponed.count >= Self.postponedLimit { postponed.removeFirst() }
        postponed.append((session, now))
        return false
    }

    /// The session of the same bundle that is under way: the newest that has a place, or else the first candidate. A candidate keeps nobody
    /// from being held against what is being stored.
    private func rival(of announce: Announce) -> Announce? {
        let identity = BundleIdentity(announce)
        let others = active.filter { BundleIdentity($0) == identity }
        return others.filter { !candidates.contains($0.session) }.max { $0.version < $1.version } ?? others.first
    }

    /// Refuses what nobody who is believed has said. The key first: an untrusted one costs no verification.
    private mutating func refusal(
        of announce: Announce, _ signature: Signature, _ origin: VerificationBudget.Origin, at now: Instant
    ) -> SessionRefusal? {
        guard announce.isSealed == policy.sealing.wantsSealed else { return announce.isSealed ? .sealed : .notSealed }
        guard announce.isSigned else { return policy.allowsUnsigned ? nil : .unsigned }
        guard policy.trustedKeys.contains(announce.key) || policy.allowsUnsigned else { return .untrusted(announce.key) }
        return verify(announce, signature, origin, at: now) ? nil : .badSignature
    }

    /// Whether somebody here wants a bundle of that name. A name that is sealed still may be any.
    private func isWanted(_ announce: Announce) -> Bool { !announce.isOpen || (policy.wants?(announce.name) ?? true) }

    /// Makes the details of an authentic ANNOUNCE known, where they are for this node.
    private func unseal(_ announce: inout Announce) -> SessionRefusal? {
        guard case .opening(let opener) = policy.sealing else { return nil }
        guard let opened = announce.opened(by: opener) else { return .sealedForOthers }
        announce = opened
        return nil
    }

    /// - Returns: true when the signature is good, and there was time to look.
    mutating func verify(_ announce: Announce, _ signature: Signature, _ origin: VerificationBudget.Origin, at now: Instant) -> Bool {
        guard budget.allows(origin, at: now) else { return false }
        let isGood = verifier.isValid(signature, for: announce.signedMessage, by: announce.key)
        if !isGood { budget.noteVain(origin, at: now) }
        return isGood
    }

    /// Takes a repair node's advertisement.
    /// - Returns: whether it is to be followed: anybody's, or a new one by a trusted key.
    mutating func take(_ advertisement: Advertisement, _ signature: Signature, _ origin: VerificationBudget.Origin, at now: Instant) -> Bool {
        guard let keys = policy.trustedNodes else { return true }
        let key = advertisement.key
        guard keys.contains(key), advertisement.time > advertised[key] ?? 0, budget.allows(origin, at: now) else { return false }
        guard verifier.isValid(signature, for: advertisement.signedMessage, by: key) else {
            budget.noteVain(origin, at: now)
            return false
        }
        budget.noteGood(origin)
        advertised[key] = advertisement.time
        return true
    }

    private func refusal(
        of announce: Announce, at now: Instant, lastHeard: (SessionID) -> Instant?, canMakeRoom: () -> Bool
    ) -> SessionRefusal? {
        if completedBefore.contains(Known(session: announce.session, key: announce.key)) { return .completedBefore }
        if let newest = policy.newestVersion(of: announce), announce.version < newest { return .rollback(newest: newest) }
        guard !policy.refusedKinds.contains(announce.kind) else { return .unsupported(announce.kind) }
        if active.contains(where: { $0.session.tag == announce.session.tag }) { return .tagInUse }
        let rival = rival(of: announce)
        // A sender that was started again takes over what its dead predecessor has, the output among it.
        let succeeds = rival.map { announce.version >= $0.version && now - (lastHeard($0.session) ?? .zero) >= silence } ?? false
        if hasOneOutput, placedCount > 0 || holder != nil, !succeeds { return .outputInUse }
        return placedCount >= sessionLimit && !succeeds && !canMakeRoom() ? .tooManySessions : nil
    }

    /// Others are trusted, and other names wanted, from now on. What is known of versions stays, and how bundles are sealed.
    public mutating func adopt(_ other: TrustPolicy) {
        policy.trustedKeys = other.trustedKeys
        policy.allowsUnsigned = other.allowsUnsigned
        policy.trustedNodes = other.trustedNodes
        policy.wants = other.wants
    }

    /// Whether a session that was accepted would be now, as far as its signer goes.
    public func trusts(_ announce: Announce) -> Bool { policy.allowsUnsigned || announce.isSigned && policy.trustedKeys.contains(announce.key) }

    // MARK: Places

    private var placedCount: Int { active.count - candidates.count }
    /// Sessions under way without a place. One more than `candidateLimit` for a moment: see `superfluous`.
    public var candidateCount: Int { candidates.count }
    /// A session under way has a place unless it is a candidate. Not to be asked of any other: the answer is true.
    public func hasPlace(_ session: SessionID) -> Bool { !candidates.contains(session) }

    /// Something has come of a session that has to be stored.
    /// - Returns: whether it has a place now.
    public mutating func promote(_ session: SessionID) -> Bool {
        guard candidates.contains(session) else { return true }
        guard placedCount < (hasOneOutput ? 1 : sessionLimit) else { return false }
        guard holder == nil || holder == session else { return false }
        candidates.remove(session)
        return true
    }

    /// Keeps the one output for a candidate that somebody speaks for, unless it is kept already.
    public mutating func hold(_ session: SessionID) -> Bool {
        guard hasOneOutput, placedCount == 0, holder == nil, candidates.contains(session) else { return false }
        holder = session
        return true
    }

    /// Gives the one output free that was kept for this candidate; nothing if it was not.
    public mutating func release(_ session: SessionID) { if holder == session { holder = nil } }

    /// The chunks that had come were not what its sender has signed.
    public mutating func demote(_ session: SessionID) {
        if candidateLimit > 0, active.contains(where: { $0.session == session }) { candidates.insert(session) }
    }

    /// The candidate that gives way where there are too many: the first of those that no parent has answered, or else the first.
    /// - Parameter isAnswered: whether a parent has answered what this receiver drew, so that somebody speaks for the session now.
    public func superfluous(isAnswered: (SessionID) -> Bool) -> SessionID? {
        guard candidates.count > candidateLimit else { return nil }
        // The last one has just come.
        let waiting = active.dropLast().filter { candidates.contains($0.session) }
        return (waiting.first { !isAnswered($0.session) } ?? waiting.first)?.session
    }

    /// A session that is here from before: it is not accepted once more, and gives way to a newer one.
    public mutating func adopt(_ announce: Announce) {
        guard !active.contains(where: { $0.session == announce.session }) else { return }
        active.append(announce)
    }

    /// The bundle has been received whole: older versions of it are refused from now on.
    /// - Parameter latest: milliseconds since 1970; of a sender whose clock is further ahead than this nothing is noted.
    public mutating func noteVersion(of announce: Announce, notAfter latest: UInt64 = .max) {
        guard announce.isSigned, announce.creationTime <= latest else { return }
        let identity = BundleIdentity(announce)
        policy.newest[identity] = max(policy.newest[identity] ?? announce.version, announce.version)
        while policy.newest.count > Self.versionLimit, let oldest = policy.newest.min(by: { ($0.value, $0.key.name) < ($1.value, $1.key.name) }) {
            policy.newest[oldest.key] = nil
        }
    }

    /// The session's engine is gone. One that may still succeed, such as after a partition, is not remembered.
    public mutating func end(_ session: SessionID, mayReturn: Bool) {
        guard let index = active.firstIndex(where: { $0.session == session }) else { return }
        let announce = active.remove(at: index)
        candidates.remove(session)
        release(session)
        if !mayReturn { closed.insert(Known(session: session, key: announce.key)) }
    }

    /// The session was received whole: it is not taken again, and nothing is said of it.
    public mutating func noteCompleted(_ session: SessionID, key: PublicKey) { knownComplete.insert(Known(session: session, key: key)) }

    /// The session was received whole by an earlier process: it is not taken again, and that is told when it is offered.
    public mutating func noteCompletedBefore(_ session: SessionID, key: PublicKey) { completedBefore.insert(Known(session: session, key: key)) }
}
