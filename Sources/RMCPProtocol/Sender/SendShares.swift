/// How first transmissions, live repairs, unicast and catch-up share the rate while there is a stream. Catch-up and unicast live on a
/// share of what goes out first; live repairs go before everything, and what they take beyond their share is owed to first
/// transmissions, which go first until it is paid.
struct SendShares: Sendable {
    /// Bytes that unicast may send now.
    private var unicastCredit = 0.0
    /// Bytes that catch-up may send now.
    private var catchUpCredit = 0.0
    /// Bytes that live repairs owe to first transmissions; below 0, what these have in advance.
    private var firstDebt = 0.0

    private let unicastShare: Double
    private let catchUpShare: Double
    private let leastFirstShare: Double

    /// Bytes, about a chunk of the usual length: whoever had nothing to send for long must not have the line for himself then.
    private static let mostCredit = 1_000_000.0
    /// Bytes, the longest batch: one batch of first transmissions pays for several of repairs to come, and no more than one does.
    private static let mostAdvance = 65_000.0

    init(configuration: Configuration) {
        unicastShare = configuration.unicast.unicastShareWhileStreaming
        catchUpShare = configuration.repairs.catchUpShareWhileStreaming
        leastFirstShare = configuration.repairs.leastFirstShareWhileStreaming
    }

    var isFirstOwed: Bool { firstDebt > 0 }
    var mayServeUnicast: Bool { unicastCredit > 0 }
    var mayCatchUp: Bool { catchUpCredit > 0 }

    /// Bytes of first transmissions were sent here.
    mutating func noteFirst(_ bytes: Double) {
        firstDebt = max(-Self.mostAdvance, firstDebt - bytes)
        noteStream(bytes)
    }

    /// Bytes of the stream went by: they were sent here, or held by a repair node whose children hear the sender.
    mutating func noteStream(_ bytes: Double) {
        unicastCredit = min(unicastCredit + bytes * unicastShare, Self.mostCredit)
        catchUpCredit = min(catchUpCredit + bytes * catchUpShare, Self.mostCredit)
    }

    mutating func noteRepair(_ bytes: Double) {
        firstDebt = min(firstDebt + bytes * leastFirstShare / (1 - leastFirstShare), Self.mostCredit)
    }

    mutating func noteUnicast(_ bytes: Double) { unicastCredit -= bytes }
    mutating func noteCatchUp(_ bytes: Double) { catchUpCredit -= bytes }
}
