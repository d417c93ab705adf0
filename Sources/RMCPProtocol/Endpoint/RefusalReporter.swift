/// Tells senders that this receiver takes no part in what they offer, and why: by unicast to whoever announced it, in numbers that a flood of
/// ANNOUNCEs does not raise.
///
/// ```
///   refused ──random delay──▶ ATTACH ──ATTACHED: the address is somebody's who asked──▶ REFUSAL ──ACKNOWLEDGEMENT──▶ told
///                              └── again after 1 s, 2 s, 4 s, ...; each for an ANNOUNCE that came since ──┘
/// ```
///
/// An ANNOUNCE can name anybody's address. So the address gets one ATTACH for each of a few ANNOUNCEs, shorter than they are, and all
/// addresses together get one a second. It gets the reason only when it has answered.
public struct RefusalReporter: Sendable {
    private enum Stage: Sendable {
        /// Until the parent at `source` answers what was drawn for it.
        case asking(nonce: UInt64)
        case telling(cookie: UInt64, sequence: UInt32)
        /// Nothing more to say, since it was heard or since nobody answers.
        case silent
    }

    private struct Entry: Sendable {
        let session: SessionID
        /// Ephemeral id, the same that this receiver would have in the session.
        let identity: UInt32
        var reason: RefusalReason
        /// Address that is asked or told.
        var source: SocketAddress
        /// Address that has announced it last.
        var latest: SocketAddress
        var stage: Stage
        var attempts = 0
        var due: Instant
        var heardAt: Instant
        var saidAt = Instant.zero

        /// Whether its key is trusted here, so that its signature was verified.
        var isVerified: Bool { reason.isOfTrusting }
        /// Whether an ANNOUNCE came since the last ATTACH: what is said is less than what was heard.
        var isOwed: Bool { heardAt >= saidAt }
    }

    /// Sessions that are remembered. More at a time than a group has; a flood of made-up ones finds no more room.
    public static let limit = 16
    /// A session that has not been heard of for so long is over.
    private static let memory = Interval.seconds(30)
    /// A thousand receivers that refuse at once say so in this time.
    private static let spread = Interval.milliseconds(500)
    private static let attemptLimit = 6
    private static let firstRepeat = Interval.seconds(1)
    /// ATTACHes at once, and after that one each second, whatever is announced.
    private static let burst = 8

    private var entries: [Entry] = []
    private var budget: TokenBucket
    private var random: RandomSource
    /// Number of the next datagram.
    private var sequence: UInt32

    /// - Parameter seed: where ids, nonces and delays come from; must not repeat in production.
    public init(seed: UInt64, at now: Instant) {
        random = RandomSource(seed: seed)
        sequence = UInt32.random(in: 0...(.max), using: &random)
        // A token is an ATTACH.
        budget = TokenBucket(rate: UInt64(Units.bitsPerByte), burst: Self.burst, at: now)
    }

    // MARK: What is heard

    /// The session was announced again, and is refused.
    /// - Parameter identity: the id that this receiver would have in it; nil draws one.
    mutating func note(_ session: SessionID, _ reason: RefusalReason, from source: SocketAddress, identity: UInt32?, at now: Instant) {
        guard let index = entries.firstIndex(where: { $0.session == session }) else {
            return add(session, reason, from: source, identity: identity, at: now)
        }
        entries[index].heardAt = now
        entries[index].latest = source
        guard entries[index].reason != reason else { return }
        entries[index].reason = reason
        if case .silent = entries[index].stage, entries[index].attempts < Self.attemptLimit { ask(index, at: now) }
    }

    private mutating func add(_ session: SessionID, _ reason: RefusalReason, from source: SocketAddress, identity: UInt32?, at now: Instant) {
        entries.removeAll { now - $0.heardAt >= Self.memory }
        if entries.count >= Self.limit {
            // A number that nobody has verified may be made up.
            guard reason.isOfTrusting, let made = entries.firstIndex(where: { !$0.isVerified }) else { return }
            entries.remove(at: made)
        }
        entries.append(
            Entry(
                session: session, identity: identity ?? UInt32.random(in: 1...(.max), using: &random), reason: reason, source: source, latest: source,
                stage: .silent, due: now,
                heardAt: now))
        ask(entries.count - 1, at: now)
    }

