/// A child's parent and the choice of it: the nearest that answers, left when it is silent, leaves or is of no use.
///
/// ```
///   attached ──better one heard, or this one silent──▶ attaching ──ATTACHED──▶ attached to it, DETACH to the former
///       ▲                                                  └──refused or no answer──▶ the next best
///       └────────────────────────────────────────────────────────────────────────────────┘
/// ```
/// It decides, and answers with the ATTACH that is to be sent; the engine tells it what it hears and what time it is.
struct ParentLink: Sendable {
    /// An ATTACH for somebody who may become the parent, or is to know this child's address.
    struct Request {
        var attach: AttachRequest
        var destination: SocketAddress
    }

    /// The receiver's own part in the choice.
    struct Moment {
        var now: Instant
        /// The first chunk that is not here; nil when nothing is known to be missing.
        var firstUnfinished: UInt32?
        var isFinished: Bool
    }

    /// Meaning of an ATTACHED.
    enum Answer {
        /// The answer is not of the request that is under way, or says nothing new.
        case none
        /// Somebody else is asked, or the same one again.
        case ask(Request?)
        /// The parent does not take this child.
        case refused
        /// The parent has taken this child.
        case taken
        /// Another one has: it is the parent from now on.
        case moves
    }

    // What every datagram touches comes first.
    /// Ephemeral id of the parent.
    private(set) var transmitter: UInt32
    var candidates: ParentTable
    private(set) var lastHeard: Instant
    private var lastCheck: Instant
    private(set) var attachment: Attachment
    var experience = NodeExperience()
    var trust: TreeTrust
    let child: UInt32
    let role: ReceiverRole
    private let shared: SharedConfiguration
    var configuration: Configuration { _read { yield shared.value } }
    /// Phase in the parent's last HEARTBEAT. The parent may have moved on since; it cannot have gone back.
    private(set) var phase = SessionPhase.waiting
    private(set) var pace: GroupPace
    private var echo: (timestamp: UInt64, at: Instant)?
    private let firstAddress: SocketAddress

    init(child: UInt32, role: ReceiverRole, of parent: UInt32, at source: SocketAddress, isSigned: Bool, sharing shared: SharedConfiguration, now: Instant) {
        let configuration = shared.value
        self.child = child
        self.role = role
        self.shared = shared
        firstAddress = source
        transmitter = parent
        candidates = ParentTable(configuration: configuration)
        _ = candidates.add(parent, at: source, now: now)
        // A first choice that turns out not to be the best is corrected soon.
        attachment = Attachment(at: now + (configuration.tree.parentJitter - configuration.tree.parentHysteresis))
        lastHeard = now
        lastCheck = now
        pace = GroupPace(groupRoundTrip: configuration.feedback.initialGroupRoundTrip)
        trust = TreeTrust(keys: configuration.tree.trustedNodes, isSigned: isSigned, at: now)
    }

    // MARK: The parent

    var current: ParentCandidate? { candidates[transmitter] }
    var address: SocketAddress { candidates.address(of: transmitter) ?? firstAddress }
    /// Cookie that the parent has answered an ATTACH with; 0 before that.
    var cookie: UInt64 { candidates.cookie(of: transmitter) ?? 0 }
    /// Ephemeral ids of the parents above, the sender's first.
    var path: [UInt32] { (current?.place?.path ?? []) + [transmitter] }
    var depth: Int { (current?.place?.depth ?? 0) + 1 }
    /// Routers between the sender and here: as they are measured where it is heard, else through the parent.
    var distance: UInt8 {
        if let root = candidates.root, candidates.isAlive(root, at: lastHeard) { return UInt8(clamping: root.hops) }
        guard let current, let place = current.place else { return .max }
        return UInt8(clamping: Int(place.distance) + current.hops)
    }
    /// Whether the parent has left, or was never there.
    func isLost(at now: Instant) -> Bool { !candidates.contains(transmitter) || candidates.hasLeft(transmitter, at: now) }
    func isHeard(since instant: Instant) -> Bool { candidates.lastHeard(transmitter).map { $0 > instant } ?? false }
    /// Another parent has been asked. A deaf child asking its own again is not moving.
    var isMoving: Bool { attachment.attempt.map { $0.transmitter != transmitter } ?? false }
    /// Another parent has been asked, or will be soon.
    var isChoosing: Bool { isMoving || attachment.moveAt != nil }

