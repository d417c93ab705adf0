/// Until when a need is not said: a receiver waits for what it has asked for itself, and for what an NCF says that somebody
/// else has asked for.
///
/// NCFs are not signed. They begin a hold only when none is in force, and only so many in a row while nothing comes of
/// them: then this receiver asks for itself, whatever is claimed to be coming.
struct RequestHold: Sendable {
    private(set) var until = Instant.zero
    private var postponements = 0

    /// This receiver has asked.
    mutating func ask(until end: Instant) {
        until = end
        postponements = 0
    }

    /// An NCF names it.
    mutating func postpone(until end: Instant, limit: Int, at now: Instant) {
        guard now >= until, postponements < limit else { return }
        until = end
        postponements += 1
    }

    /// Some of it has come: the NCFs were true.
    mutating func noteProgress() { postponements = 0 }

    /// Some of it has come, and more follows.
    mutating func extend(until end: Instant) {
        until = max(until, end)
        postponements = 0
    }
}
