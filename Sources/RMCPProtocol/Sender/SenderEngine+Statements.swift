/// STATEMENT: the sender's signed word of where the session stands, in time and before the stream goes further than the last one lets it.
extension SenderEngine {
    mutating func scheduleStatement(at now: Instant) {
        timers.arm(.statement, at: now + statementInterval)
        guard statements.isSigning else {
            sayPlace()
            return repeatStatement()
        }
        guard let statement = signStatement(isDue: true) else { return }
        tellAll(statement)
    }

    /// Beside the HEARTBEATs that say LEAVING: who hears it need not wait whether that is true.
    mutating func sayStatement() { if let statement = signStatement(isDue: true) { tellAll(statement) } }

    /// A statement is due at once: the phase has changed.
    mutating func hastenStatement(at now: Instant) { if statements.isSigning { timers.arm(.statement, at: now) } }

    /// Signed anew, for a stream that has come to the horizon of the last one.
    mutating func nextStatement(before chunk: UInt32) -> Packet? {
        statements.covers(chunk) ? nil : signStatement(isDue: false)
    }

    /// Pace of this group, as it is signed.
    var statedPace: StatedPace {
        StatedPace(groupRoundTrip: echoes.roundTrip.wireMicroseconds, statusInterval: UInt16(clamping: max(1, statusInterval.wholeMilliseconds)))
    }

    private mutating func signStatement(isDue: Bool) -> Packet? {
        statements.sign(
            window.position, pages: window.pagesSent, hasEnd: window.isEndSent, phase: sessionPhase, transmitter: transmitter,
            sequence: nextSequence, pace: statedPace, isDue: isDue)
    }

    /// Bits of a STATEMENT on the wire, about: 144 bytes.
    private static let statementBits = 1_152.0

    /// A share of the rate at most, as heartbeats are.
    private var statementInterval: Interval {
        let idle = configuration.presence.idleStatementInterval
        switch phase {
        case .streaming, .draining:
            guard statements.isSigning else { return idle }
            let spaced = Interval.seconds(Self.statementBits / (configuration.presence.heartbeatShare * pacer.rate))
            return min(max(spaced, configuration.presence.statementInterval), idle)
        case .waiting, .lingering, .leaving, .finished: return idle
        }
    }

    // MARK: At a repair node

    /// Takes the sender's word, and passes it on to children that may not hear the sender.
    mutating func adopt(_ statement: Statement, _ signature: Signature) {
        statements.adopt(statement, signature)
        if repeater?.isRelay == true { repeatStatement() }
    }

    private mutating func repeatStatement() {
        guard let (statement, signature) = statements.last, hasServed else { return }
        tellAll(.statement(statement, signature))
    }

    /// To the group, and to those that it does not reach.
    mutating func tellAll(_ packet: Packet) {
        enqueue(packet, to: .group)
        for child in unicastChildren { enqueue(packet, to: .peer(child.address)) }
    }
}