    /// The parent's clock, for its STATUSes and NAKs.
    func echo(at now: Instant) -> TimestampEcho {
        guard let echo else { return .none }
        return TimestampEcho(timestamp: echo.timestamp, delay: (now - echo.at).wireMicroseconds)
    }

    /// Less and less often to a parent that is not heard: whoever is at the address that an ANNOUNCE came from, or was
    /// said to come from, may not want to know. Often enough for one that hears and is not heard not to count this
    /// child as lost.
    func silenceInterval(at now: Instant) -> Interval {
        let silence = max(.zero, now - lastHeard - configuration.presence.maximumHeartbeatInterval)
        return min(silence * Self.silenceShare, configuration.presence.childTimeout * Self.timeoutShare)
    }

    /// Half as long as the silence so far: what is said doubles its distance, as a backoff does.
    private static let silenceShare = 0.5
    /// Two in a `childTimeout`, and one of them may be lost.
    private static let timeoutShare = 0.4

    // MARK: Hearing of parents

    /// A transmitter that is one of this session's parents, or has been this child's.
    func knows(_ transmitter: UInt32) -> Bool { candidates.contains(transmitter) || attachment.isFormer(transmitter) }

    /// Whether a datagram's transmitter is one of this session's parents; a HEARTBEAT makes it one. A parent that was left and is not
    /// remembered for anything else may still let go of this child.
    @inline(__always)
    mutating func noteHeard(_ header: PacketHeader, from source: SocketAddress, at now: Instant) -> Bool {
        if !attachment.formers.isEmpty { attachment.noteHeard(header.transmitter, at: now) }
        guard candidates.noteHeard(header.transmitter, from: source, isStream: Self.isStream(header), at: now) || addCandidate(header, at: source, now: now)
        else { return header.kind == .acknowledgement && header.isUnicast && attachment.isFormer(header.transmitter) }
        lastHeard = now
        return true
    }

    @inline(never)
    private mutating func addCandidate(_ header: PacketHeader, at source: SocketAddress, now: Instant) -> Bool {
        guard header.kind == .heartbeat, header.transmitter != child, header.transmitter != role.downstreamTransmitter, !role.wantsStream,
            trust.admitsUnproven(header.transmitter)
        else { return false }
        return candidates.add(header.transmitter, at: source, keeping: transmitter, now: now)
    }

    /// Whether a parent that has left does not send such datagrams; its last answers to single children may come late.
    private static func isStream(_ header: PacketHeader) -> Bool {
        switch header.kind {
        case .data, .page, .end, .announce, .ncf: true
        default: false
        }
    }

    /// Notes what a HEARTBEAT says of its parent's place.
    /// - Parameter timeToLive: what was left of it; nil for a HEARTBEAT that measures nothing, as those by unicast.
    mutating func note(_ heartbeat: Heartbeat, from sender: UInt32, timeToLive: UInt8?, at now: Instant) {
        let root = trust.sender
        candidates.noteLeaving(sender, heartbeat.phase == .leaving || heartbeat.phase == .aborted, at: now)
        candidates.update(sender) {
            if $0.leavingSince == nil { $0.phase = heartbeat.phase }
            // A node that signs where it is says no other thing.
            if $0.serial > 0 { return }
            // Only the sender is the sender.
            if heartbeat.place.depth == 0, let root, root != sender { return }
            $0.place = heartbeat.place
            if let timeToLive, heartbeat.place.timeToLive >= timeToLive { $0.hops = Int(heartbeat.place.timeToLive - timeToLive) }
        }
    }

    /// The sender has signed where it stands, and which id is its own.
    mutating func note(_ statement: Statement, at now: Instant) {
        if trust.noteStatement(statement, at: now) { candidates.disprove(but: statement.transmitter) }
    }

