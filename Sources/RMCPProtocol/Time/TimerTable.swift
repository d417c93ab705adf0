/// When each of an engine's timers is due: an engine names them in an enum, arms and cancels them, and asks which comes first (as
/// quinn's `TimerTable` does).
struct TimerTable<Timer: RawRepresentable<Int> & CaseIterable & Sendable, let count: Int>: Sendable {
    /// By raw value; those that are not armed are never due.
    private var due: InlineArray<count, Instant>

    init() {
        precondition(Timer.allCases.count == count, "a timer has no place")
        due = InlineArray(repeating: .distantFuture)
    }

    /// When the timer is due; nil while it is not armed.
    subscript(timer: Timer) -> Instant? { due[timer.rawValue] == .distantFuture ? nil : due[timer.rawValue] }

    func isArmed(_ timer: Timer) -> Bool { due[timer.rawValue] != .distantFuture }

    mutating func arm(_ timer: Timer, at time: Instant) { due[timer.rawValue] = time }
    /// Due then at the latest.
    mutating func hasten(_ timer: Timer, to time: Instant) { due[timer.rawValue] = min(due[timer.rawValue], time) }
    mutating func cancel(_ timer: Timer) { due[timer.rawValue] = .distantFuture }

    func isDue(_ timer: Timer, at now: Instant) -> Bool { now >= due[timer.rawValue] }

    /// When the first of them is due; nil while none is armed.
    var next: Instant? {
        var first = Instant.distantFuture
        for index in due.indices { first = min(first, due[index]) }
        return first == .distantFuture ? nil : first
    }
}
