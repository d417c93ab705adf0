/// Bounds within which anybody's unsigned claims are believed: as far as the sender's last statement, the signed table and END let them go. Once
/// somebody has lied, what the sender signs is all that is believed for some time.
struct ClaimLimits: Sendable {
    /// The sender's last signed word; nil before the first.
    private(set) var statement: Statement?
    /// No packet of this chunk, or of one behind it, has been sent yet.
    private(set) var chunks = Limits.maximumChunks
    /// No page from this on has been sent yet.
    private(set) var pages = Limits.maximumChunks
    /// Signatures that may be looked at.
    private(set) var budget = VerificationBudget()
    /// A claim was shown to be a lie: none is believed before this.
    private var waryUntil = Instant.longAgo

    /// Fifty statements: what a liar costs is one round of NAKs in so long.
    private static let waryTime = Interval.seconds(10)
    /// Chunks that the front may be ahead of a statement with nobody lying: a batch that was reordered may cross into the next.
    private static let reorderedChunks: UInt32 = 1

    /// Whether what HEARTBEATs say of pages, END and the front is taken for true until a statement says otherwise.
    func believesClaims(at now: Instant) -> Bool { now >= waryUntil }

    /// Whether a first transmission may carry the front to its chunk.
    func mayLead(to chunk: UInt32, from front: UInt32, at now: Instant) -> Bool {
        chunk <= front + Self.reorderedChunks || believesClaims(at: now)
    }

    /// The sender itself has said how far it is.
    /// - Parameter tableClaimed: somebody had claimed more of the table.
    mutating func hold(_ front: StreamPosition?, against statement: Statement, tableClaimed: Bool, at now: Instant) {
        let isAhead = front.map { $0.chunk > statement.position.chunk + Self.reorderedChunks } ?? false
        if isAhead || tableClaimed { waryUntil = now + Self.waryTime }
    }

    /// The same HEARTBEAT with a pace near to what its transmitter has signed.
    /// - Parameter pace: what a repair node has, where it proves itself.
    func bounding(_ heartbeat: Heartbeat, from transmitter: UInt32, stated pace: StatedPace?) -> Heartbeat {
        guard let pace = statement.flatMap({ $0.transmitter == transmitter ? $0.pace : nil }) ?? pace else { return heartbeat }
        var bounded = heartbeat
        let roundTrip = pace.groupRoundTrip
        let longest = roundTrip.multipliedReportingOverflow(by: Self.paceFactor)
        bounded.groupRoundTrip = min(max(heartbeat.groupRoundTrip, roundTrip / Self.paceFactor), longest.overflow ? .max : longest.partialValue)
        bounded.statusInterval = max(heartbeat.statusInterval, UInt32(pace.statusInterval) / Self.paceFactor)
        return bounded
    }

    /// A stream that begins has STATUSes a third as far apart as before. A round trip that grows more within a statement's interval is
    /// followed one statement later.
    private static let paceFactor: UInt32 = 4

    var position: StreamPosition { StreamPosition(chunk: chunks, packet: 0) }

    /// Whether a statement says more than the last one.
    func isNew(_ statement: Statement) -> Bool { statement.serial > self.statement?.serial ?? 0 }

    /// A signature from there was looked at.
    mutating func noteVerified(_ origin: VerificationBudget.Origin, isGood: Bool, at now: Instant) {
        if isGood { budget.noteGood(origin) } else { budget.noteVain(origin, at: now) }
    }

    /// Takes a statement whose signature is good.
    mutating func take(_ statement: Statement) { self.statement = statement }

    /// - Parameter total: chunks in all, as far as that is known.
    mutating func follow(_ ledger: borrowing ChunkLedger, total: UInt32?) {
        let most = total ?? Limits.maximumChunks
        guard let statement else {
            chunks = most
            pages = ledger.end?.pageCount ?? most
            return
        }
        chunks = min(most, max(ledger.recordBound, statement.horizon))
        // A page has one chunk at least.
        let reach = statement.horizon - min(statement.horizon, statement.position.chunk)
        pages = ledger.end?.pageCount ?? min(most, max(ledger.pageBound, statement.pageCount + reach))
    }
}
