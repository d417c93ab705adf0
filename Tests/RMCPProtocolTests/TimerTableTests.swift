import Testing

@testable import RMCPProtocol

@Suite struct TimerTableTests {
    private enum Bell: Int, CaseIterable {
        case early, late
    }

    @Test func theFirstOfThoseThatAreArmedIsNext() {
        var timers = TimerTable<Bell, 2>()
        #expect(timers.next == nil && timers[.early] == nil && !timers.isDue(.early, at: .milliseconds(1_000)))
        timers.arm(.late, at: .milliseconds(20))
        timers.arm(.early, at: .milliseconds(10))
        #expect(timers.next == .milliseconds(10) && timers[.late] == .milliseconds(20))
        #expect(timers.isDue(.early, at: .milliseconds(10)) && !timers.isDue(.late, at: .milliseconds(19)))
        timers.arm(.early, at: .milliseconds(30))
        #expect(timers.next == .milliseconds(20))
        timers.cancel(.late)
        timers.cancel(.early)
        #expect(timers.next == nil && !timers.isDue(.late, at: .milliseconds(1_000)))
    }
}
