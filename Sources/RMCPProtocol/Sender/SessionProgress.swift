/// When receivers last came further, moved, asked or left: what the end of a session is concluded from.
struct SessionProgress: Sendable {
    /// When somebody last came further.
    private var lastAdvance: Instant
    /// When what children say last changed in any way.
    private var lastMovement = Instant.zero
    /// When somebody last asked for what was sent who is not known to be under way.
    private var lastRequest: Instant?
    /// When a child last left for another parent.
    private var lastDetach: Instant?
    /// Since when nobody has been active; nil while somebody is.
    private var idleSince: Instant?

    private let stalledTimeout: Interval
    private let nodePatience: Interval
    private let idleTimeout: Interval
    private let concludeAfterDetach: Interval
    private let concludeUnaccounted: Interval

    /// Timeouts of a child after which a stream that nobody is left for ends: after one the silent are lost, and they have as long again
    /// to come back.
    private static let idleTimeouts = 2.0
    /// Status intervals after which a child that left is counted again: its own STATUS to the new parent, and that parent's.
    private static let statuses = 2.0

    init(configuration: Configuration, at now: Instant) {
        stalledTimeout = configuration.presence.stalledTimeout
        nodePatience = configuration.joining.nodePatience
        idleTimeout = configuration.presence.childTimeout * Self.idleTimeouts
        concludeAfterDetach = configuration.joining.concludeAfterDetach
        concludeUnaccounted = configuration.joining.concludeUnaccounted
        lastAdvance = now
    }

    mutating func noteAdvance(at now: Instant) { lastAdvance = now }
    mutating func noteMovement(at now: Instant) { lastMovement = now }
    mutating func noteRequest(at now: Instant) { lastRequest = now }
    mutating func noteDetach(at now: Instant) { lastDetach = now }

    /// Somebody is under way.
    mutating func noteActive() { idleSince = nil }
    /// Nobody is under way of those who came.
    mutating func noteIdle(at now: Instant) { if idleSince == nil { idleSince = now } }

    /// Everybody is gone or done: what is left would be sent to nobody.
    func isIdle(at now: Instant) -> Bool { idleSince.map { now - $0 >= idleTimeout } ?? false }

    /// Nobody has come any further for long.
    func isStalled(at now: Instant) -> Bool { now - lastAdvance >= stalledTimeout }

    /// Repair nodes that lack something have neither come further nor asked for it.
    func hasRestingNodes(at now: Instant) -> Bool { now - max(lastAdvance, lastRequest ?? lastAdvance) >= nodePatience }

    /// Receivers that have left for a repair node are counted again when its next STATUS comes: nothing is concluded from their absence
    /// before that, nor while somebody who is known asks for what was sent.
    /// - Parameters:
    ///   - hasDebts: some are counted twice, or have just been.
    ///   - hasUnaccounted: some of those who left are nowhere.
    func mayConclude(statusInterval: Interval, hasDebts: Bool, hasUnaccounted: Bool, at now: Instant) -> Bool {
        if hasUnaccounted, let lastDetach, now - lastDetach < concludeUnaccounted { return false }
        let patience = max(concludeAfterDetach, statusInterval * Self.statuses)
        func isPast(_ time: Instant?) -> Bool { time.map { now - $0 >= patience } ?? true }
        return isPast(lastDetach) && isPast(lastRequest) && (!hasDebts || isPast(lastMovement))
    }
}
