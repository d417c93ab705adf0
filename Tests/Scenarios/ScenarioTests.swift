import Foundation
import RMCPProtocol
import RMCPSimulator
import Testing

/// Every scenario of the simulator, with a few seeds. `scripts/simulate sweep` runs them with many.
@Suite struct ScenarioTests {
    static let seeds: [UInt64] = [1, 2]

    @Test("A scenario ends as it must", arguments: Scenario.all.map(\.name), seeds)
    func runs(name: String, seed: UInt64) throws {
        guard let program = Self.program else {
            let result = try #require(Scenario.named(name)).run(seed: seed)
            #expect(result.failures.isEmpty, "\(result.report)")
            return
        }
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["run", name, "--seed", "\(seed)"]
        process.standardOutput = output
        try process.run()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(said)replay: scripts/simulate run \(name) --seed \(seed) --trace")
    }

    /// The optimised simulator, which `scripts/test` builds: it takes a tenth of the time that the engines take in a test's
    /// build. Without it, as under the sanitizers, they run in this process.
    private static let program = ProcessInfo.processInfo.environment["RMCP_SIMULATE"]

    @Test("A seed replays the same run, event by event", arguments: ["everything", "join-storm", "nak-flood", "sleepers-5-90"])
    func replays(name: String) throws {
        let scenario = try #require(Scenario.named(name))
        let first = scenario.run(seed: 77)
        let second = scenario.run(seed: 77)
        #expect(first.traceHash == second.traceHash && first.events == second.events)
        #expect(scenario.run(seed: 78).traceHash != first.traceHash)
    }

    @Test("Scenarios have names of their own")
    func names() {
        #expect(Set(Scenario.all.map(\.name)).count == Scenario.all.count)
    }
}
