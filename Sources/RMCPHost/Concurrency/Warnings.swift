import RMCPProtocol

/// Remembers what the user has been told, so that it is said once however often it happens.
struct Warnings {
    private var told: Set<String> = []

    /// Whether this is news. Names of bundles may be in it: all is forgotten before it becomes much.
    mutating func isNew(_ text: String) -> Bool {
        if told.count >= HostLimits.rememberedWarnings { told.removeAll() }
        return told.insert(text).inserted
    }
}

/// Lines that strangers can provoke: so many at once, and so many a second after that. The rest is counted.
struct LineBudget {
    private static let burst = 10.0
    private static let perSecond = 0.2
    private var room = burst
    private var last: Instant
    private var held = 0

    init(at now: Instant) { last = now }

    /// Nil when nothing may be said; else how many were held back since something was.
    mutating func take(at now: Instant) -> Int? {
        room = min(Self.burst, room + (now - last).inSeconds * Self.perSecond)
        last = now
        guard room >= 1 else {
            held += 1
            return nil
        }
        room -= 1
        defer { held = 0 }
        return held
    }

    /// Line about sessions whose refusal was held back.
    static func text(refused held: Int) -> String { "\(held) more sessions were refused meanwhile" }
}