    /// The sender has proven that it is the sender, and was not known here.
    mutating func admitSender(_ statement: Statement, at source: SocketAddress, now: Instant) {
        if trust.noteStatement(statement, at: now) { candidates.disprove(but: statement.transmitter) }
        if !role.wantsStream { _ = candidates.add(statement.transmitter, at: source, keeping: transmitter, now: now) }
    }

    /// The sender has signed that it leaves: nobody need wait whether that is true.
    mutating func noteSenderLeft(_ sender: UInt32, at now: Instant) { candidates.noteLeft(sender, at: now) }

    /// Follows what the parent says of its group.
    mutating func follow(_ heartbeat: Heartbeat, arrivedAt: Instant) {
        phase = heartbeat.phase
        pace = GroupPace(
            groupRoundTrip: min(
                max(.microseconds(Int64(heartbeat.groupRoundTrip)), configuration.feedback.minimumGroupRoundTrip), configuration.feedback.maximumGroupRoundTrip),
            population: Double(max(1, heartbeat.population)),
            nakInterval: min(.milliseconds(Int64(heartbeat.nakInterval)), configuration.feedback.maximumNAKInterval))
        echo = (heartbeat.timestamp, arrivedAt)
    }

    /// Whether the parent must be asked for a cookie: who joined by a repair node's ANNOUNCE has not been asked whether it may; and a
    /// repair node's address must be proven to whoever it is below, or its parent does not name it to those who watch.
    func mustProve(to sender: UInt32, _ heartbeat: Heartbeat) -> Bool {
        sender == transmitter && isParentAdmitted(at: lastHeard) && (heartbeat.place.depth > 0 || role.isRepairNode) && cookie == 0 && attachment.attempt == nil
    }

    /// Whether the parent has been found at another address; said once.
    mutating func takeMoved() -> Bool { candidates.moved != nil && candidates.takeMoved() == transmitter }

    // MARK: Judging them

    /// Called when there is something new about parents, or time has passed.
    mutating func judge(_ moment: Moment, using random: inout RandomSource) -> Request? {
        let now = moment.now
        guard !role.wantsStream, !moment.isFinished, !isMoving, candidates.candidates.count > 1, !hasNoReason(at: now), let current
        else { return nil }
        // It has not proven itself by now, or has not done so again: no reason to leave it alone afterwards.
        let isUnproven = !isAdmitted(current, at: now) && (trust.knowsSender || current.provenUntil > .longAgo)
        let isFailing = isUnproven || isFailing(current, moment)
        if isFailing, !isUnproven, candidates.isAlive(current, at: now), now >= current.avoidedUntil { leaveAlone(current, moment) }
        // Within the hysteresis there is no point in searching.
        let mayChoose = current.place != nil && now - attachment.changedAt >= configuration.tree.parentHysteresis
        guard isFailing || mayChoose, let best = nextBest(after: current, at: now),
            isFailing || ParentTable.isClearlyBetter(best, than: current)
        else {
            attachment.moveAt = nil
            return nil
        }
        // Not all at once.
        let move = attachment.moveAt ?? now + random.interval(upTo: configuration.tree.parentJitter)
        attachment.moveAt = move
        guard now >= move else { return nil }
        attachment.moveAt = nil
        return attach(to: best.transmitter, moment, using: &random)
    }

    /// A NAK was sent, which is to bring something.
    mutating func noteAsked(at now: Instant) { if attachment.askingSince == nil { attachment.askingSince = now } }
    /// Something of what was asked for has come.
    mutating func noteHelped() { attachment.askingSince = nil }

    /// A repair node that chunks were spoilt by again and again lies, or its memory does: it is left, and what it sends is
    /// not taken any more. A forger can make it look so at the cost of some time.
    /// - Returns: whether it has come to that.
    mutating func blame(_ supplier: UInt32) -> Bool {
        candidates.update(supplier) { $0.spoiltChunks += 1 }
        guard isDistrusted(supplier) else { return false }
        candidates.avoid(supplier, until: .distantFuture)
        return true
    }

