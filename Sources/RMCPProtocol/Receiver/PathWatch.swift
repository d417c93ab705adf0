/// Whether what goes out in full length comes in at all. A path whose MTU is too small lets heartbeats and statements through, and no
/// packet of a chunk: the receiver would ask for ever, and its parent answer in vain.
///
/// The sender's signed statements tell what was sent, so that nobody else can make a receiver give up; in an unsigned session HEARTBEATs
/// do.
struct PathWatch: Sendable {
    /// Time of the first statement that told of something that has not come, since something of full length came, a chunk was done or nothing
    /// was lacked; nil before it.
    private var since: Instant?
    /// Such statements since then.
    private var statements = 0
    /// Position of the stream at the last of them.
    private var position = StreamPosition.start
    private var chunksDone: UInt32 = 0
    /// Whether the path has ever carried one.
    private var hasCarried = false

    /// The time after which a receiver gives up on a path that has carried nothing long yet; and on one that has, since its sender's
    /// disk may not answer for a while.
    private static let patience = Interval.seconds(10)
    private static let patienceOnceCarried = Interval.seconds(60)
    /// Statements come once a second at the least.
    private static let leastStatements = 5

    /// A datagram of full length has come.
    mutating func noteFullLength() {
        forget()
        hasCarried = true
    }

    private mutating func forget() {
        since = nil
        statements = 0
    }

    /// The sender says where it stands.
    /// - Parameters:
    ///   - position: everything before it has been sent once.
    ///   - isAsking: it sends nothing new any more, and chunks are asked for.
    ///   - isOwed: something lacks that only the network can bring. A host that takes its time with what has come says nothing of the path.
    ///   - chunksDone: chunks that are here.
    /// - Returns: whether the path does not carry what is sent.
    mutating func judge(_ position: StreamPosition, isAsking: Bool, isOwed: Bool, chunksDone: UInt32, at now: Instant) -> Bool {
        let isSending = position > self.position || isAsking
        self.position = max(self.position, position)
        if !isOwed || chunksDone != self.chunksDone { forget() }
        self.chunksDone = chunksDone
        guard isOwed, isSending else { return false }
        let since = since ?? now
        self.since = since
        statements += 1
        return statements >= Self.leastStatements && now - since >= (hasCarried ? Self.patienceOnceCarried : Self.patience)
    }
}
