import RMCPProtocol

/// Remembers what the user has been told, so that it is said once however often it happens.
struct Warnings {
    private var told: Set<String> = []

    /// Names of bundles may be in it: all is forgotten before it becomes much.
    /// - Returns: true when this is news.
    mutating func remember(_ text: String) -> Bool {
        if told.count >= HostLimits.rememberedWarnings { told.removeAll() }
        return told.insert(text).inserted
    }
}

/// Lines about sessions that are refused, which strangers can provoke: so many at once, and so many a second after that. The rest is counted.
struct LineBudget {
    private static let burst = 10.0
    private static let perSecond = 0.2
    private var room = burst
    private var last: Instant
    private var held = 0

    init(at now: Instant) { last = now }

    /// Spends a line.
    /// - Parameter warn: takes a line before it, about those that were held back.
    /// - Returns: false where nothing may be said.
    mutating func spend(at now: Instant, warn: (String) -> Void) -> Bool {
        room = min(Self.burst, room + (now - last).inSeconds * Self.perSecond)
        last = now
        guard room >= 1 else {
            held += 1
            return false
        }
        room -= 1
        if held > 0 { warn("\(held) more sessions were refused meanwhile") }
        held = 0
        return true
    }
}
