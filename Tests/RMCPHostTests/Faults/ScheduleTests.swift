import Foundation
import Testing

@testable import RMCPHost

/// Random faults by seed: `RMCP_SCHEDULES` runs so many of them, and `RMCP_SCHEDULE_SEED` begins with that one.
@Suite struct ScheduleTests {
    private static func number(_ name: String, default value: UInt64) -> UInt64 { ProcessInfo.processInfo.environment[name].flatMap(UInt64.init) ?? value }

    @Test("Whatever the disk, the network and the power do: never a wrong file, never complete too early, never stuck")
    func schedules() throws {
        let first = Self.number("RMCP_SCHEDULE_SEED", default: 1)
        let count = Self.number("RMCP_SCHEDULES", default: 120)
        var (completions, crashes, faults) = (0, 0, 0)
        var failures = 0
        for seed in first..<first + count {
            let world = try ScheduleWorld(seed: seed)
            do {
                try world.run()
            } catch {
                failures += 1
                Issue.record("seed \(seed): \(error)\n\(world.log.suffix(count == 1 ? 1_000 : 30).joined(separator: "\n"))")
                if failures >= 3 { break }
            }
            completions += world.completions
            crashes += world.crashes
            faults += world.files.faults
        }
        print("\(count) schedules: \(completions) bundles complete, \(crashes) crashes, \(faults) calls failed")
        // A schedule in which nothing goes wrong shows nothing.
        #expect(failures > 0 || count < 50 || completions > Int(count) && crashes > Int(count) && faults > Int(count))
    }
}
