/// How first transmissions, live repairs, unicast and catch-up share the rate.
///
/// While there is a stream, catch-up and unicast live on a share of what goes out first. Live repairs go before everything, and what they
/// take beyond their share is owed to first transmissions, which go first until it is paid.
///
/// After it, live repairs go first, then unicast, then catch-up. What goes later is owed a share in the same way, for as long as some of it
/// waits: one child that asks for everything over and over must not keep all others from what they lack.
struct SendShares: Sendable {
    /// Part of what is sent after the stream.
    enum Kind: Sendable {
        case live, unicast, catchUp
    }

    /// Bytes that unicast may send now.
    private var unicastCredit = 0.0
    /// Bytes that catch-up may send now.
    private var catchUpCredit = 0.0
    /// First transmissions' share beside live repairs.
    private var first: OwedShare
    /// Shares of what goes later, after the stream.
    private var laterUnicast: OwedShare
    private var laterCatchUp: OwedShare
    /// Part of those who have not proven their address.
    var strangers: StrangerBudget
    /// Pages and END before repairs: nobody can use the packets of a chunk without its record.
    var tables = SendTurns()
    /// Parts of outlines before packets: who has the outline asks for few of them.
    var outlines = SendTurns()

    private let unicastShare: Double
    private let catchUpShare: Double

    /// Bytes, about a chunk of the usual length: whoever had nothing to send for long must not have the line for himself then.
    fileprivate static let mostCredit = 1_000_000.0
    /// Bytes, the longest batch: one batch of first transmissions pays for several of repairs to come, and no more than one does.
    fileprivate static let mostAdvance = 65_000.0

    init(configuration: Configuration) {
        unicastShare = configuration.unicast.unicastShareWhileStreaming
        catchUpShare = configuration.repairs.catchUpShareWhileStreaming
        first = OwedShare(of: configuration.repairs.leastFirstShareWhileStreaming)
        laterUnicast = OwedShare(of: configuration.repairs.leastLaterShare)
        laterCatchUp = laterUnicast
        strangers = StrangerBudget(configuration: configuration)
    }

    // MARK: While there is a stream

    var isFirstOwed: Bool { first.isOwed }
    var mayServeUnicast: Bool { unicastCredit > 0 }
    var mayCatchUp: Bool { catchUpCredit > 0 }

    /// Bytes of first transmissions were sent here.
    mutating func noteFirst(_ bytes: Double) {
        first.noteOwn(bytes)
        noteStream(bytes)
    }

    /// Bytes of the stream went by: they were sent here, or held by a repair node whose children hear the sender.
    mutating func noteStream(_ bytes: Double) {
        unicastCredit = min(unicastCredit + bytes * unicastShare, Self.mostCredit)
        catchUpCredit = min(catchUpCredit + bytes * catchUpShare, Self.mostCredit)
    }

    mutating func noteRepair(_ bytes: Double) { first.noteOthers(bytes) }
    mutating func noteUnicast(_ bytes: Double) { unicastCredit -= bytes }
    mutating func noteCatchUp(_ bytes: Double) { catchUpCredit -= bytes }

    // MARK: After the stream

    var isUnicastOwed: Bool { laterUnicast.isOwed }
    var isCatchUpOwed: Bool { laterCatchUp.isOwed }

    /// Bytes were sent after the stream.
    /// - Parameter waits: what still waits of that which goes later; what does not wait is owed nothing.
    mutating func noteLater(_ kind: Kind, _ bytes: Double, waits: (unicast: Bool, catchUp: Bool)) {
        laterUnicast.note(bytes, isOwn: kind == .unicast, waits: waits.unicast)
        laterCatchUp.note(bytes, isOwn: kind == .catchUp, waits: waits.catchUp)
    }
}

/// Account of what others owe to somebody who has a share of the rate, and else comes after them.
private struct OwedShare: Sendable {
    /// Bytes; below 0, what was had in advance.
    private var debt = 0.0
    private let share: Double

    init(of share: Double) { self.share = share }

    var isOwed: Bool { debt > 0 }

    mutating func noteOwn(_ bytes: Double) { debt = max(-SendShares.mostAdvance, debt - bytes) }
    mutating func noteOthers(_ bytes: Double) { debt = min(debt + bytes * share / (1 - share), SendShares.mostCredit) }

    mutating func note(_ bytes: Double, isOwn: Bool, waits: Bool) {
        if isOwn {
            noteOwn(bytes)
        } else if waits {
            noteOthers(bytes)
        } else {
            debt = min(debt, 0)
        }
    }
}

/// Two kinds of repairs that take turns by their bytes where both wait.
struct SendTurns: Sendable {
    /// Bytes that the first kind has had more than the second, as far as that counts.
    private var lead = 0

    /// Bytes, the longest batch: who asks first after long has no more than that before the others.
    private static let most = 65_000

    /// Turn of the first kind, which goes before the second then.
    var isFirstsTurn: Bool { lead <= 0 }

    mutating func noteFirst(_ bytes: Int) { lead = min(Self.most, lead + bytes) }
    mutating func noteSecond(_ bytes: Int) { lead = max(-Self.most, lead - bytes) }
}