    // MARK: Time

    /// When parents have to be judged without a datagram that says so.
    var deadline: Instant? {
        var next = attachment.nextDetach
        func consider(_ instant: Instant) { next = min(next ?? .distantFuture, instant) }
        // What was told of its leaving already is not told again.
        let leavesAt = candidates.leavesAt(transmitter).flatMap { $0 > lastCheck ? $0 : nil }
        if let leavesAt { consider(leavesAt) }
        if let attempt = attachment.attempt { return min(attempt.next, leavesAt ?? .distantFuture) }
        if let move = attachment.moveAt { consider(move) }
        guard candidates.candidates.count > 1, let heard = candidates.lastHeard(transmitter) else { return next }
        let silentAt = heard + configuration.tree.parentTimeout
        consider(silentAt > lastCheck ? silentAt : lastCheck + configuration.tree.parentTimeout * Self.checkShare)
        return next
    }

    /// Share of its timeout after which a silent parent without a better one is judged again.
    private static let checkShare = 0.25

    /// Whether the parent has left; from now on this is not looked at again for some time.
    mutating func checkWhetherLeft(at now: Instant) -> Bool {
        lastCheck = now
        return candidates.hasLeft(transmitter, at: now)
    }

    // MARK: Attaching

    mutating func attach(to parent: UInt32, _ moment: Moment, using random: inout RandomSource) -> Request? {
        attachment.attempt = Attachment.Attempt(transmitter: parent, nonce: random.next(), next: moment.now)
        return retry(moment, using: &random)
    }

    /// Asks again when the answer to an ATTACH is overdue, and somebody else when it was asked for often enough.
    mutating func retry(_ moment: Moment, using random: inout RandomSource) -> Request? {
        let now = moment.now
        guard var attempt = attachment.attempt, now >= attempt.next else { return nil }
        // The sender counts nobody before, and may be done soon: it is asked more often than one that may be better.
        let isSender = attempt.transmitter == transmitter && current?.place?.depth ?? 0 == 0
        let attempts = isSender ? configuration.tree.firstAttachAttempts : configuration.tree.attachAttempts
        guard let candidate = candidates[attempt.transmitter], attempt.count < attempts else {
            attachment.attempt = nil
            candidates.avoid(attempt.transmitter, until: now + configuration.tree.parentAvoidance * Self.silentAvoidance)
            let request = judge(moment, using: &random)
            // A relay has nobody else to ask, and a deaf child hears of nobody else: they go on asking.
            if attempt.transmitter == transmitter, attachment.attempt == nil {
                attachment.attempt = Attachment.Attempt(
                    transmitter: transmitter, nonce: random.next(),
                    next: now + max(configuration.tree.attachTimeout * Self.patientAttach, silenceInterval(at: now)))
            }
            return request
        }
        attempt.count += 1
        let factor = Double(1 << (attempt.count - 1))
        let timeout = configuration.tree.attachTimeout
        let patience = min(max(configuration.tree.firstAttachTimeout, pace.groupRoundTrip * 2) * factor, timeout)
        attempt.next = now + (isSender ? max(patience, silenceInterval(at: now)) : timeout * factor)
        attachment.attempt = attempt
        return Request(attach: AttachRequest(nonce: attempt.nonce, wantsStream: role.wantsStream), destination: candidate.address)
    }

    /// Share of `parentAvoidance` for who did not answer, or refused and is the parent all the same: it may do so later.
    private static let silentAvoidance = 0.3
    /// Times `attachTimeout`: one that was asked in vain is asked again after this, or when it is heard.
    private static let patientAttach = 5.0