    private mutating func ask(_ index: Int, at now: Instant) {
        entries[index].stage = .asking(nonce: random.next())
        entries[index].due = now + random.interval(upTo: Self.spread)
    }

    /// This receiver takes part after all.
    /// - Returns: the id that it has been counted under, if it may have been.
    public mutating func withdraw(_ session: SessionID) -> UInt32? {
        guard let index = entries.firstIndex(where: { $0.session == session }) else { return nil }
        return entries.remove(at: index).identity
    }

    /// Takes an answer.
    /// - Returns: whether the datagram was one.
    mutating func handle(_ datagram: RawSpan, _ header: PacketHeader, at now: Instant) -> Bool {
        guard header.kind == .attached || header.kind == .acknowledgement,
            let index = entries.firstIndex(where: { $0.session.tag == header.sessionTag }), let packet = try? Packet.parse(datagram).1
        else { return false }
        switch (packet, entries[index].stage) {
        case (.attached(let answer), .asking(let nonce)) where answer.nonce == nonce && answer.verdict == .accepted:
            entries[index].stage = .telling(cookie: answer.cookie, sequence: sequence)
            entries[index].due = now
            entries[index].attempts = 0
            sequence &+= 1
        case (.acknowledgement(let number), .telling(_, let sequence)) where number == sequence: entries[index].stage = .silent
        default: break
        }
        return true
    }

    // MARK: What is said

    /// Senders of all sessions that were refused have been told why, or do not answer.
    public var isSilent: Bool { entries.allSatisfy { if case .silent = $0.stage { true } else { false } } }

    /// Time at which `pollTransmit` may have something to say; nil while there is nothing.
    public func nextDue(at now: Instant) -> Instant? {
        var next: Instant?
        for entry in entries {
            switch entry.stage {
            case .silent: break
            case .telling: next = min(next ?? .distantFuture, entry.due)
            case .asking:
                guard entry.isOwed else { continue }
                next = min(next ?? .distantFuture, max(entry.due, budget.nextTransmission(at: now)))
            }
        }
        return next
    }

    /// The next ATTACH or REFUSAL and its destination, to be sent from the socket that answers come to; nil until `nextDue`.
    public mutating func pollTransmit(at now: Instant) -> (bytes: [UInt8], destination: SocketAddress)? {
        for index in entries.indices where entries[index].due <= now {
            switch entries[index].stage {
            case .silent: continue
            case .asking(var nonce):
                guard entries[index].isOwed, budget.mayTransmit(at: now) else { continue }
                budget.consume(1)
                sequence &+= 1
                if entries[index].latest != entries[index].source {
                    // The address that was asked before may be somebody else's. An answer of theirs is none of the other's.
                    nonce = random.next()
                    entries[index].source = entries[index].latest
                    entries[index].stage = .asking(nonce: nonce)
                }
                return say(.attach(AttachRequest(nonce: nonce, wantsStream: false)), sequence: sequence &- 1, index, at: now)
            case .telling(let cookie, let sequence):
                return say(.refusal(RefusalNotice(cookie: cookie, reason: entries[index].reason)), sequence: sequence, index, at: now)
            }
        }
        return nil
    }

    private mutating func say(_ packet: Packet, sequence: UInt32, _ index: Int, at now: Instant) -> ([UInt8], SocketAddress) {
        let entry = entries[index]
        entries[index].saidAt = now
        entries[index].attempts += 1
        if entries[index].attempts >= Self.attemptLimit {
            entries[index].stage = .silent
        } else {
            // Half as long again at most, or half as long: those who said it together do not say it together again.
            let pause = Self.firstRepeat * Double(1 << entry.attempts)
            entries[index].due = now + pause * 0.5 + random.interval(upTo: pause)
        }
        return (packet.datagram(sessionTag: entry.session.tag, transmitter: entry.identity, sequence: sequence), entry.source)
    }
}
