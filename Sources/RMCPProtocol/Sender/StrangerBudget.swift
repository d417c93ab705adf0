/// Budget of answers to those who ask without a proof of their address. A child that loses something before it has a cookie asks again with
/// one, and many such lose the same. Without a bound in bytes twenty NAKs, which are ten bytes for a chunk, take four fifths of the rate.
struct StrangerBudget: Sendable {
    private var answers = AnswerBudget(perSecond: Self.naksPerSecond)
    /// Bytes that may be queued now; below 0 by what was queued beyond, which is a datagram at most.
    private var credit = 0.0
    /// Time at which credit came last; nil before the first NAK.
    private var updated: Instant?
    /// Share of the rate (0...1).
    private let share: Double

    /// NAKs of strangers that are read in a second: the entries of one take some microseconds.
    private static let naksPerSecond = 20

    init(configuration: Configuration) { share = configuration.repairs.strangersShare }

    /// One more is answered now, and counted.
    /// - Parameter rate: bits per second.
    mutating func take(rate: Double, at now: Instant) -> Bool {
        guard answers.take(at: now) else { return false }
        // Credit of a second is kept.
        let most = rate / Units.bitsPerByte * share
        let earned = updated.map { max(0, (now - $0).inSeconds) * most } ?? most
        credit = min(most, credit + earned)
        updated = now
        return true
    }

    /// Credit is left to queue or say something for them.
    var isLeft: Bool { credit > 0 }

    /// Datagrams of so many bytes that may be queued; the last of them may overdraw.
    func count(of length: Int) -> Int { credit > 0 ? Int((credit / Double(length)).rounded(.up)) : 0 }

    mutating func charge(_ bytes: Int) { credit -= Double(bytes) }
}
