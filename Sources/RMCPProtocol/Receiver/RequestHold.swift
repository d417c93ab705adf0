/// Until when a need is not said: a receiver waits for what it has asked for itself, and for what an NCF says that somebody
/// else has asked for.
///
/// NCFs are not signed. They begin a hold only when none is in force, and only so many in a row while nothing comes of
/// them: then this receiver asks for itself, whatever is claimed to be coming.
///
/// A need that nothing comes of may not exist: somebody has claimed that it was sent. Each request doubles the hold then.
struct RequestHold: Sendable {
    private(set) var until = Instant.zero
    private var postponements = 0
    private var fruitless = FruitlessRequests()

    func isOver(at now: Instant) -> Bool { now >= until }

    /// This receiver has asked.
    /// - Parameters:
    ///   - holdOff: as long as the answer may take.
    ///   - isCertain: what is asked for exists, and is not merely claimed.
    mutating func ask(for holdOff: Interval, isCertain: Bool = false, at now: Instant) {
        until = now + fruitless.next(holdOff, isCertain: isCertain)
        postponements = 0
    }

    /// An NCF names it.
    /// - Returns: whether that began a hold.
    @discardableResult
    mutating func postpone(until end: Instant, limit: Int, at now: Instant) -> Bool {
        guard now >= until, postponements < limit else { return false }
        until = end
        postponements += 1
        return true
    }

    /// Some of it has come: the NCFs were true.
    mutating func noteProgress() {
        postponements = 0
        fruitless = FruitlessRequests()
    }

    /// Some of it has come, and more follows.
    mutating func extend(until end: Instant) {
        until = max(until, end)
        noteProgress()
    }
}

/// Requests in a row that nothing came of, by which the hold after the next one grows.
private struct FruitlessRequests: Sendable {
    private var count = 0

    /// Requests whose hold is the plain one: with a third of all datagrams lost, one in fifty is not answered by then.
    private static let patience = 6
    private static let longest = Interval.seconds(5)
    /// The same for what is known to exist: the next answer is as likely as the one before, and a receiver may wait for nothing else.
    private static let longestOfCertain = Interval.milliseconds(500)
    /// Doublings after which every hold is the longest: 5 s are more than 4 ms times 2 to the tenth.
    private static let mostDoublings = 10

    /// The hold after one more request.
    mutating func next(_ holdOff: Interval, isCertain: Bool) -> Interval {
        count += 1
        let doublings = min(max(0, count - Self.patience), Self.mostDoublings)
        return max(holdOff, min(holdOff * Double(1 << doublings), isCertain ? Self.longestOfCertain : Self.longest))
    }
}

/// The same for the packets of one chunk: what this receiver asks for it asks for together, but an NCF may name a few of them only.
struct PacketHold: Sendable {
    /// Nothing of the chunk is asked for before this: a repair is under way, or it has just been asked for.
    private(set) var until = Instant.zero
    /// Keeps back the packets that NCFs have named.
    private var confirmed = RequestHold()
    private var named = PacketSet()
    private var fruitless = FruitlessRequests()

    /// When all of it may be asked for.
    func nextRequest(at now: Instant) -> Instant { max(until, confirmed.isOver(at: now) ? .zero : confirmed.until) }
    /// Whether packets are kept back that an NCF has named.
    func isConfirmed(at now: Instant) -> Bool { !confirmed.isOver(at: now) }

    /// The chunk is a new one.
    mutating func restart(at now: Instant) {
        until = now
        confirmed = RequestHold()
        fruitless = FruitlessRequests()
    }

    /// Packets that were under way do not come any more.
    mutating func cutShort(at now: Instant) {
        until = min(until, now)
        fruitless = FruitlessRequests()
    }

    /// Its packets have been asked for.
    /// - Parameters:
    ///   - holdOff: as long as the answer may take.
    ///   - isCertain: the table has the chunk.
    mutating func ask(for holdOff: Interval, isCertain: Bool, at now: Instant) {
        until = now + fruitless.next(holdOff, isCertain: isCertain)
        confirmed.noteProgress()
    }

    /// The chunk has been asked for as a whole.
    mutating func askWhole(for holdOff: Interval, isCertain: Bool, at now: Instant) { until = now + fruitless.next(holdOff, isCertain: isCertain) }

    /// A repair has come. Repairs come in a train: what it will still bring is not asked for again.
    mutating func noteRepair(until end: Instant) {
        until = max(until, end)
        confirmed.noteProgress()
        fruitless = FruitlessRequests()
    }

    /// An NCF names packets. Those named before keep their time: NCFs that go on and on, forged or not, only delay so much.
    mutating func postpone(_ packets: PacketSet, until end: Instant, limit: Int, at now: Instant) {
        if confirmed.isOver(at: now) {
            guard confirmed.postpone(until: end, limit: limit, at: now) else { return }
            named.removeAll()
        }
        named.formUnion(packets)
    }

    /// Takes away what NCFs have named.
    func subtract(from packets: inout PacketSet, at now: Instant) { if isConfirmed(at: now) { packets.subtract(named) } }
}
