/// Statements that the sender has signed of where its session stands, and how far it may go before it signs anew; at a repair node, the sender's
/// last statement.
struct StatementSchedule: Sendable {
    /// The last one; nil before the first.
    private(set) var last: (statement: Statement, signature: Signature)?
    private let session: SessionID
    /// Nil in a session that is not signed, and at a repair node, which repeats what the sender signed.
    private let signer: (any MessageSigner)?
    /// Chunks that the next statement lets the stream go on for.
    private var reach = Self.leastReach

    /// Chunks, at least: a forged claim that goes no further than what is about to be sent does no harm.
    private static let leastReach: UInt32 = 64
    /// Times what the last interval took: a rate that doubles, and one statement that is lost.
    private static let margin: UInt32 = 4

    init(session: SessionID, signer: (any MessageSigner)?) {
        self.session = session
        self.signer = signer
    }

    var isSigning: Bool { signer != nil }

    /// Whether a packet of this chunk may be sent without a new statement.
    func covers(_ chunk: UInt32) -> Bool {
        guard isSigning else { return true }
        return chunk < (last?.statement.horizon ?? 0)
    }

    /// Signs where the session stands now.
    /// - Parameter isDue: by the clock, and not because the stream has come to the horizon.
    mutating func sign(
        _ position: StreamPosition, pages: UInt32, hasEnd: Bool, phase: SessionPhase, transmitter: UInt32, sequence: UInt32, pace: StatedPace,
        isDue: Bool
    ) -> Packet? {
        guard let signer else { return nil }
        let former = last?.statement
        // The stream that has come to its horizon runs faster than was thought.
        let taken = position.chunk - min(position.chunk, former?.position.chunk ?? 0)
        reach = isDue ? max(Self.leastReach, taken * Self.margin) : min(reach * 2, Limits.maximumChunks)
        let statement = Statement(
            serial: (former?.serial ?? 0) + 1, transmitter: transmitter, sequence: sequence, phase: phase, hasEnd: hasEnd, position: position,
            pageCount: pages, horizon: min(position.chunk + reach, Limits.maximumChunks), pace: pace)
        let signature = signer.signature(for: statement.signedMessage(session: session))
        last = (statement, signature)
        return .statement(statement, signature)
    }

    /// Takes the sender's, authentic and newer than the last.
    mutating func adopt(_ statement: Statement, _ signature: Signature) { last = (statement, signature) }
}