    mutating func take(_ answer: AttachAnswer, from sender: UInt32, _ moment: Moment, using random: inout RandomSource) -> Answer {
        if answer.verdict == .untrusted { return sender == transmitter && answer.nonce != 0 && answer.nonce == cookie ? .refused : .none }
        if answer.verdict == .moved { return proveAnew(answer, to: sender, moment, using: &random) }
        guard let attempt = attachment.attempt, attempt.transmitter == sender, attempt.nonce == answer.nonce else { return .none }
        attachment.attempt = nil
        guard answer.verdict == .accepted else {
            candidates.avoid(sender, until: moment.now + configuration.tree.parentAvoidance)
            guard sender == transmitter else { return .ask(judge(moment, using: &random)) }
            attachment.attempt = Attachment.Attempt(
                transmitter: sender, nonce: random.next(), next: moment.now + configuration.tree.parentAvoidance * Self.silentAvoidance)
            return .refused
        }
        candidates.update(sender) { $0.cookie = answer.cookie }
        return sender == transmitter ? .taken : .moves
    }

    /// The parent does not take what this child says for what it is: the cookie is for the address that it had before.
    private mutating func proveAnew(_ answer: AttachAnswer, to sender: UInt32, _ moment: Moment, using random: inout RandomSource) -> Answer {
        guard sender == transmitter, answer.nonce != 0, answer.nonce == current?.cookie, attachment.attempt == nil else { return .none }
        candidates.update(sender) { $0.cookie = 0 }
        return .ask(attach(to: sender, moment, using: &random))
    }

    /// Asks the parent for a cookie unless it knows this child's address and counts it: at the time when the first STATUS
    /// would be due, so that not all who hear it ask together.
    /// - Returns: true where the parent counts this child; and what is to be sent to it.
    mutating func prove(_ moment: Moment, using random: inout RandomSource) -> (Bool, Request?) {
        guard isParentAdmitted(at: moment.now) else { return (false, nil) }
        if cookie != 0 { return (true, nil) }
        guard let index = candidates.index(of: transmitter), let attempt = attachment.attempt else {
            return (false, attach(to: transmitter, moment, using: &random))
        }
        // One that was asked in vain while it was silent is heard again, and one that does not answer is not waited for by who has
        // a parent that may.
        let isFar = attempt.next > moment.now + configuration.tree.attachTimeout * Self.patientAttach
        guard candidates.isAlive(at: index, now: moment.now), isFar || isMoving else { return (false, nil) }
        if isMoving { candidates.avoid(attempt.transmitter, until: moment.now + configuration.tree.parentAvoidance * Self.silentAvoidance) }
        return (false, attach(to: transmitter, moment, using: &random))
    }

    // MARK: Moving

    /// Another one is the parent from now on.
    /// - Parameters:
    ///   - contribution: what the former one counts for this child; nil when it has got no report.
    ///   - delay: how long the new one has to tell its own parent before the former one is told to let go.
    mutating func move(to parent: UInt32, leaving contribution: [Int64]?, after delay: Interval, at now: Instant) {
        if let old = current, let contribution {
            attachment.leave(
                Attachment.Former(
                    transmitter: old.transmitter, address: old.address, cookie: old.cookie, next: now + delay, contribution: contribution))
        }
        noteOwnDeparture(at: now)
        attachment.settle(with: parent)
        transmitter = parent
        noteTrial()
        attachment.changedAt = now
        attachment.askingSince = nil
        echo = nil
        if let phase = current?.phase { self.phase = phase }
    }

    /// Former parents that are to be told now; the DETACH to the first of them is number `first`, and so on.
    mutating func detach(numberedFrom first: UInt32, at now: Instant) -> [Attachment.Former] {
        var due: [Attachment.Former] = []
        attachment.detach(
            attempts: configuration.tree.detachAttempts, every: configuration.tree.attachTimeout, later: configuration.tree.detachRepeatInterval,
            isAlive: { [candidates] id in candidates[id].map { candidates.isAlive($0, at: now) } ?? false }, at: now
        ) {
            due.append($0)
            return first &+ UInt32(due.count - 1)
        }
        return due
    }

    mutating func confirmDetach(_ sequence: UInt32, by sender: UInt32) -> Bool { attachment.confirm(sequence, by: sender) }
    mutating func hastenDetach(at now: Instant) { attachment.hastenDetach(at: now) }
    /// A former parent has to let go before this child goes.
    var mustDetach: Bool { attachment.mustTell(attempts: configuration.tree.detachAttempts) }
}
