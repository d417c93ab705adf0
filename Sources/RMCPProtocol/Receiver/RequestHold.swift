/// Until when a need is not said: a receiver waits for what it has asked for itself, and for what an NCF says that somebody
/// else has asked for.
///
/// NCFs are not signed. They begin a hold only when none is in force, and only so many in a row while nothing comes of
/// them: then this receiver asks for itself, whatever is claimed to be coming.
struct RequestHold: Sendable {
    private(set) var until = Instant.zero
    private var postponements = 0

    func isOver(at now: Instant) -> Bool { now >= until }

    /// This receiver has asked.
    mutating func ask(until end: Instant) {
        until = end
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
    mutating func noteProgress() { postponements = 0 }

    /// Some of it has come, and more follows.
    mutating func extend(until end: Instant) {
        until = max(until, end)
        postponements = 0
    }
}

/// The same for the packets of one chunk: what this receiver asks for it asks for together, but an NCF may name a few of them only.
struct PacketHold: Sendable {
    /// Nothing of the chunk is asked for before this: a repair is under way, or it has just been asked for.
    private(set) var until = Instant.zero
    /// Keeps back the packets that NCFs have named.
    private var confirmed = RequestHold()
    private var named = PacketSet()

    /// When all of it may be asked for.
    func nextRequest(at now: Instant) -> Instant { max(until, confirmed.isOver(at: now) ? .zero : confirmed.until) }
    /// Whether packets are kept back that an NCF has named.
    func isConfirmed(at now: Instant) -> Bool { !confirmed.isOver(at: now) }

    /// The chunk is a new one.
    mutating func restart(at now: Instant) {
        until = now
        confirmed = RequestHold()
    }

    /// Packets that were under way do not come any more.
    mutating func cutShort(at now: Instant) { until = min(until, now) }

    /// Its packets have been asked for.
    mutating func ask(until end: Instant) {
        until = end
        confirmed.noteProgress()
    }

    /// The chunk has been asked for as a whole.
    mutating func askWhole(until end: Instant) { until = end }

    /// A repair has come. Repairs come in a train: what it will still bring is not asked for again.
    mutating func noteRepair(until end: Instant) {
        until = max(until, end)
        confirmed.noteProgress()
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
